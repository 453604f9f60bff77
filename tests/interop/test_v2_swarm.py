"""Version 2 among several: a swarm of both halves of a hybrid, liars, and peers that know one of two hashes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import BadBlock, BlocksFailed, Magnet, PieceVerified, Session, SessionConfig
from kademlia_core import MainlineNode
from tests.interop.content import MIB, digests, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.opentracker import OpenTracker
from tests.interop.rtorrent import Rtorrent
from tests.interop.scripted_seed import ScriptedSeed
from tests.interop.transmission import Transmission
from tests.interop.version2 import link_to, made_by_libtorrent, make_album

pytestmark = pytest.mark.interop


async def test_a_hybrid_swarm_of_version_1_and_version_2(tmp_path: Path) -> None:
    """What libtorrent has goes through us to rtorrent, which knows version 1 only, and on from there.

    Another libtorrent has a link to the version 2 hash, and knows nobody but us. No two files have the same padding:
    rtorrent 0.9.8 hangs up on everybody when two padding files have one path.
    """
    album = make_album(tmp_path / "seed" / "album", without="d/twin again")
    metainfo = made_by_libtorrent(album, "hybrid")
    async with (
        LibtorrentPeer() as seed,
        LibtorrentPeer() as leech,
        Rtorrent() as rtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
        Session(tmp_path / "last", host="127.0.0.1") as last,
    ):
        await seed.add(tmp_path / "seed", metainfo)
        torrent = await session.add(metainfo, peers=[seed.address])
        async with asyncio.timeout(30):
            await torrent.wait_complete()  # libtorrent calls once, and a minute later the next time
        linked = await leech.add(tmp_path / "leech", link_to(metainfo, "v2"))
        await leech.connect(linked, session.address)
        loaded = await rtorrent.add(tmp_path / "rtorrent" / "album", metainfo)
        await rtorrent.wait_complete(loaded, peer=session.address)
        await leech.wait_complete(linked, within_s=30)
        async with asyncio.timeout(60):
            await (await last.add(metainfo, peers=[rtorrent.address])).wait_complete()
    whole = digests(tmp_path / "seed" / "album")
    for name in ("ours", "leech", "rtorrent", "last"):
        found = digests(tmp_path / name / "album")
        assert {path: found[path] for path in whole} == whole, name  # rtorrent stores the padding, too


async def test_transmission_knows_no_hybrids(tmp_path: Path) -> None:
    """So it can be in no such swarm: the day that it can, this fails."""
    metainfo = made_by_libtorrent(make_album(tmp_path / "album"), "hybrid")
    async with Transmission() as transmission:
        with pytest.raises(RuntimeError, match="invalid or corrupt torrent"):
            await transmission.add(tmp_path, metainfo)


@pytest.mark.parametrize("kind", ["v2", "hybrid"])
async def test_a_wrong_block_is_named_its_sender_banned_and_that_block_alone_fetched_again(
    tmp_path: Path, kind: str
) -> None:
    """Libtorrent is slow while the liar has its turn, and tells the hashes of blocks."""
    path = make_file(tmp_path / "theirs" / "shared.bin", 4 * MIB)
    metainfo = made_by_libtorrent(path, kind, piece_length=1 << 18)
    wrong = 5 << 14
    async with (
        ScriptedSeed(metainfo, path.read_bytes(), corrupts=lambda piece, begin: begin == wrong) as liar,
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        await libtorrent.do("limit_local_peers")
        await libtorrent.do("limit_upload", bytes_per_s=1_000_000)
        await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(metainfo, peers=[libtorrent.address])
        async with asyncio.timeout(60), torrent.events() as events:
            while not isinstance(await anext(events), PieceVerified):
                pass
            torrent.add_peers([liar.address])
            failed = await anext(events)
            while not isinstance(failed, BlocksFailed):
                failed = await anext(events)
            await libtorrent.do("limit_upload", bytes_per_s=0)
            await torrent.wait_complete()
            await liar.wait_dropped()
            stats = torrent.statistics()
    assert digests(tmp_path / "ours" / "shared.bin") == digests(path)
    assert failed.blocks == (BadBlock(failed.index, wrong, 1 << 14, liar.address),)
    assert stats.failed_pieces >= 1
    assert not sum(liar.sent_bytes[1:])  # nothing was asked of it again


@pytest.mark.parametrize("names", ["v1", "v2"])
async def test_libtorrent_finds_a_hybrid_of_ours_at_a_tracker_under_either_hash(tmp_path: Path, names: str) -> None:
    metainfo = made_by_libtorrent(make_album(tmp_path / "ours" / "album"), "hybrid")
    async with (
        OpenTracker([*metainfo.torrent_id.short]) as tracker,
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1", config=SessionConfig(allow_private=True)) as session,
    ):
        await session.add(replace(metainfo, trackers=((tracker.udp_url,),)), seed_only=True)
        for info_hash in metainfo.torrent_id.short:
            await tracker.wait_for_peer(info_hash)
        link = link_to(metainfo, names)
        assert isinstance(link, Magnet)
        key = await libtorrent.add(tmp_path / "theirs", replace(link, trackers=(tracker.udp_url,)))
        await libtorrent.wait_complete(key, within_s=40)
    assert digests(tmp_path / "theirs" / "album") == digests(tmp_path / "ours" / "album")


async def test_we_find_a_hybrid_of_libtorrent_in_the_dht_under_its_version_2_hash(tmp_path: Path) -> None:
    metainfo = made_by_libtorrent(make_album(tmp_path / "theirs" / "album"), "hybrid")
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        LibtorrentPeer(dht=True) as libtorrent,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Session(
            tmp_path / "ours", host="127.0.0.1", dht=node, config=SessionConfig(dht_first_interval_s=0.5)
        ) as session,
    ):
        await libtorrent.do("add_dht_node", host=entry.address.host, port=entry.address.port)
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(link_to(metainfo, "v2"))
        async with asyncio.timeout(60), torrent.events() as events:
            while torrent.metainfo is None:
                await libtorrent.do("force_announce", info_hash=info_hash)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await anext(events)
            await torrent.wait_complete()
        assert torrent.torrent_id == metainfo.torrent_id
        assert session.torrents[metainfo.info_hash] is torrent
    assert digests(tmp_path / "ours" / "album") == digests(tmp_path / "theirs" / "album")
