"""The store of records in memory, one situation each; `tests/property/test_keyvalue.py` has the rest."""

from __future__ import annotations

from kademlia_core import Key
from kademlia_core.keyvalue.config import RecordStoreConfig
from kademlia_core.keyvalue.records import MemoryRecordStore, Record


def record(number: int, ttl_s: int) -> Record:
    return Record(Key(number, 8), b"value", 1, ttl_s)


def test_what_expires_this_moment_does_not_hide_what_is_due() -> None:
    store = MemoryRecordStore(Key(0, 8), RecordStoreConfig())
    assert store.put(record(1, 10), host="", now=0.0)
    assert store.put(record(2, 100), host="", now=1.0)
    assert store.next_due(since=0.0, now=5.0) is None, "put then, not before"
    assert store.next_due(since=0.5, now=5.0) == record(1, 5)
    assert store.next_due(since=1.0, now=10.0) is None, "the other was put at 1"
    assert store.next_due(since=2.0, now=10.0) == record(2, 91)
    assert store.get(Key(1, 8), now=10.0) is None
    store.expire(now=10.0)
    assert list(store) == [Key(2, 8)]


def test_a_record_that_expires_this_moment_gives_way_to_an_older_version() -> None:
    store = MemoryRecordStore(Key(0, 8), RecordStoreConfig())
    assert store.put(Record(Key(1, 8), b"new", 2, 10), host="", now=0.0)
    assert not store.put(Record(Key(1, 8), b"old", 1, 10), host="", now=9.0)
    assert store.put(Record(Key(1, 8), b"old", 1, 10), host="", now=10.0)


def test_what_was_touched_is_due_after_what_was_put_before() -> None:
    store = MemoryRecordStore(Key(0, 8), RecordStoreConfig())
    for number in (1, 2):
        assert store.put(record(number, 100), host="", now=0.0)
    store.touch(Key(1, 8), now=5.0)
    store.touch(Key(9, 8), now=5.0)
    assert store.next_due(since=6.0, now=6.0) == record(2, 94)
    store.touch(Key(2, 8), now=7.0)
    assert store.next_due(since=6.0, now=8.0) == record(1, 92)
    store.check_invariants()
