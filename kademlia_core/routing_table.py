"""The routing table: k-buckets that split around the table's own key, with the node states of BEP 5.

Source: the Kademlia paper, sections 2.2 and 2.4; BEP 5, "Routing Table".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kademlia_core.bucket import Bucket, Entry, NodeState
from kademlia_core.config import RoutingTableConfig
from kademlia_core.distance import nearest, random_key_sharing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from transfer.address import Address


class RoutingTable:
    """Nodes that have answered us, dense near `own_key` and sparse far away.

    Only an answer brings a node in: what others tell about it, and what it claims itself in a query, is a hint to ping
    it first. So whatever `closest` returns has proved its address.

    Invariants:
        * bucket i holds keys that share exactly i leading bits with `own_key`, the last one all that share more;
        * no bucket holds more than `bucket_size` entries or `replacements` replacements;
        * a key and an address occur once in the whole table, `own_key` never;
        * a bucket has replacements only while it is full;
        * no subnet exceeds its shares.
    """

    def __init__(self, own_key: Key, *, config: RoutingTableConfig | None = None, now: float = 0.0) -> None:
        self.own_key = own_key
        self.config = config or RoutingTableConfig()
        self._buckets = [Bucket({}, {}, now)]
        self._by_address: dict[Address, Entry] = {}
        self._subnets: Counter[bytes] = Counter()
        self._size = 0

    def on_response(self, contact: Contact, *, now: float) -> bool:
        """A node answered a query from this address with this key. Returns whether it is in the table now.

        A key that is already there under another address moves only when its holder is no longer good: otherwise
        anybody could take over a node's place by claiming its key.
        """
        key, address = contact.key, contact.address
        if key == self.own_key:
            return False
        index = self._index_of(key)
        entry = self._buckets[index].find(key)
        if entry is not None:
            if entry.contact.address == address:
                entry.answered(now)
                if key in self._buckets[index].entries:
                    self._buckets[index].changed_at = now
                    return True
                return False
            if entry.state(now, self.config) is NodeState.GOOD:
                return False
            self._remove(entry, now)
        predecessor = self._by_address.get(address)
        if predecessor is not None:
            self._remove(predecessor, now)
        return self._insert(Entry(contact, now), now)

    def on_query(self, contact: Contact, *, now: float) -> bool:
        """A node queried us. Returns whether the table knew it; if not, it is a hint worth a ping."""
        entry = self._find(contact)
        if entry is not None:
            entry.queried_us(now)
        return entry is not None

    def on_failure(self, contact: Contact, *, now: float) -> None:
        """A node left a query unanswered. A bad one makes room for a replacement, if there is any."""
        entry = self._find(contact)
        if entry is None:
            return
        entry.failures += 1
        bucket = self._buckets[self._index_of(contact.key)]
        is_bad = entry.failures >= self.config.bad_after_failures
        if contact.key in bucket.replacements or (is_bad and bucket.replacements):
            self._remove(entry, now)

    def refreshed(self, target: Key, *, now: float) -> None:
        """A refresh of the bucket that `target` falls into begins; the bucket is fresh whatever the refresh finds."""
        self._buckets[self._index_of(target)].changed_at = now

    def closest(self, target: Key, count: int, *, max_failures: int = 0) -> list[Contact]:
        """The `count` contacts closest to `target`, closest first, out of all that left no query unanswered since.

        Exact: the same as sorting the whole table. The bucket of `target` is closest; then come all buckets nearer to
        `own_key` together, since those keys differ from `target` first in the bit where `own_key` does; then the
        buckets farther away, one by one.

        Args:
            max_failures: include contacts with up to so many unanswered queries in a row (for lookups of our own).

        Cost: O(contacts near `target`), a few microseconds for a full table.
        """
        found: list[Contact] = []
        for group in self._groups(target):
            usable = [
                entry.contact for bucket in group for entry in bucket.entries.values() if entry.failures <= max_failures
            ]
            found += nearest(usable, target, count - len(found))
            if len(found) >= count:
                break
        return found

    def wants(self, key: Key) -> bool:
        """Whether a node with this key could be of use, so that it is worth a ping."""
        if key == self.own_key:
            return False
        index = self._index_of(key)
        bucket = self._buckets[index]
        return (
            len(bucket.entries) < self.config.bucket_size
            or self._can_split(index)
            or len(bucket.replacements) < self.config.replacements
            or bucket.bad(self.config) is not None
        )

    def rival_of(self, key: Key, *, now: float) -> Contact | None:
        """The questionable node that a waiting replacement for `key`'s bucket would replace: ping it to decide."""
        bucket = self._buckets[self._index_of(key)]
        entry = bucket.questionable(now, self.config) if bucket.replacements else None
        return entry.contact if entry is not None else None

    def questionable(self, *, now: float) -> Contact | None:
        """The questionable node to ping next: where replacements wait first, then the longest silent."""
        best: Entry | None = None
        for bucket in self._buckets:
            entry = bucket.questionable(now, self.config)
            if entry is not None and bucket.replacements:
                return entry.contact
            if entry is not None and (best is None or entry.seen_at < best.seen_at):
                best = entry
        return best.contact if best is not None else None

    def stale_target(self, *, now: float, rng: Random) -> Key | None:
        """A random key in the bucket that has been unchanged longest, when that is too long; else None."""
        index = min(range(len(self._buckets)), key=lambda i: self._buckets[i].changed_at)
        if now - self._buckets[index].changed_at < self.config.good_for_s:
            return None
        is_last = index == len(self._buckets) - 1
        return random_key_sharing(self.own_key, index, rng, exactly=not is_last)

    def far_targets(self, count: int, *, rng: Random) -> list[Key]:
        """A random key in each range that a lookup of `own_key` has not searched to its end: where the farthest of the
        closest `bucket_size` contacts is, and all farther away. Farthest first, at most `count`.

        By what the contacts share with us and not by the buckets there are, because a young table has hardly split.
        """
        neighbours = self.closest(self.own_key, self.config.bucket_size)
        if len(neighbours) < self.config.bucket_size:
            return []  # nobody is farther away
        depth = neighbours[-1].key.shared_prefix_length(self.own_key)
        ranges = range(min(count, depth + 1))
        return [random_key_sharing(self.own_key, shared, rng, exactly=True) for shared in ranges]

    def state_of(self, contact: Contact, *, now: float) -> NodeState | None:
        """None when the table does not hold the contact as an entry (a replacement has no state yet)."""
        entry = self._find(contact)
        if entry is None or contact.key not in self._buckets[self._index_of(contact.key)].entries:
            return None
        return entry.state(now, self.config)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self._buckets:
            for entry in bucket.entries.values():
                yield entry.contact

    def __contains__(self, contact: Contact) -> bool:
        entry = self._buckets[self._index_of(contact.key)].entries.get(contact.key)
        return entry is not None and entry.contact == contact

    @property
    def bucket_count(self) -> int:
        return len(self._buckets)

    def good_count(self, *, now: float) -> int:
        """How many entries are good at this moment. Cost: O(size of the table)."""
        entries = (entry for bucket in self._buckets for entry in bucket.entries.values())
        return sum(entry.state(now, self.config) is NodeState.GOOD for entry in entries)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config, last = self.config, len(self._buckets) - 1
        held = [
            entry for bucket in self._buckets for entry in (*bucket.entries.values(), *bucket.replacements.values())
        ]
        entries = [entry for bucket in self._buckets for entry in bucket.entries.values()]
        assert len({entry.contact.key for entry in held}) == len(held)
        assert {entry.contact.address: entry for entry in held} == self._by_address
        assert len(held) == len(self._by_address)
        assert len(entries) == self._size
        assert self._subnets == Counter(entry.subnet for entry in entries if entry.subnet is not None)
        assert all(count <= config.max_per_subnet for count in self._subnets.values())
        for index, bucket in enumerate(self._buckets):
            assert len(bucket.entries) <= config.bucket_size
            assert len(bucket.replacements) <= config.replacements
            assert not bucket.replacements or len(bucket.entries) == config.bucket_size
            for pool in (bucket.entries, bucket.replacements):
                shares = Counter(entry.subnet for entry in pool.values() if entry.subnet is not None)
                assert all(count <= config.max_per_subnet_in_bucket for count in shares.values())
                for key, entry in pool.items():
                    shared = key.shared_prefix_length(self.own_key)
                    assert key == entry.contact.key
                    assert key != self.own_key
                    assert shared == index if index < last else shared >= last

    def _groups(self, target: Key) -> Iterator[list[Bucket]]:
        """The buckets in groups, each group wholly closer to `target` than the next."""
        index = self._index_of(target)
        yield self._buckets[index : index + 1]
        if index + 1 < len(self._buckets):
            yield self._buckets[index + 1 :]
        for farther in range(index - 1, -1, -1):
            yield self._buckets[farther : farther + 1]

    def _index_of(self, key: Key) -> int:
        return min(key.shared_prefix_length(self.own_key), len(self._buckets) - 1)

    def _find(self, contact: Contact) -> Entry | None:
        entry = self._by_address.get(contact.address)
        return entry if entry is not None and entry.contact.key == contact.key else None

    def _insert(self, entry: Entry, now: float) -> bool:
        config, key = self.config, entry.contact.key
        while True:
            index = self._index_of(key)
            bucket = self._buckets[index]
            if len(bucket.entries) < config.bucket_size:
                if not self._has_share(entry, bucket.entries, table=True):
                    return False
                self._place(entry, bucket, now)
                return True
            if not self._can_split(index):
                break
            self._split()
        bad = bucket.bad(config)
        if bad is not None:
            self._drop_entry(bad, bucket, now)
            if self._has_share(entry, bucket.entries, table=True):
                self._place(entry, bucket, now)
                return True
            self._place(bad, bucket, now)
        if config.replacements and self._has_share(entry, bucket.replacements, table=False):
            if len(bucket.replacements) >= config.replacements:
                oldest = next(iter(bucket.replacements.values()))
                self._drop_replacement(oldest, bucket)
            bucket.replacements[key] = entry
            self._by_address[entry.contact.address] = entry
        return False

    def _can_split(self, index: int) -> bool:
        return index == len(self._buckets) - 1 and len(self._buckets) < self.own_key.bits

    def _split(self) -> None:
        """Cuts the last bucket in two. It has no replacements: those are kept only for buckets that cannot split."""
        index = len(self._buckets) - 1
        old = self._buckets[index]
        new = Bucket({}, {}, old.changed_at)
        self._buckets.append(new)
        for key in [key for key in old.entries if key.shared_prefix_length(self.own_key) > index]:
            new.entries[key] = old.entries.pop(key)

    def _has_share(self, entry: Entry, pool: dict[Key, Entry], *, table: bool) -> bool:
        """Whether the subnet of `entry` may have one more contact in `pool` (and in the table as a whole)."""
        subnet = entry.subnet
        if subnet is None:
            return True
        if table and self._subnets[subnet] >= self.config.max_per_subnet:
            return False
        return sum(other.subnet == subnet for other in pool.values()) < self.config.max_per_subnet_in_bucket

    def _place(self, entry: Entry, bucket: Bucket, now: float) -> None:
        bucket.entries[entry.contact.key] = entry
        bucket.changed_at = now
        self._by_address[entry.contact.address] = entry
        self._size += 1
        if entry.subnet is not None:
            self._subnets[entry.subnet] += 1

    def _remove(self, entry: Entry, now: float) -> None:
        bucket = self._buckets[self._index_of(entry.contact.key)]
        if entry.contact.key in bucket.replacements:
            self._drop_replacement(entry, bucket)
            return
        self._drop_entry(entry, bucket, now)
        self._promote(bucket, now)

    def _drop_entry(self, entry: Entry, bucket: Bucket, now: float) -> None:
        del bucket.entries[entry.contact.key]
        del self._by_address[entry.contact.address]
        bucket.changed_at = now
        self._size -= 1
        if entry.subnet is not None:
            self._subnets[entry.subnet] -= 1
            if not self._subnets[entry.subnet]:
                del self._subnets[entry.subnet]

    def _drop_replacement(self, entry: Entry, bucket: Bucket) -> None:
        del bucket.replacements[entry.contact.key]
        del self._by_address[entry.contact.address]

    def _promote(self, bucket: Bucket, now: float) -> None:
        """Fills free places from the replacements, newest first; one whose subnet has no share left is forgotten."""
        while bucket.replacements and len(bucket.entries) < self.config.bucket_size:
            entry = bucket.replacements[next(reversed(bucket.replacements))]
            self._drop_replacement(entry, bucket)
            if self._has_share(entry, bucket.entries, table=True):
                self._place(entry, bucket, now)
