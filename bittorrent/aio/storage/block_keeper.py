"""Keeps what came of unfinished pieces, beside a download that runs, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from bittorrent.aio.storage.content import Content
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.errors import StorageError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.storage.block_file import BlockFile
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.downloading.keeping import BlockKeeping, UnfinishedConfig
from bittorrent.swarm.events import PieceCompleted
from bittorrent.swarm.peer import Sender
from transfer.aio.tasks import TaskSet


class BlockKeeper:
    """The blocks of one torrent that the next start shall find, in a `BlockFile`.

    Not to be able to keep them is never an error: they will be fetched again.

    Args:
        content: knows where the file is: somewhere else after a move, and then it is written anew.
        jobs: run what blocks.
        tasks: where it works while the download runs.
    """

    def __init__(
        self,
        content: Content,
        core: SwarmCore,
        *,
        geometry: Geometry,
        jobs: DiskJobs,
        tasks: TaskSet,
        config: UnfinishedConfig,
    ) -> None:
        self._content = content
        self._core = core
        self._geometry = geometry
        self._jobs = jobs
        self._tasks = tasks
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._file = self._new_file()
        self._keeping = BlockKeeping(geometry, config)
        self._turn = asyncio.Lock()  # one step at a time
        self._is_running = False
        self._not_before = 0.0  # after an error

    async def load(self, wanted: Bitfield, *, max_pieces: int) -> list[UnfinishedPiece]:
        """What an earlier run has kept of these pieces."""
        async with self._turn:
            try:
                found = await self._jobs.run(lambda: self._load(wanted, max_pieces))
            except StorageError:
                await self._failed()
                return []
            self._keeping.found(found, now=self._loop.time())
            return found

    def look(self) -> None:
        """Blocks come: those of slow pieces are kept from now on, until there was nothing to keep for a while."""
        if not self._is_running and self._loop.time() >= self._not_before:
            self._is_running = True
            self._tasks.start(self._run(), name="keep blocks")

    async def keep_all(self, waiting: Iterable[PieceCompleted] = ()) -> None:
        """Keeps everything: nothing is sent any more. To be repeated after more was.

        Args:
            waiting: pieces that are complete, and that the disk did not take.
        """
        complete = [(piece.index, memoryview(piece.buffer), piece.senders) for piece in waiting]
        while await self._step(complete, is_last=True):
            pass
        await self._release()

    async def tidy(self) -> None:
        """Nothing is left of what is not needed any more."""
        await self._step((), is_last=False)
        await self._release()

    async def make_room(self) -> None:
        """Nothing is kept any more, and nothing new for a while: the room on the disk is needed."""
        async with self._turn:
            await self._failed()

    @property
    def takes_room(self) -> bool:
        """Whether there is anything on the disk."""
        return not self._file.is_empty

    def _load(self, wanted: Bitfield, max_pieces: int) -> list[UnfinishedPiece]:
        found = self._file.load(wanted, max_pieces=max_pieces)
        self._file.release()
        return found

    def _new_file(self) -> BlockFile:
        path = self._content.blocks_path
        assert path is not None
        return BlockFile(
            path, info_hash=self._content.info_hash, geometry=self._geometry, max_bytes=self._config.max_bytes
        )

    async def _run(self) -> None:
        try:
            idle_beats = 0
            while self._loop.time() >= self._not_before and idle_beats < MAX_IDLE_BEATS:
                idle_beats = 0 if await self._step((), is_last=False) else idle_beats + 1
                await asyncio.sleep(self._config.interval_s)
            await self._release()
        finally:
            self._is_running = False

    async def _step(self, waiting: Iterable[_Piece], *, is_last: bool) -> bool:
        """Whether there was anything to do."""
        async with self._turn:
            picker = self._core.picker
            if picker is None or (not is_last and self._loop.time() < self._not_before):
                return False
            if self._file.path != self._content.blocks_path:
                self._keeping.reset()
                await self._jobs.run(self._file.remove)
                self._file = self._new_file()
            pieces: Iterable[_Piece] = chain(self._core.unfinished(), waiting)
            step = self._keeping.next_step(pieces, picker.state, is_last=is_last, now=self._loop.time())
            if not step:
                return False
            try:
                await self._carry_out(lambda: self._file.apply(step))
            except StorageError:
                await self._failed()
                return False
            self._not_before = 0.0
            return True

    async def _carry_out(self, job: Callable[[], None]) -> None:
        """Cancellation: waits for the end of the job first, so that the next step finds what it believes."""
        future = self._jobs.start(job)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            if future.exception() is not None:
                await self._failed()
            raise

    async def _failed(self) -> None:
        self._not_before = self._loop.time() + self._config.retry_s
        self._keeping.reset()
        await self._jobs.run(self._file.remove)

    async def _release(self) -> None:
        async with self._turn:
            if not self._file.is_empty:
                await self._jobs.run(self._file.release)


MAX_IDLE_BEATS = 20
_Piece = tuple[int, memoryview, Mapping[int, Sender]]
