"""A download among peers that are all odd, until an honest one comes: at any moment it can say why nothing moves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from bittorrent.aio.torrent import Torrent
from bittorrent.errors import NoPeersError
from bittorrent.swarm.explain import SlowReason
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.odd_peers import Manner, OddPeer
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Link, Simulation, scenario

US, HONEST = "10.0.0.1", "10.0.0.2"
SIZE, PIECE = 1 << 19, 1 << 15
PATIENCE_S = 45.0  # by then a peer that owes something counts as silent
EXPLAINS_A_STALL = {
    SlowReason.NO_PEERS,
    SlowReason.NOTHING_NEEDED,
    SlowReason.CHOKED,
    SlowReason.SNUBBED,
    SlowReason.REFUSED,
    SlowReason.WAITING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordeal:
    """What came of it."""

    manners: tuple[Manner, ...]
    reasons: frozenset[SlowReason]
    took_s: float  # after the honest peer had come


@scenario(link=Link(delay_s=0.03))
async def ordeal(simulation: Simulation) -> Ordeal:
    """A few odd peers, drawn at random, and after some minutes an honest one."""
    rng = simulation.rng
    return await among(simulation, tuple(rng.choices(ODD, k=rng.randint(1, 6))), rescue_at_s=rng.uniform(60, 600))


async def among(
    simulation: Simulation, manners: tuple[Manner, ...], *, rescue_at_s: float, piece_length: int = PIECE
) -> Ordeal:
    """A download that knows only peers of these manners, and is dialled by an honest one later."""
    content = SharedContent.make(SIZE, piece_length, simulation.rng)
    async with AsyncExitStack() as stack:
        odd = [OddPeer(simulation, f"10.0.1.{at}", content, manner) for at, manner in enumerate(manners, start=1)]
        for peer in odd:
            await stack.enter_async_context(peer)
        session = await stack.enter_async_context(session_on(simulation, US, content))
        torrent = await add(simulation, US, session, content.metainfo, peers=[(peer.host, PORT) for peer in odd])
        watch = Watch(simulation, torrent)
        while simulation.now < rescue_at_s and torrent.left_bytes:
            watch.look()
            await asyncio.sleep(1.0)
        came_at = simulation.now
        honest = await stack.enter_async_context(session_on(simulation, HONEST, content, complete=True))
        await add(simulation, HONEST, honest, content.metainfo, peers=[(US, PORT)])
        async with asyncio.timeout(120):
            await torrent.wait_complete()
        assert content.is_on(simulation.disk(US))
        return Ordeal(manners=manners, reasons=frozenset(watch.reasons), took_s=simulation.now - came_at)


async def alone(simulation: Simulation, manners: tuple[Manner, ...], *, timeout_s: float) -> tuple[float, str]:
    """When a download among these gives up, and why."""
    content = SharedContent.make(SIZE, PIECE, simulation.rng)
    async with AsyncExitStack() as stack:
        odd = [OddPeer(simulation, f"10.0.1.{at}", content, manner) for at, manner in enumerate(manners, start=1)]
        for peer in odd:
            await stack.enter_async_context(peer)
        session = await stack.enter_async_context(session_on(simulation, US, content, no_peers_timeout_s=timeout_s))
        peers = [(peer.host, PORT) for peer in odd] + [("10.0.9.9", PORT)]
        torrent = await add(simulation, US, session, content.metainfo, peers=peers)
        with pytest.raises(NoPeersError) as caught:
            await torrent.wait_complete()
        return simulation.now, str(caught.value)


class Watch:
    """Compares what a torrent says about itself with what can be seen from outside."""

    def __init__(self, simulation: Simulation, torrent: Torrent) -> None:
        self.reasons: set[SlowReason] = set()
        self._simulation = simulation
        self._torrent = torrent
        self._seen_bytes = 0
        self._moved_at = simulation.now

    def look(self) -> None:
        """Asserts that the explanation fits."""
        now, stats, explanation = self._simulation.now, self._torrent.statistics(), self._torrent.explain()
        self.reasons.add(explanation.reason)
        assert str(explanation), "no reason at all"
        if stats.downloaded_bytes + stats.wasted_bytes != self._seen_bytes:
            self._seen_bytes, self._moved_at = stats.downloaded_bytes + stats.wasted_bytes, now
        if not stats.peers and stats.state.name == "DOWNLOADING":
            assert explanation.reason is SlowReason.NO_PEERS, explanation
        elif now - self._moved_at > PATIENCE_S:
            assert explanation.reason in EXPLAINS_A_STALL, (
                f"nothing came for {now - self._moved_at:.0f} s: {explanation}"
            )


ODD = [manner for manner in Manner if manner is not Manner.HONEST]
