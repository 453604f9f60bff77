"""Items of BEP 44 that other nodes put here, within bounds that no stranger can move."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from kademlia_core.key import Key
from kademlia_core.mainline.item_errors import (
    BadSignatureError,
    CasMismatchError,
    ItemError,
    StaleSequenceError,
    StoreFullError,
)
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from transfer.address import packed_host
from transfer.limits.token_bucket import TokenBucket
from transfer.subnet import subnet_of

if TYPE_CHECKING:
    from kademlia_core.mainline.config import ItemStoreConfig

Item: TypeAlias = ImmutableItem | MutableItem


class ItemStore:
    """Immutable and mutable items by target.

    When it is full, the items farthest from the own id go first, and one that is farther than all others is refused.
    Those are the ones that a lookup finds at nodes that are closer to them, so they are missed least; and how far an
    item is cannot be improved by putting it often, as its age could, or from many addresses, as libtorrent's count of
    announcers could. A node that wants to push out an item close to us must find targets that are closer, which in a
    network of N nodes costs about N / 8 hashes for each, and needs so many networks that their shares fill the store.

    Signatures are checked last, after everything that costs nothing, and never for a version that is here already. The
    checks are bounded in all and for each source, where a bad one counts as much as fifty good ones.

    Invariants: every bound of the config holds; items are in the order in which they expire; no two share a target; the
    counts of bytes and of what each source put are those of the items.
    """

    def __init__(self, config: ItemStoreConfig, own_key: Key, *, now: float) -> None:
        self._config = config
        self._own_key = own_key
        self._entries: dict[Key, _Entry] = {}
        self._distances: list[int] = []  # ascending; XOR with the own key gives back the target
        self._size_bytes = 0
        self._items_of: Counter[bytes] = Counter()
        self._bytes_of: Counter[bytes] = Counter()
        self._verifications = TokenBucket(
            rate_per_s=config.verifications_per_s, burst=config.verification_burst, now=now
        )
        self._debts: OrderedDict[bytes, float] = OrderedDict()  # when a source has paid for what was checked

    def put(self, item: Item, *, cas: int | None = None, source: str, now: float) -> None:
        """Takes an item, or counts the lifetime of the same one anew.

        Args:
            cas: the sequence number that the version to be replaced must have. Without effect on an immutable item and
                where nothing is stored.
            source: the IP address that sent it, which must have shown a write token.

        Raises:
            CasMismatchError: a version other than that of `cas` is stored.
            StaleSequenceError: a version with a higher number is stored, or a different one with the same.
            BadSignatureError: the owner did not sign this.
            StoreFullError: no room, or no time to check the signature.
            ItemError: a different item has the same target, which takes a collision of SHA-1.
        """
        self.expire(now=now)
        target = item.target
        entry = self._entries.get(target)
        if entry is not None and not _is_newer(item, entry.item, cas):
            del self._entries[target]
            entry.ends_at = now + self._config.lifetime_s
            self._entries[target] = entry
            return
        network = subnet_of(source) or packed_host(source)
        added = _Entry(item, network, now + self._config.lifetime_s)
        losers = self._losers(target, added, entry)
        if isinstance(item, MutableItem):
            self._authenticate(item, network, now=now)
        for loser in losers:
            self._forget(loser)
        if entry is not None:
            self._forget(target)
        self._keep(target, added)

    def get(self, target: Key, *, now: float) -> Item | None:
        """What is stored under `target`."""
        entry = self._entries.get(target)
        return None if entry is None or entry.ends_at <= now else entry.item

    def expire(self, *, now: float) -> None:
        """Forgets what no node put again. Cost: O(1) and what is forgotten."""
        while self._entries:
            target, entry = next(iter(self._entries.items()))
            if entry.ends_at > now:
                return
            self._forget(target)

    def move(self, own_key: Key) -> None:
        """The node has a new id, so other items are far from it. Cost: O(n log n)."""
        self._own_key = own_key
        self._distances = sorted(target ^ own_key for target in self._entries)

    @property
    def item_count(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config = self._config
        assert len(self._entries) <= config.max_items
        assert self._size_bytes <= config.max_bytes
        items_of: Counter[bytes] = Counter()
        bytes_of: Counter[bytes] = Counter()
        for target, entry in self._entries.items():
            assert target == entry.item.target
            items_of[entry.source] += 1
            bytes_of[entry.source] += entry.size_bytes
        assert items_of == self._items_of
        assert bytes_of == self._bytes_of
        assert bytes_of.total() == self._size_bytes
        assert all(count <= config.max_items_per_source for count in items_of.values())
        assert all(size <= config.max_bytes_per_source for size in bytes_of.values())
        expiries = [entry.ends_at for entry in self._entries.values()]
        assert expiries == sorted(expiries)
        assert self._distances == sorted(target ^ self._own_key for target in self._entries)
        assert len(self._debts) <= config.max_sources

    def _losers(self, target: Key, added: _Entry, replaced: _Entry | None) -> list[Key]:
        """The items that must go before `added` fits, farthest first; changes nothing."""
        config = self._config
        items, size = len(self._entries) + 1, self._size_bytes + added.size_bytes
        own_items, own_size = self._items_of[added.source] + 1, self._bytes_of[added.source] + added.size_bytes
        if replaced is not None:
            items, size = items - 1, size - replaced.size_bytes
            if replaced.source == added.source:
                own_items, own_size = own_items - 1, own_size - replaced.size_bytes
        if own_items > config.max_items_per_source or own_size > config.max_bytes_per_source:
            raise StoreFullError("too many items from this network")
        losers: list[Key] = []
        for distance in reversed(self._distances):
            if items <= config.max_items and size <= config.max_bytes:
                break
            if distance <= target ^ self._own_key:
                raise StoreFullError("the store is full of items that are closer")
            loser = Key(distance ^ self._own_key.value, self._own_key.bits)
            losers.append(loser)
            items, size = items - 1, size - self._entries[loser].size_bytes
        return losers

    def _authenticate(self, item: MutableItem, source: bytes, *, now: float) -> None:
        config = self._config
        paid_at = max(now, self._debts.get(source, now))
        if paid_at - now > config.source_credit_s:
            raise StoreFullError("too many signatures to check from this network; try again later")
        if not self._verifications.spend(now=now):
            raise StoreFullError("too many signatures to check; try again later")
        is_authentic = item.verify()
        cost_s = 1 / config.verifications_per_source_per_s if is_authentic else config.bad_signature_cost_s
        if source not in self._debts and len(self._debts) >= config.max_sources:
            self._debts.popitem(last=False)
        self._debts[source] = paid_at + cost_s
        self._debts.move_to_end(source)
        if not is_authentic:
            raise BadSignatureError("invalid signature")

    def _keep(self, target: Key, entry: _Entry) -> None:
        self._entries[target] = entry
        insort(self._distances, target ^ self._own_key)
        self._size_bytes += entry.size_bytes
        self._items_of[entry.source] += 1
        self._bytes_of[entry.source] += entry.size_bytes

    def _forget(self, target: Key) -> None:
        entry = self._entries.pop(target)
        del self._distances[bisect_left(self._distances, target ^ self._own_key)]
        self._size_bytes -= entry.size_bytes
        self._items_of[entry.source] -= 1
        self._bytes_of[entry.source] -= entry.size_bytes
        if not self._items_of[entry.source]:
            del self._items_of[entry.source], self._bytes_of[entry.source]


class _Entry:
    """One item, the network that put it, and when it ceases to count."""

    __slots__ = ("ends_at", "item", "size_bytes", "source")

    def __init__(self, item: Item, source: bytes, ends_at: float) -> None:
        self.item = item
        self.source = source
        self.ends_at = ends_at
        self.size_bytes = len(item.value) + (len(item.salt) if isinstance(item, MutableItem) else 0)


def _is_newer(item: Item, stored: Item, cas: int | None) -> bool:
    """Whether `item` is to replace `stored`; False when both are the same version."""
    if isinstance(item, ImmutableItem) or isinstance(stored, ImmutableItem):
        if item != stored:
            raise ItemError("a different item has the same hash")
        return False
    if (item.public_key, item.salt) != (stored.public_key, stored.salt):
        raise ItemError("a different item has the same hash")
    if cas is not None and cas != stored.seq:
        raise CasMismatchError(f"the stored version is {stored.seq}, not {cas}; read it again")
    if item.seq < stored.seq:
        raise StaleSequenceError(f"version {stored.seq} is stored already")
    if item.seq == stored.seq and item.value != stored.value:
        raise StaleSequenceError(f"version {stored.seq} is stored already, with a different value")
    return item.seq > stored.seq
