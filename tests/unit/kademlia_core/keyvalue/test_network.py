"""Key-value cores on a virtual clock and wire, and whole nodes on loopback."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from kademlia_core import Key, LookupConfig
from kademlia_core.aio.keyvalue import KeyValueNode, key_of
from kademlia_core.engine.events import Found
from kademlia_core.keyvalue.config import KeyValueConfig, RecordStoreConfig
from kademlia_core.keyvalue.core import KeyValueCore
from kademlia_core.keyvalue.messages import Store
from kademlia_core.keyvalue.records import Record
from tests.unit.kademlia_core.virtual_network import VirtualNetwork
from transfer.address import Address

KEY = key_of("greeting")
DAY = 86_400
FAST = KeyValueConfig(
    lookup=LookupConfig(short_timeout_s=0.05), query_timeout_s=0.15, join_retry_s=0.1, upkeep_interval_s=0.05
)


class World:
    """Key-value cores that all came in through the first."""

    def __init__(self, count: int, config: KeyValueConfig | None = None) -> None:
        self.network = VirtualNetwork()
        self.config = config or KeyValueConfig()
        self.addresses: list[Address] = []
        for _ in range(count):
            self.add()

    def add(self) -> Address:
        number = len(self.addresses)
        core = KeyValueCore(rng=Random(number), now=self.network.now, config=self.config)
        address = self.network.add_core(number, core)
        self.network.join(address, *self.addresses[:1])
        self.network.run(1.0)
        self.addresses.append(address)
        return address

    def core(self, address: Address) -> KeyValueCore:
        core = self.network.cores[address]
        assert isinstance(core, KeyValueCore)
        return core

    def set(self, address: Address, record: Record) -> int:
        search = self.core(address).set(record, now=self.network.now)
        self.network.run(2.0)
        assert search.is_finished
        return len(search.accepted())

    def get(self, address: Address, key: Key = KEY) -> Record | None:
        search = self.core(address).get(key, now=self.network.now)
        self.network.run(2.0)
        if not search.is_finished:
            self.network.run(8.0)  # with hardly k nodes alive, the dead ones are waited for
        assert search.is_finished
        found = [e.found[0] for e in self.network.events[address] if isinstance(e, Found) and e.lookup is search]
        newest = found[-1] if found else None
        assert newest is None or isinstance(newest, Record)
        return newest

    def keepers(self, key: Key = KEY) -> list[Address]:
        return [each for each in self.addresses if self.core(each).records.get(key, now=self.network.now) is not None]

    def check(self) -> None:
        for core in self.network.cores.values():
            core.check_invariants()


def test_what_one_node_sets_every_other_gets() -> None:
    world = World(30)
    assert world.set(world.addresses[3], Record(KEY, b"hello", 1, DAY)) == 8
    for address in world.addresses:
        record = world.get(address)
        assert record is not None
        assert (record.value, record.version) == (b"hello", 1)
        assert DAY - 100 < record.ttl_s <= DAY
    assert world.get(world.addresses[5], key_of("another")) is None
    world.check()


def test_the_keepers_are_the_closest_nodes_and_the_one_that_set_it() -> None:
    world = World(30)
    world.set(world.addresses[3], Record(KEY, b"hello", 1, DAY))
    others = [address for address in world.addresses if address != world.addresses[3]]
    closest = sorted(others, key=lambda address: world.core(address).node_id ^ KEY)[:8]
    assert set(world.keepers()) == {*closest, world.addresses[3]}


def test_the_higher_version_replaces_the_lower_whatever_the_order() -> None:
    world = World(20)
    world.set(world.addresses[1], Record(KEY, b"new", 7, DAY))
    assert world.set(world.addresses[2], Record(KEY, b"old", 6, DAY)) == 0
    newest = world.get(world.addresses[9])
    assert newest is not None
    assert newest.value == b"new"
    assert world.set(world.addresses[3], Record(KEY, b"newer", 8, DAY)) == 8
    newest = world.get(world.addresses[9])
    assert newest is not None
    assert newest.value == b"newer"


def test_a_value_survives_its_keepers() -> None:
    """Section 2.5 of the paper: whoever keeps a record stores it again with those who are closest by then."""
    patient = KeyValueConfig(republish_s=60.0, upkeep_interval_s=20.0)
    world = World(20, patient)
    world.set(world.addresses[3], Record(KEY, b"hello", 1, 1000))
    for generation in range(3):
        keepers = world.keepers()
        for address in keepers[:-5]:
            del world.network.cores[address]
            world.addresses.remove(address)
        for _ in range(4):
            world.addresses.insert(0, world.addresses.pop())  # somebody else is the entrance
        world.network.run(130.0)
        assert len(world.keepers()) >= 6 - generation, generation
    assert world.get(world.addresses[0]) is not None
    world.network.run(1000.0)
    assert world.keepers() == []  # storing again does not prolong the life that its setter gave it
    world.check()


def test_a_store_without_the_receivers_token_is_refused() -> None:
    world = World(2)
    first, second = world.addresses
    query = world.core(first).engine.query(second, Store(Record(KEY, b"spam", 9, DAY), b"guess"), now=world.network.now)
    world.network.run(1.0)
    assert query.error is not None
    assert (query.error.code, query.error.text) == (203, "invalid token")
    assert world.keepers() == []


def test_networks_of_different_names_do_not_hear_one_another() -> None:
    world = World(3)
    world.config = KeyValueConfig(network=b"another")
    stranger = world.add()
    assert len(world.core(stranger).table) == 0
    stats = world.core(world.addresses[0]).stats(now=world.network.now)
    assert stats.dropped_garbage > 0
    assert not any(world.core(stranger).node_id in (c.key for c in world.core(a).table) for a in world.addresses[:3])


async def test_nodes_on_loopback_set_and_get() -> None:
    async with (
        KeyValueNode(host="127.0.0.1", config=FAST) as first,
        KeyValueNode(host="127.0.0.1", bootstrap=[first.address], config=FAST) as second,
        KeyValueNode(host="127.0.0.1", bootstrap=[first.address], config=FAST) as third,
    ):
        report = await second.set("greeting", b"hello")
        assert {contact.key for contact in report.kept_by} == {first.node_id, third.node_id}
        for node, name in ((first, "greeting"), (third, b"greeting"), (third, KEY)):
            assert await node.get(name) == b"hello"
        assert await third.get("nothing") is None
        await third.set("greeting", b"hello again")
        assert await first.get("greeting") == b"hello again"
        with pytest.raises(ValueError, match="at most 1000 bytes, not 1001"):
            await first.set("greeting", bytes(1001))
        assert third.statistics().nodes == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: KeyValueConfig(network=b""),
        lambda: KeyValueConfig(enough_answers=0),
        lambda: RecordStoreConfig(max_records_per_host=0),
        lambda: RecordStoreConfig(max_bytes=10),
        lambda: RecordStoreConfig(lifetime_s=0),
    ],
)
def test_senseless_knobs_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"must|has"):
        make()


def test_no_room_for_another_search_puts_off_the_care_for_records() -> None:
    world = World(2, KeyValueConfig(max_lookups=1, republish_s=100.0, query_timeout_s=5.0))
    address, other = world.addresses
    core = world.core(address)
    core.records.put(Record(KEY, b"hello", 1, DAY), host="10.9.9.9", now=world.network.now)
    world.network.run(99.0)
    del world.network.cores[other]
    for _ in range(4):
        core.engine.find_node(KEY, now=world.network.now)  # awaits the dead
        world.network.run(5.1)
    world.network.run(5.1)
    assert core.records.next_due(since=105.0, now=world.network.now) is None  # it was seen to


def test_many_records_all_have_their_turn() -> None:
    world = World(2, KeyValueConfig(republish_s=200.0))
    first, second = (world.core(address) for address in world.addresses)
    keys = [Key.random(160, Random(number)) for number in range(100)]
    for key in keys:
        first.records.put(Record(key, b"v", 1, DAY), host="10.9.9.9", now=world.network.now)
    world.network.run(500.0)
    assert sum(second.records.get(key, now=world.network.now) is not None for key in keys) == 100


@pytest.mark.parametrize("version", [-1, 1 << 64])
async def test_a_version_that_does_not_fit_into_a_message_is_refused(version: int) -> None:
    async with KeyValueNode(host="127.0.0.1", config=FAST) as node:
        with pytest.raises(ValueError, match="version"):
            await node.set("a", b"value", version=version)


async def test_a_value_that_is_no_bytes_is_refused() -> None:
    async with KeyValueNode(host="127.0.0.1", config=FAST) as node:
        with pytest.raises(TypeError, match="bytes"):
            await node.set("a", "text")  # type: ignore[arg-type]  # what the kademlia package takes
