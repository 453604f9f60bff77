"""What a mainline node does about peers: find, announce and count them (BEP 5 and 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.aio.keeping import Keeper
from kademlia_core.aio.lookups import PeerLookup, RunningSearch
from kademlia_core.aio.node import Node
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.peer_search import Announcement
from kademlia_core.mainline.reports import AnnounceReport, acceptances_of, refusals_of
from kademlia_core.mainline.scrape import ScrapeHarvest, ScrapeReport

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from transfer.address import Address


class PeerCommands(Node[MainlineCore]):
    """The part of `MainlineNode` that is about peers."""

    _config: MainlineConfig

    def find_peers(self, info_hash: bytes | Key, *, no_seeds: bool = False) -> PeerLookup:
        """A lookup of everybody who shares `info_hash` (20 bytes): `async with` it, then `async for` over it.

        Args:
            no_seeds: ask for peers that still download, as a seed would (BEP 33). Some nodes name all the same.

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
        """
        target = self._key(info_hash)

        async def start() -> RunningSearch:
            return await self._begin(lambda core, now: core.find_peers(target, no_seeds=no_seeds, now=now))

        return PeerLookup(start, self._end)

    async def announce(
        self, info_hash: bytes | Key, *, port: int, implied_port: bool = False, seed: bool = False
    ) -> AnnounceReport:
        """Tells the nodes closest to `info_hash` that this machine shares it on TCP and uTP `port`; once.

        Nodes forget after half an hour or more: see `keep_announced`.

        Args:
            implied_port: let the nodes take the UDP port that this node is seen at instead (behind some NATs).
            seed: this machine has all of it (BEP 33).

        Raises:
            ValueError: `port` is not from 1 to 65535.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        _check_port(port)
        key = self._key(info_hash)
        announcement = Announcement(key, port, implied_port, seed)
        running = await self._run(lambda core, now: core.find_peers(key, announcement=announcement, now=now))
        peers: dict[Address, None] = {}
        while (peer := await running.next_found()) is not None:
            peers[peer] = None
        searches = running.searches
        return AnnounceReport(acceptances_of(searches), tuple(peers), running.statistics(), refusals_of(searches))

    def keep_announced(
        self, info_hash: bytes | Key, *, port: int, implied_port: bool = False, seed: bool = False
    ) -> Keeper[AnnounceReport]:
        """Announces at once and then every 15 minutes or so, as long as it is entered: `async with` it.

        Args:
            port: as for `announce`. When they change, enter another keeper and leave this one.
            implied_port: see `port`.
            seed: see `port`.

        Raises:
            ValueError: `port` is not from 1 to 65535, or `info_hash` not 20 bytes.
        """
        key, repetition = self._key(info_hash), self._config.repetition
        _check_port(port)

        async def say() -> AnnounceReport:
            return await self.announce(key, port=port, implied_port=implied_port, seed=seed)

        return Keeper(say, interval_s=repetition.announce_interval_s, retry_s=repetition.retry_s, rng=self._rng)

    async def scrape(self, info_hash: bytes | Key) -> ScrapeReport:
        """Estimates how many share `info_hash`, without meeting them (BEP 33).

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup.
        """
        key = self._key(info_hash)
        harvest = ScrapeHarvest(self._config.max_peers_per_search)  # of both networks
        running = await self._run(lambda core, now: core.scrape(key, harvest, now=now))
        return harvest.report(running.statistics())


def _check_port(port: int) -> None:
    if not 0 < port <= 65535:
        raise ValueError(f"{port} is not a port from 1 to 65535")
