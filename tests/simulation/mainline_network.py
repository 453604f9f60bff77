"""A DHT of real `MainlineNode`s that bootstraps, announces, loses a third of its nodes, and goes on finding."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass

from kademlia_core import MainlineNode
from kademlia_core.errors import BootstrapError
from transfer.address import Address
from transfer.simulation import Link, Simulation, scenario
from transfer.simulation.workloads import LogNormalLatency

BOOTSTRAP = Address("10.0.0.1", 6881)
LINK = Link(delay_s=LogNormalLatency(median_s=0.05, sigma=0.6), loss=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of `keys` announced, `findable` had a living holder after the crash, and `found` of those were found."""

    keys: int
    found_before: int
    findable: int
    found: int
    joined_at_s: float


async def crash_a_third(
    simulation: Simulation, *, nodes: int, keys: int, joins_per_s: float = 20.0, settle_s: float = 0.0
) -> Outcome:
    """The scenario, in any size; the network has `settle_s` between the last join and the first announce."""
    network = [await _start(simulation, 0, bootstrap=())]
    for number in range(1, nodes):
        network.append(await _start(simulation, number, bootstrap=(BOOTSTRAP,)))
        await asyncio.sleep(1 / joins_per_s)
    await asyncio.gather(*map(_joined, network))
    joined_at_s = simulation.now
    await asyncio.sleep(settle_s)

    rng = simulation.rng
    info_hashes = [rng.randbytes(20) for _ in range(keys)]
    reports = await asyncio.gather(*(rng.choice(network).announce(info_hash, port=6881) for info_hash in info_hashes))
    holders = {
        info_hash: {contact.address for contact in report.accepted_by}
        for info_hash, report in zip(info_hashes, reports, strict=True)
    }
    found_before = await _count_found(holders, network, rng)

    victims = set(rng.sample(range(1, nodes), nodes // 3))
    for number in sorted(victims):
        simulation.crash(_host(number))
    alive = [node for number, node in enumerate(network) if number not in victims]
    living = {Address(_host(number), 6881) for number in range(nodes) if number not in victims}
    findable = {info_hash: where for info_hash, where in holders.items() if where & living}
    found = await _count_found(findable, alive, rng)
    for node in network:
        await node.aclose()
    return Outcome(keys=keys, found_before=found_before, findable=len(findable), found=found, joined_at_s=joined_at_s)


@scenario(link=LINK)
async def small(simulation: Simulation) -> Outcome:
    """Small enough for a test."""
    return await crash_a_third(simulation, nodes=60, keys=20)


async def _start(simulation: Simulation, number: int, *, bootstrap: tuple[Address, ...]) -> MainlineNode:
    with simulation.host(_host(number)):
        node = MainlineNode(port=6881, bootstrap=bootstrap, rng=random.Random(simulation.rng.getrandbits(64)))
        return await node.__aenter__()


async def _joined(node: MainlineNode) -> None:
    """Losses may hit every attempt of a node: it tries again by itself, and so do we."""
    while True:
        try:
            return await node.wait_joined()
        except BootstrapError:
            await asyncio.sleep(5)


async def _count_found(info_hashes: Iterable[bytes], nodes: list[MainlineNode], rng: random.Random) -> int:
    return sum(await asyncio.gather(*(_finds(rng.choice(nodes), info_hash) for info_hash in info_hashes)))


async def _finds(node: MainlineNode, info_hash: bytes) -> bool:
    async with node.find_peers(info_hash) as lookup:
        async for _ in lookup:
            return True
    return False


def _host(number: int) -> str:
    number += 1
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
