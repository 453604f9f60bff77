"""What others do to the files of a torrent while it runs: nothing is called complete or shared that is not there.

In virtual time, with real files: a download takes ten seconds, and in the middle of it somebody meddles.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, Session, Torrent, create_metainfo
from bittorrent.errors import StorageError
from bittorrent.stats import TorrentState
from tests.simulation.content_sessions import until
from transfer.simulation import Link, Simulation, run

SEEDER, LEECH = "10.0.0.1", "10.0.0.2"
SIZES = {"a.bin": 600_000, "sub/b.bin": 300_001, "sub/c.bin": 5, "sub/empty": 0}
PIECE = 1 << 14
SECONDS = 10.0


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    rng = random.Random(1)
    for name, size in SIZES.items():
        path = tmp_path / "seed" / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return create_metainfo(tmp_path / "seed" / "album", piece_length=PIECE)


@pytest.fixture
def single(tmp_path: Path) -> Metainfo:
    path = tmp_path / "seed" / "film.bin"
    path.parent.mkdir()
    path.write_bytes(random.Random(2).randbytes(900_000))
    return create_metainfo(path, piece_length=PIECE)


@dataclass
class Download:
    """One that has been running for a while."""

    torrent: Torrent
    folder: Path

    def hinder(self, path: str) -> Path:
        return self.folder / path


@asynccontextmanager
async def downloading(
    simulation: Simulation,
    tmp_path: Path,
    shared: Metainfo,
    source: Any = None,
    *,
    for_s: float = SECONDS / 2,
    **options: Any,
) -> AsyncIterator[Download]:
    simulation.set_access(SEEDER, up_bytes_per_s=shared.total_bytes / SECONDS)
    with simulation.host(SEEDER):
        seed = await Session(tmp_path / "seed", host=SEEDER, port=6881).__aenter__()
        await (await seed.add(shared, seed_only=True)).wait_complete()
    with simulation.host(LEECH):
        leech = await Session(tmp_path / "leech", host=LEECH, port=6881).__aenter__()
        torrent = await leech.add(source or shared, peers=[(SEEDER, 6881)], **options)
    try:
        await asyncio.sleep(for_s)
        yield Download(torrent, tmp_path / "leech")
    finally:
        await leech.aclose()
        await seed.aclose()


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(100):
        await torrent.wait_complete()


def state_of(torrent: Torrent) -> TorrentState:
    return torrent.state


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".kad" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


REMOVALS: dict[str, Callable[[Path], object]] = {
    "the folder is removed": lambda folder: shutil.rmtree(folder / "album"),
    "the folder is renamed": lambda folder: (folder / "album").rename(folder / "moved"),
    "everything is removed": lambda folder: shutil.rmtree(folder),
    "everything is renamed": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "a file is removed": lambda folder: (folder / "album" / "a.bin").unlink(),
    "a file is renamed": lambda folder: (folder / "album" / "a.bin").rename(folder / "album" / "z.bin"),
    "an empty file is removed": lambda folder: (folder / "album" / "sub" / "empty").unlink(),
    "a file takes the place of a folder": lambda folder: (
        (folder / "album").rename(folder / "moved"),
        (folder / "album").write_bytes(b"mine"),
    ),
}


@pytest.mark.parametrize("is_magnet", [False, True])
@pytest.mark.parametrize("what", REMOVALS)
def test_a_download_whose_files_are_gone_fails_with_one_line(
    tmp_path: Path, shared: Metainfo, what: str, is_magnet: bool
) -> None:
    async def scenario(simulation: Simulation) -> None:
        source = shared.magnet_link() if is_magnet else shared
        async with downloading(simulation, tmp_path, shared, source, for_s=SECONDS * 0.75) as download:
            REMOVALS[what](download.folder)
            with pytest.raises(
                StorageError, match=r"was removed or renamed while album was using it|a directory"
            ) as caught:
                await complete(download.torrent)
            assert "\n" not in str(caught.value)
            assert download.torrent.state in (TorrentState.STOPPED, TorrentState.FAILED)

    run(scenario, seed=1, link=Link(delay_s=0.01))


def replaced(path: Path, data: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(data)
    os.replace(other, path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, 100_000),
    "truncated to nothing": lambda path: os.truncate(path, 0),
    "truncated and grown": lambda path: [os.truncate(path, size) for size in (0, 600_000)],  # type: ignore[func-returns-value]
    "replaced by a copy of its beginning": lambda path: replaced(path, path.read_bytes()[:50_000]),
    "replaced by a copy": lambda path: replaced(path, path.read_bytes()),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("at", [0.5, 0.95])
def test_a_file_that_others_changed_is_checked_and_fetched_again(
    tmp_path: Path, shared: Metainfo, what: str, at: float
) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with downloading(simulation, tmp_path, shared, for_s=SECONDS * at, sequential=True) as download:
            CHANGES[what](download.folder / "album" / "a.bin")
            await complete(download.torrent)
            await asyncio.sleep(12)
            await complete(download.torrent)
            assert content(download.folder) == content(tmp_path / "seed")
            assert download.torrent.statistics().done_bytes == shared.total_bytes

    run(scenario, seed=1, link=Link(delay_s=0.01))


@pytest.mark.parametrize("what", ["truncated", "removed", "replaced"])
def test_the_last_look_comes_before_success_is_told(tmp_path: Path, single: Metainfo, what: str) -> None:
    """Between two looks, too: nobody is told of success whose file is not there."""

    async def scenario(simulation: Simulation) -> None:
        async with downloading(simulation, tmp_path, single, sequential=True) as download:
            path = download.folder / "film.bin"
            await until(lambda: download.torrent.statistics().done_pieces >= single.piece_count - 4, every_s=0.01)
            if what == "truncated":
                os.truncate(path, 1000)
            elif what == "removed":
                path.unlink()
            else:
                replaced(path, b"mine")
            try:
                await complete(download.torrent)
            except StorageError:
                assert what != "truncated"
                assert not path.exists() or path.read_bytes() == b"mine"
            else:
                assert content(download.folder) == content(tmp_path / "seed")

    run(scenario, seed=1, link=Link(delay_s=0.01))


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_part_file_that_is_gone_costs_only_what_was_in_it(tmp_path: Path, shared: Metainfo, what: str) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with downloading(simulation, tmp_path, shared, select=["album/sub/b.bin"], for_s=6.0) as download:
            await complete(download.torrent)
            (part,) = (download.folder / ".kad").glob("*.parts")
            if what == "removed":
                part.unlink()
            else:
                replaced(part, bytes(1000))
            await asyncio.sleep(15)
            await complete(download.torrent)
            await download.torrent.select(["*"])
            await complete(download.torrent)
            assert content(download.folder) == content(tmp_path / "seed")

    run(scenario, seed=1, link=Link(delay_s=0.01))


def test_an_unwanted_file_may_go(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with downloading(simulation, tmp_path, shared, sequential=True) as download:
            await download.torrent.select(["album/sub/b.bin"])
            (download.folder / "album" / "a.bin").unlink()
            await complete(download.torrent)
            await asyncio.sleep(15)
            await complete(download.torrent)
            assert not (download.folder / "album" / "a.bin").exists()
            await download.torrent.select(["*"])
            await complete(download.torrent)
            assert content(download.folder) == content(tmp_path / "seed")

    run(scenario, seed=1, link=Link(delay_s=0.01))


SEED_CHANGES: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "removed": (lambda path: path.unlink(), r"a\.bin was removed or renamed"),
    "truncated": (lambda path: os.truncate(path, 1000), "pieces of album are missing or damaged"),
    "changed in place": (lambda path: path.write_bytes(bytes(600_000)), "pieces of album are missing or damaged"),
    "replaced": (lambda path: replaced(path, bytes(600_000)), "pieces of album are missing or damaged"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has 600001 bytes but the torrent says"),
    "touched": (lambda path: os.utime(path, (1, 1)), None),
    "replaced by the same": (lambda path: replaced(path, path.read_bytes()), None),
    "written again": (lambda path: path.write_bytes(path.read_bytes()), None),
}


@pytest.mark.parametrize("what", SEED_CHANGES)
def test_a_seed_serves_no_piece_that_is_not_there_any_more(tmp_path: Path, shared: Metainfo, what: str) -> None:
    change, message = SEED_CHANGES[what]

    async def scenario(simulation: Simulation) -> None:
        with simulation.host(SEEDER):
            async with Session(tmp_path / "seed", host=SEEDER, port=6881) as session:
                torrent = await session.add(shared, seed_only=True)
                await torrent.wait_complete()
                await asyncio.sleep(60)
                assert state_of(torrent) is TorrentState.SEEDING
                change(tmp_path / "seed" / "album" / "a.bin")
                await asyncio.sleep(11)
                if message is None:
                    assert state_of(torrent) is TorrentState.SEEDING
                    assert torrent.statistics().done_pieces == shared.piece_count
                else:
                    assert state_of(torrent) is TorrentState.STOPPED
                    with pytest.raises(StorageError, match=message):
                        raise torrent.error or AssertionError

    run(scenario, seed=1)


@pytest.mark.parametrize("what", ["removed", "changed"])
def test_what_was_gone_or_changed_at_the_stop_is_not_believed_at_the_next_start(
    tmp_path: Path, shared: Metainfo, what: str
) -> None:
    async def scenario(simulation: Simulation) -> None:
        for attempt in range(2):
            async with downloading(
                simulation, tmp_path, shared, sequential=True, for_s=SECONDS / 2 if not attempt else 0.5
            ) as download:
                path = download.folder / "album" / "a.bin"
                if not attempt and what == "removed":
                    path.unlink()
                elif not attempt:
                    data = path.read_bytes()
                    replaced(path, data[:PIECE] + bytes(len(data) - PIECE))
                if attempt:
                    await complete(download.torrent)
                    assert content(download.folder) == content(tmp_path / "seed")

    run(scenario, seed=1, link=Link(delay_s=0.01))
