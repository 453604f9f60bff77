"""HTTP trackers that are after our memory, our patience, or the local network, and what a session says about each."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from bittorrent.stats import TrackerState
from tests.simulation.content_sessions import add, session_on, until
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Simulation

US, TRACKER, ROUTER = "192.168.1.50", "8.8.8.8", "192.168.1.1"
OK = b"HTTP/1.1 200 OK\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of an announcement.

    Attributes:
        error: what the session says.
        took_s: until it said so.
        sent_bytes: what the server got rid of before we hung up.
        router_heard: requests that reached the router.
    """

    error: str
    took_s: float
    sent_bytes: int
    router_heard: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes, a chunk at a time, with a pause after each."""

    chunks: Callable[[], Iterator[bytes]]
    pause_s: float = 0.0


def bomb() -> Iterator[bytes]:
    """Zeros, packed a thousand to one, for ever."""
    yield GZIP + b"\r\n"
    packer = zlib.compressobj(wbits=31)
    yield packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    packed = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield from repeat(packed)  # it goes back to zeros that were there before


def nothing_packed() -> Iterator[bytes]:
    """A packed stream that goes on for ever and holds nothing."""
    yield GZIP + b"\r\n"
    packer = zlib.compressobj(wbits=31)
    yield packer.flush(zlib.Z_SYNC_FLUSH)
    while True:
        yield b"\x00\x00\x00\xff\xff" * 1000  # empty blocks


def redirect(target: str) -> Reply:
    text = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
    return Reply(lambda: iter([text.encode()]))


def endless(head: bytes, body: bytes) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        yield head
        yield from repeat(body)

    return chunks


REPLIES = {
    "a bomb": Reply(bomb),
    "nothing, packed": Reply(nothing_packed, 0.001),
    "an endless body": Reply(endless(OK + b"\r\n", bytes(1 << 16))),
    "a body that is said to be endless": Reply(endless(OK + b"Content-Length: 99999999999\r\n\r\n", bytes(1 << 16))),
    "endless chunks": Reply(endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"400\r\n" + bytes(1024) + b"\r\n")),
    "endless headers": Reply(endless(OK, b"X-A: " + b"a" * 1000 + b"\r\n")),
    "one endless header": Reply(endless(OK + b"X-A: ", b"a" * 1000)),
    "a header a second": Reply(endless(OK, b"X: y\r\n"), 1.0),
    "a byte a second": Reply(endless(OK + b"\r\n", b"d"), 1.0),
    "silence": Reply(lambda: iter([]), 0.0),
    "no HTTP": Reply(lambda: iter([b"220 smtp.example ESMTP\r\n"])),
    "a redirect to the router": redirect(f"http://{ROUTER}/announce"),
    "a redirect to a name of the router": redirect("http://router.example/announce"),
    "a redirect to this machine": redirect("http://127.0.0.1/announce"),
    "a redirect to itself": redirect(f"http://{TRACKER}/announce"),
    "a redirect to a file": redirect("file:///etc/passwd"),
    "a redirect to nowhere": redirect("http://"),
    "too little": Reply(lambda: iter([OK + b"Content-Length: 100\r\n\r\nd8:intervali9e"])),
    "another packing": Reply(lambda: iter([OK + b"Content-Encoding: br\r\n\r\nabc"])),
    "broken packing": Reply(lambda: iter([GZIP + b"Content-Length: 3\r\n\r\nabc"])),
    "deep nesting": Reply(lambda: iter([OK + b"Content-Length: 100000\r\n\r\n" + b"l" * 100_000])),
}


class Server:
    """Gives the same reply to whatever it is asked."""

    def __init__(self, reply: Reply) -> None:
        self.heard = 0
        self.sent_bytes = 0
        self._reply = reply

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.heard += 1
            for chunk in self._reply.chunks():
                writer.write(chunk)
                await writer.drain()
                self.sent_bytes += len(chunk)
                if self._reply.pause_s:
                    await asyncio.sleep(self._reply.pause_s)
            if self._reply is REPLIES["silence"]:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def judge(simulation: Simulation, reply: Reply, *, url: str = f"http://{TRACKER}/announce") -> Judged:
    """Announces to a server that replies like this."""
    simulation.names["router.example"] = ROUTER
    servers = {TRACKER: Server(reply), ROUTER: Server(reply)}
    running = []
    for host, server in servers.items():
        with simulation.host(host):
            running.append(await asyncio.start_server(server.answer, host, 80))
    content = SharedContent.make(1 << 15, 1 << 15, simulation.rng)
    async with session_on(simulation, US, content, complete=True) as session:
        torrent = await add(simulation, US, session, replace(content.metainfo, trackers=((url,),)))
        await until(lambda: torrent.trackers()[0].state in (TrackerState.FAILED, TrackerState.WORKING), within_s=100)
        (stats,) = torrent.trackers()
        judged = Judged(
            error=stats.error or "",
            took_s=simulation.now,
            sent_bytes=servers[TRACKER].sent_bytes,
            router_heard=servers[ROUTER].heard,
        )
    for each in running:
        each.close()
        await each.wait_closed()
    return judged
