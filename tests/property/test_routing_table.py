"""The routing table against a slow obvious model, and the exactness of `closest` over a whole small space."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kademlia_core import Contact, Key, RoutingTable, RoutingTableConfig
from kademlia_core.bucket import NodeState
from kademlia_core.distance import random_key_sharing
from transfer.address import Address

BITS = 8
CONFIG = RoutingTableConfig(bucket_size=3, replacements=2, good_for_s=100.0, bad_after_failures=2)
values = st.integers(0, 255)
first_sizes = st.sampled_from([(), (12, 6), (3, 20, 4), (5, 5, 5, 5, 5, 5, 5, 5)])


def is_verified(contact: Contact) -> bool:
    return contact.key.value % 3 == 0


class Node:
    """What the model knows about one node."""

    def __init__(self, contact: Contact, now: float) -> None:
        self.contact = contact
        self.is_verified = is_verified(contact)
        self.seen_at = now
        self.failures = 0
        self.doubtful_since = 0  # which failure in all was the first in its row

    def state(self, now: float) -> NodeState:
        if self.failures >= CONFIG.bad_after_failures:
            return NodeState.BAD
        silent = now - self.seen_at >= CONFIG.good_for_s
        return NodeState.QUESTIONABLE if silent or self.failures else NodeState.GOOD


class Model:
    """For each length of shared prefix a list of nodes and a list of replacements; every search is a scan.

    Splitting buckets are only a way to store this: whatever shares a bucket before a split still fits after it.
    """

    def __init__(self, own_key: Key, sizes: tuple[int, ...], *, prefers_verified: bool) -> None:
        self.own_key = own_key
        self.size = dict.fromkeys(range(BITS), CONFIG.bucket_size) | dict(enumerate(sizes))
        self.prefers_verified = prefers_verified
        self.failures = 0
        self.nodes: dict[int, list[Node]] = {length: [] for length in range(BITS)}
        self.reserve: dict[int, list[Node]] = {length: [] for length in range(BITS)}

    def all(self) -> list[Node]:
        return [node for nodes in self.nodes.values() for node in nodes]

    def held(self) -> list[Node]:
        return self.all() + [node for nodes in self.reserve.values() for node in nodes]

    def find(self, contact: Contact) -> Node | None:
        return next((node for node in self.held() if node.contact == contact), None)

    def remove(self, node: Node) -> None:
        length = node.contact.key.shared_prefix_length(self.own_key)
        if node in self.reserve[length]:
            self.reserve[length].remove(node)
            return
        self.nodes[length].remove(node)
        reserve = self.reserve[length]
        if reserve:
            verified = [node for node in reserve if node.is_verified and self.prefers_verified]
            self.nodes[length].append(reserve.pop(reserve.index((verified or reserve)[-1])))

    def keep(self, node: Node, length: int) -> None:
        """In reserve, where an unverified one never pushes out a verified one."""
        reserve = self.reserve[length]
        reserve.append(node)
        if len(reserve) > CONFIG.replacements:
            others = [node for node in reserve if not (node.is_verified and self.prefers_verified)]
            reserve.remove((others or reserve)[0])

    def respond(self, contact: Contact, now: float) -> None:
        if contact.key == self.own_key:
            return
        for node in self.held():
            if node.contact == contact:
                node.seen_at, node.failures = now, 0
                return
        for node in self.held():
            if node.contact.key == contact.key:
                if node.state(now) is NodeState.GOOD:
                    return
                self.remove(node)
        for node in self.held():
            if node.contact.address == contact.address:
                self.remove(node)
        length = contact.key.shared_prefix_length(self.own_key)
        nodes, new = self.nodes[length], Node(contact, now)
        bad = [node for node in nodes if node.state(now) is NodeState.BAD]
        others = [node for node in nodes if not node.is_verified]
        if len(nodes) < self.size[length]:
            nodes.append(new)
        elif bad:
            nodes.remove(max(bad, key=lambda node: (node.failures, -node.doubtful_since)))
            nodes.append(new)
        elif self.prefers_verified and new.is_verified and others:
            doubtful = [node for node in others if node.state(now) is NodeState.QUESTIONABLE]
            leaving = (doubtful or others)[-1]
            nodes.remove(leaving)
            nodes.append(new)
            self.keep(leaving, length)
        else:
            self.keep(new, length)

    def fail(self, contact: Contact, now: float) -> None:
        node = self.find(contact)
        if node is None:
            return
        self.failures += 1
        node.doubtful_since = node.doubtful_since if node.failures else self.failures
        node.failures += 1
        length = contact.key.shared_prefix_length(self.own_key)
        if node in self.reserve[length] or (node.state(now) is NodeState.BAD and self.reserve[length]):
            self.remove(node)


class TableAgainstModel(RuleBasedStateMachine):
    @initialize(own=values, sizes=first_sizes, prefers_verified=st.booleans())
    def begin(self, own: int, sizes: tuple[int, ...], prefers_verified: bool) -> None:
        self.now = 0.0
        self.own_key = Key(own, BITS)
        config = replace(CONFIG, first_bucket_sizes=sizes, prefer_verified=prefers_verified)
        self.table = RoutingTable(self.own_key, config=config, now=self.now, is_verified=is_verified)
        self.model = Model(self.own_key, sizes, prefers_verified=prefers_verified)
        self.rng = Random(own)

    def contact(self, value: int, home: int) -> Contact:
        """A node at its usual address (port 256 + key), or now and then at that of another."""
        return Contact(Key(value, BITS), Address("127.0.0.1", 256 + (value if home > 3 else home)))

    def known(self, index: int) -> Contact | None:
        held = self.model.held()
        return held[index % len(held)].contact if held else None

    @rule(value=values, home=st.integers(0, 40))
    def respond(self, value: int, home: int) -> None:
        contact = self.contact(value, home)
        kept = self.table.on_response(contact, now=self.now)
        self.model.respond(contact, self.now)
        assert kept is (contact in self.table)

    @rule(low=values, count=st.integers(1, 60))
    def respond_many(self, low: int, count: int) -> None:
        for value in range(low, min(256, low + count)):
            self.respond(value, 40)

    @rule(index=values)
    def query(self, index: int) -> None:
        contact = self.known(index)
        if contact is not None:
            assert self.table.on_query(contact, now=self.now)
            node = self.model.find(contact)
            assert node is not None
            node.seen_at = self.now

    @rule(value=values)
    def query_by_anybody(self, value: int) -> None:
        contact = self.contact(value, 1)
        node = self.model.find(contact)
        assert self.table.on_query(contact, now=self.now) is (node is not None)
        if node is not None:
            node.seen_at = self.now

    @rule(index=values)
    def fail(self, index: int) -> None:
        contact = self.known(index)
        if contact is not None:
            self.table.on_failure(contact, now=self.now)
            self.model.fail(contact, self.now)

    @rule(elapsed_s=st.floats(0.0, 150.0))
    def wait(self, elapsed_s: float) -> None:
        self.now += elapsed_s

    @rule(target_value=values, count=st.integers(0, 12), max_failures=st.integers(0, 2))
    def look(self, target_value: int, count: int, max_failures: int) -> None:
        target = Key(target_value, BITS)
        usable = [node.contact for node in self.model.all() if node.failures <= max_failures]
        expected = sorted(usable, key=lambda contact: contact.key ^ target)[:count]
        assert self.table.closest(target, count, max_failures=max_failures) == expected
        near = self.table.near(target, count)
        assert sorted(near, key=lambda contact: contact.key ^ target) == self.table.closest(target, count)
        assert self.table.near_compact(target, count) == b"".join(contact.compact() for contact in near)

    @rule()
    def refresh(self) -> None:
        target = self.table.stale_target(now=self.now, rng=self.rng)
        if target is not None:
            self.table.refreshed(target, now=self.now)

    @invariant()
    def same(self) -> None:
        self.table.check_invariants()
        nodes = self.model.all()
        assert {contact.address: contact for contact in self.table} == {
            node.contact.address: node.contact for node in nodes
        }
        assert len(self.table) == len(nodes)
        for length, reserve in self.model.reserve.items():
            if self.model.prefers_verified and any(node.is_verified for node in reserve):
                assert all(node.is_verified for node in self.model.nodes[length])
        for node in nodes:
            assert self.table.state_of(node.contact, now=self.now) is node.state(self.now)
        questionable = [node for node in nodes if node.state(self.now) is NodeState.QUESTIONABLE]
        doubtful = self.table.questionable(now=self.now)
        assert (doubtful is None) is (not questionable)
        assert doubtful is None or doubtful in [node.contact for node in questionable]
        assert self.table.good_count(now=self.now) == sum(node.state(self.now) is NodeState.GOOD for node in nodes)


TestTableAgainstModel = TableAgainstModel.TestCase
TestTableAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    own=values,
    size=st.integers(1, 10),
    first=st.lists(st.integers(1, 12), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_every_target_of_the_space_gets_the_true_closest(own: int, size: int, first: list[int], order: Random) -> None:
    """Also targets in the top bucket, where a well-known implementation returned 10 of 20."""
    config = RoutingTableConfig(bucket_size=size, first_bucket_sizes=tuple(size * factor for factor in first))
    table = RoutingTable(Key(own, BITS), config=config)
    everybody = [Contact(Key(value, BITS), Address("127.0.0.1", 1 + value)) for value in range(256) if value != own]
    order.shuffle(everybody)
    for contact in everybody:
        table.on_response(contact, now=0.0)
    for contact in order.sample(everybody, 40):
        table.on_failure(contact, now=0.0)
    table.check_invariants()
    held = list(table)
    usable = [contact for contact in held if table.state_of(contact, now=0.0) is NodeState.GOOD]
    for value in range(order.randrange(11), 256, 11):
        target = Key(value, BITS)
        for count in (1, size, 20):
            assert table.closest(target, count) == sorted(usable, key=lambda contact: contact.key ^ target)[:count]
            expected = sorted(held, key=lambda contact: contact.key ^ target)[:count]
            assert table.closest(target, count, max_failures=1) == expected


@given(
    bits=st.sampled_from([20, 64, 160, 256]),
    sizes=st.sampled_from([(), (64, 32, 16)]),
    seed=st.integers(0, 1 << 32),
    near=st.integers(0, 20),
)
@settings(max_examples=30, deadline=None)
def test_keys_may_have_any_width(bits: int, sizes: tuple[int, ...], seed: int, near: int) -> None:
    rng = Random(seed)
    own_key = Key.random(bits, rng)
    table = RoutingTable(own_key, config=RoutingTableConfig(first_bucket_sizes=sizes))
    for number in range(400):
        key = Key.random(bits, rng) if number % 2 else random_key_sharing(own_key, number % 20, rng, exactly=True)
        table.on_response(Contact(key, Address("127.0.0.1", 1 + number)), now=0.0)
    table.check_invariants()
    held = list(table)
    for target in (Key.random(bits, rng), random_key_sharing(own_key, near, rng, exactly=False), own_key):
        for count in (1, 8, 50):
            assert table.closest(target, count) == sorted(held, key=lambda contact: contact.key ^ target)[:count]


@given(
    responses=st.lists(
        st.tuples(values, st.integers(0, 3), st.integers(1, 40), st.booleans()), min_size=1, max_size=150
    ),
    share=st.integers(1, 3),
    total=st.integers(3, 6),
)
def test_no_subnet_takes_more_than_its_share(
    responses: list[tuple[int, int, int, bool]], share: int, total: int
) -> None:
    config = RoutingTableConfig(bucket_size=4, max_per_subnet_in_bucket=share, max_per_subnet=total)
    table = RoutingTable(Key(0, BITS), config=config)
    for step, (value, subnet, host, failed) in enumerate(responses):
        contact = Contact(Key(value, BITS), Address(f"8.8.{subnet}.{host}", 6881))
        if failed:
            table.on_failure(contact, now=float(step))
        else:
            table.on_response(contact, now=float(step))
        table.check_invariants()
    for subnet in range(4):
        assert sum(contact.address.host.startswith(f"8.8.{subnet}.") for contact in table) <= total


@settings(max_examples=30)
@given(st.sampled_from([8, 160, 256]), st.integers(0, 2**32), st.integers(1, 120))
def test_a_table_of_any_width_is_exact_and_keeps_its_promises(bits: int, seed: int, steps: int) -> None:
    """Endpoints that are no addresses have no share of the table; keys crowd around the own one, as in real life."""
    rng = Random(seed)
    own_key = Key.random(bits, rng)
    table, now = RoutingTable(own_key, config=CONFIG), 0.0
    known: list[Contact] = []
    for number in range(steps):
        key = random_key_sharing(own_key, rng.randrange(bits + 1), rng, exactly=rng.random() < 0.7)
        contact = rng.choice(known) if known and rng.random() < 0.4 else Contact(key, f"peer {number}")
        known.append(contact)
        if rng.random() < 0.7:
            table.on_response(contact, now=now)
        else:
            table.on_failure(contact, now=now)
        now += rng.choice((0.0, 1.0, 60.0))
    table.check_invariants()
    target = random_key_sharing(own_key, rng.randrange(bits), rng, exactly=False)
    live = sorted(table.live(), key=lambda contact: contact.key ^ target)
    assert table.closest(target, 5, max_failures=CONFIG.bad_after_failures - 1) == live[:5]
    for index, far in enumerate(table.far_targets(bits, rng=rng)):
        assert far.shared_prefix_length(own_key) == index
