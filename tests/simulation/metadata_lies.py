"""A magnet link among peers that lie about the metadata, or keep it to themselves, until an honest one comes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bittorrent.dialling.peer_list import PeerList
from bittorrent.metainfo.magnet import Magnet
from bittorrent.stats import TorrentState
from bittorrent.swarm.explain import SlowReason
from tests.simulation.content_sessions import PORT, add, session_on
from tests.simulation.odd_peers import Manner, Metadata, OddPeer
from tests.simulation.shared_content import SharedContent
from transfer.address import Address
from transfer.simulation import Link, Simulation, scenario

US, HONEST = "10.0.0.1", "10.0.0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What came of it.

    Attributes:
        early: the metadata was known before the honest peer came.
        took_s: from when it came until the metadata was known.
        banned: who was found to lie.
    """

    ways: tuple[Metadata, ...]
    early: bool
    took_s: float
    banned: frozenset[Metadata]


@scenario(link=Link(delay_s=0.03))
async def ordeal(simulation: Simulation) -> Learnt:
    """A few peers, drawn at random."""
    rng = simulation.rng
    return await among(simulation, tuple(rng.choices(list(Metadata)[1:], k=rng.randint(1, 7))))


async def among(simulation: Simulation, ways: tuple[Metadata, ...], *, alone_s: float = 60.0) -> Learnt:
    """A download that knows these peers only, and is dialled by an honest one after `alone_s`."""
    content = SharedContent.make(1 << 17, 1 << 15, simulation.rng, padding=40_000)
    async with AsyncExitStack() as stack:
        odd = [
            OddPeer(simulation, f"10.0.1.{number}", content, Manner.CHOKES, way)
            for number, way in enumerate(ways, start=1)
        ]
        for peer in odd:
            await stack.enter_async_context(peer)
        session = await stack.enter_async_context(session_on(simulation, US, content))
        magnet = Magnet(v1=content.metainfo.info_hash)
        torrent = await add(simulation, US, session, magnet, peers=[(peer.host, PORT) for peer in odd])
        while simulation.now < alone_s and torrent.metainfo is None:
            await asyncio.sleep(1.0)
            if torrent.state is TorrentState.METADATA:
                assert torrent.explain().reason in (SlowReason.NO_METADATA, SlowReason.NO_PEERS)
        early = torrent.metainfo is not None
        came_at = simulation.now
        honest = await stack.enter_async_context(session_on(simulation, HONEST, content, complete=True))
        await add(simulation, HONEST, honest, content.metainfo, peers=[(US, PORT)])
        async with asyncio.timeout(300):
            metainfo = await torrent.wait_metadata()
        took_s = simulation.now - came_at
        assert metainfo.info_bytes == content.metainfo.info_bytes
        async with asyncio.timeout(300):
            await torrent.wait_complete()
        assert content.is_on(simulation.disk(US))
        peers: PeerList = torrent.swarm.peers
        banned = {peer.metadata for peer in odd if peers.is_banned(Address(peer.host, PORT))}
        assert not peers.is_banned(Address(HONEST, PORT))
        return Learnt(ways=ways, early=early, took_s=took_s, banned=frozenset(banned))
