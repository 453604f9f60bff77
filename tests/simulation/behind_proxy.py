"""A session whose everything goes through a proxy, and what its host sends to whom."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from aiohttp import web

from bittorrent.aio.session import Session
from bittorrent.config import SessionConfig
from bittorrent.dialling.paths import UTP, PathConfig
from bittorrent.errors import NoPeersError
from kademlia_core import MainlineConfig, MainlineNode
from tests.proxy_server import ProxyServer, proxy_server
from tests.simulation.content_sessions import PORT, session_on
from tests.simulation.shared_content import SharedContent
from tests.simulation.tracker_tiers import UdpTracker
from transfer import Address, DatagramPort, ProxyKind, open_proxy_port
from transfer.address import join_compact
from transfer.simulation import Simulation
from transfer.simulation.names import NameTable
from transfer.simulation.trace import Trace
from transfer.utp.config import UtpConfig
from transfer.wire import bencode

US, PROXY, SEED, SERVER, ROUTER = "11.0.0.1", "11.0.1.1", "11.0.2.1", "11.0.3.1", "11.0.4.1"
NAMES = {"tracker.example": SERVER, "files.example": SERVER, "router.example": ROUTER}  # known to the proxy alone
SIZE = 1 << 18


@dataclass(slots=True)
class WentOut:
    """What left our host.

    Attributes:
        to: the addresses of whatever was sent, refused or lost included.
        names: those that were asked for on any host, ours or not.
        is_complete: the download was.
        proxy: what it was asked for.
        announced_port: what trackers were told.
    """

    to: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    is_complete: bool = False
    proxy: ProxyServer | None = None
    announced_port: int | None = None
    error: str | None = None
    said: str = ""


async def download(simulation: Simulation, source: str, kind: ProxyKind, *, proxy_only: bool = True) -> WentOut:
    """A download whose only source of peers or bytes is `source`."""
    out = WentOut()
    content = SharedContent.make(SIZE, 1 << 15, simulation.rng)
    metainfo = content.metainfo
    with watched(out):
        async with AsyncExitStack() as stack:
            seed = await stack.enter_async_context(
                session_on(simulation, SEED, content, complete=True, utp=UtpConfig() if source == "utp" else None)
            )
            with simulation.host(SEED):
                await seed.add(metainfo)
            with simulation.host(PROXY):
                server = out.proxy = await stack.enter_async_context(proxy_server(kind, host=PROXY, names=NAMES))
            peers: list[tuple[str, int]] = []
            web_seeds: list[str] = []
            match source:
                case "http tracker":
                    await stack.enter_async_context(serving(simulation, content, out))
                    metainfo = replace(metainfo, trackers=(("http://tracker.example/announce",),))
                case "udp tracker":
                    await stack.enter_async_context(udp_tracker(simulation, out))
                    metainfo = replace(metainfo, trackers=(("udp://tracker.example:6969",),))
                case "web seed":
                    await stack.enter_async_context(serving(simulation, content, out))
                    web_seeds = ["http://files.example/content"]
                case "node of the torrent":
                    metainfo = replace(metainfo, nodes=(Address("router.example", PORT),))
                case "named peer":
                    peers = [("peer.example", PORT)]
                case "peer" | "utp":
                    peers = [(SEED, PORT)]
            with simulation.host(ROUTER):
                router = await stack.enter_async_context(
                    MainlineNode(port=PORT, bootstrap=(), rng=random.Random(1), config=MainlineConfig())
                )
            if "dht" in source or "node" in source:
                with simulation.host(SEED):
                    other = await stack.enter_async_context(
                        MainlineNode(port=PORT + 1, bootstrap=[(ROUTER, PORT)], rng=random.Random(2))
                    )
                    await other.announce(metainfo.info_hash, port=PORT)
            assert router.address.port == PORT
            with simulation.host(US):
                ours = await stack.enter_async_context(our_session(simulation, content, server, source, proxy_only))
                torrent = await ours.add(metainfo, peers=peers, web_seeds=web_seeds)
                out.error = ours.proxy_error
                try:
                    async with asyncio.timeout(40):
                        await torrent.wait_complete()
                        out.is_complete = content.is_on(simulation.disk(US))
                except (TimeoutError, NoPeersError) as error:
                    out.said = str(error)
    return out


@asynccontextmanager
async def our_session(
    simulation: Simulation, content: SharedContent, server: ProxyServer, source: str, proxy_only: bool
) -> AsyncIterator[Session]:
    rng = random.Random(simulation.rng.getrandbits(64))
    paths = PathConfig(paths=(UTP,)) if source == "utp" else SessionConfig().paths
    config = SessionConfig(no_peers_timeout_s=30.0, proxy=server.proxy, proxy_only=proxy_only, paths=paths)
    async with AsyncExitStack() as stack:
        dht: MainlineNode | None = None
        ports: DatagramPort | tuple[DatagramPort, ...] | None = None
        if ("dht" in source or "node" in source) and server.proxy.carries_datagrams:
            ports = await stack.enter_async_context(await open_proxy_port(server.proxy, rng=rng))
            dht = await stack.enter_async_context(
                MainlineNode(
                    datagrams=ports,
                    bootstrap=[("router.example" if source == "dht" else "nobody.example", PORT)],
                    config=MainlineConfig(is_read_only=True),
                    rng=rng,
                )
            )
        storage = content.on(simulation.disk(US))
        session = Session(
            host=US, port=PORT, dht=dht, rng=rng, open_storage=storage, config=config, local_discovery=True
        )
        yield await stack.enter_async_context(session)


@contextmanager
def watched(out: WentOut) -> Iterator[None]:
    """Notes every packet of our host and every name that is asked for."""
    add, look_up = Trace.add, NameTable.getaddrinfo

    def noting_add(trace: Trace, event: Any) -> None:
        if event[3][0] == US or event[3][0] == "0.0.0.0":
            out.to.add(event[4][0])
        add(trace, event)

    def noting_look_up(table: NameTable, host: Any, port: Any, **options: Any) -> Any:
        if isinstance(host, str) and any(sign.isalpha() for sign in host):
            out.names.add(host)
        return look_up(table, host, port, **options)

    with patch.object(Trace, "add", noting_add), patch.object(NameTable, "getaddrinfo", noting_look_up):
        yield


@asynccontextmanager
async def serving(simulation: Simulation, content: SharedContent, out: WentOut) -> AsyncIterator[None]:
    """A tracker, and the file."""

    async def announce(request: web.Request) -> web.Response:
        out.announced_port = int(request.query["port"])
        peers = join_compact([Address(SEED, PORT)])
        return web.Response(body=bencode.encode({b"interval": 1800, b"peers": peers}))

    async def file(request: web.Request) -> web.Response:
        wanted = request.http_range
        return web.Response(
            status=206,
            body=content.data[wanted],
            headers={"Content-Range": f"bytes {wanted.start}-{wanted.stop - 1}/{SIZE}"},
        )

    application = web.Application()
    application.router.add_get("/announce", announce)
    application.router.add_get("/content", file)
    with simulation.host(SERVER):
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 80).start()
    yield
    await runner.cleanup()


class NamingTracker(UdpTracker):
    """Names the seed, and notes the port that it is told."""

    out: WentOut

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        _, action, transaction_id = struct.unpack_from(">QII", data)
        if action == 1:
            (self.out.announced_port,) = struct.unpack_from(">H", data, 96)
            head = struct.pack(">IIIII", 1, transaction_id, 1800, 0, 1)
            self._transport.sendto(head + Address(SEED, PORT).compact(), address)
        else:
            super().datagram_received(data, address)


@asynccontextmanager
async def udp_tracker(simulation: Simulation, out: WentOut) -> AsyncIterator[None]:
    tracker = NamingTracker(simulation, connects_from_s=0, announces_from_s=0)
    tracker.out = out
    with simulation.host(SERVER):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: tracker, (SERVER, 6969))
    yield
    transport.close()
