"""A swarm of real `Session`s with slow uplinks, liars, a partition that heals, and a seeder that leaves early."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from bittorrent.aio.session import Session
from bittorrent.aio.torrent import Torrent
from bittorrent.config import SessionConfig
from bittorrent.errors import TorrentStoppedError
from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.swarm.config import SwarmConfig
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Link, Simulation, scenario
from transfer.simulation.workloads import LogNormalLatency

# The fewer blocks are on order, the fewer are ordered twice from a seeder that leaves after little more than a copy.
DOWNLOADER = SessionConfig(swarm=SwarmConfig(pipeline=PipelineConfig(first=4, queue_time_s=0.5)))
PORT = 6881
SEEDER = "10.0.0.1"
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmOutcome:
    """What came of it; `completed` counts honest downloaders whose disk holds every byte."""

    completed: int
    last_completed_at_s: float
    seeder_left_at_s: float
    seeder_copies: float
    failed_pieces: int
    wasted_share: float


async def swarm(
    simulation: Simulation,
    *,
    downloaders: int,
    size: int,
    liars: int = 2,
    piece_length: int = 1 << 16,
    up_bytes_per_s: float = 200e3,
    seeder_up_bytes_per_s: float = 1e6,
    copies: float = 1.2,
    partition_s: tuple[float, float] = (10.0, 40.0),
) -> SwarmOutcome:
    """The scenario, in any size. Everybody knows forty others, at random; the honest know the seeder too."""
    rng = simulation.rng
    # Private, so that nobody tells the liars about the seeder: what they got first would be lost with it.
    content = SharedContent.make(size, piece_length, rng, private=True)
    hosts = [f"10.1.{number >> 8}.{number & 255}" for number in range(downloaders)]
    lying = set(hosts[:liars])
    torrents: dict[str, Torrent] = {}
    completed_at: dict[str, float] = {}
    may_leave = asyncio.Event()
    seeder_is_ready = asyncio.Event()

    def is_done() -> bool:
        return completed_at.keys() >= set(hosts) - lying

    async def seed() -> tuple[float, float]:
        with simulation.host(SEEDER):
            simulation.set_access(SEEDER, up_bytes_per_s=seeder_up_bytes_per_s)
            storage = content.on(simulation.disk(SEEDER), complete=True)
            async with Session(
                host=SEEDER, port=PORT, rng=random.Random(rng.random()), open_storage=storage
            ) as session:
                torrent = await session.add(content.metainfo, seed_only=True, super_seed=True)
                await torrent.wait_complete()
                seeder_is_ready.set()
                await until(lambda: torrent.statistics().uploaded_bytes >= copies * size or is_done())
                return simulation.now, torrent.statistics().uploaded_bytes / size

    async def download(host: str) -> None:
        with simulation.host(host):
            simulation.set_access(host, up_bytes_per_s=up_bytes_per_s)
            storage = content.on(simulation.disk(host), lies=host in lying)
            own_rng = random.Random(rng.random())
            async with Session(host=host, port=PORT, rng=own_rng, open_storage=storage, config=DOWNLOADER) as session:
                others = rng.sample([other for other in hosts if other != host], min(40, downloaders - 1))
                if host not in lying:  # what a liar got first would be lost with the seeder
                    others.append(SEEDER)
                torrents[host] = await session.add(content.metainfo, peers=[(other, PORT) for other in others])
                with suppress(TorrentStoppedError):  # what happens to a liar that is shut out
                    await torrents[host].wait_complete()
                    completed_at[host] = simulation.now
                await may_leave.wait()

    async def split() -> None:
        begins_at, ends_at = partition_s
        await asyncio.sleep(begins_at)
        with simulation.partition([SEEDER, *hosts[::2]], hosts[1::2]):
            await asyncio.sleep(ends_at - begins_at)

    async with asyncio.TaskGroup() as group:
        seeder = group.create_task(seed())
        await seeder_is_ready.wait()
        group.create_task(split())
        for host in hosts:
            group.create_task(download(host))
        await until(is_done)
        stats = [torrents[host].statistics() for host in hosts if host not in lying]
        for host in hosts[:liars]:  # refused by everybody, it may never complete
            await torrents[host].aclose()
        may_leave.set()
    honest = [host for host in hosts if host not in lying]
    left_at_s, seeder_copies = seeder.result()
    return SwarmOutcome(
        completed=sum(content.is_on(simulation.disk(host)) for host in honest),
        last_completed_at_s=max(completed_at[host] for host in honest),
        seeder_left_at_s=left_at_s,
        seeder_copies=seeder_copies,
        failed_pieces=sum(one.failed_pieces for one in stats),
        wasted_share=sum(one.wasted_bytes for one in stats) / (size * len(honest)),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Looks four times a virtual second, which costs nothing."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.25)


@scenario(link=Link(delay_s=LogNormalLatency(median_s=0.03)), max_virtual_s=600.0)
async def small(simulation: Simulation) -> SwarmOutcome:
    """Small enough for a test."""
    return await swarm(
        simulation,
        downloaders=12,
        size=4 * MIB,
        piece_length=1 << 15,
        seeder_up_bytes_per_s=400e3,
        partition_s=(4.0, 9.0),
    )


@scenario(link=Link(delay_s=LogNormalLatency(median_s=0.03)), max_virtual_s=3600.0)
async def full(simulation: Simulation) -> SwarmOutcome:
    """One seeder that leaves after 1.2 copies at most, fifty downloaders, 20 MiB."""
    return await swarm(simulation, downloaders=50, size=20 * MIB)
