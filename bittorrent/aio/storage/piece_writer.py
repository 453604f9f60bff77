"""Finished pieces on their way to the disk, several in one trip to a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from bittorrent.aio.storage.disk import Disk
from bittorrent.errors import StorageError
from bittorrent.swarm.events import PieceCompleted
from transfer.aio.tasks import TaskSet


class PieceWriter:
    """Hashes and writes pieces in the order they were finished.

    Waking a thread costs the event loop more than the rest of a trip. So what is finished during a trip waits for its
    end and goes together, until there is enough of it for another thread.

    Args:
        on_stored: told of the pieces of each trip, with whether each had its hash and is on disk.
        on_refused: told once when the disk refuses. Then everything waits, and nothing is lost, until `retry`.
        tasks: where the trips run.
        trips: at most so many at once.
    """

    def __init__(
        self,
        disk: Disk,
        *,
        on_stored: Callable[[Sequence[tuple[PieceCompleted, bool]]], None],
        on_refused: Callable[[StorageError], None],
        tasks: TaskSet,
        trips: int,
    ) -> None:
        self._disk = disk
        self._on_stored = on_stored
        self._on_refused = on_refused
        self._is_refused = False
        self._attempt = 0
        self._tasks = tasks
        self._most_trips = trips
        self._trips = 0
        self._waiting: deque[PieceCompleted] = deque()
        self._waiting_bytes = 0

    def put(self, piece: PieceCompleted) -> None:
        """Its buffer must not change until it is reported. How many may wait, the caller bounds by what it requests."""
        self._waiting.append(piece)
        self._waiting_bytes += len(piece.buffer)
        if self._waiting_bytes >= TRIP_BYTES or not self._trips:
            self._start_trip()

    @property
    def waiting(self) -> tuple[PieceCompleted, ...]:
        """What is not on its way to the disk."""
        return tuple(self._waiting)

    async def finish(self) -> None:
        """Stores what still waits, after the tasks and their trips have ended, unless the disk refuses it."""
        while not self._is_refused and (batch := self._take()):
            await self._store(batch)

    def retry(self) -> None:
        """The disk may take what waits now."""
        self._is_refused = False
        self._attempt += 1
        for _ in range(min(self._most_trips, len(self._waiting))):
            self._start_trip()

    def _start_trip(self) -> None:
        if self._trips < self._most_trips and not self._is_refused:
            self._trips += 1
            self._tasks.start(self._run(), name="store pieces")

    async def _run(self) -> None:
        try:
            while not self._is_refused and (batch := self._take()):
                await self._store(batch)
        finally:
            self._trips -= 1

    async def _store(self, batch: list[PieceCompleted]) -> None:
        attempt = self._attempt
        try:
            leaves = {piece.index: piece.leaves for piece in batch}
            are_right = await self._disk.store([(piece.index, piece.buffer) for piece in batch], leaves)
        except StorageError as error:
            self._put_back(batch)
            self._refuse(attempt, error)
        except asyncio.CancelledError:
            self._put_back(batch)  # it may well be written, but that is not told
            raise
        else:
            self._on_stored(list(zip(batch, are_right, strict=True)))

    def _put_back(self, batch: list[PieceCompleted]) -> None:
        self._waiting.extendleft(reversed(batch))
        self._waiting_bytes += sum(len(piece.buffer) for piece in batch)

    def _refuse(self, attempt: int, error: StorageError) -> None:
        if attempt == self._attempt and not self._is_refused:  # a later attempt may have better luck
            self._is_refused = True
            self._on_refused(error)

    def _take(self) -> list[PieceCompleted]:
        batch: list[PieceCompleted] = []
        size = 0
        while self._waiting and size < TRIP_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].buffer)
        self._waiting_bytes -= size
        return batch


TRIP_BYTES = 4 << 20
