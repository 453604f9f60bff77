from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kademlia_core import Contact, Key
from kademlia_core.datagram.messages import ErrorReply
from kademlia_core.engine.requests import FindNode, Ping
from kademlia_core.keyvalue import codec
from kademlia_core.keyvalue.config import RecordStoreConfig
from kademlia_core.keyvalue.messages import FindValue, Message, Query, Response, Store
from kademlia_core.keyvalue.records import RECORD_OVERHEAD_BYTES, MemoryRecordStore, Record
from transfer.address import Address
from transfer.wire import bencode

keys = st.binary(min_size=20, max_size=20).map(Key.from_bytes)
tokens = st.binary(min_size=1, max_size=20)
ids = st.binary(min_size=1, max_size=16)
ipv4 = st.builds(Address, st.ip_addresses(v=4).map(str), st.integers(0, 65535))
ipv6 = st.builds(Address, st.ip_addresses(v=6).map(str), st.integers(0, 65535))
records = st.builds(Record, keys, st.binary(max_size=1000), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
requests = st.one_of(
    st.just(Ping()), st.builds(FindNode, keys), st.builds(FindValue, keys), st.builds(Store, records, tokens)
)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Query, ids, keys, requests, st.booleans(), want=st.sampled_from([(), (4,), (6,), (4, 6)])),
    st.builds(
        Response,
        ids,
        keys,
        st.none() | tokens,
        st.lists(st.builds(Contact, keys, ipv4), max_size=8).map(tuple),
        st.lists(st.builds(Contact, keys, ipv6), max_size=8).map(tuple),
        st.none() | ipv4 | ipv6,
        record=st.none() | records,
    ),
    st.builds(ErrorReply, ids, st.integers(0, 999), st.text(max_size=30)),
)


@given(messages)
def test_messages_survive_the_wire(message: Message) -> None:
    assert codec.decode(codec.encode(message, b"net"), b"net") == message


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda m, cut, junk: codec.encode(m, b"n")[:cut] + junk, messages, st.integers(0, 400), st.binary(max_size=4)
    )
)
def test_anything_else_is_one_error(data: bytes) -> None:
    with suppress(codec.CodecError):
        codec.encode(codec.decode(data, b"n"), b"n")


values = st.recursive(
    st.integers(-5, 2**64) | st.binary(max_size=30), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)
arguments = st.dictionaries(
    st.sampled_from([b"id", b"target", b"token", b"v", b"seq", b"ttl", b"want", b"nodes", b"nodes6", b"ip"]),
    values | st.binary(min_size=20, max_size=20),
    max_size=8,
)


@given(
    st.fixed_dictionaries(
        {b"n": st.just(b"n"), b"t": ids | values},
        optional={
            b"q": st.sampled_from([b"ping", b"find_node", b"find_value", b"store", b"?"]) | values,
            b"a": arguments | values,
            b"r": arguments | values,
            b"e": values,
            b"ro": values,
        },
    )
)
def test_well_formed_dictionaries_that_mean_nothing_are_that_error_too(message: dict[bytes, object]) -> None:
    with suppress(codec.CodecError):
        codec.decode(bencode.encode(message), b"n")  # type: ignore[arg-type]


CONFIG = RecordStoreConfig(
    max_records=6,
    max_records_per_host=4,
    max_bytes=6 * (RECORD_OVERHEAD_BYTES + 700),
    max_bytes_per_host=4 * (RECORD_OVERHEAD_BYTES + 700),
    lifetime_s=100.0,
)


class RecordStoreMachine(RuleBasedStateMachine):
    """The store in memory against a dictionary that knows only what must hold for each single record."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryRecordStore(Key(0, 8), CONFIG)
        self.now = 0.0
        self.model: dict[Key, tuple[Record, float]] = {}

    @rule(
        key=st.integers(0, 15),
        value=st.binary(max_size=700),
        version=st.integers(0, 3),
        ttl_s=st.integers(0, 200),
        host=st.sampled_from(["192.0.2.1", "2001:db8::1", "2001:db8::2", ""]),
    )
    def put(self, key: int, value: bytes, version: int, ttl_s: int, host: str) -> None:
        record = Record(Key(key, 8), value, version, ttl_s)
        before = {each: self.store.get(each, now=self.now) for each in self.store}
        if self.store.put(record, host=host, now=self.now):
            known = before.get(record.key)
            assert known is None or record.replaces(known)
            self.model[record.key] = (record, self.now + min(ttl_s, 100.0))
            lost = [each for each in before if each not in set(self.store)]
            assert all(each ^ Key(0, 8) > record.key ^ Key(0, 8) for each in lost)  # only farther ones give way
        else:
            assert {each: self.store.get(each, now=self.now) for each in self.store} == before

    @rule(seconds=st.sampled_from([0.0, 1.0, 30.0, 99.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.store.expire(now=self.now)
        assert all(self.model[key][1] > self.now for key in self.store)

    @rule(age=st.sampled_from([0.5, 40.0]))
    def republish(self, age: float) -> None:
        due = self.store.next_due(since=self.now - age, now=self.now)
        if due is not None:
            assert self.store.get(due.key, now=self.now) == due
            self.store.touch(due.key, now=self.now)
            after = self.store.next_due(since=self.now - age, now=self.now)
            assert after is None or after.key != due.key

    @invariant()
    def holds(self) -> None:
        self.store.check_invariants()
        for key in self.store:
            record, expires_at = self.model[key]
            kept = self.store.get(key, now=self.now)
            if expires_at <= self.now:
                assert kept is None
            else:
                assert kept == Record(key, record.value, record.version, int(expires_at - self.now))


TestRecordStore = RecordStoreMachine.TestCase
