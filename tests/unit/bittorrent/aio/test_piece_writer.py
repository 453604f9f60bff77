"""How finished pieces share trips to a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from bittorrent.aio.storage.disk import Disk
from bittorrent.aio.storage.piece_writer import TRIP_BYTES, PieceWriter
from bittorrent.errors import StorageError
from bittorrent.swarm.events import PieceCompleted
from transfer.aio.tasks import TaskSet


class SlowDisk:
    """Ends each trip when the test says so."""

    def __init__(self) -> None:
        self.trips: list[tuple[list[int], asyncio.Future[list[bool]]]] = []

    async def store(
        self, pieces: Sequence[tuple[int, bytearray]], leaves: Mapping[int, Mapping[int, bytes]]
    ) -> list[bool]:
        assert leaves.keys() == {index for index, _ in pieces}
        future: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
        self.trips.append(([index for index, _ in pieces], future))
        return await future


class Writing:
    """A writer with such a disk, and what it reported."""

    def __init__(self, *, trips: int = 2) -> None:
        self.disk = SlowDisk()
        self.stored: list[int] = []
        self.refusals: list[StorageError] = []
        self.errors: list[BaseException] = []
        self.tasks = TaskSet(self.errors.append)
        self.writer = PieceWriter(
            cast("Disk", self.disk),
            on_stored=lambda pieces: self.stored.extend(piece.index for piece, _ in pieces),
            on_refused=self.refusals.append,
            tasks=self.tasks,
            trips=trips,
        )

    async def put(self, *indices: int, size: int = TRIP_BYTES // 4) -> None:
        for index in indices:
            self.writer.put(PieceCompleted(index, bytearray(size), {}))
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def end_trip(self, number: int) -> None:
        indices, future = self.disk.trips[number]
        future.set_result([True] * len(indices))
        await self.settle()

    @property
    def batches(self) -> list[list[int]]:
        return [indices for indices, _ in self.disk.trips]


async def test_what_is_finished_during_a_trip_goes_together_afterwards() -> None:
    writing = Writing()
    await writing.put(0)
    await writing.put(1, 2, 3)
    assert writing.batches == [[0]]
    await writing.end_trip(0)
    assert writing.batches == [[0], [1, 2, 3]]
    await writing.end_trip(1)
    assert writing.stored == [0, 1, 2, 3]
    assert not len(writing.tasks)


async def test_enough_for_another_thread_does_not_wait() -> None:
    writing = Writing()
    await writing.put(0)
    await writing.put(1, 2, 3, 4, 5)
    assert writing.batches == [[0], [1, 2, 3, 4]]
    await writing.put(6, 7, 8, 9, 10, 11)
    assert len(writing.batches) == 2, "more trips than allowed"
    await writing.end_trip(1)
    assert writing.batches[2] == [5, 6, 7, 8]
    await writing.tasks.aclose()


async def test_a_piece_larger_than_a_trip_goes_at_once() -> None:
    writing = Writing()
    await writing.put(0, 1, size=2 * TRIP_BYTES)
    assert writing.batches == [[0], [1]]
    await writing.tasks.aclose()


async def test_what_the_disk_refused_waits_for_another_try_and_nothing_is_lost() -> None:
    writing = Writing(trips=1)
    await writing.put(0, 1)
    writing.disk.trips[0][1].set_exception(StorageError("no space is left"))
    await writing.settle()
    assert [str(error) for error in writing.refusals] == ["no space is left"]
    await writing.put(2)
    assert len(writing.batches) == 1, "a refused disk is not asked again by itself"
    writing.writer.retry()
    await writing.settle()
    assert writing.batches[1] == [0, 1, 2]
    await writing.end_trip(1)
    assert writing.stored == [0, 1, 2]
    assert not writing.errors
