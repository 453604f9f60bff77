"""Section 2.3 of the Kademlia paper: who joins refreshes all buckets farther away than its closest neighbour."""

from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTable
from kademlia_core.engine.joining import JoinState
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import FindNode, Query, Response
from transfer.address import Address

BOOTSTRAP = Address("10.0.0.1", 6881)


def test_a_joining_node_looks_up_a_key_in_each_far_bucket() -> None:
    world = World()
    world.join()
    assert world.refreshed_buckets() == list(range(world.depth() + 1))
    assert world.depth() >= 4
    assert world.core.table.bucket_count >= 5


def test_the_refreshes_are_bounded() -> None:
    world = World(MainlineConfig(max_join_refreshes=3))
    world.join()
    assert world.refreshed_buckets() == [0, 1, 2]


def test_joined_comes_before_the_refreshes_and_user_lookups_run_beside_them() -> None:
    world = World()
    world.core.engine.join((BOOTSTRAP,), now=0.0)
    while world.core.engine.join_state is not JoinState.JOINED:
        world.answer_one()
    assert len(world.targets) <= 2
    search = world.core.engine.find_node(Key.random(160, Random(7)), now=0.0)
    while not search.is_finished:
        world.answer_one()
    assert 0 < len(world.refreshed_buckets()) < world.depth() + 1  # the target of `search` lies in some bucket, too


def test_joining_again_does_not_repeat_them() -> None:
    world = World()
    world.join()
    world.targets.clear()
    world.join()
    assert world.targets == [world.core.node_id]


def test_a_first_join_without_far_buckets_leaves_them_to_the_next() -> None:
    world = World(size=4)
    world.join()
    assert world.refreshed_buckets() == []
    world.grow(200)
    world.join()
    assert world.refreshed_buckets() == list(range(world.depth() + 1))


def test_ranges_of_which_enough_is_known_are_not_refreshed() -> None:
    """Whoever came to know the far half by other means need not look there."""
    world = World()
    for contact in world.far_half()[:4]:
        world.core.table.on_response(contact, now=0.0)
    world.join()
    assert world.refreshed_buckets() == list(range(1, world.depth() + 1))


def test_a_refresh_ends_when_a_few_have_answered() -> None:
    few, many = World(MainlineConfig(refresh_k=2)), World(MainlineConfig(refresh_k=8))
    few.join()
    many.join()
    assert few.answers < 0.7 * many.answers
    with pytest.raises(ValueError, match="at least 1"):
        MainlineConfig(refresh_k=0)


def test_far_targets_lie_in_their_buckets() -> None:
    own_key = Key.random(160, Random(1))
    table = RoutingTable(own_key)
    assert table.far_targets(9, rng=Random(2)) == []
    for number in range(200):
        table.on_response(Contact(Key.random(160, Random(f"{number}")), Address("10.0.0.2", number + 1)), now=0.0)
    targets = table.far_targets(99, rng=Random(2))
    depth = min(contact.key.shared_prefix_length(own_key) for contact in table.closest(own_key, 8))
    assert [target.shared_prefix_length(own_key) for target in targets] == list(range(depth + 1))
    assert table.far_targets(2, rng=Random(2)) == targets[:2]


def test_no_negative_number_of_refreshes() -> None:
    with pytest.raises(ValueError, match="max_join_refreshes"):
        MainlineConfig(max_join_refreshes=-1)
    world = World(MainlineConfig(max_join_refreshes=0))
    world.join()
    assert world.refreshed_buckets() == []


class World:
    """One real core; the other nodes know everybody and answer in the order of asking, at once."""

    def __init__(self, config: MainlineConfig | None = None, size: int = 200) -> None:
        self.core = MainlineCore(rng=Random(1), now=0.0, config=config)
        self.answers = 0
        self.targets: list[Key] = []  # in the order in which they were first asked for
        self._contacts: dict[Address, Contact] = {}
        self._waiting: list[tuple[bytes, Address]] = []
        self.grow(size)

    def grow(self, size: int) -> None:
        for number in range(len(self._contacts), size):
            address = Address(f"10.0.0.{number + 1}", 6881)
            self._contacts[address] = Contact(Key.random(160, Random(number + 100)), address)

    def join(self) -> None:
        """Joins, and answers until nothing is asked any more."""
        self.core.engine.join((BOOTSTRAP,), now=0.0)
        while self.answer_one():
            pass
        assert self.core.engine.join_state is JoinState.JOINED

    def answer_one(self) -> bool:
        self._waiting += self.core.datagrams_to_send()
        if not self._waiting:
            return False
        data, address = self._waiting.pop(0)
        query = krpc.decode(data)
        assert isinstance(query, Query)
        assert isinstance(query.request, FindNode)
        target = query.request.target
        if target not in self.targets:
            self.targets.append(target)
        nearest = sorted(self._contacts.values(), key=lambda contact: contact.key ^ target)[:8]
        response = Response(query.transaction_id, self._contacts[address].key, nodes=tuple(nearest))
        self.core.receive_datagram(krpc.encode(response), address, now=0.0)
        self.answers += 1
        return True

    def far_half(self) -> list[Contact]:
        own_key = self.core.node_id
        return [contact for contact in self._contacts.values() if not contact.key.shared_prefix_length(own_key)]

    def depth(self) -> int:
        """The bits that the eighth closest node shares with the joining one."""
        own_key = self.core.node_id
        return sorted(contact.key.shared_prefix_length(own_key) for contact in self._contacts.values())[-8]

    def refreshed_buckets(self) -> list[int]:
        own_key = self.core.node_id
        return [target.shared_prefix_length(own_key) for target in self.targets if target != own_key]
