"""Web seeds that stall, drip, lie or refuse beside an honest one, or alone until a peer comes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum, auto

from bittorrent.swarm.explain import SlowReason
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import NAME, SharedContent
from transfer.simulation import Simulation

US, HONEST = "10.0.0.1", "10.0.0.2"
SIZE, PIECE = 1 << 19, 1 << 15


class Server(Enum):
    """How it treats a request for a range."""

    HONEST = auto()
    STALLS = auto()  # after the head
    DRIPS = auto()  # a byte in twenty seconds
    LIES = auto()
    ENDS_EARLY = auto()
    SENDS_EVERYTHING = auto()  # whatever was asked for, and more, for ever
    ANOTHER_RANGE = auto()
    PACKS = auto()
    REDIRECTS_TO_ITSELF = auto()
    MUTE = auto()
    REFUSES = auto()
    UNAVAILABLE = auto()


async def fetch(simulation: Simulation, servers: tuple[Server, ...], *, peer_after_s: float | None) -> float:
    """How long a download from these takes, or after a peer came."""
    content = SharedContent.make(SIZE, PIECE, simulation.rng)
    async with AsyncExitStack() as stack:
        urls = []
        for number, server in enumerate(servers, start=1):
            host = f"10.0.1.{number}"
            await stack.enter_async_context(serving(simulation, host, content, server))
            urls.append(f"http://{host}/{NAME}")
        session = await stack.enter_async_context(session_on(simulation, US, content))
        torrent = await add(simulation, US, session, content.metainfo, web_seeds=urls)
        began_at = simulation.now
        if peer_after_s is not None:
            while simulation.now < peer_after_s:
                await asyncio.sleep(1)
                assert torrent.explain().reason is not SlowReason.FINISHED
            began_at = simulation.now
            honest = await stack.enter_async_context(session_on(simulation, HONEST, content, complete=True))
            await add(simulation, HONEST, honest, content.metainfo, peers=[(US, PORT)])
        async with asyncio.timeout(600):
            await torrent.wait_complete()
        assert content.is_on(simulation.disk(US))
        return simulation.now - began_at


@asynccontextmanager
async def serving(simulation: Simulation, host: str, content: SharedContent, server: Server) -> AsyncIterator[None]:
    """Such a server, on a host of its own."""
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                found = re.search(r"bytes=(\d+)-(\d+)", head)
                assert found is not None
                first, last = int(found[1]), int(found[2])
                async for chunk in _reply(content.data, server, first, last):
                    writer.write(chunk)
                    await writer.drain()
                if server is Server.MUTE:
                    await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    with simulation.host(host):
        running = await asyncio.start_server(serve, host, 80)
    try:
        yield
    finally:
        running.close()
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.sleep(0.1)
        await running.wait_closed()


async def _reply(data: bytes, server: Server, first: int, last: int) -> AsyncIterator[bytes]:
    body = data[first : last + 1]
    partial = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n"
    head = f"{partial}Content-Length: {len(body)}\r\n\r\n".encode()
    match server:
        case Server.HONEST:
            yield head + body
        case Server.STALLS:
            yield head + body[:100]
            await asyncio.sleep(1e5)
        case Server.DRIPS:
            yield head
            for byte in body:
                yield bytes((byte,))
                await asyncio.sleep(20)
        case Server.LIES:
            yield head + bytes([body[0] ^ 1]) + body[1:]
        case Server.ENDS_EARLY:
            yield head + body[: len(body) // 2]
            raise ConnectionError
        case Server.SENDS_EVERYTHING:
            yield f"{partial}\r\n".encode()
            while True:
                yield data
        case Server.ANOTHER_RANGE:
            yield f"HTTP/1.1 206 x\r\nContent-Range: bytes 0-{len(body) - 1}/{SIZE}\r\n".encode()
            yield f"Content-Length: {len(body)}\r\n\r\n".encode() + data[: len(body)]
        case Server.PACKS:
            yield f"{partial}Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        case Server.REDIRECTS_TO_ITSELF:
            yield b"HTTP/1.1 302 Found\r\nLocation: /content\r\nContent-Length: 0\r\n\r\n"
        case Server.REFUSES:
            yield b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
        case Server.UNAVAILABLE:
            yield b"HTTP/1.1 503 Later\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n"
