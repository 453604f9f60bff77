"""The stores of libp2p's DHT under any order of operations: no stranger moves a bound, and nothing right is lost."""

from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kademlia_core.farthest import FarthestFirst
from kademlia_core.key import Key
from kademlia_core.libp2p.config import ProviderStoreConfig, RepublishConfig, ValueStoreConfig
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import Record
from kademlia_core.libp2p.provider_store import ProviderStore
from kademlia_core.libp2p.republishing import PROVIDE, VALUE, Republisher, Subject
from kademlia_core.libp2p.validators import Validators
from kademlia_core.libp2p.value_store import OVERHEAD_BYTES, ValueStore
from tests.kad_world import peer_id_of
from transfer.limits.refusal import LimitReachedError
from transfer.multiaddr.multiaddr import Multiaddr

OWN = key_of(b"own")
KEYS = [b"/v/%d" % number for number in range(9)]
SOURCES = ["", "one", "two", b"three"]
VALUES = ValueStoreConfig(
    max_records=4, max_bytes=4 * OVERHEAD_BYTES + 200, max_value_bytes=90, max_records_per_source=2,
    max_bytes_per_source=2 * OVERHEAD_BYTES + 120, lifetime_s=100.0,
)  # fmt: skip
PROVIDERS = ProviderStoreConfig(
    max_entries=6, max_per_key=3, max_per_source=3, max_addresses=1, lifetime_s=100.0, address_lifetime_s=40.0,
    max_answer=2,
)  # fmt: skip
PLACES = tuple(Multiaddr.parse(f"/ip4/192.0.2.{number}/tcp/1") for number in range(3))
keys, sources, times = st.sampled_from(KEYS), st.sampled_from(SOURCES), st.floats(0.0, 60.0)


class Longest:
    """A value counts until the time that its first digits name; the longer is the better."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        if wall_s >= int(value[:3]):
            raise RecordError("over")

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return len(value) > len(other)


class ValueStoreMachine(RuleBasedStateMachine):
    """Compared with a dictionary that is never full: what the store has is what that has."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.store = ValueStore(OWN, Validators({"v": Longest()}), VALUES)
        self.best: dict[bytes, tuple[bytes, float]] = {}

    @rule(key=keys, end=st.integers(0, 400), size=st.integers(0, 100), source=sources)
    def put(self, key: bytes, end: int, size: int, source: str | bytes) -> None:
        value = b"%03d" % end + bytes(size)
        kept = self.store.get(key, wall_s=self.now, now=self.now)
        try:
            self.store.put(Record(key, value), source=source, wall_s=self.now, now=self.now)
        except RecordError:
            if kept is not None:
                assert self.store.get(key, wall_s=self.now, now=self.now) == kept, "a refusal changes nothing"
            return
        assert self.now < end
        assert len(value) <= VALUES.max_value_bytes
        assert kept is None or len(value) >= len(kept.value)
        self.best[key] = (value, self.now)

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        record = self.store.get(key, wall_s=self.now, now=self.now)
        if record is not None:
            value, put_at = self.best[key]
            assert record.value == value
            assert self.now < put_at + VALUES.lifetime_s

    @rule(seconds=times)
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.store.expire(now=self.now)

    @invariant()
    def bounds_hold(self) -> None:
        self.store.check_invariants()


class ProviderStoreMachine(RuleBasedStateMachine):
    """Announcements, questions and time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.store = ProviderStore(OWN, PROVIDERS)
        self.added: dict[tuple[bytes, int], float] = {}

    @rule(key=keys, number=st.integers(0, 4), source=sources, places=st.integers(0, 3))
    def add(self, key: bytes, number: int, source: str | bytes, places: int) -> None:
        if self.store.add(key, peer_id_of(number), PLACES[:places], source=source, now=self.now):
            self.added[key, number] = self.now

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        found = self.store.get(key, now=self.now)
        assert len(found) <= PROVIDERS.max_answer
        ages = []
        for info in found:
            number = int.from_bytes(info.peer_id.multihash[2:], "big")
            ages.append(self.now - self.added[key, number])
            assert ages[-1] < PROVIDERS.lifetime_s
            assert not info.addresses or ages[-1] < PROVIDERS.address_lifetime_s
        assert ages == sorted(ages), "the latest first"

    @rule(key=keys, number=st.integers(0, 4))
    def remove(self, key: bytes, number: int) -> None:
        self.store.remove(key, peer_id_of(number))
        assert peer_id_of(number) not in {info.peer_id for info in self.store.get(key, now=self.now)}

    @rule(seconds=times)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.store.expire(now=self.now)

    @invariant()
    def bounds_hold(self) -> None:
        self.store.check_invariants()


class RepublisherMachine(RuleBasedStateMachine):
    """Whatever is kept alive comes round again, in time, and nothing else does."""

    CONFIG = RepublishConfig(
        provide_interval_s=50.0, value_interval_s=30.0, max_keys=5, max_at_once=2, retry_s=5.0
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.clock = Republisher(self.CONFIG, rng=Random(1))
        self.kept: dict[Subject, float] = {}
        self.running: list[Subject] = []

    @rule(kind=st.sampled_from([PROVIDE, VALUE]), key=keys)
    def keep(self, kind: str, key: bytes) -> None:
        if len(self.kept) == self.CONFIG.max_keys and (kind, key) not in self.kept:
            with pytest.raises(LimitReachedError, match="max_keys"):
                self.clock.keep((kind, key), b"value", now=self.now)
            return
        self.clock.keep((kind, key), b"value", now=self.now)
        self.kept[kind, key] = self.now

    @rule(kind=st.sampled_from([PROVIDE, VALUE]), key=keys)
    def forget(self, kind: str, key: bytes) -> None:
        self.clock.forget((kind, key))
        self.kept.pop((kind, key), None)
        if (kind, key) in self.running:
            self.running.remove((kind, key))

    @rule(seconds=times)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take_due(self) -> None:
        for subject in self.clock.take_due(now=self.now):
            assert subject in self.kept
            assert subject not in self.running
            self.running.append(subject)
        timer = self.clock.next_timer()
        if len(self.running) < self.CONFIG.max_at_once and self.kept.keys() - set(self.running):
            assert timer is not None, "something will be due"
            assert timer > self.now

    @precondition(lambda self: self.running)
    @rule(is_taken=st.booleans())
    def publish(self, is_taken: bool) -> None:
        self.clock.on_published(self.running.pop(), is_taken=is_taken, now=self.now)

    @invariant()
    def bounds_hold(self) -> None:
        self.clock.check_invariants()
        assert len(self.clock) == len(self.kept)


class FarthestMachine(RuleBasedStateMachine):
    """A set of keys against a sort."""

    def __init__(self) -> None:
        super().__init__()
        self.own = Key(37, 8)
        self.set = FarthestFirst(self.own)
        self.model: set[Key] = set()

    @rule(value=st.integers(0, 255))
    def add(self, value: int) -> None:
        self.set.add(Key(value, 8))
        self.model.add(Key(value, 8))

    @rule(value=st.integers(0, 255))
    def discard(self, value: int) -> None:
        self.set.discard(Key(value, 8))
        self.model.discard(Key(value, 8))

    @rule(count=st.integers(1, 99))
    def churn(self, count: int) -> None:
        for value in range(count):
            self.add(value)
        for value in range(count):
            self.discard(value)

    @invariant()
    def knows_its_farthest(self) -> None:
        self.set.check_invariants()
        farthest = max(self.model, key=lambda key: key ^ self.own, default=None)
        assert self.set.farthest() == farthest
        assert self.set.is_closer(Key(36, 8)) is (farthest is not None and farthest ^ self.own > 1)


few = settings(max_examples=25, stateful_step_count=25)
TestValueStore, TestProviderStore = ValueStoreMachine.TestCase, ProviderStoreMachine.TestCase
TestRepublisher, TestFarthest = RepublisherMachine.TestCase, FarthestMachine.TestCase
TestValueStore.settings = TestProviderStore.settings = TestRepublisher.settings = TestFarthest.settings = few
