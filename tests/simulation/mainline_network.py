"""A DHT of real `MainlineNode`s that bootstraps, announces, loses a third of its nodes, and goes on finding."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from kademlia_core.aio.mainline import MainlineNode
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
    await asyncio.gather(*(node.wait_joined() for node in network))
    joined_at_s = simulation.now
    await asyncio.sleep(settle_s)

    rng = simulation.rng
    holders: dict[bytes, set[Address]] = {}
    for port in range(1, keys + 1):
        info_hash = rng.randbytes(20)
        report = await rng.choice(network).announce(info_hash, port=port)
        holders[info_hash] = {contact.address for contact in report.accepted_by}
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


async def _count_found(holders: dict[bytes, set[Address]], nodes: list[MainlineNode], rng: random.Random) -> int:
    count = 0
    for info_hash in holders:
        async with rng.choice(nodes).find_peers(info_hash) as lookup:
            async for _ in lookup:
                count += 1
                break
    return count


def _host(number: int) -> str:
    number += 1
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
