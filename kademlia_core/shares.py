"""How much of a routing table one group of endpoints may take: many nodes in one place do not fill it alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from kademlia_core.bucket import Bucket, Entry
    from kademlia_core.config import RoutingTableConfig


class GroupShares:
    """Counts the entries of a table by group. Endpoints of no group are not counted.

    Invariants: no group has more than `max_per_subnet` entries in the table, nor more than `max_per_subnet_in_bucket`
    in a bucket, and again among its replacements.
    """

    def __init__(self, config: RoutingTableConfig) -> None:
        self._config = config
        self._counts: dict[Hashable, int] = {}  # quicker than a Counter, which makes a call of each miss

    def take(self, entry: Entry) -> None:
        """An entry got a place."""
        group = entry.group
        if group is not None:
            self._counts[group] = self._counts.get(group, 0) + 1

    def release(self, entry: Entry) -> None:
        """An entry left its place."""
        group = entry.group
        if group is not None:
            left = self._counts[group] - 1
            if left:
                self._counts[group] = left
            else:
                del self._counts[group]

    def clear(self) -> None:
        self._counts.clear()

    def has_place_for(self, entry: Entry, bucket: Bucket, *, leaving: Entry | None = None) -> bool:
        """Whether its group may have one more contact in the bucket and the table, when `leaving` left."""
        group = entry.group
        if group is None:
            return True
        freed = 1 if leaving is not None and leaving.group == group else 0
        if self._counts.get(group, 0) - freed >= self._config.max_per_subnet:
            return False
        return _count(group, bucket.entries) - freed < self._config.max_per_subnet_in_bucket

    def has_reserve_for(self, entry: Entry, bucket: Bucket) -> bool:
        """Whether its group may have one more contact among the replacements of the bucket."""
        return _count(entry.group, bucket.replacements) < self._config.max_per_subnet_in_bucket

    def check_invariants(self, buckets: Iterable[Bucket]) -> None:
        """Asserts what the class promises."""
        counts: Counter[Hashable] = Counter()
        for bucket in buckets:
            for pool in (bucket.entries, bucket.replacements):
                shares = Counter(entry.group for entry in pool.values() if entry.group is not None)
                assert all(count <= self._config.max_per_subnet_in_bucket for count in shares.values())
            counts.update(entry.group for entry in bucket.entries.values() if entry.group is not None)
        assert self._counts == counts
        assert all(count <= self._config.max_per_subnet for count in counts.values())


def _count(group: Hashable | None, pool: dict[int, Entry]) -> int:
    return sum(entry.group == group for entry in pool.values()) if group is not None else 0
