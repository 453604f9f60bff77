"""Blocks of unfinished pieces in real sessions: when they are kept, where, and what is left of them in the end."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, Torrent
from bittorrent.errors import StorageError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.stats import TorrentState
from bittorrent.storage.block_file import BlockFile
from bittorrent.storage.files import FileStorage
from bittorrent.storage.memory import MemoryStorage
from tests.session_pair import make_files, session_pair

BLOCK = 1 << 14
PIECE = 128 * BLOCK
SIZES = {"a.bin": PIECE, "b.bin": PIECE}
RATE_BYTES_PER_S = 400e3


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_files(tmp_path, SIZES, piece_length=PIECE)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # there is no event for this
        await asyncio.sleep(0.001)


def kept_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.blocks"))


async def begin(session: Session, shared: Metainfo, seed: Session) -> Torrent:
    """A download that has come into the middle of a piece, and goes on slowly."""
    session.set_rate_limits(RateLimits(local_download_bytes_per_s=RATE_BYTES_PER_S))
    torrent = await session.add(shared, peers=[seed.address])
    await until(lambda: torrent.statistics().downloaded_bytes >= 6 * BLOCK)
    assert torrent.statistics().done_pieces == 0
    return torrent


async def complete(session: Session, torrent: Torrent) -> int:
    """Lets it end; returns how much was fetched."""
    session.set_rate_limits(RateLimits())
    await torrent.wait_complete()
    assert torrent.statistics().failed_pieces == 0
    return torrent.statistics().downloaded_bytes


async def test_a_torrent_that_is_removed_and_added_again_goes_on_in_the_middle_of_a_piece(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await leech.remove(torrent)
        before = torrent.statistics().downloaded_bytes
        assert len(kept_files(tmp_path)) == 1
        again = await leech.add(shared, peers=[seed.address])
        assert before + await complete(leech, again) == shared.total_bytes
        assert again.statistics().wasted_bytes == 0
        assert sorted(path.name for path in (tmp_path / "leech").iterdir()) == ["files"]


async def test_the_next_session_goes_on_in_the_middle_of_a_piece(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await leech.aclose()
        async with Session(tmp_path / "leech", host="127.0.0.1") as session:
            again = await session.add(shared, peers=[seed.address])
            fetched = await complete(session, again)
        assert torrent.statistics().downloaded_bytes + fetched == shared.total_bytes


async def test_a_pause_keeps_what_there_is_for_a_process_that_does_not_come_back(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await torrent.pause()
        (kept,) = kept_files(tmp_path)
        assert kept.stat().st_size >= torrent.statistics().downloaded_bytes
        torrent.resume()
        assert await complete(leech, torrent) == shared.total_bytes
        assert not kept_files(tmp_path)


async def test_with_its_files_a_torrent_loses_what_was_kept(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await leech.remove(torrent, delete_files=True)
        assert not list((tmp_path / "leech").rglob("*"))


async def test_what_is_kept_follows_the_files_to_another_directory(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await torrent.pause()
        await torrent.move(tmp_path / "elsewhere")
        await leech.remove(torrent)
        assert [path.relative_to(tmp_path).parts[0] for path in kept_files(tmp_path)] == ["elsewhere"]
        again = await leech.add(shared, peers=[seed.address], download_dir=tmp_path / "elsewhere")
        assert torrent.statistics().downloaded_bytes + await complete(leech, again) == shared.total_bytes
        assert not kept_files(tmp_path)


async def test_what_is_not_wanted_by_the_next_start_is_dropped(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address], select=["b.bin"], paused=True)
        leech.set_rate_limits(RateLimits(local_download_bytes_per_s=RATE_BYTES_PER_S))
        torrent.resume()
        await until(lambda: torrent.statistics().downloaded_bytes >= 5 * BLOCK)
        await leech.remove(torrent)
        again = await leech.add(shared, peers=[seed.address], select=["a.bin"])
        await complete(leech, again)
        assert again.state is TorrentState.FINISHED
        assert not kept_files(tmp_path)


async def test_a_download_that_waits_for_peers_does_not_lock_what_was_kept(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await begin(leech, shared, seed)
        await leech.remove(torrent)
        (kept,) = kept_files(tmp_path)
        again = await leech.add(shared)
        await until(lambda: again.state is TorrentState.DOWNLOADING)
        assert again.statistics().done_bytes == 0
        other = BlockFile(str(kept), info_hash=shared.info_hash, geometry=shared.geometry, max_bytes=1 << 30)
        assert len(other.load(Bitfield.full(shared.geometry.piece_count), max_pieces=2)) == 1
        other.release()
        again.add_peers([seed.address])
        assert await complete(leech, again) < shared.total_bytes


async def test_two_sessions_with_one_torrent_and_directory_do_not_disturb_each_other(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with (
        session_pair(tmp_path, shared) as (seed, leech),
        Session(tmp_path / "leech", host="127.0.0.1") as other,
    ):
        torrents = [await begin(session, shared, seed) for session in (leech, other)]
        for session, torrent in zip((leech, other), torrents, strict=True):
            await torrent.pause()
            torrent.resume()
            assert await complete(session, torrent) == shared.total_bytes
        assert not kept_files(tmp_path)


@pytest.mark.parametrize("has_state_dir", [False, True])
async def test_storages_that_are_no_files_keep_blocks_only_where_there_is_a_place(
    tmp_path: Path, shared: Metainfo, has_state_dir: bool
) -> None:
    state_dir = tmp_path / "state" if has_state_dir else None
    async with (
        session_pair(tmp_path, shared) as (seed, _),
        Session(tmp_path / "none", host="127.0.0.1", open_storage=MemoryStorage, state_dir=state_dir) as session,
    ):
        torrent = await begin(session, shared, seed)
        await session.remove(torrent)
        assert [path.parent.name for path in kept_files(tmp_path)] == ["state"] * has_state_dir
        assert not (tmp_path / "none").exists()
        again = await session.add(shared, peers=[seed.address])
        fetched = torrent.statistics().downloaded_bytes + await complete(session, again)
        assert (fetched == shared.total_bytes) == has_state_dir
        assert not kept_files(tmp_path)


async def test_who_only_seeds_leaves_alone_what_others_have_kept(tmp_path: Path, shared: Metainfo) -> None:
    stranger = tmp_path / "seed" / ".kad" / f"{shared.info_hash.hex()}.blocks"
    stranger.parent.mkdir()
    stranger.write_bytes(b"kept")
    async with session_pair(tmp_path, shared):
        pass
    assert stranger.read_bytes() == b"kept"


class TightStorage(FileStorage):
    """There is no room for a piece as long as any blocks are kept."""

    folder: Path

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if kept_files(self.folder):
            raise StorageError.from_os_error("write", self.folder, OSError(errno.ENOSPC, "no room"))
        super().write(offset, data)


async def test_on_a_full_disk_what_is_kept_makes_room_for_what_is_right(tmp_path: Path, shared: Metainfo) -> None:
    TightStorage.folder = tmp_path / "leech"
    async with (
        session_pair(tmp_path, shared) as (seed, _),
        Session(tmp_path / "leech", host="127.0.0.1", open_storage=TightStorage) as leech,
    ):
        torrent = await begin(leech, shared, seed)
        await torrent.pause()
        assert kept_files(tmp_path)
        torrent.resume()
        assert await complete(leech, torrent) == shared.total_bytes
        assert torrent.error is None


class GatedStorage(FileStorage):
    """Writes when it is allowed to."""

    gate: threading.Event

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.gate.wait()
        super().write(offset, data)


async def test_pieces_that_wait_for_the_disk_are_written_before_a_session_has_closed(
    tmp_path: Path, shared: Metainfo
) -> None:
    """Before, what was written during the end was not remembered, and fetched again."""
    GatedStorage.gate = threading.Event()
    async with session_pair(tmp_path, shared) as (seed, _):
        async with Session(tmp_path / "leech", host="127.0.0.1", open_storage=GatedStorage) as leech:
            torrent = await leech.add(shared, peers=[seed.address])
            await until(lambda: torrent.statistics().downloaded_bytes == shared.total_bytes)
            assert torrent.statistics().done_pieces == 0
            closing = asyncio.create_task(leech.aclose())
            await until(lambda: torrent.state is TorrentState.STOPPED)
            GatedStorage.gate.set()
            await closing
        assert torrent.statistics().done_bytes == shared.total_bytes
        async with Session(tmp_path / "leech", host="127.0.0.1") as session:
            again = await session.add(shared)
            await again.wait_complete()
        assert not kept_files(tmp_path)


class RefusingStorage(MemoryStorage):
    """A disk that takes nothing."""

    __slots__ = ()

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        raise StorageError.from_os_error("write", "anywhere", OSError(errno.EIO, "broken"))


async def test_pieces_that_the_disk_refuses_are_kept_where_there_is_room(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, _):
        state = tmp_path / "state"
        async with Session(
            tmp_path / "none", host="127.0.0.1", state_dir=state, open_storage=RefusingStorage
        ) as session:
            torrent = await session.add(shared, peers=[seed.address])
            await until(lambda: torrent.statistics().downloaded_bytes == shared.total_bytes)
            await until(lambda: torrent.state is TorrentState.FAILED)
        async with Session(tmp_path / "leech", host="127.0.0.1", state_dir=state) as session:
            again = await session.add(shared)  # and nobody to ask
            await again.wait_complete()
            assert again.statistics().downloaded_bytes == 0
        assert not kept_files(tmp_path)
