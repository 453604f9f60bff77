"""The storage of one torrent behind worker threads: hashing, writing and reading never block the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

from bittorrent.metainfo.torrent import Metainfo
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Block
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.ports import Storage

T = TypeVar("T")


class DiskJobs:
    """Runs what blocks in `executor`, and knows when all of it has ended.

    Cancellation: a job that has begun in a thread is not interrupted; `wait_idle` waits for it.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: set[asyncio.Future[Any]] = set()

    async def run(self, job: Callable[[], T]) -> T:
        """What `job` returns or raises."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        self._running.add(future)
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    async def wait_idle(self) -> None:
        """Returns when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    def _finished(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        if not future.cancelled():
            future.exception()  # seen, even when nobody waits any more because another job failed first


class Disk:
    """Runs the synchronous storage of one torrent in the threads of `jobs`."""

    def __init__(self, metainfo: Metainfo, storage: Storage, jobs: DiskJobs) -> None:
        self._metainfo = metainfo
        self._storage = storage
        self._jobs = jobs
        self._stop_check = False

    async def check(self, on_piece: Callable[[int], None] | None = None) -> Bitfield:
        """Hashes what is on disk; returns the pieces that are right.

        Args:
            on_piece: called with the number of pieces looked at so far, from the event loop, now and then.

        Raises:
            StorageError: what is there is not usable.
        """
        await self._jobs.run(self._storage.prepare)
        have = Bitfield(self._metainfo.piece_count)
        if not self._storage.exists_any():
            return have
        pieces = verify_pieces(self._metainfo, self._storage)
        looked_at = 0
        while True:
            batch = await self._jobs.run(lambda: self._take(pieces))
            if not batch:
                return have
            for index, is_right in batch:
                if is_right:
                    have.set(index)
            looked_at += len(batch)
            if on_piece is not None:
                on_piece(looked_at)

    async def store(self, index: int, buffer: bytearray) -> bool:
        """Hashes a piece and writes it if it is right; True when it is on disk, False when the hash is wrong.

        Raises:
            StorageError: it could not be written.
        """
        return await self._jobs.run(lambda: self._verify_and_write(index, buffer))

    async def read(self, blocks: Sequence[Block]) -> list[bytes]:
        """The bytes of blocks, in the same order: one trip to a thread for all of them.

        Raises:
            StorageError: they cannot be read.
        """
        return await self._jobs.run(lambda: self._read(blocks))

    async def flush(self) -> None:
        """Waits until everything written has left the caches of the system.

        Raises:
            StorageError: it could not be written after all.
        """
        await self._jobs.run(self._storage.flush)

    async def aclose(self) -> None:
        """Waits for what runs, then closes the files."""
        self._stop_check = True
        await self._jobs.wait_idle()
        self._storage.close()

    def _take(self, pieces: Iterator[tuple[int, bool]]) -> list[tuple[int, bool]]:
        """Some pieces of a check: enough that the trip between threads costs nothing beside the hashing."""
        batch: list[tuple[int, bool]] = []
        size = 0
        for index, is_right in pieces:
            batch.append((index, is_right))
            size += self._metainfo.piece_length
            if size >= CHECK_BATCH_BYTES or self._stop_check:
                break
        return batch

    def _verify_and_write(self, index: int, buffer: bytearray) -> bool:
        if hashlib.sha1(buffer, usedforsecurity=False).digest() != self._metainfo.piece_hash(index):
            return False
        self._storage.write(self._metainfo.piece_span(index)[0], buffer)
        return True

    def _read(self, blocks: Sequence[Block]) -> list[bytes]:
        length = self._metainfo.piece_length
        return [self._storage.read(block.piece * length + block.begin, block.length) for block in blocks]


CHECK_BATCH_BYTES = 16 << 20
