from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from kademlia_core import MainlineConfig, MainlineNode
from kademlia_core.mainline.config import PeerStoreConfig, RepetitionConfig
from tests.unit.kademlia_core.aio.simulated_network import SimulatedNetwork, in_network_of
from transfer.address import Address
from transfer.simulation import Link, Simulation, run

INFO_HASH = b"i" * 20
FORGETFUL = MainlineConfig(
    peer_store=PeerStoreConfig(lifetime_s=120.0),
    repetition=RepetitionConfig(announce_interval_s=60.0, retry_s=5.0),
    upkeep_interval_s=20.0,
)


async def peers_of(node: MainlineNode, *, no_seeds: bool = False) -> set[Address]:
    async with node.find_peers(INFO_HASH, no_seeds=no_seeds) as lookup:
        return {peer async for peer in lookup}


@in_network_of(20)
async def test_seeds_and_downloaders_are_counted_and_told_apart(nodes: SimulatedNetwork) -> None:
    empty = await nodes[0].scrape(INFO_HASH)
    assert (empty.seeds, empty.downloaders, empty.counted_by) == (0.0, 0.0, 0)
    for number in range(3, 15):
        report = await nodes[number].announce(INFO_HASH, port=7000, seed=number < 8)
        assert len(report.accepted_by) == 8
        assert report.refused == ()
    for scraper in (nodes[0], nodes[19], nodes[5]):
        report_of_swarm = await scraper.scrape(INFO_HASH)
        assert report_of_swarm.seeds == pytest.approx(5, abs=0.2)
        assert report_of_swarm.downloaders == pytest.approx(7, abs=0.2)
        assert report_of_swarm.counted_by >= 8
        assert report_of_swarm.lookup.responses >= 7
    assert await peers_of(nodes[0]) == {Address(f"11.0.{number}.1", 7000) for number in range(3, 15)}
    assert await peers_of(nodes[0], no_seeds=True) == {Address(f"11.0.{number}.1", 7000) for number in range(8, 15)}


@in_network_of(16, FORGETFUL)
async def test_what_is_kept_announced_is_found_as_long_as_it_is(nodes: SimulatedNetwork) -> None:
    await nodes[2].announce(INFO_HASH, port=7002)
    async with nodes[1].keep_announced(INFO_HASH, port=7001, seed=True) as announced:
        assert len((await announced.wait_report()).accepted_by) == 8
        assert await peers_of(nodes[9]) == {("11.0.1.1", 7001), ("11.0.2.1", 7002)}
        await asyncio.sleep(300)
        assert await peers_of(nodes[9]) == {("11.0.1.1", 7001)}
        assert (await nodes[8].scrape(INFO_HASH)).seeds == pytest.approx(1, abs=0.1)
    await asyncio.sleep(130)
    assert await peers_of(nodes[9]) == set()


@in_network_of(12, replace(FORGETFUL, peer_store=PeerStoreConfig(max_entries_per_host=1)))
async def test_refused_announces_say_by_whom_and_why(nodes: SimulatedNetwork) -> None:
    await nodes[1].announce(INFO_HASH, port=7001)
    report = await nodes[1].announce(b"j" * 20, port=7001)
    assert {(refusal.code, refusal.text) for refusal in report.refused} == {
        (202, "too many announces from this address")
    }
    assert {refusal.error for refusal in report.refused} == {None}, "it is not about an item"
    assert len(report.refused) + len(report.accepted_by) == 8


@in_network_of(2)
async def test_ports_are_checked(nodes: SimulatedNetwork) -> None:
    for port in (0, 65536, -1):
        with pytest.raises(ValueError, match="port"):
            nodes[0].keep_announced(INFO_HASH, port=port)


def test_a_machine_with_several_addresses_is_several_nodes() -> None:
    """BEP 45: each address has a node, a key far from the others', tokens and announces of its own."""

    async def scenario(simulation: Simulation) -> None:
        hosts = ("11.0.1.1", "11.0.2.1", "11.0.3.1")
        async with AsyncExitStack() as stack:
            with simulation.host("11.0.0.1"):
                hub = await stack.enter_async_context(MainlineNode(port=6881, bootstrap=()))
            with simulation.host(*hosts):
                nodes = [
                    await stack.enter_async_context(
                        MainlineNode(host=host, port=6881, bootstrap=[("11.0.0.1", 6881)], rng=Random(number))
                    )
                    for number, host in enumerate(hosts)
                ]
            for node in nodes:
                await node.wait_joined()
            await asyncio.sleep(30)
            keys = [node.node_id for node in (hub, *nodes)]
            assert max(first.shared_prefix_length(second) for first, second in combinations(keys, 2)) < 8
            for node in nodes:
                report = await node.announce(INFO_HASH, port=7000)
                assert len(report.accepted_by) == 3
            assert await peers_of(hub) == {Address(host, 7000) for host in hosts}
            assert hub.statistics().nodes == 3

    run(scenario, link=Link(delay_s=0.03))


@in_network_of(2)
async def test_all_addresses_of_a_name_are_asked(nodes: SimulatedNetwork) -> None:
    nodes.simulation.names["node.example"] = ["11.9.9.9", "11.0.1.1"]
    with nodes.simulation.host("11.0.0.1"):
        assert (await nodes[0].ping(("node.example", 6881))).key == nodes[1].node_id
