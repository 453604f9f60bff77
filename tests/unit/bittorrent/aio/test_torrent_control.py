"""What a user does with a torrent besides waiting for it: pause, watch, look closer, delete."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Torrent
from bittorrent.errors import StorageError, TorrentStoppedError
from bittorrent.events import (
    FileCompleted,
    PauseChanged,
    PeerConnected,
    PeerDisconnected,
    PieceVerified,
    StateChanged,
    TorrentStopped,
)
from bittorrent.stats import TorrentState
from bittorrent.swarm.explain import SlowReason
from tests.session_pair import make_files, session_pair

PIECE = 1 << 14
SIZES = {"a.bin": 3 * PIECE, "b.bin": 40 * PIECE + 5}


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_files(tmp_path, SIZES, piece_length=PIECE)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # there is no event for this
        await asyncio.sleep(0.001)


async def begun(torrent: Torrent) -> None:
    await torrent._life.begun.wait()


async def test_events_tell_the_story_of_a_download(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])
        async with torrent.events() as events:
            await torrent.wait_complete()
            await leech.remove(torrent)
            told = [event async for event in events]
        verified = [event.index for event in told if isinstance(event, PieceVerified)]
        assert sorted(verified) == list(range(shared.piece_count))
        assert {event.path for event in told if isinstance(event, FileCompleted)} == {"files/a.bin", "files/b.bin"}
        states = [event.state for event in told if isinstance(event, StateChanged)]
        assert states[-3:] == [TorrentState.DOWNLOADING, TorrentState.SEEDING, TorrentState.STOPPED]
        assert PeerConnected(seed.address) in told
        gone = [event for event in told if isinstance(event, PeerDisconnected)]
        assert [event.address for event in gone] == [seed.address]
        assert isinstance(told[-1], TorrentStopped)
        assert isinstance(told[-1].error, TorrentStoppedError)


async def test_a_paused_torrent_moves_nothing_until_it_goes_on(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address], paused=True)
        events = torrent.events()
        await begun(torrent)
        stats = torrent.statistics()
        assert (stats.is_paused, stats.state) == (True, TorrentState.DOWNLOADING)
        assert torrent.explain().reason is SlowReason.PAUSED
        assert not torrent.accepts_peers
        leech.set_rate_limits(RateLimits(local_download_bytes_per_s=100_000))  # not all of it at once
        torrent.resume()
        await until(lambda: torrent.statistics().done_pieces > 0)
        await torrent.pause()
        await torrent.pause()
        leech.set_rate_limits(RateLimits())
        stats = torrent.statistics()
        assert (stats.peers, torrent.swarm.connection_count) == (0, 0)
        assert stats.done_pieces < stats.piece_count
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert torrent.statistics().downloaded_bytes == stats.downloaded_bytes
        torrent.resume()
        await torrent.wait_complete()
        assert torrent.statistics().downloaded_bytes == shared.total_bytes + torrent.statistics().wasted_bytes
        await leech.remove(torrent)
        changes = [event.is_paused async for event in events if isinstance(event, PauseChanged)]
        assert changes == [False, True, False]


async def test_whoever_is_connected_is_told_apart_from_those_who_leave_when_a_torrent_is_paused(
    tmp_path: Path, shared: Metainfo
) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])
        events = torrent.events()
        leech.set_rate_limits(RateLimits(local_download_bytes_per_s=10_000))
        await until(lambda: torrent.statistics().peers == 1)
        await torrent.pause()
        async with asyncio.timeout(20):
            async for event in events:
                if isinstance(event, PeerDisconnected):
                    assert event.reason == "the torrent is paused"
                    return


async def test_a_seed_can_be_paused_too(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        seeding = seed.torrents[shared.info_hash]
        await seeding.pause()
        torrent = await leech.add(shared, peers=[seed.address])
        await until(lambda: seed.statistics().refused_connections > 0)
        assert torrent.statistics().peers == 0
        seeding.resume()
        torrent.swarm.call_again()
        await torrent.wait_complete()


async def test_peers_and_files_can_be_looked_at(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, select=["a.bin"])
        await begun(torrent)
        assert torrent.peers() == ()
        assert [(file.path, file.done_bytes, file.priority) for file in torrent.files()] == [
            ("files/a.bin", 0, 4),
            ("files/b.bin", 0, 0),
        ]
        assert torrent.explain().reason is SlowReason.NO_PEERS
        assert "no peer could be reached" in str(torrent.explain())
        torrent.add_peers([seed.address])
        await until(lambda: bool(torrent.peers()))
        peer = torrent.peers()[0]
        assert (peer.address, peer.is_dialled) == (seed.address, True)
        assert peer.client.startswith("kademlia-core") or peer.client == ""
        assert (peer.path is not None) == (sys.platform == "linux")
        await torrent.wait_complete()
        assert torrent.files()[0].done_bytes == SIZES["a.bin"]
        assert torrent.explain().reason is SlowReason.FINISHED
        assert torrent.trackers() == ()
        await leech.remove(torrent)
        assert torrent.explain().reason is SlowReason.STOPPED


async def test_who_was_left_alone_hears_something_else_than_who_met_nobody(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address])
        torrent.set_rate_limits(RateLimits(local_download_bytes_per_s=1.0))
        await until(lambda: bool(torrent.peers()))
        await seed.remove(seed.torrents[shared.info_hash])
        await until(lambda: not torrent.peers())
        assert torrent.explain().reason is SlowReason.NO_PEERS
        assert str(torrent.explain()).startswith("everybody who was here has left; wait until")


async def test_a_torrent_is_removed_with_its_files_on_request(tmp_path: Path, shared: Metainfo) -> None:
    async with session_pair(tmp_path, shared) as (seed, leech):
        torrent = await leech.add(shared, peers=[seed.address], select=["a.bin"])
        await torrent.wait_complete()
        (tmp_path / "leech" / "mine.txt").write_text("not of the torrent")
        await leech.remove(torrent)
        assert (tmp_path / "leech" / "files" / "a.bin").exists()
        again = await leech.add(shared)
        await again.wait_complete()
        await leech.remove(again, delete_files=True)
        assert os.listdir(tmp_path / "leech") == ["mine.txt"]
        assert not leech.torrents
        seeding = seed.torrents[shared.info_hash]
        with pytest.raises(StorageError, match="only seeded"):
            await seed.remove(seeding, delete_files=True)
        assert not seed.torrents
        assert (tmp_path / "seed" / "files" / "a.bin").exists()
