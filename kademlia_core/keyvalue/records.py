"""Records and where they are kept: the port for an application's own store, and the one in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Protocol

from kademlia_core.key import Key
from transfer.subnet import subscriber_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kademlia_core.keyvalue.config import RecordStoreConfig


@dataclass(frozen=True, slots=True)
class Record:
    """A value under a key. Of two records with one key, the higher `version` counts, then the greater value.

    It expires `ttl_s` seconds after it was handed over.
    """

    key: Key
    value: bytes
    version: int
    ttl_s: int

    def replaces(self, other: Record) -> bool:
        """Whether this is as new as `other` or newer."""
        return (self.version, self.value) >= (other.version, other.value)


class RecordStore(Protocol):
    """What a key-value node keeps for its network. Synchronous: a database behind it must answer at once.

    Implementations bound what they keep: strangers fill it.
    """

    def put(self, record: Record, *, host: str, now: float) -> bool:
        """Keeps a record that `host`, empty for this node itself, handed over.

        Returns False when it is older than what is kept, or there is no room.
        """
        ...

    def get(self, key: Key, *, now: float) -> Record | None:
        """The record under `key`, its `ttl_s` what is left of its life."""
        ...

    def next_due(self, *, since: float, now: float) -> Record | None:
        """Some record that was last put before `since`, if there is any."""
        ...

    def touch(self, key: Key, *, now: float) -> None:
        """Counts the record under `key`, if there is one, as put again, for `next_due` only."""
        ...

    def expire(self, *, now: float) -> None:
        """Forgets what is too old."""
        ...

    def check_invariants(self) -> None:
        """Asserts the bounds."""
        ...

    def __len__(self) -> int: ...


class MemoryRecordStore:
    """Records in memory, the closest to `own_key` if there are too many.

    Invariants: the bounds of the config hold, and the sums for each host are those of its records.
    """

    def __init__(self, own_key: Key, config: RecordStoreConfig) -> None:
        self._own_key = own_key
        self._config = config
        self._kept: dict[Key, _Kept] = {}  # in the order of the last put or touch
        self._farthest: list[tuple[int, Key]] = []  # a heap of (-distance, key), with some that are gone
        self._bytes = 0
        self._records_of: Counter[bytes] = Counter()
        self._bytes_of: Counter[bytes] = Counter()

    def put(self, record: Record, *, host: str, now: float) -> bool:
        old = self._kept.get(record.key)
        if old is not None and old.expires_at > now and not record.replaces(old.record):
            return False
        expires_at = now + min(record.ttl_s, self._config.lifetime_s)
        new = _Kept(record, subscriber_of(host) if host else b"", expires_at, now=now)
        if not self._has_share(new, old) or not self._make_room(new, old):
            return False
        if old is not None:
            self._drop(old)
        self._keep(new)
        return True

    def get(self, key: Key, *, now: float) -> Record | None:
        kept = self._kept.get(key)
        if kept is None or kept.expires_at <= now:
            return None
        return Record(key, kept.record.value, kept.record.version, int(kept.expires_at - now))

    def next_due(self, *, since: float, now: float) -> Record | None:
        for key, kept in self._kept.items():
            if kept.put_at >= since:
                return None
            if kept.expires_at > now:
                return self.get(key, now=now)
        return None

    def touch(self, key: Key, *, now: float) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            kept.put_at = now
            self._kept[key] = kept

    def expire(self, *, now: float) -> None:
        for kept in [kept for kept in self._kept.values() if kept.expires_at <= now]:
            self._drop(kept)

    def check_invariants(self) -> None:
        config = self._config
        assert len(self._kept) <= config.max_records
        assert self._bytes == sum(kept.size for kept in self._kept.values()) <= config.max_bytes
        assert self._records_of == Counter(kept.host for kept in self._kept.values())
        assert all(count <= config.max_records_per_host for count in self._records_of.values())
        assert all(0 < size <= config.max_bytes_per_host for size in self._bytes_of.values())
        put_at = [kept.put_at for kept in self._kept.values()]
        assert put_at == sorted(put_at)
        assert len(self._farthest) <= 2 * len(self._kept) + HEAP_SLACK
        assert {key for _, key in self._farthest} >= set(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._kept)

    def _has_share(self, new: _Kept, old: _Kept | None) -> bool:
        count, size = self._records_of[new.host] + 1, self._bytes_of[new.host] + new.size
        if old is not None and old.host == new.host:
            count, size = count - 1, size - old.size
        return count <= self._config.max_records_per_host and size <= self._config.max_bytes_per_host

    def _make_room(self, new: _Kept, old: _Kept | None) -> bool:
        """Drops records farther from the own key than `new`; False, and nothing dropped, when that is not enough."""
        records = len(self._kept) + 1 - self._config.max_records
        size = self._bytes + new.size - self._config.max_bytes
        if old is not None:
            records, size = records - 1, size - old.size
        distance = new.record.key ^ self._own_key
        dropping: dict[Key, _Kept] = {}
        while records > 0 or size > 0:
            farthest, key = self._farthest[0] if self._farthest else (0, new.record.key)
            if -farthest <= distance:
                for each in dropping:
                    heappush(self._farthest, (-(each ^ self._own_key), each))
                return False
            heappop(self._farthest)
            kept = self._kept.get(key)
            if kept is not None and key not in dropping:
                dropping[key] = kept
                records -= 1
                size -= kept.size
        for kept in dropping.values():
            self._drop(kept)
        return True

    def _keep(self, kept: _Kept) -> None:
        key = kept.record.key
        self._kept[key] = kept
        self._bytes += kept.size
        self._records_of[kept.host] += 1
        self._bytes_of[kept.host] += kept.size
        heappush(self._farthest, (-(key ^ self._own_key), key))
        if len(self._farthest) > 2 * len(self._kept) + HEAP_SLACK:
            self._farthest = [(-(each ^ self._own_key), each) for each in self._kept]
            heapify(self._farthest)

    def _drop(self, kept: _Kept) -> None:
        del self._kept[kept.record.key]
        self._bytes -= kept.size
        for counter, amount in ((self._records_of, 1), (self._bytes_of, kept.size)):
            counter[kept.host] -= amount
            if not counter[kept.host]:
                del counter[kept.host]


class _Kept:
    __slots__ = ("expires_at", "host", "put_at", "record", "size")

    def __init__(self, record: Record, host: bytes, expires_at: float, *, now: float) -> None:
        self.record = record
        self.host = host
        self.expires_at = expires_at
        self.put_at = now
        self.size = len(record.value) + RECORD_OVERHEAD_BYTES


HEAP_SLACK = 64  # entries that are gone, before the heap is built anew
RECORD_OVERHEAD_BYTES = 400  # what a record costs beside its value, roughly
