"""Who announced what to us, within bounds that no stranger can move."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.key import Key
    from kademlia_core.mainline.config import PeerStoreConfig
    from transfer.address import Address


class PeerStore:
    """Announced peers by info-hash.

    Invariants: every bound of the config holds; no torrent is empty; torrents and the peers of each are in the order of
    their last announce, so the oldest is always first.
    """

    def __init__(self, config: PeerStoreConfig, *, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._torrents: dict[Key, dict[Address, float]] = {}  # the number is when the announce ceases to count
        self._entries_of: Counter[str] = Counter()
        self._size = 0

    def add(self, info_hash: Key, peer: Address, *, now: float) -> bool:
        """Takes an announce, and makes room for it where a bound says so.

        Returns:
            False when the host of `peer` already has all the entries it may have.
        """
        peers = self._torrents.get(info_hash)
        if peers is None or peer not in peers:
            self.expire(now=now)
            if self._entries_of[peer.host] >= self._config.max_entries_per_host:
                return False
            self._make_room(info_hash, peer)
        peers = self._torrents.pop(info_hash, {})
        if peers.pop(peer, None) is None:
            self._size += 1
            self._entries_of[peer.host] += 1
        peers[peer] = now + self._config.lifetime_s
        self._torrents[info_hash] = peers
        return True

    def sample(self, info_hash: Key, count: int, *, now: float) -> list[Address]:
        """Up to `count` peers that count now, drawn at random, in random order."""
        peers = self._torrents.get(info_hash)
        if peers is None:
            return []
        self._expire_torrent(info_hash, now)
        return self._rng.sample(list(peers), min(count, len(peers)))

    def expire(self, *, now: float) -> None:
        """Forgets what is too old. Cost: O(1) and what is forgotten, except for peers behind a younger torrent."""
        while self._torrents:
            oldest = next(iter(self._torrents))
            before = len(self._torrents)
            self._expire_torrent(oldest, now)
            if len(self._torrents) == before:
                return

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
        hosts: Counter[str] = Counter()
        newest = []
        for peers in self._torrents.values():
            assert 0 < len(peers) <= config.max_peers_per_torrent
            assert list(peers.values()) == sorted(peers.values())
            newest.append(max(peers.values()))
            shares = Counter(peer.host for peer in peers)
            assert max(shares.values()) <= config.max_ports_per_host
            hosts += shares
        assert newest == sorted(newest)
        assert hosts == self._entries_of
        assert hosts.total() == self._size
        assert all(count <= config.max_entries_per_host for count in hosts.values())

    def _make_room(self, info_hash: Key, peer: Address) -> None:
        peers = self._torrents.get(info_hash)
        if peers is None:
            while len(self._torrents) >= self._config.max_torrents:
                oldest = next(iter(self._torrents))
                for other in list(self._torrents[oldest]):
                    self._forget(oldest, other)
            return
        same_host = [other for other in peers if other.host == peer.host]
        if len(same_host) >= self._config.max_ports_per_host:
            self._forget(info_hash, same_host[0])
        elif len(peers) >= self._config.max_peers_per_torrent:
            self._forget(info_hash, next(iter(peers)))

    def _expire_torrent(self, info_hash: Key, now: float) -> None:
        peers = self._torrents[info_hash]
        while peers:
            oldest, ends_at = next(iter(peers.items()))
            if ends_at > now:
                return
            self._forget(info_hash, oldest)

    def _forget(self, info_hash: Key, peer: Address) -> None:
        peers = self._torrents[info_hash]
        del peers[peer]
        if not peers:
            del self._torrents[info_hash]
        self._size -= 1
        self._entries_of[peer.host] -= 1
        if not self._entries_of[peer.host]:
            del self._entries_of[peer.host]
