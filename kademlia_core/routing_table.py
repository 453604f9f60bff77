"""The routing table: k-buckets that split around the table's own key, with the node states of BEP 5.

Source: the Kademlia paper, sections 2.2 and 2.4; BEP 5, "Routing Table".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.bucket import Bucket, Entry, NodeState
from kademlia_core.config import RoutingTableConfig
from kademlia_core.distance import random_key_sharing
from kademlia_core.endpoint import group_of as default_group_of
from kademlia_core.errors import InvalidKeyError
from kademlia_core.shares import GroupShares

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.key import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A node of the table, when it last showed life, and what that makes of it."""

    contact: Contact
    seen_at: float
    state: NodeState


class RoutingTable:
    """Nodes that have answered us, dense near `own_key` and sparse far away.

    Only an answer brings a node in: what others tell about it, and what it claims itself in a query, is a hint to ping
    it first. So whatever `closest` returns has proved its endpoint.

    Invariants:
        * bucket i holds keys that share exactly i leading bits with `own_key`, the last one all that share more;
        * no bucket holds more entries than its size, nor more than `replacements` replacements;
        * a key and an endpoint occur once in the whole table, `own_key` never;
        * a bucket has replacements only while it is full;
        * no group of endpoints exceeds its shares.
    """

    def __init__(
        self,
        own_key: Key,
        *,
        config: RoutingTableConfig | None = None,
        now: float = 0.0,
        is_verified: Callable[[Contact], bool] | None = None,
        group_of: Callable[[Endpoint], Hashable | None] | None = None,
    ) -> None:
        """An empty table of the node whose key is `own_key`.

        Args:
            is_verified: which contacts cannot have chosen their key, like those whose key BEP 42 derives from their
                address. In a full bucket they take the place of others, so that a node that invents keys near a
                victim's does not keep honest nodes out. Asked once for each contact that enters.
            group_of: says of an endpoint whose it is, for the shares; by default, the subnet of an address.
        """
        self.own_key = own_key
        self.config = config = config or RoutingTableConfig()
        self._is_verified = is_verified if config.prefer_verified else None
        self._group_of = group_of or default_group_of
        self._buckets = [Bucket(capacity=config.bucket_size, changed_at=now)]
        self._by_endpoint: dict[Endpoint, Entry] = {}
        self._shares = GroupShares(config)
        self._size = 0

    def on_response(self, contact: Contact, *, now: float) -> bool:
        """A node answered a query from this endpoint with this key. Returns whether it is in the table now.

        A key that is already there under another endpoint moves only when its holder is no longer good: otherwise
        any node could take over a node's place by claiming its key.
        """
        entry = self._find(contact)
        if entry is not None:
            return entry.bucket.answered(entry, now=now)
        key, endpoint = contact.key, contact.endpoint
        if key == self.own_key:
            return False
        holder = self._buckets[self._index_of(key)].find(key.value)
        if holder is not None:
            if holder.state(self.config, now=now) is NodeState.GOOD:
                return False
            self._remove(holder, now=now)
        predecessor = self._by_endpoint.get(endpoint)
        if predecessor is not None:
            self._remove(predecessor, now=now)
        return self._insert(self._new_entry(contact, now=now), now=now)

    def on_query(self, contact: Contact, *, now: float) -> bool:
        """A node queried us. Returns whether the table knew it; if not, it is a hint worth a ping."""
        entry = self._find(contact)
        if entry is not None:
            entry.seen_at = now  # life for BEP 5, as the node has answered before; it excuses no unanswered query
        return entry is not None

    def on_failure(self, contact: Contact, *, now: float) -> bool:
        """A node left a query unanswered. A bad one makes room for a replacement, if there is any.

        Returns whether it has turned bad just now.
        """
        entry = self._find(contact)
        if entry is None:
            return False
        bucket = entry.bucket
        bucket.failed(entry)
        is_spare = entry.value in bucket.replacements
        is_bad = entry.failures >= self.config.bad_after_failures
        if is_spare or (is_bad and bucket.replacements):
            self._remove(entry, now=now)
        return not is_spare and entry.failures == self.config.bad_after_failures

    def refreshed(self, target: Key, *, now: float) -> None:
        """A refresh of the bucket that `target` falls into begins; the bucket is fresh whatever the refresh finds."""
        self._buckets[self._index_of(target)].changed_at = now

    def move(self, own_key: Key, *, now: float) -> None:
        """The node has another key now: the nodes are sorted anew, and those that find no room near it are dropped."""
        held = [entry for bucket in self._buckets for entry in bucket.entries.values()]
        held += [entry for bucket in self._buckets for entry in bucket.replacements.values()]
        self.own_key = own_key
        self._buckets = [Bucket(capacity=self.config.bucket_size, changed_at=now)]
        self._by_endpoint.clear()
        self._shares.clear()
        self._size = 0
        for entry in held:
            if entry.contact.key != own_key:
                self._insert(entry, now=now)

    def closest(self, target: Key, count: int, *, max_failures: int = 0) -> list[Contact]:
        """The `count` contacts closest to `target`, closest first, out of all that left no query unanswered since.

        Exact: the same as sorting the whole table.

        Args:
            max_failures: include contacts with up to so many unanswered queries in a row (for lookups of our own).

        Cost: one bucket sorted, mostly; two microseconds for eight contacts of a full table.
        """
        first = self._buckets[self._index_of(target)]
        found = first.closest(target.value, count, max_failures)
        if len(found) >= count:
            return found
        for bucket in self._in_order_of_distance(target):
            if bucket is not first:
                found += bucket.closest(target.value, count - len(found), max_failures)
                if len(found) >= count:
                    break
        return found

    def near(self, target: Key, count: int) -> tuple[Contact, ...]:
        """The contacts of `closest`, in no order. Cost: half a microsecond where a bucket holds just them."""
        live = self._buckets[self._index_of(target)].all_live(count)
        return tuple(self.closest(target, count)) if live is None else live

    def near_compact(self, target: Key, count: int) -> bytes:
        """The compact forms of the contacts of `near`, one after the other."""
        data = self._buckets[self._index_of(target)].all_live_compact(count)
        if data is not None:
            return data
        return b"".join([contact.compact() for contact in self.closest(target, count)])

    def needs(self, contact: Contact) -> bool:
        """Whether this stranger is worth a ping at once.

        It is when its bucket is that of the neighbours, or holds a bad node, or fewer than `bucket_size`, however large
        the bucket may become.
        """
        index = self._index_of(contact.key)
        bucket = self._buckets[index]
        if len(bucket.entries) >= self.config.bucket_size and not self._can_split(index):
            return bucket.bad(self.config) is not None
        return contact.key != self.own_key

    def wants(self, contact: Contact) -> bool:
        """Whether there is a place for this stranger, so that it is worth a ping when there is nothing else to do."""
        index = self._index_of(contact.key)
        bucket = self._buckets[index]
        if bucket.is_full and not self._can_split(index):
            if bucket.bad(self.config) is not None:
                return True
            if len(bucket.replacements) < self.config.replacements:
                return True
            if self._is_verified is None or bucket.is_verified:
                return False
            return self._is_verified(contact)
        return contact.key != self.own_key

    def rival_of(self, key: Key, *, now: float) -> Contact | None:
        """The questionable node that a waiting replacement for `key`'s bucket would replace: ping it to decide."""
        bucket = self._buckets[self._index_of(key)]
        entry = bucket.questionable(self.config, now=now) if bucket.replacements else None
        return entry.contact if entry is not None else None

    def questionable(self, *, now: float) -> Contact | None:
        """The questionable node to ping next: where replacements wait first, then the longest silent."""
        best: Entry | None = None
        for bucket in self._buckets:
            entry = bucket.questionable(self.config, now=now)
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
        """A random key in each range that a lookup of `own_key` has not searched to its end; farthest first.

        At most `count`: the range where the farthest of the closest `bucket_size` contacts is, and all farther away.

        By what the contacts share with us and not by the buckets there are, because a young table has hardly split.
        """
        neighbours = self.closest(self.own_key, self.config.bucket_size)
        if len(neighbours) < self.config.bucket_size:
            return []  # no contact is farther away
        depth = neighbours[-1].key.shared_prefix_length(self.own_key)
        ranges = range(min(count, depth + 1))
        return [random_key_sharing(self.own_key, shared, rng, exactly=True) for shared in ranges]

    def count_in_range_of(self, key: Key) -> int:
        """How many entries share as many leading bits with `own_key` as `key` does, no more and no less."""
        index = self._index_of(key)
        entries = self._buckets[index].entries
        if index < len(self._buckets) - 1:
            return len(entries)
        own, length = self.own_key.value, (key.value ^ self.own_key.value).bit_length()
        return sum((value ^ own).bit_length() == length for value in entries)

    def state_of(self, contact: Contact, *, now: float) -> NodeState | None:
        """None when the table does not hold the contact as an entry (a replacement has no state yet)."""
        entry = self._find(contact)
        if entry is None or entry.value not in entry.bucket.entries:
            return None
        return entry.state(self.config, now=now)

    def sightings(self, *, now: float) -> Iterator[Sighting]:
        """All entries that are not bad, the farthest buckets first: what is worth saving for the next start.

        What was saved is a list of hints: a node that reads it back pings them, and the table gets those that answer.
        """
        for bucket in self._buckets:
            for entry in bucket.entries.values():
                state = entry.state(self.config, now=now)
                if state is not NodeState.BAD:
                    yield Sighting(contact=entry.contact, seen_at=entry.seen_at, state=state)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self._buckets:
            for entry in bucket.entries.values():
                yield entry.contact

    def __contains__(self, contact: Contact) -> bool:
        entry = self._find(contact)
        return entry is not None and entry.value in entry.bucket.entries

    @property
    def bucket_count(self) -> int:
        return len(self._buckets)

    def good_count(self, *, now: float) -> int:
        """How many entries are good at this moment. Cost: O(size of the table)."""
        entries = (entry for bucket in self._buckets for entry in bucket.entries.values())
        return sum(entry.state(self.config, now=now) is NodeState.GOOD for entry in entries)

    def live(self) -> Iterator[Contact]:
        """All entries that are not bad, the farthest buckets first."""
        for bucket in self._buckets:
            for entry in bucket.entries.values():
                if entry.failures < self.config.bad_after_failures:
                    yield entry.contact

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config, last = self.config, len(self._buckets) - 1
        entries = [entry for bucket in self._buckets for entry in bucket.entries.values()]
        held = entries + [entry for bucket in self._buckets for entry in bucket.replacements.values()]
        assert len({entry.contact.key for entry in held}) == len(held) == len(self._by_endpoint)
        assert {entry.contact.endpoint: entry for entry in held} == self._by_endpoint
        assert len(entries) == self._size
        self._shares.check_invariants(self._buckets)
        for index, bucket in enumerate(self._buckets):
            bucket.check_invariants()
            assert bucket.capacity == (config.bucket_size if self._can_split(index) else config.size_of_bucket(index))
            assert len(bucket.replacements) <= config.replacements
            assert not bucket.replacements or bucket.is_full
            for pool in (bucket.entries, bucket.replacements):
                for entry in pool.values():
                    shared = entry.contact.key.shared_prefix_length(self.own_key)
                    assert entry.contact.key != self.own_key
                    assert shared == index if index < last else shared >= last

    def _in_order_of_distance(self, target: Key) -> Iterator[Bucket]:
        """All buckets, each wholly closer to `target` than the next.

        The keys of bucket i differ from `own_key` in bit i. Where `target` does so, too, they are closer to it than all
        keys nearer to `own_key`, and where it does not, they are farther than all those. So: the buckets of bits that
        differ, downwards to `own_key`; the last; then the others, back up.
        """
        last = len(self._buckets) - 1
        differing = (target.value ^ self.own_key.value) >> (target.bits - last)
        remaining = differing
        while remaining:
            length = remaining.bit_length()
            yield self._buckets[last - length]
            remaining ^= 1 << (length - 1)
        yield self._buckets[last]
        for bit in range(last):
            if not differing >> bit & 1:
                yield self._buckets[last - 1 - bit]

    def _index_of(self, key: Key) -> int:
        own_key, last = self.own_key, len(self._buckets) - 1
        if key.bits != own_key.bits:
            raise InvalidKeyError(f"a table of {own_key.bits}-bit keys has no place for one of {key.bits} bits")
        shared = key.bits - (key.value ^ own_key.value).bit_length()
        return shared if shared < last else last

    def _find(self, contact: Contact) -> Entry | None:
        entry, key = self._by_endpoint.get(contact.endpoint), contact.key
        if entry is None or entry.value != key.value or key.bits != self.own_key.bits:  # `==` would be a call
            return None
        return entry

    def _new_entry(self, contact: Contact, *, now: float) -> Entry:
        is_verified = self._is_verified is not None and self._is_verified(contact)
        return Entry(contact, self._group_of(contact.endpoint), is_verified, now=now)

    def _insert(self, entry: Entry, *, now: float) -> bool:
        index = self._index_of(entry.contact.key)
        bucket = self._buckets[index]
        while (is_full := bucket.is_full) and self._can_split(index):
            self._split()
            index = self._index_of(entry.contact.key)
            bucket = self._buckets[index]
        if not is_full and self._shares.has_place_for(entry, bucket):
            self._place(entry, bucket, now=now)
            return True
        if self._displace(entry, bucket, now=now):
            return True
        if is_full:
            self._reserve(entry, bucket)
        return False

    def _displace(self, entry: Entry, bucket: Bucket, *, now: float) -> bool:
        """Gives `entry` the place of a bad node, or of an unverified one if it is verified itself."""
        bad = bucket.bad(self.config) if bucket.is_full else None
        leaving = [bad] if bad is not None else []
        if entry.is_verified:
            leaving += bucket.unverified(self.config, now=now)
        for other in leaving:
            if self._shares.has_place_for(entry, bucket, leaving=other):
                self._drop_entry(other, bucket, now=now)
                self._place(entry, bucket, now=now)
                if other.failures < self.config.bad_after_failures and bucket.is_full:
                    self._reserve(other, bucket)
                return True
        return False

    def _reserve(self, entry: Entry, bucket: Bucket) -> None:
        """Keeps `entry` for when a place becomes free, if its group has a share of the reserve."""
        config = self.config
        if not config.replacements or not self._shares.has_reserve_for(entry, bucket):
            return
        if len(bucket.replacements) >= config.replacements:
            last = bucket.last_replacement()
            if last.is_verified and not entry.is_verified:
                return
            self._drop_replacement(last, bucket)
        bucket.reserve(entry)
        self._by_endpoint[entry.contact.endpoint] = entry

    def _can_split(self, index: int) -> bool:
        return index == len(self._buckets) - 1 and len(self._buckets) < self.own_key.bits

    def _split(self) -> None:
        """Cuts the last bucket in two. It has no replacements: those are kept only for buckets that cannot split.

        The half that is not ours gets its final size now, and not before, so that whatever the last bucket holds fits
        into its halves.
        """
        index = len(self._buckets) - 1
        config, bits, old = self.config, self.own_key.bits, self._buckets[index]
        new = Bucket(capacity=config.bucket_size, changed_at=old.changed_at)
        self._buckets.append(new)
        nearer = bits - index - 1
        for entry in list(old.entries.values()):
            if not (entry.value ^ self.own_key.value) >> nearer:
                old.remove(entry)
                new.add(entry)
        old.enlarge(config.size_of_bucket(index), cell_size=config.bucket_size, free_bits=nearer)
        if not self._can_split(index + 1):
            new.enlarge(config.size_of_bucket(index + 1), cell_size=config.bucket_size, free_bits=0)

    def _place(self, entry: Entry, bucket: Bucket, *, now: float) -> None:
        bucket.add(entry)
        bucket.changed_at = now
        self._by_endpoint[entry.contact.endpoint] = entry
        self._size += 1
        self._shares.take(entry)

    def _remove(self, entry: Entry, *, now: float) -> None:
        bucket = entry.bucket
        if entry.value in bucket.replacements:
            self._drop_replacement(entry, bucket)
            return
        self._drop_entry(entry, bucket, now=now)
        self._promote(bucket, now=now)

    def _drop_entry(self, entry: Entry, bucket: Bucket, *, now: float) -> None:
        bucket.remove(entry)
        bucket.changed_at = now
        del self._by_endpoint[entry.contact.endpoint]
        self._size -= 1
        self._shares.release(entry)

    def _drop_replacement(self, entry: Entry, bucket: Bucket) -> None:
        del bucket.replacements[entry.value]
        del self._by_endpoint[entry.contact.endpoint]

    def _promote(self, bucket: Bucket, *, now: float) -> None:
        """Fills free places from the replacements, newest first; one whose group has no share left is forgotten."""
        while bucket.replacements and not bucket.is_full:
            entry = bucket.next_replacement()
            self._drop_replacement(entry, bucket)
            if self._shares.has_place_for(entry, bucket):
                self._place(entry, bucket, now=now)
