"""Downloads from and uploads to programs that this project did not write."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bittorrent.aio.session import Session
from bittorrent.config import SessionConfig
from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.torrent import Metainfo
from kademlia_core import MainlineNode
from tests.interop.aria2 import Aria2
from tests.interop.content import MIB, digests, make_file, make_folder
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.scripted_seed import ScriptedSeed

pytestmark = pytest.mark.interop

EAGER = SessionConfig(dht_first_interval_s=0.5)
SIZE = 16 * MIB


def make_shared(where: Path, *, folder: bool, trackers: tuple[tuple[str, ...], ...] = (), size: int = SIZE) -> Metainfo:
    path = make_folder(where / "shared", size) if folder else make_file(where / "shared.bin", size)
    return create_metainfo(path, trackers=trackers)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
async def test_we_find_libtorrent_through_the_dht_and_download(tmp_path: Path, folder: bool) -> None:
    metainfo = make_shared(tmp_path / "theirs", folder=folder)
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        LibtorrentPeer(dht=True) as libtorrent,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Session(tmp_path / "ours", host="127.0.0.1", dht=node, config=EAGER) as session,
    ):
        await libtorrent.do("add_dht_node", host=entry.address.host, port=entry.address.port)
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        assert info_hash == metainfo.info_hash.hex()
        torrent = await session.add(metainfo)
        async with asyncio.timeout(90):
            while not torrent.statistics().peers and not torrent.statistics().done_pieces:
                await libtorrent.do("force_announce", info_hash=info_hash)
                await asyncio.sleep(0.5)
            await torrent.wait_complete()
        stats = torrent.statistics()
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)
    assert stats.downloaded_bytes == metainfo.total_bytes
    assert stats.failed_pieces == 0
    assert [source.address for source in stats.sources] == [libtorrent.address]
    assert stats.lookup is not None
    assert stats.lookup.queries >= 1


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
async def test_libtorrent_downloads_from_us(tmp_path: Path, folder: bool) -> None:
    metainfo = make_shared(tmp_path / "ours", folder=folder)
    async with Session(tmp_path / "ours", host="127.0.0.1") as session, LibtorrentPeer() as libtorrent:
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        await libtorrent.connect(info_hash, session.address)
        await libtorrent.wait_complete(info_hash)
        uploaded_bytes = torrent.statistics().uploaded_bytes
        failed_bytes = (await libtorrent.status(info_hash))["failed_bytes"]
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)
    assert uploaded_bytes >= metainfo.total_bytes
    assert failed_bytes == 0


async def test_libtorrent_finds_us_through_the_dht(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "ours", folder=False, size=4 * MIB)
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Session(tmp_path / "ours", host="127.0.0.1", dht=node, config=EAGER) as session,
        LibtorrentPeer(dht=True) as libtorrent,
    ):
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        await libtorrent.do("add_dht_node", host=entry.address.host, port=entry.address.port)
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo.magnet())
        async with asyncio.timeout(90):
            while not (await libtorrent.status(info_hash))["has_metadata"]:
                await libtorrent.do("force_announce", info_hash=info_hash)
                await asyncio.sleep(0.5)
        await libtorrent.wait_complete(info_hash)
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


@pytest.mark.parametrize("we_seed", [False, True], ids=["from them", "from us"])
async def test_aria2_and_we_find_each_other_through_the_dht(tmp_path: Path, we_seed: bool) -> None:
    metainfo = make_shared(tmp_path / "seed", folder=False, size=MIB)
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Aria2(dht=entry.address, settings={"bt-external-ip": "127.0.0.1"}) as aria2,
        Session(ours, host="127.0.0.1", dht=node, config=EAGER) as session,
    ):
        torrent = await session.add(metainfo, seed_only=we_seed)
        info_hash = await aria2.add(theirs, metainfo, seed=not we_seed)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await aria2.wait_complete(info_hash)
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)


async def test_magnet_link_from_libtorrent(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs", folder=True, size=8 * MIB)
    async with LibtorrentPeer() as libtorrent, Session(tmp_path / "ours", host="127.0.0.1") as session:
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(str(metainfo.magnet()), peers=[libtorrent.address])
        async with asyncio.timeout(60):
            assert (await torrent.wait_metadata()).info_bytes == metainfo.info_bytes
            await torrent.wait_complete()
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)
    assert os.listdir(tmp_path / "ours" / ".kad") == [f"{metainfo.info_hash.hex()}.torrent"]


async def test_magnet_link_to_libtorrent(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "ours", folder=True, size=8 * MIB)
    async with Session(tmp_path / "ours", host="127.0.0.1") as session, LibtorrentPeer() as libtorrent:
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo.magnet())
        await libtorrent.connect(info_hash, session.address)
        await libtorrent.wait_complete(info_hash)
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


async def test_a_corrupted_block_is_refused_fetched_again_and_its_sender_dropped(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs", folder=False, size=16 * MIB)
    content = (tmp_path / "theirs" / metainfo.name).read_bytes()
    async with (
        ScriptedSeed(metainfo, content, corrupts=lambda piece, begin: begin == 0) as liar,
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[liar.address])
        async with asyncio.timeout(60):
            await liar.wait_lied()
            torrent.add_peers([libtorrent.address])
            await torrent.wait_complete()
            await liar.wait_dropped()
            stats = torrent.statistics()
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)
    assert stats.failed_pieces >= 1
    assert libtorrent.address in [source.address for source in stats.sources]
    assert len(liar.sent_bytes) == 1
