"""A mainline node as a machine without I/O: the engine of a node, its dialect, and its commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.datagram.core import NodeCore
from kademlia_core.datagram.stats import NodeStats
from kademlia_core.key import Key
from kademlia_core.mainline.config import DEFAULT_CONFIG, KEY_BITS, MainlineConfig
from kademlia_core.mainline.dialect import MainlineDialect
from kademlia_core.mainline.item_lookup import ImmutableHarvest, ItemPlacement, MutableHarvest
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import GetItem, GetPeers
from kademlia_core.mainline.peer_lookup import Announcement, PeerHarvest

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.engine.lookup import EngineLookup, Placement
    from kademlia_core.mainline.scrape import ScrapeHarvest


@dataclass(frozen=True, slots=True, kw_only=True)
class MainlineStats(NodeStats):
    """A mainline node at one moment, with what it keeps for others."""

    stored_torrents: int
    stored_peers: int
    stored_items: int
    stored_bytes: int


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
        """`keeps_id` says that `node_id` stays even if the network would have another one at this address.

        Raises:
            ValueError: `node_id` has not 160 bits.
        """
        config = config or DEFAULT_CONFIG
        node_id = node_id or Key.random(KEY_BITS, rng)
        self._mainline = MainlineDialect(config, own_key=node_id, rng=rng, now=now, is_ipv6=is_ipv6, keeps_id=keeps_id)
        super().__init__(self._mainline, rng=rng, now=now, node_id=node_id, config=config, is_ipv6=is_ipv6)

    @property
    def external_host(self) -> str | None:
        """The IP address that the network sees this node at; None until enough nodes agree."""
        return self._mainline.external.agreed

    def seen_as(self, *, now: float) -> dict[str, int]:
        """The IP addresses at which nodes say they see this one, each with how many networks say so."""
        return self._mainline.external.votes(now=now)

    def find_peers(
        self, info_hash: Key, *, announcement: Announcement | None = None, no_seeds: bool = False, now: float
    ) -> EngineLookup:
        """Looks for peers, and announces to the closest nodes if asked to.

        `Found`s, with peers as `Address`es each reported once, and `LookupFinished` follow.

        Args:
            no_seeds: ask for peers that still download (BEP 33); nodes may name seeds all the same.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        harvest = PeerHarvest(self.config.max_peers_per_lookup, allow_private=self.config.allow_private)
        count = self.config.peer_store.max_peers_per_torrent
        own = harvest.add(self._mainline.peers.sample(info_hash, count, only_downloaders=no_seeds, now=now))
        return self.engine.look_up(
            GetPeers(info_hash, no_seeds), info_hash, harvest=harvest, placement=announcement, found=own, now=now
        )

    def scrape(self, info_hash: Key, harvest: ScrapeHarvest, *, now: float) -> EngineLookup:
        """Gathers what nodes know of a torrent's peers into `harvest`; `LookupFinished` follows.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        own = self._mainline.peers.filters(info_hash, now=now)
        if own is not None:
            harvest.add(own)
        return self.engine.look_up(GetPeers(info_hash, wants_filters=True), info_hash, harvest=harvest, now=now)

    def get_item(
        self, harvest: ImmutableHarvest | MutableHarvest, *, placement: Placement | None = None, now: float
    ) -> EngineLookup:
        """Looks for an item: a `Found` for each one better than those before, then `LookupFinished`.

        Args:
            harvest: says which item, and has the best when the lookup has ended.
            placement: what to leave with the closest nodes then. `place` leaves something later.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        own = self._mainline.items.get(harvest.target, now=now)
        found = harvest.add(own) if own is not None else ()
        request = GetItem(harvest.target, harvest.seq)
        return self.engine.look_up(request, harvest.target, harvest=harvest, placement=placement, found=found, now=now)

    def put_item(self, item: ImmutableItem | MutableItem, *, now: float) -> EngineLookup:
        """Leaves an item with the nodes closest to its target, whatever they have there; `LookupFinished` follows.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        return self.engine.look_up(GetItem(item.target), item.target, placement=ItemPlacement(item), now=now)

    def stats(self, *, now: float) -> MainlineStats:
        """Cost: O(size of the table)."""
        peers, items = self._mainline.peers, self._mainline.items
        return MainlineStats(
            **self._counts(now=now),
            stored_torrents=peers.torrent_count,
            stored_peers=peers.peer_count,
            stored_items=items.item_count,
            stored_bytes=items.size_bytes,
        )
