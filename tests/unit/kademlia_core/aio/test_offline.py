"""What goes on by itself goes on soon after a node that was cut off has joined again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from kademlia_core import BootstrapError, Contact, ItemFollower, ItemLookup, Keeper, MutableItem, RepetitionConfig
from kademlia_core.aio.lookups import RunningLookup
from kademlia_core.key import Key
from transfer.address import Address
from transfer.simulation import Simulation, run

OFFLINE_S = 20_000.0
ITEM = MutableItem(bytes(32), 1, b"5:value", bytes(64))


@dataclass(frozen=True)
class Report:
    accepted_by: tuple[Contact, ...] = (Contact(Key(1, 160), Address("192.0.2.1", 1)),)


def check_connection() -> None:
    """As `wait_joined` does for a node that was cut off."""
    if asyncio.get_running_loop().time() < OFFLINE_S:
        raise BootstrapError(())


def test_a_keeper_speaks_again() -> None:
    async def say() -> Report:
        check_connection()
        return Report()

    async def scenario(_: Simulation) -> None:
        async with Keeper(say, interval_s=3600.0, retry_s=30.0, rng=Random(1)) as keeper:
            await keeper.wait_report()
            assert asyncio.get_running_loop().time() <= OFFLINE_S + 30.0

    run(scenario)


def test_a_follower_looks_again() -> None:
    config = RepetitionConfig(poll_s=300.0, poll_max_s=3600.0)

    async def start() -> RunningLookup:
        check_connection()
        running = RunningLookup(())
        running.add((ITEM,))
        return running

    async def scenario(_: Simulation) -> None:
        def find(_: int | None) -> ItemLookup:
            return ItemLookup(start, lambda _: None)

        async with ItemFollower(find, None, since=None, config=config, rng=Random(1)) as versions:
            assert await anext(aiter(versions)) == ITEM
            assert asyncio.get_running_loop().time() <= OFFLINE_S + 1.1 * config.poll_s

    run(scenario)
