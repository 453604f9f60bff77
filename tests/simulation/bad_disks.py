"""Disks that run full again and again, and one that gets bits wrong."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from bittorrent.errors import StorageError
from bittorrent.stats import TorrentState
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import NAME, SharedContent
from transfer.simulation import DiskConfig, Link, Simulation, scenario

SEEDER, US = "10.0.0.1", "10.0.0.2"
SIZE, PIECE = 1 << 20, 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came of it."""

    failures: int
    fetched: int


@scenario(link=Link(delay_s=0.02))
async def full_again_and_again(simulation: Simulation) -> Filled:
    """Room comes a few pieces at a time."""
    rng = simulation.rng
    content = SharedContent.make(SIZE, PIECE, rng, private=True)
    disk = simulation.disk(US)
    room = SIZE // 4
    disk.config = replace(disk.config, capacity_bytes=room)
    failures = 0
    async with (
        session_on(simulation, SEEDER, content, complete=True, up_bytes_per_s=200e3) as seeder,
        session_on(simulation, US, content) as session,
    ):
        await (await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)).wait_complete()
        torrent = await add(simulation, US, session, content.metainfo, peers=[(SEEDER, PORT)], sequential=True)
        while failures < 100:
            with suppress(StorageError):
                await torrent.wait_complete()
                break
            failures += 1
            assert torrent.state is TorrentState.FAILED
            assert isinstance(torrent.error, StorageError)
            check_honesty(simulation, content, torrent.statistics().done_pieces)
            await asyncio.sleep(rng.uniform(1, 60))
            room += rng.randrange(PIECE // 2, 4 * PIECE)
            disk.config = replace(disk.config, capacity_bytes=room)
            with simulation.host(US):
                torrent.resume()
        assert content.is_on(disk)
        stats = torrent.statistics()
        return Filled(failures=failures, fetched=stats.downloaded_bytes + stats.wasted_bytes)


def check_honesty(simulation: Simulation, content: SharedContent, counted: int) -> None:
    """No more pieces are counted than are right on the disk."""
    disk = simulation.disk(US)
    starts = range(0, SIZE, PIECE)
    data = disk.read(NAME, 0, disk.size(NAME) or 0) if disk.size(NAME) else b""
    assert counted <= sum(data[at : at + PIECE] == content.data[at : at + PIECE] for at in starts)


@scenario(link=Link(delay_s=0.02))
async def wrong_bits(simulation: Simulation) -> list[int]:
    """How many pieces each check finds lost, of a disk that gets about five bits of the whole torrent wrong."""
    content = SharedContent.make(SIZE, PIECE, simulation.rng)
    simulation.disk(US, DiskConfig(flipped_bits_per_gib=5 * 1024))
    lost: list[int] = []
    async with (
        session_on(simulation, SEEDER, content, complete=True) as seeder,
        session_on(simulation, US, content) as session,
    ):
        await (await add(simulation, SEEDER, seeder, content.metainfo, seed_only=True)).wait_complete()
        torrent = await add(simulation, US, session, content.metainfo, peers=[(SEEDER, PORT)])
        while not lost or lost[-1]:
            async with asyncio.timeout(600):
                await torrent.wait_complete()
            with simulation.host(US):
                lost.append(await torrent.recheck())
        assert content.is_on(simulation.disk(US))
    return lost
