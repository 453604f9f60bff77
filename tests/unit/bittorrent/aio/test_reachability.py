"""What others are told about where they reach a session, and what a session learns about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bittorrent import Metainfo, ReachabilityStats, Session, SessionConfig, Torrent
from bittorrent.reachability import ReachabilityCore
from kademlia_core import MainlineNode
from tests.scripted_gateway import OUTER, Box, datagram_box
from tests.session_pair import make_files
from transfer.address import Address
from transfer.external_address import ExternalAddressConfig
from transfer.portmap.config import PortMapConfig
from transfer.portmap.values import PortMapMethod, PortMapStatus
from transfer.proxy.proxy import Proxy
from transfer.simulation import Simulation, run
from transfer.wire import bencode

ROUTER, US, PEER, TRACKER, NODE = "192.168.1.1", "192.168.1.2", "203.0.113.9", "198.51.100.3", "198.51.100.4"
PORT = 6881
MAPPING = PortMapConfig(gateway=ROUTER)


class Tracker:
    """An HTTP tracker that remembers the ports it was told, and sees everybody at one address."""

    def __init__(self) -> None:
        self.ports: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.ports += [int(port) for port in parse_qs(urlsplit(head.split()[1]).query)["port"]]
        body = bencode.encode({"interval": 1800, "peers": b"", "external ip": ip_address(OUTER).packed})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()


@asynccontextmanager
async def session_at(
    simulation: Simulation, tmp_path: Path, host: str, *, dht: MainlineNode | None = None, **settings: Any
) -> AsyncIterator[Session]:
    with simulation.host(host):
        rng = Random(simulation.rng.getrandbits(64))
        session = Session(tmp_path / host, host=host, port=PORT, dht=dht, config=SessionConfig(**settings), rng=rng)
        await session.__aenter__()
    try:
        yield session
    finally:
        with simulation.host(host):
            await session.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def world(simulation: Simulation, tmp_path: Path, shared: Metainfo) -> dict[str, Any]:
    """A session whose port is taken at the router, a tracker, a DHT node, and a peer that calls."""
    box, tracker = Box(taken={PORT}), Tracker()
    async with AsyncExitStack() as stack:
        with simulation.host(ROUTER):
            gateway = await stack.enter_async_context(datagram_box(box, ROUTER, speaks=("natpmp",)))
            gateway.twist = lambda answer: answer if simulation.loop.time() > 20 else None
        with simulation.host(TRACKER):
            server = await asyncio.start_server(tracker.serve, TRACKER, 80)
            stack.callback(server.close)
        with simulation.host(NODE):
            entry = await stack.enter_async_context(MainlineNode(host=NODE, port=PORT, bootstrap=(), rng=Random(1)))
        with simulation.host(US):
            node = MainlineNode(host=US, port=PORT, bootstrap=[(NODE, PORT)], rng=Random(2))
            await stack.enter_async_context(node)
        opened = session_at(
            simulation,
            tmp_path,
            US,
            dht=node,
            port_mapping=replace(MAPPING, retry_s=10),
            external_address=ExternalAddressConfig(quorum=1),
        )
        session = await stack.enter_async_context(opened)
        peer = await stack.enter_async_context(session_at(simulation, tmp_path, PEER))
        with simulation.host(US):
            torrent = await session.add(replace(shared, trackers=((f"http://{TRACKER}/announce",),)))
        with simulation.host(PEER):
            calling = await peer.add(shared)
            calling.add_peers([(US, PORT)])
        await until(lambda: len(calling.swarm.core.peers) == 1 and bool(tracker.ports))
        before, tried_first = session.reachability(), [first_path(torrent)]
        status = await session.wait_port_mapping()
        while status.method is None:
            status = await session.wait_port_mapping(status)
        theirs = next(iter(calling.swarm.core.peers.values()))
        await until(lambda: theirs.core.extensions.listen_port == PORT + 1 and len(tracker.ports) > 1)
        await asyncio.sleep(120)
        async with entry.find_peers(shared.info_hash) as lookup:
            announced = [address async for address in lookup]
        after = session.reachability()
        tried_first.append(first_path(torrent))
        assert torrent.error is None
        return {
            "before": before,
            "after": after,
            "status": status,
            "dht": announced,
            "trackers": tracker.ports,
            "first": tried_first,
        }


def first_path(torrent: Torrent) -> str:
    """By which one of the internet is called first."""
    return torrent.swarm.dialling.paths.order_for(Address("8.8.8.8", 1))[0].transport


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_files(tmp_path, {"a": 40_000}, piece_length=16_384)


def test_another_port_outside_is_told_to_trackers_peers_and_the_dht(tmp_path: Path, shared: Metainfo) -> None:
    seen = run(partial(world, tmp_path=tmp_path, shared=shared), seed=1).result
    before, after = seen["before"], seen["after"]
    assert isinstance(before, ReachabilityStats)
    assert (before.port, after.port) == (PORT, PORT + 1)
    assert seen["status"].method is PortMapMethod.NAT_PMP
    assert seen["trackers"][:2] == [PORT, PORT + 1]
    assert Address(US, PORT + 1) in seen["dht"]
    assert after.seen_as == ((OUTER, 1),)  # the tracker said so
    assert after.external_host == OUTER
    assert (after.callers, after.local_callers) == (1, 0)
    assert after.last_caller is not None
    assert after.last_caller.host == PEER
    assert after.local_host == US
    assert seen["first"] == ["utp", "tcp"]  # the router lets others in: nobody needs to bring us together


@pytest.mark.parametrize("settings", [{}, {"port_mapping": MAPPING, "uses_local_network": False}])
def test_a_router_is_left_alone_unless_it_is_wanted(tmp_path: Path, settings: dict[str, Any]) -> None:
    async def scenario(simulation: Simulation) -> tuple[int, ReachabilityStats]:
        with simulation.host(ROUTER):
            async with (
                datagram_box(Box(), ROUTER) as gateway,
                session_at(simulation, tmp_path, US, **settings) as session,
            ):
                await asyncio.sleep(30)
                return len(gateway.heard), session.reachability()

    heard, stats = run(scenario, seed=1).result
    assert heard == 0
    assert stats.mapping is None
    assert stats.port == PORT


def test_beside_a_proxy_through_which_all_must_go_nothing_is_said_to_the_local_network() -> None:
    proxy = Proxy.parse("socks5://127.0.0.1:1080")
    assert SessionConfig().speaks_locally
    assert not SessionConfig(proxy=proxy).speaks_locally
    assert SessionConfig(proxy=proxy, proxy_only=False).speaks_locally
    assert not SessionConfig(uses_local_network=False).speaks_locally


def test_a_silent_router_holds_up_neither_the_beginning_nor_the_end(tmp_path: Path) -> None:
    async def scenario(simulation: Simulation) -> tuple[float, float]:
        with simulation.host(ROUTER):
            async with datagram_box(Box(), ROUTER) as gateway:
                before = simulation.loop.time()
                async with session_at(simulation, tmp_path, US, port_mapping=MAPPING) as session:
                    opened = simulation.loop.time()
                    await session.wait_port_mapping()
                    gateway.twist = lambda answer: None
                    closing = simulation.loop.time()
                return opened - before, simulation.loop.time() - closing

    opening_s, closing_s = run(scenario, seed=1).result
    assert opening_s < 0.1
    assert closing_s < 1.2


def status(**values: Any) -> PortMapStatus:
    fields: dict[str, Any] = {
        "is_settled": True,
        "method": PortMapMethod.PCP,
        "local_host": US,
        "gateway": ROUTER,
        "external_host": "9.8.7.6",
        "tcp_port": PORT,
        "udp_port": PORT,
        "is_behind_another_nat": False,
        "failures": (),
        "renewals": 0,
        "gateway_restarts": 0,
    }
    return PortMapStatus(**{**fields, **values})


def test_what_is_believed_comes_from_peers_then_the_dht_then_the_router() -> None:
    core = ReachabilityCore(Address(US, PORT), ExternalAddressConfig(quorum=2))
    assert core.external_host() is None
    core.receive_mapping(status())
    assert core.port == PORT
    assert core.external_host() == "9.8.7.6"
    assert core.external_host("5.5.5.5") == "5.5.5.5"
    core.receive_vote(Address("1.1.1.1", 1), "7.7.7.7", now=0.0)
    assert core.external_host("5.5.5.5") == "5.5.5.5"
    core.receive_vote(Address("2.2.2.2", 1), "7.7.7.7", now=0.0)
    assert core.external_host("5.5.5.5") == "7.7.7.7"
    assert core.external.votes(now=1.0) == {"7.7.7.7": 2}


def test_a_router_behind_another_one_does_not_know_our_address() -> None:
    core = ReachabilityCore(Address(US, PORT), ExternalAddressConfig())
    core.receive_mapping(status(tcp_port=7000, external_host="10.0.0.2", is_behind_another_nat=True))
    assert core.external_host() is None
    assert core.port == 7000
    assert core.is_mapped_elsewhere
    core.receive_mapping(status(method=None, tcp_port=None))
    assert core.port == PORT


@pytest.mark.parametrize(
    ("is_behind_nat", "mapping", "seen", "expected"),
    [
        (False, None, None, False),
        (True, None, None, True),
        (True, status(), None, False),
        (True, status(external_host=None), "7.7.7.7", False),
        (True, status(), "9.8.7.6", False),
        (True, status(), "7.7.7.7", True),  # the router has a public address, and is not where the way out ends
        (True, status(is_behind_another_nat=True), None, True),
        (True, status(method=None, tcp_port=None, external_host=None), None, True),
        (False, status(), "7.7.7.7", False),
    ],
)
def test_who_can_be_called_needs_no_introduction(
    is_behind_nat: bool, mapping: PortMapStatus | None, seen: str | None, expected: bool
) -> None:
    core = ReachabilityCore(Address(US, PORT), ExternalAddressConfig(quorum=1), is_behind_nat=is_behind_nat)
    if mapping is not None:
        core.receive_mapping(mapping)
    if seen is not None:
        core.receive_vote(Address("1.1.1.1", 1), seen, now=0.0)
    assert core.needs_introductions is expected


def test_callers_are_told_apart_by_where_they_are() -> None:
    core = ReachabilityCore(Address(US, PORT), ExternalAddressConfig())
    for host in ("9.9.9.9", "192.168.1.7", "127.0.0.1"):
        core.receive_caller(Address(host, 5))
    assert (core.callers, core.local_callers, core.last_caller) == (1, 2, Address("9.9.9.9", 5))
