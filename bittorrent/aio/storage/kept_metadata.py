"""What has come of the metadata of a magnet link outlives the process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.errors import StorageError, WireError
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm.core import SwarmCore


class KeptMetadata:
    """Stores the largest copy now and then, and when the torrent ends; the next start goes on with it.

    Not to be able to is never an error.

    Args:
        max_bytes: a larger one is not taken up.
    """

    def __init__(
        self, core: SwarmCore, store: ResumeStore, info_hash: bytes, *, jobs: DiskJobs, max_bytes: int
    ) -> None:
        self._core = core
        self._store = store
        self._info_hash = info_hash
        self._jobs = jobs
        self._max_bytes = max_bytes
        self._stored = 0  # pieces

    async def load(self) -> None:
        """Goes on where an earlier run ended."""
        found = await self._jobs.run(lambda: self._store.load_metadata(self._info_hash))
        if found is not None and 0 < found[0] <= self._max_bytes:
            with suppress(WireError):
                self._core.metadata.take_up(*found)
                self._stored = len(found[1])

    async def run(self) -> None:
        """Stores what is new now and then, until the metadata is complete."""
        while self._core.info_bytes is None:
            await asyncio.sleep(INTERVAL_S)
            await self.save()

    async def save(self) -> None:
        """Stores what is new."""
        copy = self._core.metadata.kept()
        if copy is None and self._stored:  # it was wrong
            self._stored = 0
            await self.forget()
        if self._core.info_bytes is not None or copy is None or len(copy) == self._stored:
            return
        size, pieces = copy.size, dict(copy.pieces)
        self._stored = len(pieces)
        with suppress(StorageError):
            await self._jobs.run(lambda: self._store.save_metadata(self._info_hash, size, pieces))

    async def forget(self) -> None:
        """It is complete, and stored elsewhere."""
        with suppress(StorageError):
            await self._jobs.run(lambda: self._store.forget_metadata(self._info_hash))


INTERVAL_S = 5.0
