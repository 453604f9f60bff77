"""Torrents behind URLs: what comes, and one line for whatever else happens."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.content import MetainfoLimits
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from fileshare.service.errors import ServiceError
from fileshare.service.fetch import fetch_all, fetch_torrent


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    (tmp_path / "film").write_bytes(b"film")
    return create_metainfo(tmp_path / "film")


@pytest.fixture
async def site(metainfo: Metainfo) -> AsyncIterator[str]:
    """A server with torrents and other things."""
    data = metainfo.to_bytes()

    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/film.torrent" | "/my film.torrent":
                return web.Response(body=data)
            case "/gzip":
                return web.Response(body=gzip.compress(data), headers={"Content-Encoding": "gzip"})
            case "/redirect":
                raise web.HTTPFound("/film.torrent")
            case "/circle":
                raise web.HTTPFound("/circle")
            case "/magnet":
                raise web.HTTPFound(f"magnet:?xt=urn:btih:{40 * 'a'}&dn=a%20b")
            case "/badmagnet":
                raise web.HTTPFound("magnet:?dn=a")
            case "/ftp":
                raise web.HTTPFound("ftp://files.example/x.torrent")
            case "/page":
                return web.Response(text=" <!DOCTYPE html><p>log in</p>", content_type="text/html")
            case "/noise":
                return web.Response(body=b"d3:fooi1ee")
            case "/empty":
                return web.Response(body=b"")
            case "/large":
                return web.Response(body=bytes(100_000))
            case "/bomb":
                return web.Response(body=gzip.compress(bytes(100_000)), headers={"Content-Encoding": "gzip"})
            case "/silent":
                await ended.wait()
        raise web.HTTPNotFound

    runner = web.AppRunner(_application(answer), shutdown_timeout=0.0)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    ended.set()
    await runner.cleanup()


def _application(answer: object) -> web.Application:
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)  # type: ignore[arg-type]
    return application


@pytest.mark.parametrize(
    "path", ["/film.torrent", "/film.torrent?passkey=1", "/my film.torrent", "/my%20film.torrent", "/gzip", "/redirect"]
)
async def test_a_torrent_comes(site: str, metainfo: Metainfo, path: str) -> None:
    assert await fetch_torrent(site + path) == metainfo


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "the server answered 404 Not Found"),
        ("/circle", "it redirects more than 5 times"),
        ("/page", "that is a web page and no torrent"),
        ("/noise", "not a torrent: it has no info dictionary"),
        ("/empty", "not a torrent"),
        ("/large", "its answer is longer than 50000 bytes"),
        ("/bomb", "its answer is longer than 50000 bytes"),
        ("/silent", r"the torrent did not come within 0\.2 s"),
    ],
)
async def test_what_goes_wrong_is_one_line_that_names_the_url(site: str, path: str, reason: str) -> None:
    with pytest.raises(ServiceError, match=reason) as caught:
        await fetch_torrent(
            site + path, timeout_s=0.2 if path == "/silent" else None, limits=MetainfoLimits(size_bytes=50_000)
        )
    assert str(caught.value).startswith(f"{site}{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/x.torrent", "cannot connect: Connection refused"),
        ("https://127.0.0.1:1/x.torrent", "cannot connect: Connection refused"),
        ("http://", "names no server"),
        ("https:///x.torrent", "names no server"),
        ("http://127.0.0.1:99999/x", "Port out of range"),
        ("http://[::1", "Invalid IPv6 URL"),
    ],
)
async def test_a_server_that_is_not_there(url: str, reason: str) -> None:
    with pytest.raises(ServiceError, match=reason) as caught:
        await fetch_torrent(url)
    assert "\n" not in str(caught.value)


async def test_a_server_that_does_not_speak_tls_is_an_error_and_no_traceback(site: str) -> None:
    with pytest.raises(ServiceError, match=r"^https://127"):
        await fetch_torrent(site.replace("http:", "https:"))


async def test_a_redirect_to_a_magnet_link_is_that_link(site: str) -> None:
    """Indexers do so."""
    assert await fetch_torrent(f"{site}/magnet") == Magnet(v1=bytes.fromhex(40 * "a"), name="a b")
    with pytest.raises(ServiceError, match="/badmagnet: the magnet link has no info-hash"):
        await fetch_torrent(f"{site}/badmagnet")
    with pytest.raises(ServiceError, match="/ftp: ftp is not HTTP"):
        await fetch_torrent(f"{site}/ftp")


async def test_several_come_at_the_same_time_and_none_waits_for_a_bad_one(site: str, metainfo: Metainfo) -> None:
    urls = [f"{site}/missing", f"{site}/film.torrent", f"{site}/page"]
    found = await fetch_all(urls)
    assert [url for url, _ in found] == urls
    assert [type(result) for _, result in found] == [ServiceError, Metainfo, ServiceError]
    assert await fetch_all([]) == []
