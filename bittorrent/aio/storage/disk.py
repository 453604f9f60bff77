"""The storage of one torrent behind worker threads: what hashes pieces, writes or reads never blocks the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import accumulate
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar

from bittorrent.errors import JobInterruptedError
from bittorrent.files.file_set import FileSet
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import leaves_of
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.hasher import NO_LEAVES
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.ports import CachedReads, FileBacked, Interruptible, Storage
from bittorrent.swarm.hashes.work import HashWork, Prepared

T = TypeVar("T")


class DiskJobs:
    """Runs what blocks in `executor`, and knows when all of it has ended.

    Cancellation: a job that has begun in a thread is not interrupted; `wait_idle` waits for it.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: set[asyncio.Future[Any]] = set()
        self._pauses: set[_Pause] = set()
        self.files = 0  # of the torrent that has these jobs
        self.interrupts: list[Callable[[], None]] = []  # called by `interrupt`, too

    def start(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """What `job` will return or raise. Not to be cancelled."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        self._running.add(future)
        future.add_done_callback(self._finished)
        return future

    async def run(self, job: Callable[[], T]) -> T:
        """What `job` returns or raises."""
        return await asyncio.shield(self.start(job))

    async def compute(self, job: Callable[[], T], *, files: int | None = None) -> T:
        """What `job` returns or raises, which takes a few steps for each of so many files (`self.files` of them).

        It runs in a thread when it would hold up the event loop.
        """
        return job() if (self.files if files is None else files) <= FEW_FILES else await self.run(job)

    async def run_long(self, job: Callable[[Callable[[], None]], T]) -> T:
        """What `job` returns or raises, which calls the function that it is given every few milliseconds of work.

        So the event loop has its turn, and `interrupt` can end the job.
        """
        pause = _Pause()
        self._pauses.add(pause)
        try:
            return await self.run(lambda: job(pause))
        finally:
            if not pause.is_over:  # cancelled: the result is not needed
                pause.is_over = True
            self._pauses.discard(pause)

    def interrupt(self) -> None:
        """Long jobs that run end soon, without a result."""
        for pause in self._pauses:
            pause.is_over = True
        for interrupt in self.interrupts:
            interrupt()

    async def wait_idle(self) -> None:
        """Returns when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    def _finished(self, future: asyncio.Future[Any]) -> None:
        self._running.discard(future)
        if not future.cancelled():
            future.exception()  # seen, even when no caller waits any more because another job failed first


class _Pause:
    """Called in a thread: lets go of the interpreter.

    Other threads would get it only after five milliseconds, and then one after the other.
    """

    __slots__ = ("_next_at", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self._next_at = time.monotonic() + WORK_S

    def __call__(self) -> None:
        if self.is_over:
            raise JobInterruptedError("nobody waits for this any more")
        if time.monotonic() >= self._next_at:
            time.sleep(BREATH_S)
            self._next_at = time.monotonic() + WORK_S


class Disk:
    """Runs the synchronous storage of one torrent in the threads of `jobs`."""

    def __init__(self, torrent: FileSet, storage: Storage, jobs: DiskJobs) -> None:
        self._torrent = torrent
        self._storage = storage
        self._cached_reads = storage if isinstance(storage, CachedReads) else None
        # The system lets one thread write to a file at a time, and others burn time waiting; remote storages differ.
        self._turn: AbstractContextManager[object] = Lock() if isinstance(storage, FileBacked) else nullcontext()
        self._jobs = jobs
        self.before_writing: Callable[[], None] | None = None  # called once, in a thread, before anything is written
        self._stop_check = False
        self._gate: asyncio.Event | None = None  # closed while something changes that needs to be alone
        self._changes: set[asyncio.Task[Any]] = set()

    async def check(self, on_piece: Callable[[int], None] | None = None) -> Bitfield:
        """Hashes what is on disk; returns the pieces that are right.

        Args:
            on_piece: called with the number of pieces looked at so far, from the event loop, now and then.

        Raises:
            StorageError: what is there is not usable.
        """
        await self.run(self._storage.prepare)
        if not await self.run(self._storage.exists_any):
            return Bitfield(self._torrent.geometry.piece_count)
        return await self.verify(range(self._torrent.geometry.piece_count), on_piece)

    def verify_by(self, torrent: FileSet) -> None:
        """From now on pieces are verified by the same torrent, of which more is known now."""
        self._torrent = torrent

    async def verify(self, pieces: Sequence[int], on_piece: Callable[[int], None] | None = None) -> Bitfield:
        """Hashes some pieces, in all threads at once; returns those that are right.

        Raises:
            StorageError: what is there is not usable.
        """
        have = Bitfield(self._torrent.geometry.piece_count)
        size = max(1, CHECK_BATCH_BYTES // self._torrent.geometry.piece_length)
        batches = deque(pieces[start : start + size] for start in range(0, len(pieces), size))
        waiting: deque[asyncio.Future[list[tuple[int, bool]]]] = deque()
        looked_at = 0
        while (batches or waiting) and not self._stop_check:
            while batches and len(waiting) < CHECK_BACKLOG:
                waiting.append(await self._start(self._verification(batches.popleft())))
            for index, is_right in await asyncio.shield(waiting.popleft()):
                looked_at += 1
                if is_right:
                    have.set(index)
            if on_piece is not None:
                on_piece(looked_at)
        return have

    async def store(
        self, pieces: Sequence[tuple[int, bytearray]], leaves: Mapping[int, Mapping[int, bytes]] = MappingProxyType({})
    ) -> list[bool]:
        """Hashes pieces, by their index, and writes those that are right; for each whether it is on disk now.

        Args:
            leaves: by piece, the hashes of blocks that were hashed before, by their offsets.

        Raises:
            StorageError: one could not be written; what became of the others is not told.
        """
        return await self.run(
            lambda: [self._verify_and_write(index, buffer, leaves.get(index, NO_LEAVES)) for index, buffer in pieces]
        )

    async def read(self, blocks: Sequence[Block]) -> list[memoryview]:
        """The bytes of blocks, in the same order: one trip to a thread for all of them, one access for neighbours.

        Raises:
            StorageError: they cannot be read.
        """
        return await self.run(lambda: self._read(blocks))

    async def layer_of(self, shape: TreeShape, offset: int) -> bytes:
        """The piece layer of a file that begins at `offset`, as it is on disk. Cost: reads and hashes all of it.

        Raises:
            StorageError: it cannot be read.
        """
        read, size = self._storage.read, shape.piece_size
        starts = range(offset, offset + shape.length, shape.piece_length)

        def hash_of(number: int) -> bytes:
            return shape.root_of_piece(leaves_of(read(starts[number], size(number))))

        return b"".join([await self.run(partial(hash_of, number)) for number in range(shape.piece_count)])

    async def prepare_hashes(self, work: HashWork) -> Prepared | None:
        """Reads and hashes what a peer wants hashes of; None when what is there is not what it should be.

        Raises:
            StorageError: it cannot be read.
        """
        offset_of, read = self._torrent.geometry.offset_of, self._storage.read
        return await self.run(lambda: work.run(lambda index, size: read(offset_of(index), size)))

    async def bad_blocks(self, index: int, buffer: bytearray, leaves: bytes) -> int | None:
        """The blocks of a piece that are not what its leaves say: as `PieceHasher.bad_blocks`."""
        return await self.run(lambda: self._torrent.hasher.bad_blocks(index, buffer, leaves))

    def read_cached(self, blocks: Sequence[Block]) -> list[memoryview] | None:
        """As `read`, at once, if the system has all of it in memory; None when it may have to wait for a disk."""
        storage = self._cached_reads
        if self._gate is not None or storage is None:
            return None
        found: list[memoryview] = []
        for start, lengths in self._torrent.geometry.runs(blocks):
            data = storage.read_cached(start, sum(lengths))
            if data is None:
                return None
            found += _cut(data, lengths)
        return found

    async def flush(self) -> None:
        """Waits until everything written has left the caches of the system.

        Raises:
            StorageError: it could not be written after all.
        """
        await self.run(self._storage.flush)

    async def run(self, job: Callable[[], T]) -> T:
        """Runs `job` in a thread, beside others."""
        return await asyncio.shield(await self._start(job))

    async def change(self, job: Callable[[], T]) -> T:
        """Runs `job` in a thread while nothing else uses the storage; others wait.

        Cancellation: the job is not interrupted.
        """
        task = asyncio.get_running_loop().create_task(self._change(job), name="change storage")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    def interrupt(self) -> None:
        """What takes long and can be begun again ends soon."""
        self._stop_check = True
        if isinstance(self._storage, Interruptible):
            self._storage.interrupt()

    async def aclose(self) -> None:
        """Waits for what runs, then closes the files."""
        self.interrupt()
        if self._changes:
            await asyncio.wait(self._changes)
        await self._jobs.wait_idle()
        self._storage.close()

    async def _start(self, job: Callable[[], T]) -> asyncio.Future[T]:
        while self._gate is not None:
            await self._gate.wait()
        return self._jobs.start(job)

    async def _change(self, job: Callable[[], T]) -> T:
        while self._gate is not None:
            await self._gate.wait()
        self._gate = asyncio.Event()
        try:
            await self._jobs.wait_idle()
            return await self._jobs.run(job)
        finally:
            gate, self._gate = self._gate, None
            gate.set()

    def _verification(self, pieces: Sequence[int]) -> Callable[[], list[tuple[int, bool]]]:
        def verify() -> list[tuple[int, bool]]:
            found: list[tuple[int, bool]] = []
            results = verify_pieces(self._torrent, self._storage, pieces=pieces)
            while not self._stop_check and (result := next(results, None)) is not None:
                found.append(result)
            return found

        return verify

    def _verify_and_write(self, index: int, buffer: bytearray, leaves: Mapping[int, bytes]) -> bool:
        hasher = self._torrent.hasher
        if not hasher.expects(index, hasher.digest(index, buffer, leaves)):
            return False
        with self._turn:
            self.begin_writing()
            self._storage.write(self._torrent.geometry.offset_of(index), buffer)
        return True

    def begin_writing(self) -> None:
        """To be called in a thread before the storage is written to in any other way than by `store`, too.

        Raises:
            StorageError: nothing may be written.
        """
        if self.before_writing is not None:
            self.before_writing()
            self.before_writing = None

    def _read(self, blocks: Sequence[Block]) -> list[memoryview]:
        found: list[memoryview] = []
        for start, lengths in self._torrent.geometry.runs(blocks):
            found += _cut(memoryview(self._storage.read(start, sum(lengths))), lengths)
        return found


def _cut(data: memoryview, lengths: Sequence[int]) -> list[memoryview]:
    ends = accumulate(lengths)
    return [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]


FEW_FILES = 1000  # a millisecond for most of what is done
WORK_S = 0.002
BREATH_S = 0.0002
CHECK_BATCH_BYTES = 4 << 20  # enough that the trip between threads costs nothing beside the hashing
CHECK_BACKLOG = 16  # keeps that many threads busy, and lets others wait no longer than it takes to hash so much
