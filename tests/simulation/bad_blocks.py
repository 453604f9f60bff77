"""A version 2 torrent among sessions on lossy lines, one of which corrupts some of the blocks that it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bittorrent import BadBlock, BlocksFailed, Metainfo, PieceFailed, Torrent
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.shared_content import NAME, LyingStorage, SharedContent
from tests.version2 import build
from transfer.address import Address
from transfer.simulation import Link, Simulation

LEECHES = ("10.0.1.1", "10.0.1.2")
SEEDS = ("10.0.0.1", "10.0.0.2")
LIAR = "10.0.0.9"
LOSSY = Link(delay_s=0.03, jitter_s=0.01, rate_bytes_per_s=400e3, loss=0.02)
PIECE = 1 << 18
SIZE = 5 * PIECE + 3 * 16384 + 77


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it, for each of the leeches.

    Attributes:
        named: the blocks that turned out to be bad.
        banned: who is banned in the end.
    """

    named: tuple[tuple[BadBlock, ...], ...]
    banned: tuple[frozenset[str], ...]


class SometimesLyingStorage(LyingStorage):
    """Flips a bit in every fifth block that is read to be sent, each time."""

    def read(self, offset: int, length: int) -> bytes:
        data = bytearray(self.truth(offset, length))
        for at in range(-offset % 16384, length, 16384):
            if (offset + at) // 16384 % 5 == 0:
                data[at] ^= 1
        return bytes(data)


def version2_content(simulation: Simulation, *, hybrid: bool = False) -> SharedContent:
    data = simulation.rng.randbytes(SIZE)
    built = build({NAME: data}, PIECE, name=NAME, hybrid=hybrid)
    return SharedContent(Metainfo.from_bytes(built.data), data)


async def swarm(simulation: Simulation, *, magnet: bool) -> Outcome:
    """Two seeds, a liar between them, and two downloads that begin with a link."""
    content = version2_content(simulation)
    source = content.metainfo.magnet() if magnet else content.metainfo
    async with (
        session_on(simulation, SEEDS[0], content, complete=True) as first,
        session_on(simulation, SEEDS[1], content, complete=True) as second,
        session_on(simulation, LIAR, content, complete=True, storage=SometimesLyingStorage) as liar,
        session_on(simulation, LEECHES[0], content) as one,
        session_on(simulation, LEECHES[1], content) as other,
    ):
        for host, session in zip((*SEEDS, LIAR), (first, second, liar), strict=True):
            seed = await add(simulation, host, session, content.metainfo, seed_only=True)
            await seed.wait_complete()
        peers = [(host, PORT) for host in (LIAR, *SEEDS, *LEECHES)]
        torrents = [
            await add(simulation, host, session, source, peers=[peer for peer in peers if peer[0] != host])
            for host, session in zip(LEECHES, (one, other), strict=True)
        ]
        watched = [asyncio.ensure_future(_watch(torrent)) for torrent in torrents]
        for torrent in torrents:
            await torrent.wait_complete()
        outcome = Outcome(
            named=tuple(torrent.bad_blocks() for torrent in torrents),
            banned=tuple(_banned(torrent) for torrent in torrents),
        )
        told = [await _ended(task, torrent) for task, torrent in zip(watched, torrents, strict=True)]
        assert told == [list(blocks) for blocks in outcome.named], "each is told as an event, too"
    for host in LEECHES:
        assert content.is_on(simulation.disk(host))
    return outcome


async def _watch(torrent: Torrent) -> list[BadBlock]:
    found: list[BadBlock] = []
    unexplained: set[int] = set()
    async for event in torrent.events():
        if isinstance(event, PieceFailed):
            unexplained.add(event.index)
        elif isinstance(event, BlocksFailed):
            unexplained.remove(event.index)  # first the piece, then its blocks
            found += event.blocks
    assert not unexplained, "no piece was fetched again as a whole"
    return found


async def _ended(task: asyncio.Future[list[BadBlock]], torrent: Torrent) -> list[BadBlock]:
    await torrent.aclose()
    return await task


def _banned(torrent: Torrent) -> frozenset[str]:
    hosts: Sequence[str] = (*SEEDS, LIAR, *LEECHES)
    return frozenset(host for host in hosts if torrent.swarm.peers.is_banned(Address(host, PORT)))
