"""Who gets what: equal leeches, free riders, a newcomer, and what the policies of a seed make of unequal ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

from bittorrent.aio.torrent import Torrent
from bittorrent.rate_limits import RateLimits
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.uploading.choker import ChokerConfig, SeedingPolicy
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.shared_content import NAME, SharedContent
from transfer.simulation import Link, Simulation

SEED = "10.0.0.1"
PIECE = 1 << 15
LINK = Link(delay_s=0.02)
T = TypeVar("T")


def jains_index(values: Iterable[float]) -> float:
    """1 when all have the same, 1/n when one has everything (Jain, Chiu and Hawe, 1984)."""
    shares = list(values)
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """How many bytes each host got after everybody had found out about everybody, while there was much to be had."""

    contributors: dict[str, int]
    free_riders: dict[str, int]


def choking(**choker: object) -> SwarmConfig:
    """Few slots, and no gifts: what BEP 6 gives to the choked would blur the picture."""
    return SwarmConfig(choker=ChokerConfig(**choker), allowed_fast_pieces=0)  # type: ignore[arg-type]


async def tit_for_tat(
    simulation: Simulation, *, contributors: int, free_riders: int, size: int, up_bytes_per_s: float
) -> Trade:
    """Everybody is connected to everybody. Half of the contributors have each piece, so all is left to trade; the free
    riders have half of the pieces too, so that others hope to get something from them."""
    rng = simulation.rng
    content = SharedContent.make(size, PIECE, rng, private=True)
    givers = [f"10.0.1.{number}" for number in range(1, contributors + 1)]
    takers = [f"10.0.2.{number}" for number in range(1, free_riders + 1)]
    for at in range(0, size, PIECE):
        for host in rng.sample(givers, contributors // 2) + rng.sample(takers, free_riders // 2):
            simulation.disk(host).write(NAME, at, content.data[at : at + PIECE])
    torrents: dict[str, Torrent] = {}
    swarm = choking(slots=3, rechoke_interval_s=2.5, optimistic_interval_s=7.5, rate_window_s=5.0, new_peer_s=15.0)
    async with AsyncExitStack() as stack:
        for host in givers + takers:
            session = await stack.enter_async_context(
                session_on(simulation, host, content, up_bytes_per_s=up_bytes_per_s, swarm=swarm)
            )
            if host in takers:
                session.set_rate_limits(RateLimits(local_upload_bytes_per_s=1.0))
            others = [(other, PORT) for other in (*givers, *takers) if other < host]
            torrents[host] = await add(simulation, host, session, content.metainfo, peers=others)

        def got(hosts: list[str]) -> dict[str, int]:
            return {host: torrents[host].statistics().downloaded_bytes for host in hosts}

        needed = contributors * size / 2
        await until(lambda: sum(got(givers).values()) >= 0.1 * needed)
        before = got(givers + takers)
        await until(lambda: sum(got(givers).values()) >= 0.5 * needed)
        after = got(givers + takers)
        return Trade(
            contributors={host: after[host] - before[host] for host in givers},
            free_riders={host: after[host] - before[host] for host in takers},
        )


async def newcomer(simulation: Simulation, *, optimistic_slots: int, within_s: float) -> float | None:
    """How long somebody with nothing waits for its first piece in a busy swarm whose seed it does not know."""
    content = SharedContent.make(6 << 20, PIECE, simulation.rng, private=True)
    hosts = [f"10.0.1.{number}" for number in range(1, 6)]
    late = "10.0.2.1"
    swarm = choking(slots=2, optimistic_slots=optimistic_slots)
    async with AsyncExitStack() as stack:
        seeder = await stack.enter_async_context(
            session_on(simulation, SEED, content, complete=True, up_bytes_per_s=40e3, swarm=choking(slots=5))
        )
        await (await add(simulation, SEED, seeder, content.metainfo, seed_only=True)).wait_complete()
        for host in hosts:
            session = await stack.enter_async_context(
                session_on(simulation, host, content, up_bytes_per_s=20e3, swarm=swarm)
            )
            others = [(other, PORT) for other in (SEED, *hosts) if other < host]
            await add(simulation, host, session, content.metainfo, peers=others)
        await asyncio.sleep(60)
        session = await stack.enter_async_context(
            session_on(simulation, late, content, up_bytes_per_s=20e3, swarm=swarm)
        )
        torrent = await add(simulation, late, session, content.metainfo, peers=[(host, PORT) for host in hosts])
        began_at = simulation.now
        try:
            await until(lambda: torrent.statistics().done_pieces > 0, within_s=within_s)
        except TimeoutError:
            return None
        return simulation.now - began_at


async def seeding(simulation: Simulation, policy: SeedingPolicy, *, seconds: float) -> list[float]:
    """The share of its slots' time that a seed gives to each of six leeches, who know nobody else.

    Each is twice as fast as the one before, and has a sixth of the torrent less, down to nothing.
    """
    content = SharedContent.make(6 << 20, PIECE, simulation.rng, private=True)
    leeches = [f"10.0.1.{number}" for number in range(1, 7)]
    unchoked: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        swarm = choking(slots=3, seeding_policy=policy, seed_turn_s=10.0)
        seeder = await stack.enter_async_context(session_on(simulation, SEED, content, complete=True, swarm=swarm))
        seed = await add(simulation, SEED, seeder, content.metainfo, seed_only=True)
        await seed.wait_complete()
        for number, host in enumerate(leeches):
            simulation.disk(host).write(NAME, 0, content.data[: (5 - number) << 20])
            simulation.set_access(host, down_bytes_per_s=1e3 * 2**number)
            session = await stack.enter_async_context(session_on(simulation, host, content))
            await add(simulation, host, session, content.metainfo, peers=[(SEED, PORT)])
        await until(lambda: len(seed.peers()) == len(leeches))
        end = simulation.now + seconds
        while simulation.now < end:
            await asyncio.sleep(1.0)
            unchoked.update(peer.address.host for peer in seed.peers() if not peer.am_choking)
    return [unchoked[host] / unchoked.total() for host in leeches]
