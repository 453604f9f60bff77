"""The piece layers of a version 2 torrent, which a magnet link does not bring: from peers, or the files (BEP 52)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.errors import StorageError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm.core import SwarmCore
from transfer.aio.tasks import TaskSet


class LayersFetch:
    """Makes a torrent complete, and keeps what has come of its layers.

    Args:
        core: asks peers.
        store: takes the complete torrent, or what there is of it when the torrent ends before.
        pump: sends what the core has to say.
        tasks: where files are read for them.
    """

    def __init__(
        self, core: SwarmCore, store: ResumeStore, *, pump: Callable[[], None], jobs: DiskJobs, tasks: TaskSet
    ) -> None:
        self._core = core
        self._store = store
        self._pump = pump
        self._jobs = jobs
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._found: asyncio.Future[Mapping[bytes, bytes]] = self._loop.create_future()
        self._incomplete: Metainfo | None = None

    async def run(self, metainfo: Metainfo) -> Metainfo:
        """Returns the torrent with all of its layers, which is stored then. Once.

        Raises:
            StorageError: it cannot be stored.
        """
        self._incomplete = metainfo
        missing = {root: shape for root, shape in metainfo.trees.items() if root not in metainfo.layers}
        self._core.hashes.want_layers(missing, now=self._loop.time())
        self._pump()
        layers = await self._found
        complete = await self._jobs.run_long(lambda pause: metainfo.with_layers(layers, pause=pause))
        self._incomplete = None
        await self._jobs.run(lambda: self._store.save(complete))
        return complete

    def receive(self, layers: Mapping[bytes, bytes]) -> None:
        """The last of them has come."""
        if not self._found.done():
            self._found.set_result(layers)

    def make(self, disk: Disk) -> None:
        """Everything is here, verified by the other half of a hybrid: what no peer has sent is made of the files."""
        if self._incomplete is not None:
            self._tasks.start(self._make(self._incomplete, disk), name="make layers")

    async def _make(self, metainfo: Metainfo, disk: Disk) -> None:
        made: dict[bytes, bytes] = {}
        with suppress(StorageError):  # whoever needs the pieces will say so, and peers may still send the layers
            for entry in metainfo.files:
                root = entry.pieces_root
                if root is not None and root not in made and root not in metainfo.layers:
                    shape = metainfo.trees[root]
                    if shape.needs_layer:
                        made[root] = await disk.layer_of(shape, entry.offset)
            self.receive(made)

    async def save(self) -> None:
        """Stores the layers that have come, at the end of the torrent: the next start asks for the others."""
        metainfo, found = self._incomplete, dict(self._core.hashes.layers.found)
        if metainfo is not None and found:
            with suppress(StorageError):
                await self._jobs.run(lambda: self._store.save(metainfo.with_layers(found)))
