"""Files where a torrent wants to write: what it did not begin, and has no right piece, is never written to.

Sources: qBittorrent#127, qBittorrent#12919, transmission#251 (the file of a user was overwritten in silence).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, StorageError, Torrent, create_metainfo
from tests.session_pair import session_pair
from tests.simulation.content_sessions import until
from transfer.simulation import Link, Simulation, run

PIECE = 1 << 14
SIZES = {"a.bin": 100_000, "sub/b.bin": 70_000, "sub/c.txt": 50}
SEEDER, LEECH = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def folder(tmp_path: Path) -> Metainfo:
    rng = random.Random(1)
    for name, size in SIZES.items():
        path = tmp_path / "seed" / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return create_metainfo(tmp_path / "seed" / "files", piece_length=PIECE)


@pytest.fixture
def single(tmp_path: Path) -> Metainfo:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "film.bin").write_bytes(random.Random(2).randbytes(100_000))
    return create_metainfo(tmp_path / "seed" / "film.bin", piece_length=PIECE)


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".kad" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def attempt(torrent: Torrent) -> StorageError | None:
    try:
        async with asyncio.timeout(20):
            await torrent.wait_complete()
    except StorageError as error:
        return error
    return None


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [1, 50_000, 100_000, 100_001, 200_000])
@pytest.mark.parametrize("is_magnet", [False, True])
@pytest.mark.parametrize("is_single", [False, True])
async def test_a_file_of_the_user_is_never_written_to_however_long_it_is(
    request: pytest.FixtureRequest, tmp_path: Path, size: int, is_magnet: bool, is_single: bool
) -> None:
    shared: Metainfo = request.getfixturevalue("single" if is_single else "folder")
    mine = put(tmp_path / "leech" / ("film.bin" if is_single else "files/a.bin"), b"m" * size)
    async with session_pair(tmp_path, shared) as (seed, leech):
        source = shared.magnet_link() if is_magnet else shared
        error = await attempt(await leech.add(source, peers=[seed.address]))
        assert error is not None
        assert error.path == str(mine)
        assert "\n" not in str(error)
        assert "choose another directory (-o), or replace it (--overwrite)" in str(error)
        assert content(tmp_path / "leech") == {str(mine.relative_to(tmp_path / "leech")): b"m" * size}
        assert await attempt(await leech.add(source, peers=[seed.address], overwrite=True)) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


async def test_the_file_of_an_earlier_torrent(tmp_path: Path, single: Metainfo) -> None:
    put(tmp_path / "other" / "film.bin", bytes(range(256)) * 300)
    other = create_metainfo(tmp_path / "other" / "film.bin", piece_length=PIECE)
    async with session_pair(tmp_path, single) as (seed, leech), Session(tmp_path / "other", host="127.0.0.1") as second:
        await (await second.add(other, seed_only=True)).wait_complete()
        torrent = await leech.add(other, peers=[second.address])
        assert await attempt(torrent) is None
        await leech.remove(torrent)
        error = await attempt(await leech.add(single, peers=[seed.address]))
        assert error is not None
        assert error.path == str(tmp_path / "leech" / "film.bin")
    assert content(tmp_path / "leech") == content(tmp_path / "other")


@pytest.mark.parametrize("size", [10, 60_000, 200_000])
async def test_only_the_files_that_are_named_are_replaced(tmp_path: Path, folder: Metainfo, size: int) -> None:
    files = tmp_path / "leech" / "files"
    old, mine = put(files / "a.bin", b"o" * size), put(files / "sub" / "b.bin", b"m" * size)
    async with session_pair(tmp_path, folder) as (seed, leech):
        error = await attempt(await leech.add(folder, peers=[seed.address], overwrite=[old]))
        assert error is not None
        assert error.path == str(mine)
        assert mine.read_bytes() == b"m" * size
        relative = os.path.relpath(mine)
        assert await attempt(await leech.add(folder, peers=[seed.address], overwrite=[old, relative])) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


@pytest.mark.parametrize("is_magnet", [False, True])
async def test_a_file_with_a_right_piece_is_continued(tmp_path: Path, single: Metainfo, is_magnet: bool) -> None:
    """Other programs fetched it, or the state is lost."""
    data = bytearray(os.path.getsize(tmp_path / "seed" / "film.bin"))
    data[3 * PIECE : 4 * PIECE] = (tmp_path / "seed" / "film.bin").read_bytes()[3 * PIECE : 4 * PIECE]
    put(tmp_path / "leech" / "film.bin", b"x" * PIECE + bytes(data[PIECE:]))
    async with session_pair(tmp_path, single) as (seed, leech):
        assert (
            await attempt(await leech.add(single.magnet_link() if is_magnet else single, peers=[seed.address])) is None
        )
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


@pytest.mark.parametrize("size", [0, 40_000, 100_000])
async def test_an_empty_file_and_one_with_room_only_hold_nothing_that_could_be_lost(
    tmp_path: Path, single: Metainfo, size: int
) -> None:
    os.truncate(put(tmp_path / "leech" / "film.bin", b""), size)
    async with session_pair(tmp_path, single) as (seed, leech):
        assert await attempt(await leech.add(single, peers=[seed.address])) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


async def test_a_file_that_is_not_wanted_is_left_alone_until_it_is(tmp_path: Path, folder: Metainfo) -> None:
    """Pieces at the edge of wanted files reach into it."""
    for size in (10, 100_000, 300_000):
        shutil.rmtree(tmp_path / "leech", ignore_errors=True)
        mine = put(tmp_path / "leech" / "files" / "a.bin", b"m" * size)
        async with session_pair(tmp_path, folder) as (seed, leech):
            torrent = await leech.add(folder, peers=[seed.address], select=["files/sub/*"])
            assert await attempt(torrent) is None
            assert mine.read_bytes() == b"m" * size
            with pytest.raises(StorageError, match="--overwrite"):
                await torrent.select(["*"])
            assert mine.read_bytes() == b"m" * size
            mine.unlink()


async def test_a_small_file_beside_a_damaged_one_may_be_what_it_should_be(tmp_path: Path, folder: Metainfo) -> None:
    """All its bytes lie in a piece that others share: it is neither known to be right nor to be wrong."""
    shutil.copytree(tmp_path / "seed", tmp_path / "leech")
    os.truncate(tmp_path / "leech" / "files" / "sub" / "b.bin", 60_000)
    async with session_pair(tmp_path, folder) as (seed, leech):
        assert await attempt(await leech.add(folder, peers=[seed.address])) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


async def test_a_small_file_of_the_user_beside_a_damaged_one_stays(tmp_path: Path, folder: Metainfo) -> None:
    shutil.copytree(tmp_path / "seed", tmp_path / "leech")
    os.truncate(tmp_path / "leech" / "files" / "sub" / "b.bin", 60_000)
    mine = put(tmp_path / "leech" / "files" / "sub" / "c.txt", b"m" * 50)
    async with session_pair(tmp_path, folder) as (seed, leech):
        error = await attempt(await leech.add(folder, peers=[seed.address]))
        assert error is not None
        assert error.path == str(mine)
        assert mine.read_bytes() == b"m" * 50
        await leech.remove(leech.torrents[folder.info_hash])
        assert await attempt(await leech.add(folder, peers=[seed.address], overwrite=True)) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")


async def test_a_file_that_appears_after_the_check(tmp_path: Path, single: Metainfo) -> None:
    async with session_pair(tmp_path, single) as (seed, leech):
        torrent = await leech.add(single)
        await until(lambda: torrent.state.value == "downloading", every_s=0.01)
        mine = put(tmp_path / "leech" / "film.bin", b"mine")
        torrent.add_peers([seed.address])
        error = await attempt(torrent)
        assert error is not None
        assert error.path == str(mine)
        assert mine.read_bytes() == b"mine"


async def test_what_another_program_finished_after_the_check_is_taken(tmp_path: Path, single: Metainfo) -> None:
    async with session_pair(tmp_path, single) as (seed, leech):
        torrent = await leech.add(single)
        await until(lambda: torrent.state.value == "downloading", every_s=0.01)
        (tmp_path / "leech").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "seed" / "film.bin", tmp_path / "leech" / "film.bin")
        torrent.add_peers([seed.address])
        assert await attempt(torrent) is None


@pytest.mark.parametrize("keeps_pieces", [True, False])
def test_after_a_kill_at_any_moment_a_download_goes_on(tmp_path: Path, folder: Metainfo, keeps_pieces: bool) -> None:
    """A copy of the directory, taken while it runs, is what a kill leaves: a torn first piece at worst."""

    async def scenario(simulation: Simulation) -> None:
        simulation.set_access(SEEDER, up_bytes_per_s=50_000)
        with simulation.host(SEEDER):
            seed = await Session(tmp_path / "seed", host=SEEDER, port=6881).__aenter__()
            await (await seed.add(folder, seed_only=True)).wait_complete()
        for turn in range(8):
            with simulation.host(LEECH):
                async with Session(tmp_path / f"leech{turn}", host=LEECH, port=6881) as session:
                    torrent = await session.add(folder, peers=[(SEEDER, 6881)])
                    await asyncio.sleep(0.5 + simulation.rng.random())
                    assert not isinstance(torrent.error, StorageError), torrent.error
                    shutil.copytree(tmp_path / f"leech{turn}", tmp_path / f"leech{turn + 1}")
            for path in (tmp_path / f"leech{turn + 1}" / "files").rglob("*.bin"):
                if not keeps_pieces and turn < 3:
                    path.write_bytes(b"torn")
        with simulation.host(LEECH):
            async with Session(tmp_path / "leech8", host=LEECH, port=6881) as session:
                torrent = await session.add(folder, peers=[(SEEDER, 6881)])
                async with asyncio.timeout(60):
                    await torrent.wait_complete()
        await seed.aclose()
        assert content(tmp_path / "leech8") == content(tmp_path / "seed")

    run(scenario, seed=1, link=Link(delay_s=0.01))


async def test_what_the_user_put_there_between_two_runs_is_not_ours(tmp_path: Path, single: Metainfo) -> None:
    """The first run was stopped in peace; so what is there now with another time is another file."""
    whole = (tmp_path / "seed" / "film.bin").read_bytes()
    put(tmp_path / "leech" / "film.bin", whole[: 2 * PIECE])
    for turn in range(2):
        async with Session(tmp_path / "leech", host="127.0.0.1") as leech:
            torrent = await leech.add(single)
            await until(lambda: torrent.state.value in ("downloading", "stopped"), every_s=0.01)  # noqa: B023
            assert (torrent.error is None) == (turn == 0)
        (tmp_path / "leech" / "film.bin").unlink()
        put(tmp_path / "leech" / "film.bin", b"mine" * 1000)
    assert content(tmp_path / "leech") == {"film.bin": b"mine" * 1000}


# Two processes (two sessions are as good: each knows only its own files)


@pytest.mark.parametrize("overwrite", [False, True])
async def test_two_processes_with_different_torrents_do_not_write_to_one_file(
    tmp_path: Path, single: Metainfo, overwrite: bool
) -> None:
    put(tmp_path / "other" / "film.bin", bytes(range(256)) * 400)
    other = create_metainfo(tmp_path / "other" / "film.bin", piece_length=PIECE)
    async with (
        session_pair(tmp_path, single) as (seed, first),
        Session(tmp_path / "other", host="127.0.0.1") as second_seed,
        Session(tmp_path / "leech", host="127.0.0.1") as second,
    ):
        await (await second_seed.add(other, seed_only=True)).wait_complete()
        torrents = [await first.add(single), await second.add(other, overwrite=overwrite)]
        await until(lambda: all(torrent.state.value == "downloading" for torrent in torrents), every_s=0.01)
        first.set_rate_limits(
            RateLimits(local_download_bytes_per_s=16_000)
        )  # it shall not end before the second begins
        torrents[0].add_peers([seed.address])
        await until(lambda: torrents[0].statistics().done_pieces > 0, every_s=0.01)
        torrents[1].add_peers([second_seed.address])
        error = await attempt(torrents[1])
        assert error is not None
        assert "film.bin for another torrent (film.bin)" in str(error)
        await second.remove(torrents[1])
        error = await attempt(await second.add(other, peers=[second_seed.address], overwrite=overwrite))
        assert error is not None
        assert "another process is writing" in str(error), "at once, before anything is hashed"
        first.set_rate_limits(RateLimits())
        assert await attempt(torrents[0]) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")
    assert not list((tmp_path / "leech").glob(f".kad/{single.info_hash.hex()}*"))
    assert not list((tmp_path / "leech").glob(".kad/*.lock"))


@pytest.mark.parametrize("is_folder", [False, True])
async def test_two_processes_with_the_same_torrent_both_succeed(
    request: pytest.FixtureRequest, tmp_path: Path, is_folder: bool
) -> None:
    shared: Metainfo = request.getfixturevalue("folder" if is_folder else "single")
    async with session_pair(tmp_path, shared) as (seed, first), Session(tmp_path / "leech", host="127.0.0.1") as second:
        torrents = [await first.add(shared), await second.add(shared)]
        await until(lambda: all(torrent.state.value == "downloading" for torrent in torrents), every_s=0.01)
        for torrent in torrents:
            torrent.add_peers([seed.address])
        for torrent in torrents:
            assert await attempt(torrent) is None
    assert content(tmp_path / "leech") == content(tmp_path / "seed")
    assert not (tmp_path / "leech" / ".kad").exists()
