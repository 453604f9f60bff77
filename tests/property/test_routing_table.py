"""The routing table against a slow obvious model, and the exactness of `closest` over a whole small space."""

from __future__ import annotations

from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kademlia_core import Contact, Key, RoutingTable, RoutingTableConfig
from kademlia_core.bucket import NodeState
from transfer.address import Address

BITS = 8
CONFIG = RoutingTableConfig(bucket_size=3, replacements=2, good_for_s=100.0, bad_after_failures=2)
values = st.integers(0, 255)


class Node:
    """What the model knows about one node."""

    def __init__(self, contact: Contact, now: float) -> None:
        self.contact = contact
        self.seen_at = now
        self.failures = 0

    def state(self, now: float) -> NodeState:
        if self.failures >= CONFIG.bad_after_failures:
            return NodeState.BAD
        silent = now - self.seen_at >= CONFIG.good_for_s
        return NodeState.QUESTIONABLE if silent or self.failures else NodeState.GOOD


class Model:
    """For each length of shared prefix a list of nodes and a list of replacements; every search is a scan.

    Splitting buckets are only a way to store this: whatever shares a bucket before a split still fits after it.
    """

    def __init__(self, own_key: Key) -> None:
        self.own_key = own_key
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
        if self.reserve[length]:
            self.nodes[length].append(self.reserve[length].pop())

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
        nodes, reserve, new = self.nodes[length], self.reserve[length], Node(contact, now)
        bad = [node for node in nodes if node.state(now) is NodeState.BAD]
        if len(nodes) < CONFIG.bucket_size:
            nodes.append(new)
        elif bad:
            nodes.remove(max(bad, key=lambda node: node.failures))
            nodes.append(new)
        else:
            reserve.append(new)
            del reserve[: -CONFIG.replacements]

    def fail(self, contact: Contact, now: float) -> None:
        node = self.find(contact)
        if node is None:
            return
        node.failures += 1
        length = contact.key.shared_prefix_length(self.own_key)
        if node in self.reserve[length] or (node.state(now) is NodeState.BAD and self.reserve[length]):
            self.remove(node)


class TableAgainstModel(RuleBasedStateMachine):
    @initialize(own=values)
    def begin(self, own: int) -> None:
        self.now = 0.0
        self.own_key = Key(own, BITS)
        self.table = RoutingTable(self.own_key, config=CONFIG, now=self.now)
        self.model = Model(self.own_key)
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
        for node in nodes:
            assert self.table.state_of(node.contact, now=self.now) is node.state(self.now)
        questionable = [node for node in nodes if node.state(self.now) is NodeState.QUESTIONABLE]
        doubtful = self.table.questionable(now=self.now)
        assert (doubtful is None) is (not questionable)
        assert doubtful is None or doubtful in [node.contact for node in questionable]
        assert self.table.good_count(now=self.now) == sum(node.state(self.now) is NodeState.GOOD for node in nodes)


TestTableAgainstModel = TableAgainstModel.TestCase
TestTableAgainstModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(own=values, size=st.integers(1, 10), first=st.integers(2, 5), order=st.randoms(use_true_random=False))
def test_every_target_of_the_space_gets_the_true_closest(own: int, size: int, first: int, order: Random) -> None:
    """Also targets in the top bucket, where a well-known implementation returned 10 of 20."""
    table = RoutingTable(Key(own, BITS), config=RoutingTableConfig(bucket_size=size * first))
    everybody = [Contact(Key(value, BITS), Address("127.0.0.1", 1 + value)) for value in range(256) if value != own]
    order.shuffle(everybody)
    for contact in everybody:
        table.on_response(contact, now=0.0)
    held = list(table)
    for value in range(0, 256, 5):
        target = Key(value, BITS)
        for count in (1, size, 20):
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
