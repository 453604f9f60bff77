"""What SOURCE can be, with real processes: URLs, info-hashes, and links that were downloaded before."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.torrent import Metainfo
from tests.interop.kad import ANY, Kad, run
from tests.interop.marks import needs_posix
from tests.interop.ports import free_port

SIZE = 400_000

pytestmark = needs_posix


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "film.mkv").write_bytes(os.urandom(SIZE))
    return create_metainfo(tmp_path / "shared" / "film.mkv", piece_length=1 << 14)


@pytest.fixture
async def url(metainfo: Metainfo) -> AsyncIterator[str]:
    """Where the torrent can be had, behind a redirect."""

    async def torrent(request: web.Request) -> web.Response:
        return web.Response(body=metainfo.to_bytes())

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound("/film.torrent")

    application = web.Application()
    application.add_routes([web.get("/film.torrent", torrent), web.get("/film", redirect)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/film"
    await runner.cleanup()


async def test_a_url_is_shared_shown_verified_and_downloaded(url: str, metainfo: Metainfo, tmp_path: Path) -> None:
    shown = await run("torrent", "show", url)
    assert shown.done["info_hash"] == metainfo.info_hash.hex()
    assert (await run("torrent", "verify", url, "-d", tmp_path / "shared")).done["ok"]
    options = ("--listen", ANY, "--no-dht")
    async with Kad("seed", url, "-d", tmp_path / "shared", *options) as seed:
        address = (await seed.wait_event("seeding"))["address"]
        finished = await run("get", url, "-o", tmp_path / "copy", "--peer", address, *options)
        assert finished.done["done_bytes"] == SIZE
        async with Kad("stream", url, "-o", tmp_path / "watched", "--peer", address, *options) as stream:
            await stream.wait_event("streaming", file="film.mkv")
            assert (await stream.interrupt()).exit_code == 0
    assert (tmp_path / "copy" / "film.mkv").read_bytes() == (tmp_path / "shared" / "film.mkv").read_bytes()


async def test_a_url_that_has_no_torrent_is_one_line_and_stops_no_other(
    url: str, metainfo: Metainfo, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/x.torrent"
    for command in ("get", "seed", "stream"):
        finished = await run(command, nobody, "--listen", ANY, "--no-dht")
        assert (finished.exit_code, finished.stderr) == (1, f"kad: {nobody}: cannot connect: Connection refused\n")
    options = ("-o", tmp_path / "shared", "--listen", ANY, "--no-dht")
    both = await run("get", f"{url}.txt", url, *options)
    assert both.exit_code == 1
    assert both.stderr.splitlines()[0] == f"kad: {url}.txt: the server answered 404 Not Found"
    assert [event["info_hash"] for event in both.events if event["event"] == "done"] == [metainfo.info_hash.hex()]


async def test_a_link_that_was_downloaded_is_complete_and_shared_when_nobody_is_there(
    metainfo: Metainfo, tmp_path: Path
) -> None:
    (tmp_path / "film.torrent").write_bytes(metainfo.to_bytes())
    options = ("--listen", ANY, "--no-dht")
    copy = tmp_path / "copy"
    async with Kad("seed", tmp_path / "film.torrent", "-d", tmp_path / "shared", *options) as seed:
        address = (await seed.wait_event("seeding"))["address"]
        first = await run("get", metainfo.info_hash.hex(), "-o", copy, "--peer", address, *options)
        assert first.done["downloaded_bytes"] == SIZE
    assert os.listdir(copy / ".kad") == [f"{metainfo.info_hash.hex()}.torrent"]

    nobody = ("--bootstrap", f"127.0.0.1:{free_port()}", "--listen", ANY)  # a DHT that never answers
    again = await run("get", metainfo.magnet_link(), "-o", copy, *nobody)
    assert (again.done["done_bytes"], again.done["downloaded_bytes"], again.done["sources"]) == (SIZE, 0, [])
    async with Kad("seed", metainfo.magnet_link(), "-d", copy, *options) as seed:
        address = (await seed.wait_event("seeding"))["address"]
        assert (await run("get", metainfo.info_hash.hex(), "-o", tmp_path / "b", "--peer", address, *options)).done


async def test_a_link_that_was_never_downloaded_cannot_be_shared(metainfo: Metainfo, tmp_path: Path) -> None:
    finished = await run("seed", metainfo.magnet_link(), "-d", tmp_path / "shared", "--listen", ANY, "--no-dht")
    assert finished.exit_code == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "holds no download of this magnet link; name the directory that does with -d" in finished.stderr
