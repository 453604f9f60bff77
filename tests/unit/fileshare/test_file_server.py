"""Files of a torrent over HTTP, asked for by an HTTP client, while they are downloaded."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bittorrent import Session, Torrent, create_metainfo
from fileshare.file_server import FileServer

PIECE = 1 << 14
FILES = {"film.mkv": 40 * PIECE + 77, "sub folder/page [1].html": 500, "empty.txt": 0}


@dataclass(frozen=True)
class Served:
    """A server in front of a torrent, of which nothing is there until `seed` is told to it."""

    server: FileServer
    torrent: Torrent
    seed: Session
    http: aiohttp.ClientSession
    contents: dict[str, bytes]

    def url(self, name: str) -> str:
        metainfo = self.torrent.metainfo
        assert metainfo is not None
        return self.server.url(next(entry for entry in metainfo.files if str(entry).endswith(name)))


@asynccontextmanager
async def serving(tmp_path: Path, *, is_connected: bool = True) -> AsyncIterator[Served]:
    rng = random.Random(1)
    contents = {name: rng.randbytes(size) for name, size in FILES.items()}
    for name, content in contents.items():
        path = tmp_path / "seed" / "shared" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    metainfo = create_metainfo(tmp_path / "seed" / "shared", piece_length=PIECE)
    async with (
        asyncio.timeout(20),
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await (await seed.add(metainfo, seed_only=True)).wait_complete()
        torrent = await leech.add(metainfo, peers=[seed.address] if is_connected else [])
        async with FileServer(torrent) as server, aiohttp.ClientSession() as http:
            yield Served(server, torrent, seed, http, contents)


def has_deadlines(torrent: Torrent) -> bool:
    picker = torrent.swarm.core.picker
    return picker is not None and picker.has_deadlines


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # the other side has to notice first
        await asyncio.sleep(0.001)


async def test_a_whole_file(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        for name, kind in (
            ("film.mkv", "video/x-matroska"),
            ("sub folder/page [1].html", "text/plain"),
            ("empty.txt", "text/plain"),
        ):
            async with served.http.get(served.url(name)) as response:
                assert response.status == 200
                assert response.content_type == kind
                assert response.headers["Accept-Ranges"] == "bytes"
                assert response.content_length == FILES[name]
                assert await response.read() == served.contents[name]


@pytest.mark.parametrize("asked", ["0-9", "100000-100099", "655400-", "-100", "16380-16390"])
async def test_a_part_of_a_file(tmp_path: Path, asked: str) -> None:
    first, _, last = asked.partition("-")
    async with serving(tmp_path) as served:
        content = served.contents["film.mkv"]
        expected = content[-int(last) :] if not first else content[int(first) : int(last) + 1 if last else None]
        async with served.http.get(served.url("film.mkv"), headers={"Range": f"bytes={asked}"}) as response:
            assert response.status == 206
            begin = content.index(expected)
            assert response.headers["Content-Range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(content)}"
            assert await response.read() == expected


async def test_head_says_how_long_without_waiting_for_data(tmp_path: Path) -> None:
    async with serving(tmp_path, is_connected=False) as served:
        async with served.http.head(served.url("film.mkv")) as response:
            assert (response.status, response.content_length) == (200, FILES["film.mkv"])
            tag = response.headers["ETag"]
        async with served.http.head(served.url("film.mkv"), headers={"Range": "bytes=5-14"}) as response:
            assert (response.status, response.content_length) == (206, 10)
        async with served.http.get(served.url("film.mkv"), headers={"If-None-Match": tag}) as response:
            assert response.status == 304
        assert not has_deadlines(served.torrent)


async def test_what_cannot_be_had(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        url = served.url("film.mkv")
        async with served.http.get(url, headers={"Range": "bytes=9999999-"}) as response:
            assert response.status == 416
            assert response.headers["Content-Range"] == f"bytes */{FILES['film.mkv']}"
        async with served.http.get(url, headers={"Range": "bytes=0-1", "If-Range": '"another"'}) as response:
            assert (response.status, response.content_length) == (200, FILES["film.mkv"])
        for path in ("/nothing", "/shared", "/shared/../film.mkv"):
            async with served.http.get(f"http://{served.server.address}{path}") as response:
                assert response.status == 404
        async with served.http.post(url) as response:
            assert response.status == 405
        async with served.http.get(url, headers={"Host": "evil.example"}) as response:
            assert response.status == 403
        await served.torrent.set_priorities(files={"empty.txt": 0, "page*": 0})
        await served.torrent.aclose()
        async with served.http.get(url) as response:
            assert response.status == 503
            assert "was stopped" in await response.text()


async def test_the_list_names_every_file(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.http.get(f"http://{served.server.address}/") as response:
        text = await response.text()
        assert response.content_type == "text/html"
        for name in FILES:
            assert name in text
        assert "/shared/sub%20folder/page%20%5B1%5D.html" in text


async def test_a_player_that_leaves_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, is_connected=False) as served:
        async with served.http.get(served.url("film.mkv")) as response:
            assert response.status == 200
            await until(lambda: has_deadlines(served.torrent))
            response.close()
        await until(lambda: not has_deadlines(served.torrent))
        served.torrent.add_peers([served.seed.address])
        async with served.http.get(served.url("film.mkv")) as response:
            assert await response.read() == served.contents["film.mkv"]


async def test_a_torrent_that_stops_ends_what_it_began(tmp_path: Path) -> None:
    async with serving(tmp_path, is_connected=False) as served, served.http.get(served.url("film.mkv")) as response:
        assert response.status == 200
        await served.torrent.aclose()
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_a_taken_address_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with pytest.raises(OSError, match=r"in use|bind"):
            await FileServer(served.torrent, port=served.server.address.port).__aenter__()
