"""A film is watched while it comes from seeders with slow uplinks, one of them hardly alive."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from bittorrent.aio.session import Session
from bittorrent.aio.stream import FileStream
from bittorrent.aio.torrent import Torrent
from bittorrent.picker.read_ahead import ReadAheadConfig
from tests.simulation.shared_content import NAME, SharedContent
from transfer.simulation import Link, Simulation, scenario
from transfer.simulation.workloads import LogNormalLatency

PORT = 6881
VIEWER = "10.0.1.0"
MIB = 1 << 20
PLAYED_BYTES_PER_S = 250e3
CHUNK = 50_000
BUFFERED_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """What a viewer saw: `stalled_s` is how long the picture stood still after it had begun."""

    started_after_s: float
    stalled_s: float
    seconds: float


async def watch(simulation: Simulation, *, streams: bool, size: int = 8 * MIB, jumps: bool = False) -> Viewing:
    """Plays at a constant rate, from the beginning or after a jump to the middle.

    Args:
        streams: read from a stream; otherwise the pieces come in the usual order, rarest first.
    """
    rng = simulation.rng
    content = SharedContent.make(size, 1 << 16, rng)
    uplinks = [60e3, 90e3, 120e3, 150e3, 2e3]
    hosts = [f"10.0.0.{number}" for number in range(len(uplinks))]
    ready, done = asyncio.Semaphore(0), asyncio.Event()

    async def seed(host: str, up_bytes_per_s: float) -> None:
        with simulation.host(host):
            simulation.set_access(host, up_bytes_per_s=up_bytes_per_s)
            storage = content.on(simulation.disk(host), complete=True)
            own_rng = random.Random(rng.random())
            async with Session(host=host, port=PORT, rng=own_rng, open_storage=storage) as session:
                torrent = await session.add(content.metainfo, seed_only=True)
                await torrent.wait_complete()
                ready.release()
                await done.wait()

    async def play(torrent: Torrent, start: int) -> Viewing:
        asked_at = simulation.now
        async with torrent.open(NAME, config=ReadAheadConfig(least_ahead_bytes=MIB)) as file:
            player = Player(torrent, file if streams else None)
            await file.seek(start)
            if not streams:
                file.close()
            position, stalled_s = start, 0.0
            while position < start + BUFFERED_S * PLAYED_BYTES_PER_S:
                position = await player.get(position)
            began_at = simulation.now
            while position < size:
                due_at = began_at + stalled_s + (position - start) / PLAYED_BYTES_PER_S - BUFFERED_S
                if simulation.now < due_at:
                    await asyncio.sleep(due_at - simulation.now)
                position = await player.get(position)
                shown_until = began_at + stalled_s + (position - start) / PLAYED_BYTES_PER_S
                stalled_s += max(0.0, simulation.now - shown_until)
        return Viewing(
            started_after_s=began_at - asked_at,
            stalled_s=stalled_s,
            seconds=simulation.now - asked_at,
        )

    async with asyncio.TaskGroup() as group:
        for host, up_bytes_per_s in zip(hosts, uplinks, strict=True):
            group.create_task(seed(host, up_bytes_per_s))
        for _ in hosts:
            await ready.acquire()
        with simulation.host(VIEWER):
            storage = content.on(simulation.disk(VIEWER))
            own_rng = random.Random(rng.random())
            async with Session(host=VIEWER, port=PORT, rng=own_rng, open_storage=storage) as session:
                torrent = await session.add(content.metainfo, peers=[(host, PORT) for host in hosts])
                if jumps:
                    await asyncio.sleep(5.0)
                viewing = await play(torrent, size // 2 if jumps else 0)
        done.set()
    return viewing


class Player:
    """Takes what comes next, from a stream or from what happens to be here."""

    def __init__(self, torrent: Torrent, file: FileStream | None) -> None:
        self._torrent = torrent
        self._file = file

    async def get(self, position: int) -> int:
        """Waits for the next bytes; returns the place behind them."""
        if self._file is not None:
            return position + len(await self._file.read(CHUNK))
        picker, metainfo = self._torrent.swarm.core.picker, self._torrent.metainfo
        assert picker is not None
        assert metainfo is not None
        while position // metainfo.piece_length not in picker.have:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return min(
            position + CHUNK, (position // metainfo.piece_length + 1) * metainfo.piece_length, metainfo.total_bytes
        )


LINK = Link(delay_s=LogNormalLatency(median_s=0.03))


@scenario(link=LINK, max_virtual_s=600.0)
async def streamed(simulation: Simulation) -> Viewing:
    """From a stream."""
    return await watch(simulation, streams=True)


@scenario(link=LINK, max_virtual_s=600.0)
async def not_streamed(simulation: Simulation) -> Viewing:
    """The same viewer, while pieces come rarest first."""
    return await watch(simulation, streams=False)


@scenario(link=LINK, max_virtual_s=600.0)
async def jumping(simulation: Simulation) -> Viewing:
    """A jump to the middle, while every peer is busy with something else."""
    return await watch(simulation, streams=True, jumps=True)
