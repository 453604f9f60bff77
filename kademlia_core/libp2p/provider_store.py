"""Which peers said that they have which content, within bounds that no stranger can move."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kademlia_core.farthest import FarthestFirst
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import PeerInfo

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from kademlia_core.libp2p.config import ProviderStoreConfig
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr


class ProviderStore:
    """Providers by key, those of each key in the order of their last announcement.

    Invariants: every bound of the config holds; no key is without a provider; the sums for each source are right.
    """

    def __init__(self, own_key: Key, config: ProviderStoreConfig) -> None:
        self._config = config
        self._keys: dict[Key, dict[PeerId, _Entry]] = {}  # in the order of their last announcement
        self._by_distance = FarthestFirst(own_key)
        self._size = 0
        self._entries_of: Counter[str | bytes] = Counter()

    def add(
        self, key: bytes, provider: PeerId, addresses: tuple[Multiaddr, ...], *, source: str | bytes, now: float
    ) -> bool:
        """Takes an announcement.

        Args:
            key: the content's multihash.
            source: whom it is charged to; empty for the node itself, which has no share.

        Returns:
            False when it was refused: its source has too many entries, or the store is full of closer keys.
        """
        place = key_of(key)
        old = self._keys.get(place, {}).get(provider)
        entry = _Entry(key, addresses[: self._config.max_addresses], source, now)
        is_over = bool(source) and self._entries_of[source] >= self._config.max_per_source
        if (old is None or old.source != source) and is_over:
            return False
        if old is not None:
            self._forget(place, provider)
        self.expire(now=now)
        while self._size >= self._config.max_entries:
            farthest = self._by_distance.farthest()
            if farthest is None or farthest == place or not self._by_distance.is_closer(place):
                return False
            for each in list(self._keys[farthest]):
                self._forget(farthest, each)
        peers = self._keys.pop(place, {})
        self._keys[place] = peers
        self._by_distance.add(place)
        peers[provider] = entry
        self._size += 1
        self._entries_of[source] += 1
        if len(peers) > self._config.max_per_key:
            self._forget(place, next(iter(peers)))
        return True

    def get(self, key: bytes, *, now: float) -> tuple[PeerInfo, ...]:
        """The providers of a key, the latest first, at most `max_answer`; old ones without addresses."""
        config = self._config
        found: list[PeerInfo] = []
        for provider, entry in reversed(self._keys.get(key_of(key), {}).items()):
            if now >= entry.added_at + config.lifetime_s or len(found) >= config.max_answer:
                break
            is_fresh = now < entry.added_at + config.address_lifetime_s
            if entry.key == key:
                found.append(PeerInfo(provider, entry.addresses if is_fresh else ()))
        return tuple(found)

    def remove(self, key: bytes, provider: PeerId) -> None:
        """The node itself no longer provides."""
        place = key_of(key)
        if provider in self._keys.get(place, {}):
            self._forget(place, provider)

    def expire(self, *, now: float) -> None:
        """Forgets what is too old. Cost: O(1) and what is forgotten, except for entries behind a younger key."""
        while self._keys:
            place, peers = next(iter(self._keys.items()))
            before = len(self._keys)
            for provider, entry in list(peers.items()):
                if now < entry.added_at + self._config.lifetime_s:
                    break
                self._forget(place, provider)
            if len(self._keys) == before:
                return

    def __len__(self) -> int:
        """How many entries there are."""
        return self._size

    @property
    def key_count(self) -> int:
        return len(self._keys)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config = self._config
        self._by_distance.check_invariants()
        assert set(self._by_distance) == set(self._keys)
        entries = [entry for peers in self._keys.values() for entry in peers.values()]
        assert len(entries) == self._size <= config.max_entries
        counts = Counter(entry.source for entry in entries)
        assert counts == self._entries_of
        assert all(count <= config.max_per_source for source, count in counts.items() if source)
        newest = []
        for peers in self._keys.values():
            assert 0 < len(peers) <= config.max_per_key
            times = [entry.added_at for entry in peers.values()]
            assert times == sorted(times)
            newest.append(times[-1])
            assert all(len(entry.addresses) <= config.max_addresses for entry in peers.values())
        assert newest == sorted(newest)

    def _forget(self, place: Key, provider: PeerId) -> None:
        peers = self._keys[place]
        entry = peers.pop(provider)
        if not peers:
            del self._keys[place]
            self._by_distance.discard(place)
        self._size -= 1
        self._entries_of[entry.source] -= 1
        if not self._entries_of[entry.source]:
            del self._entries_of[entry.source]


class _Entry:
    __slots__ = ("added_at", "addresses", "key", "source")

    def __init__(self, key: bytes, addresses: tuple[Multiaddr, ...], source: str | bytes, added_at: float) -> None:
        self.key = key
        self.addresses = addresses
        self.source = source
        self.added_at = added_at
