"""The metadata of a magnet link, from the disk or from peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bittorrent.aio.sources.sources import parse_metadata
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.kept_metadata import KeptMetadata
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm.core import SwarmCore
from transfer.aio.tasks import TaskSet


class MetadataFetch:
    """Gets the metadata of one torrent, and keeps what has come of it.

    Args:
        core: asks peers.
        store: has what earlier runs left, and takes what this one gets.
        max_bytes: a copy that an earlier run began and that would become larger is not taken up.
        tasks: where what has come is stored now and then.
    """

    def __init__(
        self,
        source: Metainfo | Magnet,
        core: SwarmCore,
        store: ResumeStore,
        *,
        max_bytes: int,
        jobs: DiskJobs,
        tasks: TaskSet,
    ) -> None:
        self._source = source
        self._store = store
        self._jobs = jobs
        self._tasks = tasks
        self._kept = KeptMetadata(core, store, source.info_hash, jobs=jobs, max_bytes=max_bytes)
        self._found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._is_asking = False

    async def run(self, ask_peers: Callable[[], None]) -> Metainfo:
        """Returns when it is here and stored; its piece layers (BEP 52) need not be.

        Args:
            ask_peers: called when there is none on disk.

        Raises:
            MetainfoError: it has the right hash, and is of no use.
            StorageError: it cannot be stored.
        """
        wanted = self._source.torrent_id
        stored = await self._jobs.run_long(
            lambda pause: self._store.load(wanted, partial(Metainfo.from_file, pause=pause))
        )
        source = self._source
        if isinstance(source, Metainfo):  # a torrent file without piece layers
            known = stored.layers if stored is not None else {}
            return await self._jobs.run_long(lambda pause: source.with_layers(known, pause=pause))
        if stored is not None:
            return stored
        self._is_asking = True
        await self._kept.load()
        self._tasks.start(self._kept.run(), name="keep metadata")
        ask_peers()
        metainfo = await self._jobs.run_long(partial(parse_metadata, self._source, await self._found))
        await self._jobs.run(lambda: self._store.save(metainfo))
        await self._kept.forget()
        return metainfo

    def receive(self, info_bytes: bytes) -> None:
        """A peer has sent the last piece of it."""
        if not self._found.done():
            self._found.set_result(info_bytes)

    async def save(self) -> None:
        """Stores what has come, at the end of the torrent."""
        if self._is_asking:
            await self._kept.save()
