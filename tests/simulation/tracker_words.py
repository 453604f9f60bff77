"""A tracker that names peers by name, and has something to tell."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from bittorrent.events import TrackerWarned
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Simulation, scenario
from transfer.wire import bencode

US, TRACKER, SEED = "10.0.0.1", "8.8.8.8", "9.9.9.9"


@dataclass(slots=True)
class Words:
    """What came of it."""

    warned: list[TrackerWarned] = field(default_factory=list)
    shown: str | None = None


@scenario()
async def a_peer_has_a_name(simulation: Simulation) -> Words:
    """The download is complete when this returns."""
    simulation.names["seed.example"] = SEED
    simulation.names["router.example"] = "192.168.1.1"
    content = SharedContent.make(1 << 16, 1 << 15, simulation.rng)
    names: list[bencode.Encodable] = [
        {b"ip": host, b"port": PORT} for host in (b"nowhere.example", b"router.example", b"localhost", b"seed.example")
    ]
    body = bencode.encode({b"interval": 60, b"peers": names, b"warning message": b"maintenance at noon"}) + b"\n"
    words = Words()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    with simulation.host(TRACKER):
        server = await asyncio.start_server(serve, TRACKER, 80)
    metainfo = replace(content.metainfo, trackers=((f"http://{TRACKER}/announce?passkey=secret",),))
    async with (
        session_on(simulation, SEED, content, complete=True) as seed,
        session_on(simulation, US, content) as session,
    ):
        await add(simulation, SEED, seed, content.metainfo)
        torrent = await add(simulation, US, session, metainfo)
        events = torrent.events()
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await asyncio.sleep(600)  # ten more announcements say the same
        words.shown = torrent.trackers()[0].warning
        await session.remove(torrent)
        words.warned = [event async for event in events if isinstance(event, TrackerWarned)]
    server.close()
    await server.wait_closed()
    return words
