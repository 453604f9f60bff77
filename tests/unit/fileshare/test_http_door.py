"""A server of files, and programs that are no players: garbage, half requests, too many, who do not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from bittorrent import Session, Torrent, create_metainfo
from fileshare.file_server import FileServer
from fileshare.visitors import VisitorConfig

SIZE = 8 << 20
REQUEST = b"GET /file.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def serving(tmp_path: Path, config: VisitorConfig | None = None) -> AsyncIterator[tuple[FileServer, Torrent]]:
    (tmp_path / "file.bin").write_bytes(bytes(SIZE))
    async with asyncio.timeout(20), Session(tmp_path, host="127.0.0.1") as session:
        torrent = await session.add(create_metainfo(tmp_path / "file.bin"), seed_only=True)
        await torrent.wait_complete()
        async with FileServer(torrent, config=config) as server:
            yield server, torrent


async def connect(server: FileServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*server.address)


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.transport.abort()
        await asyncio.sleep(0)


async def is_served(server: FileServer) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"http://{server.address}/file.bin") as response:
        return response.status == 200 and len(await response.read()) == SIZE


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"\x13BitTorrent protocol" + bytes(48),
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\r\n\r\n\r\n\x00\x00",
        b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nRange: bytes=9-1,x\r\n\r\n",
    ],
)
async def test_what_is_no_request_prints_nothing(
    tmp_path: Path, garbage: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (server, _):
        reader, writer = await connect(server)
        writer.write(garbage)
        writer.write_eof()
        await reader.read()
        await close(writer)
        assert await is_served(server)
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("half", [b"", REQUEST[:20], b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_half_a_request_is_not_waited_for(tmp_path: Path, half: bytes) -> None:
    async with serving(tmp_path, VisitorConfig(head_timeout_s=0.2)) as (server, _):
        reader, writer = await connect(server)
        writer.write(half)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await close(writer)


async def test_half_requests_take_no_place_from_a_player(tmp_path: Path) -> None:
    config = VisitorConfig(max_connections=8, max_connections_per_host=4)
    async with serving(tmp_path, config) as (server, _):
        squatters = [await connect(server) for _ in range(20)]
        for _, writer in squatters:
            writer.write(REQUEST[:20])
        assert await is_served(server)
        await close(*(writer for _, writer in squatters))


async def test_too_many_readers_are_told_so_and_the_others_go_on(tmp_path: Path) -> None:
    config = VisitorConfig(max_connections=8, max_connections_per_host=2)
    async with serving(tmp_path, config) as (server, _):
        readers = [await connect(server) for _ in range(2)]
        for reader, writer in readers:
            writer.write(REQUEST)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await connect(server)
        writer.write(REQUEST)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        await close(writer)
        for reader, writer in readers:
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.readexactly(SIZE)) == SIZE
            await close(writer)


async def test_who_does_not_read_gives_way(tmp_path: Path) -> None:
    config = VisitorConfig(max_connections=8, max_connections_per_host=2, patience_s=0.01)
    async with serving(tmp_path, config) as (server, _):
        readers = [await connect(server) for _ in range(2)]
        for _, writer in readers:
            writer.write(REQUEST)
        await asyncio.sleep(0)
        while not await is_served_now(server):  # noqa: ASYNC110  # until both have filled what lies between us
            await asyncio.sleep(0.01)
        await close(*(writer for _, writer in readers))


async def is_served_now(server: FileServer) -> bool:
    try:
        return await is_served(server)
    except aiohttp.ClientError:
        return False
