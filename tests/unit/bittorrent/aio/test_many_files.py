"""Torrents of very many files: the event loop takes no step for each of them, and what takes long can be ended.

The report: metadata of 300,001 empty files (8.6 MB) by magnet link held the loop for 8.7 s; closing took 115 s.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Magnet, Metainfo, Session
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.errors import JobInterruptedError
from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.metainfo.listing import FileListing
from bittorrent.metainfo.selection import Selection
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry
from bittorrent.storage import claims
from bittorrent.storage.files import FileStorage
from bittorrent.storage.placed_files import PlacedFiles
from transfer.wire import bencode

COUNT = 1500
CONTENT = bytes(range(256)) * 64


def many_files(count: int = COUNT) -> Metainfo:
    files: list[dict[str, Any]] = [{"length": 0, "path": [f"{number:06}"]} for number in range(count)]
    info: dict[str, Any] = {
        "name": "many",
        "piece length": 1 << 14,
        "pieces": hashlib.sha1(CONTENT).digest(),
        "files": [*files, {"length": len(CONTENT), "path": ["data"]}],
    }
    return Metainfo.from_info(bencode.encode(info))


def seed_files(metainfo: Metainfo, folder: Path) -> None:
    storage = FileStorage(metainfo.files, folder)
    storage.prepare()
    storage.write(0, CONTENT)
    storage.close()


@pytest.fixture
def in_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names of the functions that take a step for each file, and were called in the thread of the loop."""
    loop_thread = threading.get_ident()
    called: set[str] = set()
    seen: set[str] = set()

    def watch(owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)
        label = f"{getattr(owner, '__name__', owner)}.{name}"

        def watched(*arguments: Any, **options: Any) -> Any:
            seen.add(label)
            if threading.get_ident() == loop_thread:
                called.add(label)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, watched)

    for owner, names in {
        FileListing: ("add_file", "finish"),
        FileStorage: ("__init__", "prepare", "select", "stamps", "changes", "delete"),
        FileProgress: ("__init__",),
        Selection: ("numbers_of", "only", "set_files", "pieces"),
        PlacedFiles: ("make",),
        claims: ("_fold",),
    }.items():
        for name in names:
            watch(owner, name)

    def group(root: Any, paths: Any) -> Any:
        seen.add("group_places")
        if threading.get_ident() == loop_thread:
            called.add("group_places")
        return claims.group_places(root, paths)

    for module in ("bittorrent.storage.held_places", "bittorrent.aio.storage.planned_places"):
        monkeypatch.setattr(f"{module}.group_places", group)
    yield called
    assert {
        "FileListing.add_file",
        "FileStorage.prepare",
        "FileProgress.__init__",
        "Selection.pieces",
        "group_places",
    } <= seen


@pytest.mark.parametrize("by_magnet", [True, False])
async def test_nothing_that_takes_a_step_for_each_file_runs_in_the_loop(
    tmp_path: Path, in_loop: set[str], by_magnet: bool
) -> None:
    metainfo = many_files()
    seed_files(metainfo, tmp_path / "seed")
    target = tmp_path / "many.torrent"
    target.write_bytes(metainfo.to_bytes())
    in_loop.clear()
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
        asyncio.timeout(60),
    ):
        await (await seed.add(target, seed_only=True)).wait_complete()
        source: Magnet | Path = metainfo.magnet() if by_magnet else target
        torrent = await leech.add(source, peers=[seed.address], select=["*00", "data"])
        await torrent.wait_complete()
        assert sum(file.priority > 0 for file in torrent.files()) == COUNT // 100 + 1
        await torrent.set_priorities(files={"*": 4})
        await torrent.select(range(0, COUNT, 2) for _ in range(1))
        await torrent.set_priorities(files={"many": 4})
        assert len(list((tmp_path / "leech" / "many").iterdir())) == COUNT + 1
        await torrent.move(tmp_path / "elsewhere")
        await leech.remove(torrent, delete_files=True)
    assert not (tmp_path / "elsewhere" / "many").exists()
    assert in_loop == set()


async def test_a_session_does_not_wait_for_the_making_of_files_that_nobody_needs_any_more(tmp_path: Path) -> None:
    begun, given_up = threading.Event(), threading.Event()

    class Endless(FileStorage):
        def prepare(self) -> None:
            begun.set()
            assert given_up.wait(30), "nobody said that it is over"
            super().prepare()

        def interrupt(self) -> None:
            super().interrupt()
            given_up.set()

    async with asyncio.timeout(20), Session(tmp_path, host="127.0.0.1", open_storage=Endless) as session:
        await session.add(many_files())
        await asyncio.to_thread(begun.wait, 20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("begin", ["prepare", "select"])
def test_files_are_not_made_after_an_interruption(tmp_path: Path, begin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FileStorage(many_files(100).files, tmp_path)
    made: list[int] = []
    real = PlacedFiles.make

    def make(self: PlacedFiles, number: int) -> None:
        real(self, number)
        made.append(number)
        if len(made) == 3:
            storage.interrupt()

    monkeypatch.setattr(PlacedFiles, "make", make)
    with pytest.raises(JobInterruptedError):
        storage.prepare() if begin == "prepare" else storage.select([True] * 101, part_file=".kad/parts")
    assert len(made) == 3
    storage.close()


def test_files_that_are_there_are_not_opened_again_by_each_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(many_files(100).files, tmp_path)
    storage.prepare()
    made: list[int] = []
    monkeypatch.setattr(PlacedFiles, "make", lambda self, number: made.append(number))
    storage.select([True] * 101, part_file=".kad/parts")
    assert made == []
    storage.close()


@pytest.mark.parametrize("how", ["interrupted", "cancelled"])
async def test_a_long_job_ends_when_nobody_waits_for_it(how: str) -> None:
    begun = threading.Event()

    def job(pause: Callable[[], None]) -> None:
        begun.set()
        while True:
            pause()

    with ThreadPoolExecutor(1) as executor:
        jobs = DiskJobs(executor)
        task = asyncio.create_task(jobs.run_long(job))
        await asyncio.to_thread(begun.wait, 10)
        if how == "interrupted":
            jobs.interrupt()
            with pytest.raises(JobInterruptedError):
                await task
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(10):
            await jobs.wait_idle()
        assert await jobs.run_long(lambda pause: 5) == 5, "the next one is not ended"


def test_a_torrent_is_read_in_short_steps() -> None:
    """Of bounded work each: so many files, whatever their number is."""
    counts: list[int] = []
    for count in (2000, 8000):
        pauses: list[None] = []
        Metainfo.from_info(many_files(count).info_bytes, pause=lambda pauses=pauses: pauses.append(None))  # type: ignore[misc]
        counts.append(len(pauses))
    assert counts[0] >= 2000 // 256
    assert counts[1] > 3 * counts[0]


class Counted(Sequence[FileEntry]):
    """Counts the files that are looked at."""

    def __init__(self, files: Sequence[FileEntry]) -> None:
        self.files = files
        self.looks = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return self.files[index]


def test_a_piece_has_nothing_to_do_with_empty_files() -> None:
    files = [FileEntry((f"{number}",), 0, 10) for number in range(1000)]
    counted = Counted([FileEntry(("first",), 10, 0), *files, FileEntry(("last",), 30, 10), *files])
    progress = FileProgress(counted, Geometry(40, 10), Bitfield(4))
    assert len(progress.visible) == 2002
    counted.looks = 0
    assert [progress.verified(index) for index in range(4)] == [[0], [], [], [1001]]
    assert counted.looks < 20
