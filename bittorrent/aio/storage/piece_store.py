"""What becomes of pieces on disk: finished ones are hashed and written, of the others blocks are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EDQUOT, ENOSPC

from bittorrent.aio.storage.block_keeper import BlockKeeper
from bittorrent.aio.storage.content import Content
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.piece_writer import PieceWriter
from bittorrent.config import SessionConfig
from bittorrent.errors import StorageError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import PieceCompleted
from transfer.aio.tasks import TaskSet


class PieceStore:
    """A `PieceWriter`, and a `BlockKeeper` where there is a place for it.

    Args:
        on_stored, on_refused: as `PieceWriter`.
        jobs: run what blocks.
        tasks: where the work is done.
    """

    def __init__(
        self,
        content: Content,
        core: SwarmCore,
        *,
        geometry: Geometry,
        on_stored: Callable[[Sequence[tuple[PieceCompleted, bool]]], None],
        on_refused: Callable[[StorageError], None],
        jobs: DiskJobs,
        tasks: TaskSet,
        config: SessionConfig,
    ) -> None:
        self._on_refused = on_refused
        self._jobs = jobs
        self._tasks = tasks
        self._max_pieces = config.swarm.max_partial_pieces(geometry.piece_length)
        self._writer = PieceWriter(
            content.disk, on_stored=on_stored, on_refused=self._refused, tasks=tasks, trips=config.disk_threads
        )
        self._keeper: BlockKeeper | None = None
        if content.blocks_path is not None:
            self._keeper = BlockKeeper(
                content, core, geometry=geometry, jobs=jobs, tasks=tasks, config=config.unfinished
            )

    async def load(self, have: Bitfield, priorities: bytes) -> list[UnfinishedPiece]:
        """What an earlier run has kept of the pieces that are missing and wanted."""
        if self._keeper is None:
            return []
        return await self._keeper.load(Bitfield.from_flags(priorities).without(have), max_pieces=self._max_pieces)

    def put(self, piece: PieceCompleted) -> None:
        """As `PieceWriter.put`."""
        self._writer.put(piece)

    def retry(self) -> None:
        """As `PieceWriter.retry`."""
        self._writer.retry()

    def look(self) -> None:
        """There are unfinished pieces."""
        if self._keeper is not None:
            self._keeper.look()

    async def keep(self) -> None:
        """Keeps what there is of unfinished pieces; for a pause."""
        if self._keeper is not None:
            await self._keeper.keep_all()

    async def tidy(self) -> None:
        """Removes what is of no use any more."""
        if self._keeper is not None:
            await self._keeper.tidy()

    async def finish(self) -> None:
        """Writes what is finished, and keeps what is not. The tasks have ended, and nothing is sent any more."""
        if self._writer.waiting:
            await self._jobs.wait_idle()  # some of it may be on its way: no two threads write to one place
            await self._writer.finish()
        if self._keeper is not None:
            await self._keeper.keep_all(self._writer.waiting)

    def _refused(self, error: StorageError) -> None:
        """What is only kept for later makes room for what is right, if there is no other."""
        if error.errno in (ENOSPC, EDQUOT) and self._keeper is not None and self._keeper.takes_room:
            self._tasks.start(self._make_room(self._keeper), name="make room")
        else:
            self._on_refused(error)

    async def _make_room(self, keeper: BlockKeeper) -> None:
        await keeper.make_room()
        self._writer.retry()
