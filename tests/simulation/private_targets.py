"""A session in a house, and everything that may name private addresses to it: who is called?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from tests.simulation.content_sessions import PORT, session_on
from tests.simulation.shared_content import SharedContent
from transfer.address import Address, join_compact
from transfer.simulation import Simulation
from transfer.wire import bencode

US, NEIGHBOUR, ROUTER, ELSEWHERE, LOCALHOST = "192.168.1.50", "192.168.1.7", "192.168.1.1", "10.9.0.1", "127.0.0.1"
PUBLIC = "8.8.8.8"
SERVICES = (NEIGHBOUR, ROUTER, ELSEWHERE, PUBLIC)  # each listens on two ports, and so does our own loopback
WEB = 80


@dataclass(slots=True)
class Heard:
    """Which ports somebody connected to, and what else is to be known.

    Attributes:
        called: the hosts whose peer port was called, and whose web server.
        said: why nobody is here, as the session explains it.
    """

    called: set[str] = field(default_factory=set)
    web: set[str] = field(default_factory=set)
    said: str = ""


async def name_them(
    simulation: Simulation,
    *,
    source: str,
    hosts: tuple[str, ...],
    tracker: str = PUBLIC,
    allow_private: bool = False,
) -> Heard:
    """`hosts` are named by a `source`: the tracker, a magnet link, a torrent, its user."""
    heard = Heard()
    simulation.names["printer.home"] = ELSEWHERE
    content = SharedContent.make(1 << 15, 1 << 15, simulation.rng)
    addresses = [Address(host, PORT) for host in hosts]
    urls = tuple(f"http://{host}/announce" if "tracker" in source else f"http://{host}/" for host in hosts)
    torrent, options = _named(source, content.metainfo, addresses, urls, tracker)
    async with AsyncExitStack() as stack:
        for host, address in [*((host, host) for host in SERVICES), (US, LOCALHOST)]:
            peers = addresses if address == tracker and source == "tracker" else []
            await stack.enter_async_context(_listening(simulation, host, address, heard, peers))
        config: dict[str, Any] = {"no_peers_timeout_s": 20.0, "allow_private": allow_private}
        session = await stack.enter_async_context(session_on(simulation, US, content, **config))
        with simulation.host(US):
            added = await session.add(torrent, **options)
        await asyncio.sleep(15)
        heard.said = added.explain().text
    return heard


def _named(
    source: str, metainfo: Metainfo, addresses: list[Address], urls: tuple[str, ...], tracker: str
) -> tuple[Metainfo | Magnet, dict[str, Any]]:
    match source:
        case "tracker":
            return replace(metainfo, trackers=((f"http://{tracker}/announce",),)), {}
        case "tracker of a magnet link":
            return Magnet(v1=metainfo.info_hash, trackers=urls), {}
        case "tracker of a torrent":
            return replace(metainfo, trackers=(urls,)), {}
        case "magnet link":
            return Magnet(v1=metainfo.info_hash, peers=tuple(addresses)), {}
        case "web seed of a torrent":
            return replace(metainfo, web_seeds=urls), {}
        case "web seed":
            return metainfo, {"web_seeds": urls}
        case _:
            return metainfo, {"peers": addresses}


@asynccontextmanager
async def _listening(
    simulation: Simulation, host: str, address: str, heard: Heard, peers: list[Address]
) -> AsyncIterator[None]:
    """A host that takes note of who connects; its web server is a tracker that names `peers`."""
    body = bencode.encode({b"interval": 1800, b"peers": join_compact(peers)})
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def take_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.called.add(address)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.web.add(address)
        writer.write(answer)
        writer.close()

    with simulation.host(host):
        servers = [
            await asyncio.start_server(take_peer, address, PORT),
            await asyncio.start_server(serve, address, WEB),
        ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()
