"""The storage of a torrent behind real threads: nothing blocks the loop, nothing is lost, nothing stays open."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from bittorrent import Metainfo, create_metainfo
from bittorrent.aio.storage.disk import Disk, DiskJobs
from bittorrent.errors import MissingDataError, StorageError
from bittorrent.pieces.block import Block
from bittorrent.storage.files import FileStorage
from transfer.errors import LocalProtocolError

pytestmark = pytest.mark.every_event_loop

PIECE = 1 << 14


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    path = tmp_path / "file.bin"
    path.write_bytes(random.Random(1).randbytes(10 * PIECE + 1))
    return create_metainfo(path, piece_length=PIECE)


@asynccontextmanager
async def opened(
    shared: Metainfo, root: Path, *, kind: type[FileStorage] = FileStorage, threads: int = 2
) -> AsyncIterator[tuple[Disk, DiskJobs]]:
    executor = ThreadPoolExecutor(threads)
    jobs = DiskJobs(executor)
    disk = Disk(shared, kind(shared.files, root), jobs)
    try:
        yield disk, jobs
    finally:
        await disk.aclose()
        executor.shutdown()


def piece(root: Path, index: int) -> bytearray:
    return bytearray((root / "file.bin").read_bytes()[index * PIECE : (index + 1) * PIECE])


async def test_a_check_finds_exactly_the_pieces_that_are_right(tmp_path: Path, shared: Metainfo) -> None:
    data = bytearray((tmp_path / "file.bin").read_bytes())
    data[3 * PIECE] ^= 1
    (tmp_path / "file.bin").write_bytes(data[: 8 * PIECE + 5])
    looked_at: list[int] = []
    async with opened(shared, tmp_path) as (disk, _):
        have = await disk.check(looked_at.append)
    assert sorted(have) == [0, 1, 2, 4, 5, 6, 7]
    assert looked_at == sorted(looked_at)
    assert looked_at[-1] == shared.piece_count


async def test_a_piece_is_written_only_when_its_hash_is_right(tmp_path: Path, shared: Metainfo) -> None:
    copy = tmp_path / "copy"
    async with opened(shared, copy) as (disk, _):
        assert list(await disk.check()) == []
        wrong = piece(tmp_path, 2)
        wrong[7] ^= 1
        assert await disk.store([(2, wrong)]) == [False]
        assert not copy.exists()
        assert await disk.store([(10, piece(tmp_path, 10)), (1, wrong), (2, piece(tmp_path, 2))]) == [True, False, True]
        await disk.flush()
        assert await disk.read([Block(2, 100, 50), Block(10, 0, 1)]) == [
            bytes(piece(tmp_path, 2)[100:150]),
            bytes(piece(tmp_path, 10)),
        ]
        assert list(await disk.check()) == [2, 10]


async def test_what_is_not_there_is_an_error_of_its_own(tmp_path: Path, shared: Metainfo) -> None:
    async with opened(shared, tmp_path / "copy") as (disk, _):
        with pytest.raises(MissingDataError):
            await disk.read([Block(0, 0, 100)])


class SlowStorage(FileStorage):
    """Every write waits until it may go on."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.may_write = threading.Event()
        self.writing = threading.Semaphore(0)
        self.order: list[str] = []

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.writing.release()
        assert self.may_write.wait(20)
        super().write(offset, data)
        self.order.append("written")

    def close(self) -> None:
        self.order.append("closed")
        super().close()


async def test_a_write_whose_waiter_is_cancelled_ends_before_the_files_are_closed(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with opened(shared, tmp_path / "copy", kind=SlowStorage) as (disk, jobs):
        storage = disk._storage
        assert isinstance(storage, SlowStorage)
        storing = asyncio.create_task(disk.store([(1, piece(tmp_path, 1))]))
        await asyncio.to_thread(storage.writing.acquire)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
        closing = [asyncio.create_task(disk.aclose()) for _ in range(2)]
        idle = asyncio.create_task(jobs.wait_idle())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(task.done() for task in [*closing, idle])
        storage.may_write.set()
        await asyncio.gather(*closing, idle)
        assert storage.order[:2] == ["written", "closed"]
    async with opened(shared, tmp_path / "copy") as (disk, _):
        assert list(await disk.check()) == [1]


async def test_a_check_that_is_cancelled_stops_soon(tmp_path: Path, shared: Metainfo) -> None:
    class Counting(FileStorage):
        reads = 0

        def read_into(self, offset: int, buffer: bytearray | memoryview) -> None:
            Counting.reads += 1
            if Counting.reads == 2:
                begun.set()
                assert may_go_on.wait(20)
            super().read_into(offset, buffer)

    begun, may_go_on = threading.Event(), threading.Event()
    async with opened(shared, tmp_path, kind=Counting) as (disk, _):
        checking = asyncio.create_task(disk.check())
        await asyncio.to_thread(begun.wait)
        checking.cancel()
        closing = asyncio.create_task(disk.aclose())
        await asyncio.sleep(0)
        may_go_on.set()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await checking
    assert Counting.reads == 2


async def test_one_failure_of_many_is_not_lost_and_the_others_are_not_disturbed(
    tmp_path: Path, shared: Metainfo
) -> None:
    class Partly(FileStorage):
        def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
            if offset == 3 * PIECE:
                raise StorageError("cannot write: No space left on device")
            super().write(offset, data)

    async with opened(shared, tmp_path / "copy", kind=Partly) as (disk, _):
        stores = [disk.store([(index, piece(tmp_path, index))]) for index in range(6)]
        results = await asyncio.gather(*stores, return_exceptions=True)
        assert [result == [True] for result in results] == [True, True, True, False, True, True]
        assert isinstance(results[3], StorageError)
        assert list(await disk.check()) == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("seed", range(4))
async def test_blocks_are_read_in_the_order_asked_for_wherever_they_are(
    tmp_path: Path, shared: Metainfo, seed: int
) -> None:
    """Neighbours are read in one call, which must not show."""
    data, rng = (tmp_path / "file.bin").read_bytes(), random.Random(seed)
    blocks = [Block(index, begin, 4096) for index in range(10) for begin in range(0, PIECE, 4096)] + [Block(10, 0, 1)]
    for _ in range(rng.randrange(10)):
        at = rng.randrange(len(blocks))
        blocks.insert(rng.randrange(len(blocks)), blocks.pop(at))
    async with opened(shared, tmp_path) as (disk, _):
        contents = await disk.read(blocks)
        assert disk.read_cached(blocks) in (None, contents)  # whatever the system has in memory
    assert [bytes(content) for content in contents] == [
        data[block.piece * PIECE + block.begin :][: block.length] for block in blocks
    ]
    assert all(content.readonly for content in contents)  # who sends them need not copy them


class KnowingStorage(FileStorage):
    """Says what is in memory."""

    cached: ClassVar[range] = range(0)

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        if offset not in self.cached or offset + length > self.cached.stop:
            return None
        return memoryview(self.read(offset, length))


async def test_reads_do_not_wait_for_what_is_in_memory_and_stay_out_of_changes(
    tmp_path: Path, shared: Metainfo
) -> None:
    class Storage(KnowingStorage):
        cached = range(5 * PIECE)

    async with opened(shared, tmp_path, kind=Storage) as (disk, _):
        inside, outside = Block(4, 0, PIECE), Block(5, 0, PIECE)
        assert disk.read_cached([inside]) == await disk.read([inside])
        assert disk.read_cached([inside, outside]) is None
        changing = asyncio.create_task(disk.change(lambda: None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert disk.read_cached([inside]) is None
        await changing
        assert disk.read_cached([inside]) is not None


async def test_a_closed_disk_says_so(tmp_path: Path, shared: Metainfo) -> None:
    async with opened(shared, tmp_path) as (disk, _):
        await disk.aclose()
        with pytest.raises(LocalProtocolError):
            await disk.read([Block(0, 0, 1)])


async def test_many_readers_and_writers_at_once_see_whole_pieces(tmp_path: Path, shared: Metainfo) -> None:
    async def read_back(disk: Disk, indices: Sequence[int]) -> list[memoryview]:
        return await disk.read([Block(index, 0, PIECE) for index in indices])

    copy = tmp_path / "copy"
    async with opened(shared, copy, threads=4) as (disk, _):
        order = list(range(10))
        random.Random(2).shuffle(order)
        assert (
            await asyncio.gather(*(disk.store([(index, piece(tmp_path, index))]) for index in order)) == [[True]] * 10
        )
        expected = [bytes(piece(tmp_path, index)) for index in range(10)]
        for contents in await asyncio.gather(*(read_back(disk, range(10)) for _ in range(8))):
            assert contents == expected
