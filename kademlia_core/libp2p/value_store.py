"""The values that a server keeps for its network, within bounds that no stranger can move."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kademlia_core.farthest import FarthestFirst
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import Record
from kademlia_core.libp2p.timestamps import NANOSECONDS, format_timestamp

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from kademlia_core.libp2p.config import ValueStoreConfig
    from kademlia_core.libp2p.validators import Validators

OVERHEAD_BYTES = 500  # what a value costs beside its bytes, roughly


class ValueStore:
    """Values by their key, each right by the rules of its namespace when it came.

    Invariants: every bound of the config holds, and the sums for each source are those of its values.
    """

    def __init__(self, own_key: Key, validators: Validators, config: ValueStoreConfig) -> None:
        self._validators = validators
        self._config = config
        self._kept: dict[Key, _Kept] = {}  # in the order of the last put
        self._by_distance = FarthestFirst(own_key)
        self._bytes = 0
        self._records_of: Counter[str | bytes] = Counter()
        self._bytes_of: Counter[str | bytes] = Counter()

    def put(self, record: Record, *, source: str | bytes, wall_s: float, now: float) -> None:
        """Keeps a value.

        Args:
            source: whom it is charged to; empty for the node itself, which has no share.

        Raises:
            RecordError: it is not right for its key, a better one is kept, or there is no room for it.
        """
        if len(record.value) > self._config.max_value_bytes:
            raise RecordError(f"a value has at most {self._config.max_value_bytes} bytes, not {len(record.value)}")
        self._validators.validate(record.key, record.value, wall_s=wall_s)
        key = key_of(record.key)
        old = self._kept.get(key)
        if old is not None and old.expires_at <= now:
            self._drop(key)
            old = None
        if old is not None and self._validators.is_better(record.key, old.record.value, record.value):
            raise RecordError("a better value is kept under that key")
        received = format_timestamp(int(wall_s * NANOSECONDS))
        new = _Kept(Record(record.key, record.value, received), source, now + self._config.lifetime_s)
        if not self._has_share(new, old):
            raise RecordError("too many values come from there (max_records_per_source, max_bytes_per_source)")
        if not self._make_room(key, new, old, now=now):
            raise RecordError("the store is full of values that are closer to this node")
        if old is not None:
            self._drop(key)
        self._keep(key, new)

    def get(self, key: bytes, *, wall_s: float, now: float) -> Record | None:
        """The value under a key, if it is still right."""
        place = key_of(key)
        kept = self._kept.get(place)
        if kept is None or kept.record.key != key:
            return None
        if kept.expires_at <= now:
            self._drop(place)
            return None
        if wall_s >= kept.checked_at + RECHECK_S or wall_s < kept.checked_at:
            try:
                self._validators.validate(key, kept.record.value, wall_s=wall_s)
            except RecordError:
                self._drop(place)
                return None
            kept.checked_at = wall_s
        return kept.record

    def expire(self, *, now: float) -> None:
        """Forgets what is too old. Cost: O(1) and what is forgotten."""
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.expires_at > now:
                return
            self._drop(key)

    def __len__(self) -> int:
        return len(self._kept)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        config = self._config
        self._by_distance.check_invariants()
        assert set(self._by_distance) == set(self._kept)
        assert len(self._kept) <= config.max_records
        assert self._bytes == sum(kept.size for kept in self._kept.values()) <= config.max_bytes
        kept_of = Counter(kept.source for kept in self._kept.values())
        assert self._records_of == kept_of
        for source, count in kept_of.items():
            size = sum(kept.size for kept in self._kept.values() if kept.source == source)
            assert self._bytes_of[source] == size
            assert not source or (count <= config.max_records_per_source and size <= config.max_bytes_per_source)
        ends = [kept.expires_at for kept in self._kept.values()]
        assert ends == sorted(ends)

    def _has_share(self, new: _Kept, old: _Kept | None) -> bool:
        if not new.source:
            return True
        count, size = self._records_of[new.source] + 1, self._bytes_of[new.source] + new.size
        if old is not None and old.source == new.source:
            count, size = count - 1, size - old.size
        return count <= self._config.max_records_per_source and size <= self._config.max_bytes_per_source

    def _make_room(self, key: Key, new: _Kept, old: _Kept | None, *, now: float) -> bool:
        """Drops values farther from the own key than `key`; False when that is not enough."""
        self.expire(now=now)
        records = len(self._kept) - (old is not None) + 1
        size = self._bytes - (old.size if old is not None else 0) + new.size
        while records > self._config.max_records or size > self._config.max_bytes:
            farthest = self._by_distance.farthest()
            if farthest is None or farthest == key or not self._by_distance.is_closer(key):
                return False
            records -= 1
            size -= self._kept[farthest].size
            self._drop(farthest)
        return True

    def _keep(self, key: Key, kept: _Kept) -> None:
        self._kept[key] = kept
        self._by_distance.add(key)
        self._bytes += kept.size
        self._records_of[kept.source] += 1
        self._bytes_of[kept.source] += kept.size

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key)
        self._by_distance.discard(key)
        self._bytes -= kept.size
        for counter, amount in ((self._records_of, 1), (self._bytes_of, kept.size)):
            counter[kept.source] -= amount
            if not counter[kept.source]:
                del counter[kept.source]


class _Kept:
    __slots__ = ("checked_at", "expires_at", "record", "size", "source")

    def __init__(self, record: Record, source: str | bytes, expires_at: float) -> None:
        self.record = record
        self.source = source
        self.expires_at = expires_at
        self.checked_at = float("-inf")  # seconds since 1970: a validity may end before `expires_at`
        self.size = len(record.key) + len(record.value) + OVERHEAD_BYTES


RECHECK_S = 60.0  # verifying a signature for each request would be work that strangers order
