"""The `nodes` of a torrent bring a lonely DHT node in, and a DHT that cannot be joined is not the end of a download."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Metainfo, Session, SessionConfig, create_metainfo
from bittorrent.errors import NoPeersError
from kademlia_core import LookupConfig, MainlineNode
from kademlia_core.mainline.config import MainlineConfig
from tests.unit.bittorrent.aio.test_discovery import (
    ENTRY,
    LEECH,
    OTHER,
    SEED,
    add,
    completed,
    dht_node,
    make_shared,
    session_at,
)
from transfer.address import Address
from transfer.simulation import Simulation, run
from transfer.wire import bencode

DEAD = Address("10.0.0.77", 6881)


@pytest.fixture
def shared(tmp_path: Path) -> Metainfo:
    return make_shared(tmp_path, private=False)


@pytest.mark.parametrize("bootstrap", [(DEAD,), ()])
@pytest.mark.parametrize("host", [ENTRY.host, "entry.example"])
def test_the_nodes_of_a_torrent_are_a_way_into_the_dht(
    tmp_path: Path, shared: Metainfo, bootstrap: tuple[Address, ...], host: str
) -> None:
    """Source: anacrolix/torrent#65. The torrent's nodes are all that leads to the network where it is announced."""

    async def scenario(simulation: Simulation) -> None:
        simulation.names["entry.example"] = (DEAD.host, ENTRY.host)
        async with (
            dht_node(simulation, ENTRY.host),
            dht_node(simulation, SEED, bootstrap=(ENTRY,)) as entry,
            session_at(simulation, tmp_path, SEED, dht=entry) as seed,
            dht_node(simulation, LEECH, bootstrap=bootstrap) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await add(simulation, seed, shared, seed_only=True)
            await asyncio.sleep(5.0)
            named = replace(shared, nodes=(Address("no.such.example", 1), Address(host, ENTRY.port)))
            await completed(await add(simulation, leech, named))

    run(scenario)


def test_a_datagram_to_a_node_of_a_torrent_may_be_lost(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_node(simulation, ENTRY.host),
            dht_node(simulation, SEED, bootstrap=(ENTRY,)) as entry,
            session_at(simulation, tmp_path, SEED, dht=entry) as seed,
            dht_node(simulation, LEECH, bootstrap=(DEAD,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            await add(simulation, seed, shared, seed_only=True)
            await asyncio.sleep(5.0)
            with simulation.partition([ENTRY.host, SEED], [LEECH]):
                torrent = await add(simulation, leech, replace(shared, nodes=(ENTRY,)))
                await asyncio.sleep(12.0)
            await completed(torrent)

    run(scenario)


def test_nodes_that_never_answer_do_not_keep_a_download_from_ending(tmp_path: Path, shared: Metainfo) -> None:
    async def scenario(simulation: Simulation) -> float:
        async with (
            dht_node(simulation, LEECH, bootstrap=(DEAD,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node) as leech,
        ):
            with pytest.raises(NoPeersError, match="no bootstrap node answered"):
                await completed(await add(simulation, leech, replace(shared, nodes=(DEAD,) * 200)))
            return simulation.now

    assert run(scenario).result < 200


class NotedNode(MainlineNode):
    """Notes whom it is told of."""

    def __init__(self) -> None:
        super().__init__(port=6881, bootstrap=())
        self.told: list[Address] = []

    def add_node(self, address: tuple[str, int]) -> None:
        self.told.append(Address(*address))
        super().add_node(address)


@pytest.mark.parametrize(
    ("allow_private", "expected"),
    [(False, {Address("8.8.8.8", 1), Address("10.0.0.9", 2)}), (True, None)],
)
def test_nodes_in_private_networks_follow_the_rule_for_peers(
    tmp_path: Path, shared: Metainfo, allow_private: bool, expected: set[Address] | None
) -> None:
    """What a torrent names is asked on the internet and in the network that this host is in, and not on this host."""
    nodes = (
        Address("8.8.8.8", 1),
        Address("10.0.0.9", 2),
        Address("127.0.0.1", 3),
        Address("192.168.7.7", 4),
        Address("169.254.169.254", 5),
        Address("2130706433", 6),  # which some resolvers take for 127.0.0.1
        Address("router.house", 7),
        Address("224.0.0.1", 8),
    )

    async def scenario(simulation: Simulation) -> None:
        simulation.names["router.house"] = "192.168.7.1"
        simulation.names["2130706433"] = "127.0.0.1"
        with simulation.host(LEECH):
            node = await NotedNode().__aenter__()
        async with session_at(simulation, tmp_path, LEECH, dht=node, allow_private=allow_private) as leech:
            await add(simulation, leech, replace(shared, nodes=nodes))
            await asyncio.sleep(2.0)
        await node.aclose()
        if expected is None:
            assert {address.port for address in node.told} == {1, 2, 3, 4, 5, 6, 7}
        else:
            assert set(node.told) == expected

    run(scenario)


def test_the_nodes_of_a_private_torrent_are_not_asked(tmp_path: Path) -> None:
    shared = make_shared(tmp_path, private=True)

    async def scenario(simulation: Simulation) -> None:
        with simulation.host(LEECH):
            node = await NotedNode().__aenter__()
        async with session_at(simulation, tmp_path, LEECH, dht=node) as leech:
            await add(simulation, leech, replace(shared, nodes=(Address("8.8.8.8", 1),)))
            await asyncio.sleep(5.0)
        await node.aclose()
        assert node.told == []

    run(scenario)


async def test_without_internet_the_local_network_is_waited_for(tmp_path: Path) -> None:
    """The DHT cannot be joined; who comes later in the local network is found all the same."""
    path = tmp_path / "seed" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(50_000))
    shared = create_metainfo(path)
    impatient = LookupConfig(short_timeout_s=0.01, patience_s=0.02)
    quick = MainlineConfig(query_timeout_s=0.05, join_attempts=1, lookup=impatient)
    config = SessionConfig(no_peers_timeout_s=0.01)
    async with (
        asyncio.timeout(60),
        MainlineNode(host="127.0.0.1", bootstrap=[("127.0.0.1", 9)], config=quick) as node,
        Session(tmp_path, host="127.0.0.1", port=0, dht=node, config=config, local_discovery=True) as leech,
    ):
        assert leech.local_discovery_error is None
        torrent = await leech.add(shared)
        while "no bootstrap node answered" not in torrent.explain().text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        async with Session(tmp_path / "seed", host="127.0.0.1", port=0, local_discovery=True) as seed:
            await seed.add(shared, seed_only=True)
            await torrent.wait_complete()


@pytest.mark.parametrize("is_up", [True, False])
def test_a_tracker_that_answers_is_waited_for(tmp_path: Path, shared: Metainfo, is_up: bool) -> None:
    """It names nobody for ten minutes; a dead one is no reason to wait."""

    async def scenario(simulation: Simulation) -> None:
        async def respond(request: web.Request) -> web.Response:
            peers = Address(SEED, 6881).compact() if simulation.now > 600 else b""
            body = bencode.encode({b"interval": 300, b"peers": peers})
            return web.Response(body=body) if is_up else web.Response(status=503)

        with simulation.host(OTHER):
            application = web.Application()
            application.router.add_get("/announce", respond)
            runner = web.AppRunner(application)
            await runner.setup()
            await web.TCPSite(runner, "0.0.0.0", 80).start()
        tracked = replace(shared, trackers=((f"http://{OTHER}/announce",),))
        async with (
            session_at(simulation, tmp_path, SEED) as seed,
            dht_node(simulation, LEECH, bootstrap=(DEAD,)) as node,
            session_at(simulation, tmp_path, LEECH, dht=node, no_peers_timeout_s=45.0) as leech,
        ):
            await add(simulation, seed, shared, seed_only=True)
            torrent = await add(simulation, leech, tracked)
            if is_up:
                await completed(torrent, within_s=2000.0)
            else:
                with pytest.raises(NoPeersError, match="no bootstrap node answered"):
                    await completed(torrent)
        await runner.cleanup()

    run(scenario)
