"""Which peers announced what to us, within bounds that no stranger can move."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.mainline.bloom import BloomFilter
from transfer.subnet import subscriber_of

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.key import Key
    from kademlia_core.mainline.config import PeerStoreConfig
    from transfer.address import Address

FILTERS_REFRESH_S = 30.0  # making the filters of 500 peers takes a millisecond, too much for each of many queries


@dataclass(frozen=True, slots=True)
class SwarmFilters:
    """The addresses announced for one info-hash, in a form to be counted (BEP 33)."""

    seeds: BloomFilter
    downloaders: BloomFilter


class PeerStore:
    """Announced peers by info-hash.

    BEP 33 wants one peer of each IP address in a torrent. Here it may be a few, since many share the address of a NAT;
    the filters count addresses all the same. A host is an IPv4 address or the /64 of an IPv6 one: a host with one
    address of a /64 has all of them.

    Invariants: every bound of the config holds; no torrent is empty; torrents and the peers of each are in the order of
    their last announce, so the oldest is always first; seeds are peers.
    """

    def __init__(self, config: PeerStoreConfig, *, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._torrents: dict[Key, _Swarm] = {}
        self._entries_of: Counter[bytes] = Counter()
        self._size = 0

    def add(self, info_hash: Key, peer: Address, *, is_seed: bool = False, now: float) -> bool:
        """Takes an announce, and makes room for it where a bound says so.

        Args:
            is_seed: what this announce said; it replaces what earlier ones of the same peer said (BEP 33).

        Returns:
            False when the host of `peer` already has all the entries it may have.
        """
        swarm = self._torrents.get(info_hash)
        if swarm is None or peer not in swarm.peers:
            self.expire(now=now)
            if self._entries_of[subscriber_of(peer.host)] >= self._config.max_entries_per_host:
                return False
            self._make_room(info_hash, peer)
        swarm = self._torrents.pop(info_hash, None) or _Swarm()
        if swarm.peers.pop(peer, None) is None:
            self._size += 1
            self._entries_of[subscriber_of(peer.host)] += 1
            swarm.entries_of[subscriber_of(peer.host)] += 1
        swarm.peers[peer] = now + self._config.lifetime_s
        if is_seed:
            swarm.seeds[peer] = None
        else:
            swarm.seeds.pop(peer, None)
        self._torrents[info_hash] = swarm
        return True

    def sample(self, info_hash: Key, count: int, *, only_downloaders: bool = False, now: float) -> list[Address]:
        """Up to `count` peers that count now, drawn at random, in random order.

        Args:
            only_downloaders: leave out those that said they are seeds (`noseed` of BEP 33).
        """
        swarm = self._swarm(info_hash, now=now)
        if swarm is None:
            return []
        peers = [peer for peer in swarm.peers if peer not in swarm.seeds] if only_downloaders else list(swarm.peers)
        return self._rng.sample(peers, min(count, len(peers)))

    def filters(self, info_hash: Key, *, now: float) -> SwarmFilters | None:
        """The Bloom filters of BEP 33, up to `FILTERS_REFRESH_S` old; None when nothing is stored."""
        swarm = self._swarm(info_hash, now=now)
        if swarm is None:
            return None
        if swarm.filters is None or not swarm.filtered_at <= now < swarm.filtered_at + FILTERS_REFRESH_S:
            swarm.filters = SwarmFilters(
                BloomFilter(peer.host for peer in swarm.seeds),
                BloomFilter(peer.host for peer in swarm.peers if peer not in swarm.seeds),
            )
            swarm.filtered_at = now
        return swarm.filters

    def sample_info_hashes(self, count: int, *, now: float) -> list[Key]:
        """Up to `count` info-hashes that have peers now, drawn at random, in random order. Cost: O(torrents)."""
        self.expire(now=now)
        return self._rng.sample(list(self._torrents), min(count, len(self._torrents)))

    def expire(self, *, now: float) -> None:
        """Forgets what is too old. Cost: O(1) and what is forgotten, except for peers behind a younger torrent."""
        while self._torrents:
            oldest = next(iter(self._torrents))
            before = len(self._torrents)
            self._expire_torrent(oldest, now=now)
            if len(self._torrents) == before:
                return

    def __contains__(self, info_hash: Key) -> bool:
        """Whether anything is stored, be it too old."""
        return info_hash in self._torrents

    @property
    def torrent_count(self) -> int:
        return len(self._torrents)

    @property
    def peer_count(self) -> int:
        return self._size

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config = self._config
        assert len(self._torrents) <= config.max_torrents
        hosts: Counter[bytes] = Counter()
        newest = []
        for swarm in self._torrents.values():
            peers = swarm.peers
            assert 0 < len(peers) <= config.max_peers_per_torrent
            assert list(peers.values()) == sorted(peers.values())
            assert swarm.seeds.keys() <= peers.keys()
            newest.append(max(peers.values()))
            shares = Counter(subscriber_of(peer.host) for peer in peers)
            assert shares == swarm.entries_of
            assert max(shares.values()) <= config.max_ports_per_host
            hosts += shares
        assert newest == sorted(newest)
        assert hosts == self._entries_of
        assert hosts.total() == self._size
        assert all(count <= config.max_entries_per_host for count in hosts.values())

    def _swarm(self, info_hash: Key, *, now: float) -> _Swarm | None:
        if info_hash not in self._torrents:
            return None
        self._expire_torrent(info_hash, now=now)
        return self._torrents.get(info_hash)

    def _make_room(self, info_hash: Key, peer: Address) -> None:
        swarm = self._torrents.get(info_hash)
        if swarm is None:
            while len(self._torrents) >= self._config.max_torrents:
                oldest = next(iter(self._torrents))
                for other in list(self._torrents[oldest].peers):
                    self._forget(oldest, other)
            return
        host = subscriber_of(peer.host)
        if swarm.entries_of[host] >= self._config.max_ports_per_host:
            self._forget(info_hash, next(other for other in swarm.peers if subscriber_of(other.host) == host))
        elif len(swarm.peers) >= self._config.max_peers_per_torrent:
            self._forget(info_hash, next(iter(swarm.peers)))

    def _expire_torrent(self, info_hash: Key, *, now: float) -> None:
        peers = self._torrents[info_hash].peers
        while peers:
            oldest, ends_at = next(iter(peers.items()))
            if ends_at > now:
                return
            self._forget(info_hash, oldest)

    def _forget(self, info_hash: Key, peer: Address) -> None:
        swarm = self._torrents[info_hash]
        del swarm.peers[peer]
        swarm.seeds.pop(peer, None)
        if not swarm.peers:
            del self._torrents[info_hash]
        self._size -= 1
        host = subscriber_of(peer.host)
        for entries_of in (self._entries_of, swarm.entries_of):
            entries_of[host] -= 1
            if not entries_of[host]:
                del entries_of[host]


class _Swarm:
    """What is known of one info-hash."""

    __slots__ = ("entries_of", "filtered_at", "filters", "peers", "seeds")

    def __init__(self) -> None:
        self.peers: dict[Address, float] = {}  # the number is when the announce ceases to count
        self.seeds: dict[Address, None] = {}
        self.entries_of: Counter[bytes] = Counter()  # how many of the peers each host has
        self.filters: SwarmFilters | None = None
        self.filtered_at = 0.0
