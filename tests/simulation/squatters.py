"""Strangers who take every connection of a torrent and give nothing, while a seed could be called."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from bittorrent.swarm.explain import SlowReason
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.odd_peers import Manner, OddPeer
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Simulation

US, SEEDER = "10.0.0.1", "10.0.0.2"


async def squat(simulation: Simulation, *, manner: Manner, come_back: bool = False) -> float:
    """How long a download takes that learns of a seed when it has no connection left."""
    content = SharedContent.make(1 << 18, 1 << 15, simulation.rng)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEEDER, content, complete=True))
        await (await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)).wait_complete()
        session = await stack.enter_async_context(
            session_on(simulation, US, content, max_connections_per_torrent=8, max_connections=20)
        )
        torrent = await add(simulation, US, session, content.metainfo)
        await asyncio.sleep(1)
        squatters = [OddPeer(simulation, f"10.0.1.{number}", content, manner) for number in range(1, 13)]
        for peer in squatters:
            await stack.enter_async_context(peer)
            await peer.dial(US)
        await until(lambda: torrent.statistics().peers == 8)
        began_at = simulation.now
        with simulation.host(US):
            torrent.add_peers([(SEEDER, PORT)])
        async with asyncio.timeout(3600):
            while torrent.left_bytes:
                await asyncio.sleep(5)
                assert torrent.explain().reason is not SlowReason.NO_PEERS
                if come_back:
                    for peer in squatters:
                        await peer.dial(US)
        return simulation.now - began_at


async def squat_at_a_seed(simulation: Simulation) -> float:
    """How long somebody takes to get everything from a seed whose connections are all taken by who wants nothing."""
    content = SharedContent.make(1 << 18, 1 << 15, simulation.rng)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(
            session_on(simulation, SEEDER, content, complete=True, max_connections_per_torrent=8)
        )
        seed = await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)
        await seed.wait_complete()
        squatters = [OddPeer(simulation, f"10.0.1.{number}", content, Manner.EMPTY) for number in range(1, 9)]
        for peer in squatters:
            await stack.enter_async_context(peer)
            await peer.dial(SEEDER)
        await until(lambda: seed.statistics().peers == 8)
        began_at = simulation.now
        session = await stack.enter_async_context(session_on(simulation, US, content))
        torrent = await add(simulation, US, session, content.metainfo, peers=[(SEEDER, PORT)])
        async with asyncio.timeout(3600):
            while torrent.left_bytes:
                await asyncio.sleep(1)
                for peer in squatters:
                    await peer.dial(SEEDER)
        return simulation.now - began_at
