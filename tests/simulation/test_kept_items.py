"""Items survive the nodes that hold them: a third crashes, and whoever keeps them brings all copies back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random

from kademlia_core import MainlineConfig, MainlineNode, SigningKey
from kademlia_core.mainline.config import RepetitionConfig
from kademlia_core.mainline.node_id import node_id_for
from transfer.simulation import Link, Simulation, run
from transfer.simulation.workloads import LogNormalLatency

LINK = Link(delay_s=LogNormalLatency(median_s=0.05, sigma=0.6), loss=0.01)
CONFIG = MainlineConfig(repetition=RepetitionConfig(republish_interval_s=300.0, retry_s=10.0), upkeep_interval_s=15.0)
NODES, ITEMS = 36, 8
KEYS = [SigningKey(bytes([number]) * 32) for number in range(ITEMS)]


def test_items_that_are_kept_survive_a_crash_of_a_third() -> None:
    copies_before, found, copies_after = run(crash_a_third, seed=1, link=LINK).result
    assert min(copies_before) >= 5, "a lost datagram costs a copy"
    assert found == ITEMS, "these are enough for nobody to miss an item, even before it is put again"
    assert sum(copies_after) > 7 * ITEMS, "the items are back at the nodes closest to them"


async def crash_a_third(simulation: Simulation) -> tuple[list[int], int, list[int]]:
    async with AsyncExitStack() as stack:
        nodes = [await start(simulation, stack, number) for number in range(NODES)]
        for node in nodes:
            await node.wait_joined()
        await asyncio.sleep(60)
        keepers = []
        for number, key in enumerate(KEYS):
            report = await nodes[number].put_mutable(key, f"item {number}")
            keepers.append(await stack.enter_async_context(nodes[number].keep(report.item)))
        copies_before = [len((await keeper.wait_report()).accepted_by) for keeper in keepers]

        victims = simulation.rng.sample(range(ITEMS, NODES), NODES // 3)
        for number in victims:
            simulation.crash(host(number))
        reader = next(nodes[number] for number in range(ITEMS, NODES) if number not in victims)
        found = 0
        for number, key in enumerate(KEYS):
            item = await reader.get_mutable(key.public_key)
            found += item is not None and item.decoded() == f"item {number}".encode()
        await asyncio.sleep(1500)  # nodes name the dead for a quarter of an hour, before they doubt them (BEP 5)
        return copies_before, found, [len((await keeper.wait_report()).accepted_by) for keeper in keepers]


async def start(simulation: Simulation, stack: AsyncExitStack, number: int) -> MainlineNode:
    rng = Random(simulation.rng.getrandbits(64))
    with simulation.host(host(number)):
        node = MainlineNode(
            port=6881,
            bootstrap=[(host(0), 6881)] if number else (),
            node_id=node_id_for(host(number), rng),
            config=CONFIG,
            rng=rng,
        )
        return await stack.enter_async_context(node)


def host(number: int) -> str:
    return f"11.0.{number}.1"
