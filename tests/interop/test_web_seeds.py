"""Downloads from nginx: alone, redirected, and beside a libtorrent peer; those of others; and ours from aiohttp."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, Session, SessionConfig, create_torrent
from tests.interop.aria2 import Aria2
from tests.interop.clients import CLIENTS, Client
from tests.interop.content import MIB, digests, make_file, make_folder
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.nginx import Nginx

pytestmark = pytest.mark.interop

SIZE = 12 * MIB


async def fetch(where: Path, metainfo: Metainfo, *web_seeds: str) -> None:
    async with Session(where, host="127.0.0.1", config=SessionConfig(allow_private=True)) as session:
        torrent = await session.add(metainfo, web_seeds=web_seeds)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        assert torrent.web_seeds_dropped == {}


@pytest.mark.parametrize("align", [False, True], ids=["packed", "aligned"])
async def test_a_folder(tmp_path: Path, align: bool) -> None:
    shared = make_folder(tmp_path / "www" / "shared things", SIZE)
    async with Nginx(tmp_path / "www") as nginx:
        metainfo = await create_torrent(shared, web_seeds=[nginx.url], align=align)
        await fetch(tmp_path / "ours", metainfo)
        requests = nginx.requests()
    assert digests(tmp_path / "ours" / "shared things") == digests(shared)
    assert all(request.startswith("206 bytes=") for request in requests)
    assert any("/shared%20things/deep/er/odd.bin" in request for request in requests)


async def test_a_file_behind_a_redirect(tmp_path: Path) -> None:
    shared = make_file(tmp_path / "www" / "shared.bin", SIZE)
    async with Nginx(tmp_path / "www") as nginx:
        metainfo = await create_torrent(shared, piece_length=1 << 15)
        await fetch(tmp_path / "ours", metainfo, f"{nginx.url}moved/shared.bin")
        requests = nginx.requests()
    assert digests(tmp_path / "ours" / "shared.bin") == digests(shared)
    assert {request.split()[0] for request in requests} == {"302", "206"}
    assert len(requests) < metainfo.piece_count, "neighbouring pieces are asked for together"


async def test_beside_a_libtorrent_peer(tmp_path: Path) -> None:
    shared = make_folder(tmp_path / "www" / "shared", SIZE)
    rate = 3 * MIB
    async with (
        Nginx(tmp_path / "www", rate_bytes_per_s=rate) as nginx,
        LibtorrentPeer(settings={"upload_rate_limit": rate}) as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1", config=SessionConfig(allow_private=True)) as session,
    ):
        metainfo = await create_torrent(shared, web_seeds=[nginx.url], piece_length=1 << 16)
        await libtorrent.add(tmp_path / "www", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[libtorrent.address])
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        stats = torrent.statistics()
    assert digests(tmp_path / "ours" / "shared") == digests(shared)
    assert {source.address.host for source in stats.sources} == {nginx.url, "127.0.0.1"}
    assert stats.failed_pieces == 0


@CLIENTS
async def test_they_find_the_same_files_at_the_same_urls(client: Client, tmp_path: Path) -> None:
    shared = make_folder(tmp_path / "www" / "shared things", SIZE)
    async with Nginx(tmp_path / "www") as nginx, client() as peer:
        # aria2 knows no padding, and would ask for it.
        metainfo = await create_torrent(shared, web_seeds=[nginx.url], align=client is not Aria2, attributes=True)
        info_hash = await peer.add(tmp_path / "theirs", metainfo)
        await peer.wait_complete(info_hash)
    assert digests(tmp_path / "theirs" / "shared things") == digests(shared)


async def test_a_folder_from_aiohttp(tmp_path: Path) -> None:
    shared = make_folder(tmp_path / "www" / "shared things", SIZE)
    application = web.Application()
    application.router.add_static("/files", tmp_path / "www")
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        metainfo = await create_torrent(shared, web_seeds=[f"http://127.0.0.1:{port}/files/"])
        await fetch(tmp_path / "ours", metainfo)
    finally:
        await runner.cleanup()
    assert digests(tmp_path / "ours" / "shared things") == digests(shared)
