"""A server that has all files of a torrent but one: qBittorrent#15193, #19747, #12133.

Archives change a small file after publishing. Only the pieces that touch it may stay missing.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, Session, SessionConfig, Torrent, create_metainfo
from bittorrent.web_seed.core import WebSeedConfig
from tests.unit.bittorrent.aio.test_web_seed import complete, content, server, until

PIECE = 1 << 15
SIZES = {"a.bin": 5 * PIECE + 100, "b.bin": 4 * PIECE, "c.bin": 3 * PIECE - 7, "d.bin": 900}
SEED = WebSeedConfig(backoff_s=0.02, max_backoff_s=0.1, file_backoff_s=300.0, spoilt_backoff_s=300.0)
CONFIG = SessionConfig(web_seed=SEED)
ONCE = replace(SEED, file_backoff_s=0.2, spoilt_backoff_s=0.2)

Bad = Callable[[web.Request, Path], Awaitable[web.StreamResponse]]


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    rng = random.Random(1)
    (tmp_path / "www" / "album").mkdir(parents=True)
    for name, size in SIZES.items():
        (tmp_path / "www" / "album" / name).write_bytes(rng.randbytes(size))
    return create_metainfo(tmp_path / "www" / "album", piece_length=PIECE)


async def missing(request: web.Request, path: Path) -> web.StreamResponse:
    return web.Response(status=404)


async def forbidden(request: web.Request, path: Path) -> web.StreamResponse:
    return web.Response(status=403)


async def broken(request: web.Request, path: Path) -> web.StreamResponse:
    return web.Response(status=500)


async def longer(request: web.Request, path: Path) -> web.StreamResponse:
    return ranged(request, path.read_bytes() + b"more")


async def shorter(request: web.Request, path: Path) -> web.StreamResponse:
    return ranged(request, path.read_bytes()[:-10])


async def changed(request: web.Request, path: Path) -> web.StreamResponse:
    return ranged(request, bytes(byte ^ 1 for byte in path.read_bytes()))


async def another_range(request: web.Request, path: Path) -> web.StreamResponse:
    return web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 7-7/9"})


async def listing(request: web.Request, path: Path) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"<html>Index of /</html>")
    await response.write_eof()
    return response


async def without_ranges(request: web.Request, path: Path) -> web.StreamResponse:
    return web.Response(body=path.read_bytes())


async def without_ranges_in_chunks(request: web.Request, path: Path) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(path.read_bytes())
    await response.write_eof()
    return response


async def a_little_at_a_time(request: web.Request, path: Path) -> web.StreamResponse:
    start, stop = request.http_range.start, request.http_range.stop
    body = path.read_bytes()[start : min(stop, start + 10_000)]
    said = f"bytes {start}-{start + len(body) - 1}/{path.stat().st_size}"
    return web.Response(status=206, body=body, headers={"Content-Range": said})


async def cut_off(request: web.Request, path: Path) -> web.StreamResponse:
    size = path.stat().st_size
    response = web.StreamResponse(status=206, headers={"Content-Range": f"bytes 0-{size - 1}/{size}"})
    response.content_length = size
    await response.prepare(request)
    assert request.transport is not None
    request.transport.close()
    return response


def ranged(request: web.Request, data: bytes) -> web.Response:
    part = request.http_range
    body = data[part]
    if not body:
        return web.Response(status=416)
    start = part.start or 0
    headers = {"Content-Range": f"bytes {start}-{start + len(body) - 1}/{len(data)}"}
    return web.Response(status=206, body=body, headers=headers)


WAYS: list[Bad] = [missing, forbidden, broken, longer, shorter, changed, another_range, listing, cut_off]


class Server:
    """Serves what is below a folder, but for one file, until it is repaired."""

    def __init__(self, root: Path, bad: str, way: Bad) -> None:
        self.is_repaired = False
        self._root = root
        self._bad = bad
        self._way = way

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = self._root / request.match_info["path"]
        if path.name == self._bad:
            return web.FileResponse(path) if self.is_repaired else await self._way(request, path)
        return web.FileResponse(path)


def pieces_of(metainfo: Metainfo, name: str) -> set[int]:
    entry = next(entry for entry in metainfo.files if entry.path[-1] == name)
    return set(range(entry.offset // PIECE, (entry.end - 1) // PIECE + 1))


def have(torrent: Torrent) -> set[int]:
    picker = torrent._life.core.picker
    return set(picker.have) if picker is not None else set()


@pytest.mark.parametrize("bad", ["a.bin", "b.bin"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_only_what_touches_the_bad_file_is_missing(tmp_path: Path, shared: Metainfo, way: Bad, bad: str) -> None:
    answers = Server(tmp_path / "www", bad, way)
    expected = set(range(shared.piece_count)) - pieces_of(shared, bad)
    async with server(answers.answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=CONFIG) as session:
        torrent = await session.add(shared, web_seeds=[url])
        await until(lambda: have(torrent) >= expected)
        await until(lambda: bad in torrent.explain().text)
        assert have(torrent) & pieces_of(shared, bad) <= {5}, "a piece that another file shares with the last bytes"
        assert torrent.web_seeds_dropped == {}


@pytest.mark.parametrize("way", [missing, changed, broken], ids=lambda way: way.__name__)
async def test_a_selection_of_good_files_completes(tmp_path: Path, shared: Metainfo, way: Bad) -> None:
    answers = Server(tmp_path / "www", "a.bin", way)  # the first, and the largest
    async with server(answers.answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=CONFIG) as session:
        torrent = await session.add(shared, web_seeds=[url], select=["album/c.bin", "album/d.bin"])
        await complete(torrent)
    for name in ("c.bin", "d.bin"):
        assert (tmp_path / "leech" / "album" / name).read_bytes() == (tmp_path / "www" / "album" / name).read_bytes()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_file_that_is_repaired_is_fetched(tmp_path: Path, shared: Metainfo, way: Bad) -> None:
    answers = Server(tmp_path / "www", "b.bin", way)
    config = SessionConfig(web_seed=ONCE)
    async with server(answers.answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=config) as session:
        torrent = await session.add(shared, web_seeds=[url])
        await until(lambda: have(torrent) >= set(range(shared.piece_count)) - pieces_of(shared, "b.bin"))
        await until(lambda: "b.bin" in torrent.explain().text)
        answers.is_repaired = True
        await complete(torrent)
        assert content(tmp_path / "leech") == content(tmp_path / "www")


@pytest.mark.parametrize(
    "way", [without_ranges, without_ranges_in_chunks, a_little_at_a_time], ids=lambda way: way.__name__
)
async def test_a_server_may_send_more_or_less_than_it_was_asked_for(tmp_path: Path, shared: Metainfo, way: Bad) -> None:
    """The small servers that come with languages know no ranges; caches send a part of a long one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await way(request, tmp_path / "www" / request.match_info["path"])

    async with server(answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=CONFIG) as session:
        torrent = await session.add(shared, web_seeds=[url])
        await complete(torrent)
    assert content(tmp_path / "leech") == content(tmp_path / "www")


async def test_a_server_that_has_nothing_is_tried_again_later(tmp_path: Path, shared: Metainfo) -> None:
    is_up = False

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(tmp_path / "www" / request.match_info["path"]) if is_up else web.Response(status=404)

    config = SessionConfig(web_seed=ONCE)
    async with server(answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=config) as session:
        torrent = await session.add(shared, web_seeds=[url])
        await until(lambda: torrent.web_seeds_dropped == {url: "it answered HTTP 404"})
        is_up = True
        await complete(torrent)
        assert torrent.web_seeds_dropped == {}


async def test_a_bad_file_of_thousands_of_pieces_is_said_in_one_message(tmp_path: Path) -> None:
    folder = tmp_path / "www" / "album"
    folder.mkdir(parents=True)
    size = 1 << 14
    (folder / "large.bin").write_bytes(random.Random(2).randbytes(1200 * size))
    (folder / "small.bin").write_bytes(random.Random(3).randbytes(5 * size))
    metainfo = create_metainfo(folder, piece_length=size)
    answers = Server(tmp_path / "www", "large.bin", missing)
    config = SessionConfig(web_seed=ONCE)
    async with server(answers.answer) as url, Session(tmp_path / "leech", host="127.0.0.1", config=config) as session:
        torrent = await session.add(metainfo, web_seeds=[url], select=["album/small.bin"])
        await complete(torrent)
        answers.is_repaired = True
        await torrent.set_priorities(files={"album/large.bin": 4})
        await complete(torrent)
    assert content(tmp_path / "leech") == content(tmp_path / "www")
