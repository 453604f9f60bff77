"""Strangers who take every connection of a torrent and give nothing, while a seed could be called."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

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


async def squat_elsewhere(simulation: Simulation, *, manner: Manner, calls: bool) -> tuple[float, int, str]:
    """How long a torrent takes that has no peer while strangers fill the session through other torrents.

    Args:
        calls: the strangers are called; otherwise they come, and so does the only one who has the torrent.

    Returns:
        Seconds; how many strangers are connected afterwards; and what the limits say of it.
    """
    wanted = SharedContent.make(1 << 18, 1 << 15, simulation.rng)
    others = [SharedContent.make(1 << 18, 1 << 15, simulation.rng) for _ in range(4)]
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(session_on(simulation, SEEDER, wanted, complete=True))
        seed = await add(simulation, SEEDER, seeder, wanted.metainfo, seed_only=True)
        await seed.wait_complete()
        side: dict[str, Any] = {"max_outbound": 32} if calls else {"max_inbound": 32}
        session = await stack.enter_async_context(
            session_on(simulation, US, wanted, max_connections_per_torrent=12, exempt_networks=(), **side)
        )
        torrents = [
            await add(simulation, US, session, other.metainfo, download_dir=f"other-{number}")
            for number, other in enumerate(others)
        ]
        squatters: list[OddPeer] = []
        for number, torrent in enumerate(torrents):
            for turn in range(12):
                peer = OddPeer(simulation, f"10.1.{number}.{turn + 1}", others[number], manner)
                squatters.append(await stack.enter_async_context(peer))
                if calls:
                    with simulation.host(US):
                        torrent.add_peers([(peer.host, PORT)])
                else:
                    with suppress(OSError):
                        await peer.dial(US)
        await asyncio.sleep(30.0)
        full = sum(torrent.statistics().peers for torrent in torrents)
        assert full >= 30, "the session is full"
        began_at = simulation.now
        torrent = await add(simulation, US, session, wanted.metainfo, download_dir="wanted")
        with simulation.host(US if calls else SEEDER):
            if calls:
                torrent.add_peers([(SEEDER, PORT)])
            else:
                seed.add_peers([(US, PORT)])
        await until(lambda: not torrent.left_bytes, within_s=600.0)
        took_s = simulation.now - began_at
        await asyncio.sleep(5.0)  # the torrents that had most give back what was borrowed
        staying = sum(torrent.statistics().peers for torrent in torrents)
        return took_s, staying, str(session.limits.explain())
