"""Downloads of which only a part is wanted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import Metainfo, Torrent
from bittorrent.errors import SelectionError
from bittorrent.stats import TorrentState
from tests.session_pair import make_files, session_pair

PIECE = 1 << 14
SIZES = {"a.bin": 3 * PIECE + 100, "b.bin": 5 * PIECE, "sub/c.bin": 2 * PIECE - 100}


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_files(tmp_path, SIZES, piece_length=PIECE)


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


def files(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "leech" / "files"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def original(tmp_path: Path, name: str) -> bytes:
    return (tmp_path / "seed" / "files" / name).read_bytes()


async def test_only_what_is_selected_is_fetched(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address], select=["b.bin"])
        await complete(torrent)
        stats = torrent.statistics()
        assert (stats.state, stats.needed_bytes) == (TorrentState.FINISHED, 0)
        assert stats.wanted_bytes == stats.done_bytes == 6 * PIECE
        assert stats.total_bytes == sum(SIZES.values())
        assert torrent.priorities == (0, 4, 0)
        assert torrent.left_bytes == stats.total_bytes - 6 * PIECE
    assert files(tmp_path) == {"b.bin": original(tmp_path, "b.bin")}


async def test_after_narrowing_the_counters_speak_of_what_is_wanted_now(tmp_path: Path, shared: Metainfo) -> None:
    """Whoever had all of it and wants less has done that, and not more than that."""
    async with session_pair(tmp_path, shared) as (seed, leech):
        first = await leech.add(shared, peers=[seed.address])
        await complete(first)
        await first.select(["a.bin"])
        seen = [first.statistics()]
        await leech.remove(first)
        again = await leech.add(shared, select=["a.bin"])
        await complete(again)
        seen.append(again.statistics())
    for stats in seen:
        assert (stats.done_bytes, stats.wanted_bytes, stats.needed_bytes) == (4 * PIECE, 4 * PIECE, 0)
        assert (stats.done_pieces, stats.wanted_pieces, stats.piece_count) == (4, 4, 10)
        assert stats.verified_bytes == stats.total_bytes == sum(SIZES.values())


@pytest.mark.parametrize("is_magnet", [False, True])
async def test_a_file_can_be_added_when_the_others_are_there(tmp_path: Path, shared: Metainfo, is_magnet: bool) -> None:
    source = replace(shared.magnet(), selected=(range(1),)) if is_magnet else shared
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(source, peers=[seed.address], select=() if is_magnet else [0])
        await complete(torrent)
        assert list(files(tmp_path)) == ["a.bin"]
        await torrent.set_priorities(files={"sub": 7})
        seen = [torrent.state]
        await complete(torrent)
        seen.append(torrent.state)
        await torrent.set_priorities(files={1: 1})
        await complete(torrent)
        seen.append(torrent.state)
        assert seen == [TorrentState.DOWNLOADING, TorrentState.FINISHED, TorrentState.SEEDING]
    assert files(tmp_path) == {name: original(tmp_path, name) for name in SIZES}


async def test_what_is_wanted_is_remembered(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        first = await leech.add(shared, peers=[seed.address], select=["a.bin"])
        await complete(first)
        await leech.remove(first)
        again = await leech.add(shared)
        await complete(again)
        assert again.priorities == (4, 0, 0)
        assert again.statistics().downloaded_bytes == 0
        await leech.remove(again)
        more = await leech.add(shared, peers=[seed.address], select=["a.bin", "b.bin"])
        await complete(more)
        assert more.statistics().downloaded_bytes == 5 * PIECE
    assert set(files(tmp_path)) == {"a.bin", "b.bin"}


async def test_a_change_of_mind_before_the_metadata_is_there_waits(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared.magnet_link())
        changing = asyncio.create_task(torrent.select(["c.bin"]))
        await asyncio.sleep(0)
        assert not torrent.priorities
        torrent.add_peers([seed.address])
        async with asyncio.timeout(20):
            await changing
        await complete(torrent)
        assert torrent.priorities == (0, 0, 4)
        assert torrent.statistics().state is TorrentState.FINISHED


async def test_nothing_at_all_can_be_wanted(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared)
        await torrent.set_priorities(files={range(3): 0})
        await complete(torrent)
        torrent.add_peers([seed.address])
        await torrent.set_priorities(pieces={4: 4})
        await complete(torrent)
        assert torrent.statistics().done_pieces == 1


async def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        with pytest.raises(SelectionError, match=r"d\.bin is no file of the torrent"):
            await leech.add(shared, select=["d.bin"])
        behind_a_magnet = await leech.add(shared.magnet_link(), peers=[seed.address], select=["d.bin"])
        with pytest.raises(SelectionError, match=r"d\.bin is no file of the torrent"):
            await complete(behind_a_magnet)
        assert isinstance(behind_a_magnet.error, SelectionError)
        torrent = await leech.add(replace(shared.magnet(), selected=(range(7, 9),)), peers=[seed.address])
        await complete(torrent)  # a link may be wrong: everything, then
        with pytest.raises(SelectionError):
            await torrent.select([9])
        with pytest.raises(ValueError, match="from 0 to 7"):
            await torrent.set_priorities(files={0: 8})


async def test_pieces_come_in_order_on_request(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address], sequential=True)
        assert torrent.sequential
        await complete(torrent)
        torrent.sequential = False
        assert not torrent.sequential
