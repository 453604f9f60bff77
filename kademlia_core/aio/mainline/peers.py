"""What a mainline node does about peers: find, announce and count them (BEP 5 and 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.keeping import Keeper
from kademlia_core.aio.mainline.lookups import PeerLookup
from kademlia_core.mainline.peer_lookup import Announcement
from kademlia_core.mainline.reports import AnnounceReport, acceptances_of, refusals_of
from kademlia_core.mainline.scrape import ScrapeHarvest, ScrapeReport

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.aio.lookups import RunningLookup
    from kademlia_core.aio.networks import Networks
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.mainline.core import MainlineCore
    from transfer.address import Address


class PeerCommands:
    """Carries out what `MainlineNode` says of peers; see there."""

    def __init__(self, networks: Networks[MainlineCore], *, config: MainlineConfig, rng: Random) -> None:
        self._networks = networks
        self._config = config
        self._rng = rng

    def find(self, info_hash: Key, *, no_seeds: bool) -> PeerLookup:
        async def start() -> RunningLookup:
            return await self._networks.begin(lambda core, now: core.find_peers(info_hash, no_seeds=no_seeds, now=now))

        return PeerLookup(start, self._networks.end)

    async def announce(self, info_hash: Key, *, port: int, implied_port: bool, seed: bool) -> AnnounceReport:
        _check_port(port)
        announcement = Announcement(info_hash, port, implied_port, seed)
        running = await self._networks.run(
            lambda core, now: core.find_peers(info_hash, announcement=announcement, now=now)
        )
        peers: dict[Address, None] = {}
        while (peer := await running.next_found()) is not None:
            peers[peer] = None
        lookups = running.lookups
        return AnnounceReport(acceptances_of(lookups), tuple(peers), running.statistics(), refusals_of(lookups))

    def keep_announced(self, info_hash: Key, *, port: int, implied_port: bool, seed: bool) -> Keeper[AnnounceReport]:
        _check_port(port)
        repetition = self._config.repetition

        async def say() -> AnnounceReport:
            return await self.announce(info_hash, port=port, implied_port=implied_port, seed=seed)

        return Keeper(say, interval_s=repetition.announce_interval_s, retry_s=repetition.retry_s, rng=self._rng)

    async def scrape(self, info_hash: Key) -> ScrapeReport:
        harvest = ScrapeHarvest(self._config.max_peers_per_lookup)  # of both networks
        running = await self._networks.run(lambda core, now: core.scrape(info_hash, harvest, now=now))
        return harvest.report(running.statistics())


def _check_port(port: int) -> None:
    if not 0 < port <= 65535:
        raise ValueError(f"{port} is not a port from 1 to 65535")
