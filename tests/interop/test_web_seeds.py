"""Downloads from nginx: alone, redirected, and beside a libtorrent peer; those of others; and ours from aiohttp."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, ServerUrl, Session, SessionConfig, Torrent, create_torrent
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
    origins = [source.address for source in stats.sources]
    assert {one.url if isinstance(one, ServerUrl) else one.host for one in origins} == {nginx.url, "127.0.0.1"}
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


async def test_files_that_are_gone_or_others_cost_only_themselves(tmp_path: Path) -> None:
    """qBittorrent#15193, #19747, #12133."""
    shared = make_folder(tmp_path / "www" / "shared", SIZE)
    whole = digests(shared)
    async with Nginx(tmp_path / "www") as nginx:
        metainfo = await create_torrent(shared, piece_length=1 << 15, align=True)
        largest = max(metainfo.visible_files, key=lambda entry: entry.length)
        gone, longer = [entry for entry in metainfo.visible_files if entry.length and entry is not largest][:2]
        (tmp_path / "www").joinpath(*gone.path).unlink()
        with (tmp_path / "www").joinpath(*longer.path).open("ab") as file:
            file.write(b"a new last line\n")
        bad = {gone, longer}
        good = {number for number, entry in enumerate(metainfo.files) if entry not in bad and not entry.is_padding}
        async with Session(tmp_path / "ours", host="127.0.0.1") as session:
            torrent = await session.add(metainfo, web_seeds=[nginx.url])
            async with asyncio.timeout(60):
                while good - done(torrent):  # noqa: ASYNC110  # several files, and each has its event
                    await asyncio.sleep(0.05)
            said = torrent.explain().text
    assert str(gone) in said or str(longer) in said
    found = digests(tmp_path / "ours" / "shared")
    names = [str(metainfo.files[number]) for number in good]
    assert len(names) > 2
    assert {name: found[name] for name in names} == {name: whole[name] for name in names}


def done(torrent: Torrent) -> set[int]:
    """The numbers of the files that are complete."""
    return {file.number for file in torrent.files() if file.done_bytes == file.size_bytes}
