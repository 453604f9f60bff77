"""Downloads from HTTP servers on loopback, among them some that lie, break, stall and unpack into bombs."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.errors import NoPeersError
from bittorrent.picker.picker import PiecePicker
from bittorrent.web_seed.core import WebSeedConfig

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
SIZES = {"a b.bin": 300_000, "sub/c#.bin": 200_001, "sub/empty": 0, "z": 5}
QUICK = SessionConfig(web_seed=WebSeedConfig(backoff_s=0.05, max_backoff_s=0.2, max_request_bytes=100_000))


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    rng = random.Random(1)
    for name, size in SIZES.items():
        path = tmp_path / "www" / "al bum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(size))
    return create_metainfo(tmp_path / "www" / "al bum", piece_length=1 << 16)


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def files_below(root: Path, requests: list[str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if requests is not None:
            requests.append(request.headers["Range"])
        return web.FileResponse(root / request.match_info["path"])

    return answer


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what a server was asked has no event
            await asyncio.sleep(0.01)


@pytest.mark.every_event_loop
async def test_a_folder_with_unusual_names(tmp_path: Path, shared: Metainfo) -> None:
    requests: list[str] = []
    async with (
        server(files_below(tmp_path / "www", requests)) as url,
        Session(tmp_path / "leech", host="127.0.0.1") as session,
    ):
        torrent = await session.add(shared, web_seeds=[url])
        await complete(torrent)
        sources = torrent.statistics().sources
    assert content(tmp_path / "leech") == content(tmp_path / "www")
    assert [(str(source.address), source.pieces) for source in sources] == [(url, shared.piece_count)]
    assert requests[0] == "bytes=0-0"
    assert len(requests) < shared.piece_count + 6, "neighbouring blocks are asked for together"


async def test_a_single_file_named_in_the_torrent(tmp_path: Path, shared: Metainfo) -> None:
    path = tmp_path / "www" / "al bum" / "a b.bin"
    async with (
        server(files_below(tmp_path / "www")) as url,
        Session(tmp_path / "leech", host="127.0.0.1", config=SessionConfig(allow_private=True)) as session,
    ):
        for web_seed in (f"{url}al bum/a b.bin", f"{url}al%20bum/"):
            metainfo = create_metainfo(path, piece_length=1 << 16, web_seeds=[web_seed], comment=web_seed)
            torrent = await session.add(metainfo)
            await complete(torrent)
            await session.remove(torrent)
            (tmp_path / "leech" / "a b.bin").unlink()


async def test_a_server_beside_a_peer(tmp_path: Path, shared: Metainfo) -> None:
    async with (
        server(files_below(tmp_path / "www")) as url,
        Session(tmp_path / "www", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as session,
    ):
        await complete(await seed.add(shared, seed_only=True))
        await complete(await session.add(shared, peers=[seed.address], web_seeds=[url]))
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def test_wrong_data_is_put_down_to_the_server_that_sent_it(tmp_path: Path, shared: Metainfo) -> None:
    bad_requests: list[str] = []

    async def lie(request: web.Request) -> web.StreamResponse:
        bad_requests.append(request.headers["Range"])
        path = tmp_path / "www" / request.match_info["path"]
        body = bytearray(path.read_bytes()[request.http_range])
        body[: len(body) // 2] = bytes(len(body) // 2)
        headers = {"Content-Range": f"{request.headers['Range'].replace('=', ' ')}/{path.stat().st_size}"}
        return web.Response(body=bytes(body), status=206, headers=headers)

    async with server(lie) as bad, Session(tmp_path / "leech", host="127.0.0.1", config=QUICK) as session:
        torrent = await session.add(shared, web_seeds=[bad])
        await until(lambda: torrent.web_seeds_dropped != {})
        assert torrent.web_seeds_dropped == {bad: "it sent data with a wrong hash"}
        assert torrent.statistics().failed_pieces > 0
        assert torrent.statistics().peers == 0
        asked = len(bad_requests)
        async with server(files_below(tmp_path / "www")) as good, Session(tmp_path / "www", host="127.0.0.1") as seed:
            assert good != bad
            await complete(await seed.add(shared, seed_only=True))
            torrent.add_peers([seed.address])
            await complete(torrent)
        assert len(bad_requests) == asked
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def test_a_server_that_recovers_is_used_again(tmp_path: Path, shared: Metainfo) -> None:
    good = files_below(tmp_path / "www")
    turn = 0

    async def moody(request: web.Request) -> web.StreamResponse:
        nonlocal turn
        turn += 1
        if turn in (1, 3):
            return web.Response(status=503, headers={"Retry-After": "0"})
        if turn in (4, 6):
            response = web.StreamResponse(status=206, headers={"Content-Range": "bytes 0-9/10"})
            response.content_length = 10
            await response.prepare(request)
            assert request.transport is not None
            request.transport.close()
            return response
        return await good(request)

    async with server(moody) as url, Session(tmp_path / "leech", host="127.0.0.1", config=QUICK) as session:
        torrent = await session.add(shared, web_seeds=[url])
        await until(lambda: turn >= 3)
        if torrent.statistics().done_pieces < shared.piece_count:
            async with Session(tmp_path / "www", host="127.0.0.1") as seed:
                await complete(await seed.add(shared, seed_only=True))
                torrent.add_peers([seed.address])
                await complete(torrent)
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def test_what_a_server_was_asked_for_is_not_kept_from_others_while_it_rests(
    tmp_path: Path, shared: Metainfo
) -> None:
    """A peer that comes while the server has said that it is busy for an hour gets all there is to get at once."""
    asked = 0

    async def busy_later(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 1:
            return await files_below(tmp_path / "www")(request)
        return web.Response(status=503, headers={"Retry-After": "3600"})

    async with (
        server(busy_later) as url,
        Session(tmp_path / "www", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as session,
    ):
        await complete(await seed.add(shared, seed_only=True))
        torrent = await session.add(shared, web_seeds=[url])
        picker = await picker_of(torrent)
        await until(lambda: asked >= 2)
        await until(lambda: not any(picker.requested_from(number) for number in torrent.swarm.core.peers))
        torrent.add_peers([seed.address])
        await complete(torrent)
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def picker_of(torrent: Torrent) -> PiecePicker:
    await torrent.wait_metadata()
    await until(lambda: torrent.swarm.core.picker is not None)
    assert torrent.swarm.core.picker is not None
    return torrent.swarm.core.picker


async def drop_all(_: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def bomb(_: web.Request) -> web.StreamResponse:
    body = gzip.compress(bytes(50 << 20))
    headers = {"Content-Encoding": "gzip", "Content-Range": "bytes 0-0/300000"}
    return web.Response(body=body, status=206, headers=headers)


async def no_ranges(request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(7))


async def elsewhere(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "ftp://127.0.0.1/x"})


async def in_circles(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": str(request.url)})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (drop_all, "HTTP 404"),
        (bomb, "compresses"),
        (no_ranges, "7 bytes but the torrent says 300000"),
        (elsewhere, "ftp is not HTTP"),
        (in_circles, "redirects more than 5 times"),
    ],
)
async def test_servers_that_are_of_no_use_are_left_alone(
    tmp_path: Path, shared: Metainfo, answer: Answer, reason: str
) -> None:
    async with server(answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=QUICK) as session:
        torrent = await session.add(shared, web_seeds=[url, "ftp://127.0.0.1/", "nonsense", "http://["])
        await until(lambda: torrent.web_seeds_dropped != {})
        assert list(torrent.web_seeds_dropped) == [url]
        assert reason in torrent.web_seeds_dropped[url]
        assert torrent.statistics().peers == 0


async def test_who_finds_nobody_hears_what_is_wrong_with_the_servers(tmp_path: Path, shared: Metainfo) -> None:
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    config = replace(QUICK, no_peers_timeout_s=0.5)
    async with (
        server(busy) as one,
        server(drop_all) as two,
        Session(tmp_path / "leech", host="127.0.0.1", config=config) as session,
    ):
        torrent = await session.add(shared, web_seeds=[one, two])
        with pytest.raises(NoPeersError) as caught:
            await complete(torrent)
    assert f"{one}: it answered HTTP 503" in str(caught.value)
    assert f"{two}: it answered HTTP 404" in str(caught.value)


async def test_redirects_are_followed(tmp_path: Path, shared: Metainfo) -> None:
    async with server(files_below(tmp_path / "www")) as target:

        async def move(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": target + request.raw_path.lstrip("/")})

        async with server(move) as url, Session(tmp_path / "leech", host="127.0.0.1") as session:
            await complete(await session.add(shared, web_seeds=[url]))
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def test_a_torrent_names_no_server_at_a_private_address(tmp_path: Path, shared: Metainfo) -> None:
    requests: list[str] = []
    path = tmp_path / "www" / "al bum" / "a b.bin"
    async with (
        server(files_below(tmp_path / "www", requests)) as url,
        Session(tmp_path / "leech", host="127.0.0.1") as session,
    ):
        torrent = await session.add(create_metainfo(path, piece_length=1 << 16, web_seeds=[f"{url}a?reboot=1"]))
        await until(lambda: torrent.web_seeds_dropped != {})
        assert "--allow-private" in str(torrent.web_seeds_dropped)
    assert requests == []


async def test_a_server_that_stalls_does_not_stop_the_end(tmp_path: Path, shared: Metainfo) -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        if request.headers["Range"] == "bytes=0-0":
            return await files_below(tmp_path / "www")(request)
        await asyncio.sleep(1000)
        raise AssertionError

    async with server(stall) as url, Session(tmp_path / "leech", host="127.0.0.1") as session:
        torrent = await session.add(shared, web_seeds=[url])
        await until(lambda: torrent.statistics().peers == 1)
        async with asyncio.timeout(5):
            await session.remove(torrent)
