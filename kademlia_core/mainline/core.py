"""A mainline node as a machine without I/O: the engine of a node, speaking BEP 5, and its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from kademlia_core.mainline.config import KEY_BITS, MainlineConfig
from kademlia_core.mainline.dialect import MainlineDialect
from kademlia_core.mainline.messages import GetPeers
from kademlia_core.mainline.peer_search import Announcement, PeerHarvest
from kademlia_core.node.core import NodeCore
from kademlia_core.node.stats import NodeStats

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.node.searches import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class MainlineStats(NodeStats):
    """A mainline node at one moment, with what it keeps for others."""

    stored_torrents: int
    stored_peers: int


class MainlineCore(NodeCore):
    """A node of the BitTorrent DHT."""

    config: MainlineConfig

    def __init__(
        self,
        *,
        rng: Random,
        now: float,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        is_ipv6: bool = False,
        keeps_id: bool = False,
    ) -> None:
        """Raises:
        ValueError: `node_id` has not 160 bits.
        """
        config = config or MainlineConfig()
        node_id = node_id or Key.random(KEY_BITS, rng)
        self._mainline = MainlineDialect(config, own_key=node_id, rng=rng, now=now)
        super().__init__(
            self._mainline, rng=rng, now=now, node_id=node_id, config=config, is_ipv6=is_ipv6, keeps_id=keeps_id
        )

    def find_peers(self, info_hash: Key, *, announcement: Announcement | None = None, now: float) -> Search:
        """Looks for peers, and announces to the closest nodes if asked to.

        `Found`s, with peers as `Address`es each reported once, and `SearchFinished` follow.

        Raises:
            LimitExceededError: too many searches are running.
        """
        harvest = PeerHarvest(self.config.max_peers_per_search)
        own = harvest.add(self._mainline.peers.sample(info_hash, self.config.peer_store.max_peers_per_torrent, now=now))
        return self.search(GetPeers(info_hash), info_hash, harvest=harvest, placement=announcement, found=own, now=now)

    def stats(self, *, now: float) -> MainlineStats:
        """Cost: O(size of the table)."""
        peers = self._mainline.peers
        return MainlineStats(
            **self._counts(now=now), stored_torrents=peers.torrent_count, stored_peers=peers.peer_count
        )
