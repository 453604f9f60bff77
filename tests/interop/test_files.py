"""`kad` as a process among other people's files: what is removed, replaced, in the way, or somebody else's to write."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, create_metainfo
from tests.interop.kad import ANY, Kad, run
from tests.interop.marks import needs_posix
from tests.interop.programs import wait_until

pytestmark = [pytest.mark.interop, needs_posix]

SIZE = 2_000_000
RATE = 1_000_000


def make(tmp_path: Path, where: str, seed: int) -> Path:
    """A torrent of a folder, with other content for each seed; returns its .torrent file."""
    folder = tmp_path / where / "album"
    folder.mkdir(parents=True)
    (folder / "song.bin").write_bytes(random.Random(seed).randbytes(SIZE))
    (folder / "cover.bin").write_bytes(random.Random(seed).randbytes(5000))
    metainfo = create_metainfo(folder, piece_length=1 << 15)
    target = tmp_path / f"{where}.torrent"
    target.write_bytes(metainfo.to_bytes())
    return target


@asynccontextmanager
async def seeding(tmp_path: Path, *names: str, rate: int = RATE) -> AsyncIterator[tuple[str, ...]]:
    """Each at a rate at which the download takes two seconds; yields what `--peer` takes."""
    sessions: list[Session] = []
    try:
        for name in names:
            session = Session(tmp_path / name, host="127.0.0.1")
            session.set_rate_limits(RateLimits(local_upload_bytes_per_s=rate))
            sessions.append(await session.__aenter__())
            torrent = await session.add(Metainfo.from_file(tmp_path / f"{name}.torrent"), seed_only=True)
            await torrent.wait_complete()
        yield tuple(str(session.address) for session in sessions)
    finally:
        for session in sessions:
            await session.aclose()


def get(source: object, peer: str, directory: Path, *options: str) -> Kad:
    return Kad("get", source, "-o", directory, "--no-dht", "--listen", ANY, "--peer", peer, *options)


def content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".kad" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("what", ["removed", "renamed", "replaced", "truncated"])
@pytest.mark.parametrize("is_magnet", [False, True])
async def test_success_is_never_told_of_what_is_not_there(tmp_path: Path, what: str, is_magnet: bool) -> None:
    torrent, out = make(tmp_path, "theirs", 1), tmp_path / "out"
    source = Metainfo.from_file(torrent).magnet_link() if is_magnet else torrent
    async with seeding(tmp_path, "theirs") as (peer,), get(source, peer, out) as kad:
        song = out / "album" / "song.bin"

        async def is_begun() -> bool:
            return song.exists() and song.stat().st_size >= SIZE // 4

        await wait_until(is_begun, what="a part of the song", within_s=30)
        if what == "removed":
            shutil.rmtree(out)
        elif what == "renamed":
            out.rename(tmp_path / "elsewhere")
        elif what == "replaced":
            song.with_name("other").write_bytes(song.read_bytes())
            os.replace(song.with_name("other"), song)
        else:
            os.truncate(song, 1000)
        finished = await kad.finish()
    if what in ("removed", "renamed"):
        assert finished.exit_code == 1
        assert "was removed or renamed while" in finished.stderr
        assert len(finished.stderr.splitlines()) == 1
    else:
        assert finished.exit_code == 0, finished.stderr
        assert content(out) == content(tmp_path / "theirs")


@pytest.mark.parametrize("size", [10, SIZE, SIZE + 1])
@pytest.mark.parametrize("is_magnet", [False, True])
async def test_a_file_of_the_user_is_kept_until_overwrite_is_typed(tmp_path: Path, size: int, is_magnet: bool) -> None:
    torrent, out = make(tmp_path, "theirs", 1), tmp_path / "out"
    source = Metainfo.from_file(torrent).magnet_link() if is_magnet else torrent
    mine = out / "album" / "song.bin"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"m" * size)
    async with seeding(tmp_path, "theirs") as (peer,):
        async with get(source, peer, out) as kad:
            finished = await kad.finish()
        assert finished.exit_code == 1
        assert str(mine) in finished.stderr
        assert "replace it (--overwrite)" in finished.stderr
        assert len(finished.stderr.splitlines()) == 1
        assert mine.read_bytes() == b"m" * size
        async with get(source, peer, out, "--overwrite") as kad:
            assert (await kad.finish()).exit_code == 0
    assert content(out) == content(tmp_path / "theirs")


async def test_of_two_processes_with_one_file_the_second_is_refused_and_the_lock_dies_with_the_first(
    tmp_path: Path,
) -> None:
    one, two, out = make(tmp_path, "one", 1), make(tmp_path, "two", 2), tmp_path / "out"

    async def is_begun() -> bool:
        return (out / "album" / "song.bin").exists()

    async with seeding(tmp_path, "one", rate=50_000) as (peer_one,), seeding(tmp_path, "two") as (peer_two,):
        async with get(one, peer_one, out) as first:
            await wait_until(is_begun, what="the first song", within_s=30)
            async with get(two, peer_two, out, "--overwrite") as second:
                refused = await second.finish()
            assert refused.exit_code == 1
            assert "another process is writing" in refused.stderr
            assert "album" in refused.stderr
            first.send_signal(signal.SIGKILL)
            await first.finish()
        async with get(two, peer_two, out, "--overwrite") as second:
            assert (await second.finish()).exit_code == 0
    assert content(out) == content(tmp_path / "two")


async def test_two_that_begin_at_the_same_time_leave_one_whole_torrent(tmp_path: Path) -> None:
    one, two, out = make(tmp_path, "one", 1), make(tmp_path, "two", 2), tmp_path / "out"
    async with (
        seeding(tmp_path, "one", "two") as (peer_one, peer_two),
        get(one, peer_one, out) as first,
        get(two, peer_two, out) as second,
    ):
        ended = await asyncio.gather(first.finish(), second.finish())
    codes = [finished.exit_code for finished in ended]
    assert codes in ([0, 1], [1, 0], [1, 1])
    if 0 in codes:
        assert content(out) == content(tmp_path / ("one" if codes[0] == 0 else "two"))


async def test_the_same_torrent_twice(tmp_path: Path) -> None:
    torrent, out = make(tmp_path, "theirs", 1), tmp_path / "out"
    async with (
        seeding(tmp_path, "theirs") as (peer,),
        get(torrent, peer, out) as first,
        get(torrent, peer, out) as second,
    ):
        for finished in await asyncio.gather(first.finish(), second.finish()):
            assert finished.exit_code == 0, finished.stderr
    assert content(out) == content(tmp_path / "theirs")


@pytest.mark.parametrize("what", ["removed", "changed"])
async def test_a_seed_ends_when_its_files_are_not_what_they_were(tmp_path: Path, what: str) -> None:
    torrent = make(tmp_path, "theirs", 1)
    arguments = ("seed", torrent, "-d", tmp_path / "theirs", "--no-dht", "--listen", ANY)
    async with Kad(*arguments) as kad:
        await kad.wait_event("seeding")
        song = tmp_path / "theirs" / "album" / "song.bin"
        if what == "removed":
            song.unlink()
        else:
            song.write_bytes(bytes(SIZE))
        finished = await kad.finish()
    assert finished.exit_code == 1
    assert "removed or renamed" in finished.stderr or "missing or damaged" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


async def test_a_kill_before_anything_is_verified_hinders_nothing(tmp_path: Path) -> None:
    torrent, out = make(tmp_path, "theirs", 1), tmp_path / "out"
    async with seeding(tmp_path, "theirs", rate=RATE // 20) as (peer,):  # not to be complete before the last kill
        for delay_s in (0.6, 0.8, 1.0, 1.2):
            async with get(torrent, peer, out) as kad:
                await asyncio.sleep(delay_s)
                kad.send_signal(signal.SIGKILL)
                await kad.finish()
    async with seeding(tmp_path, "theirs") as (peer,), get(torrent, peer, out) as kad:
        assert (await kad.finish()).exit_code == 0
    assert content(out) == content(tmp_path / "theirs")


async def test_verify_names_the_folder(tmp_path: Path) -> None:
    torrent = make(tmp_path, "theirs", 1)
    for directory, text in (("nodir", "there is no directory"), ("theirs/album", "name the directory around it")):
        finished = await run("torrent", "verify", torrent, "-d", tmp_path / directory)
        assert finished.exit_code == 1
        assert text in finished.stderr
