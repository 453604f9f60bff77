"""Counting the peers of a torrent without meeting them (BEP 33)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.messages import Response
from transfer.address import is_usable_peer

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.engine.requests import Answer
    from kademlia_core.lookup_stats import LookupStats
    from kademlia_core.mainline.peer_store import SwarmFilters


class ScrapeHarvest:
    """The union of the Bloom filters of all nodes that keep peers of one info-hash.

    Nodes that do not know BEP 33 answer with peers; a peer in none of the filters of seeds counts as a downloader.
    Filters that are fuller than BEP 33 allows are left out. One that lies within its bounds cannot be told apart.
    """

    is_complete = False

    def __init__(self, max_peers: int) -> None:
        self._max_peers = max_peers
        self._seeds = BloomFilter()
        self._downloaders = BloomFilter()
        self._unsorted: dict[str, None] = {}  # hosts of peers that came without filters
        self.counted_by = 0

    def on_response(self, contact: Contact, answer: Answer) -> tuple[object, ...]:
        if isinstance(answer, Response):
            if answer.filters is not None:
                self.add(answer.filters)
            elif answer.peers:
                self.counted_by += 1
                for peer in answer.peers:
                    if is_usable_peer(peer) and len(self._unsorted) < self._max_peers:
                        self._unsorted[peer.host] = None
        return ()

    def add(self, filters: SwarmFilters) -> None:
        """The filters of one node."""
        if filters.seeds.is_plausible and filters.downloaders.is_plausible:
            self.counted_by += 1
            self._seeds |= filters.seeds
            self._downloaders |= filters.downloaders

    def report(self, lookup: LookupStats) -> ScrapeReport:
        downloaders = self._downloaders | BloomFilter(host for host in self._unsorted if host not in self._seeds)
        return ScrapeReport(self._seeds.estimate(), downloaders.estimate(), self.counted_by, lookup)


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """How many IP addresses share a torrent, estimated.

    Args:
        seeds: the peers that have all of it.
        downloaders: the peers that do not, or did not say.
        counted_by: the nodes whose peers were counted; with none, nothing is known of the torrent.
    """

    seeds: float
    downloaders: float
    counted_by: int
    lookup: LookupStats
