"""The network of the theory: its lazily drawn tables are those that a `RoutingTable` would hold."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.static_network import ID_BITS, StaticNetwork
from kademlia_core import Key, RoutingTable, RoutingTableConfig
from kademlia_core.distance import nearest, random_key_sharing

CONFIGS = [RoutingTableConfig(bucket_size=4), RoutingTableConfig(bucket_size=4, first_bucket_sizes=(32, 16, 8))]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_real_table_of_the_same_contacts_gives_the_same_answers(config: RoutingTableConfig) -> None:
    network, rng = StaticNetwork(300, table=config, seed=1), Random(2)
    for number in rng.sample(range(300), 12):
        own_key = network.contact(number).key
        table = RoutingTable(own_key, config=config)
        for contact in network.table_of(number):
            assert table.on_response(contact, now=0.0)
        near = [random_key_sharing(own_key, shared, rng, exactly=True) for shared in range(12)]
        targets = [*near, own_key, network.contact(7).key, Key.random(ID_BITS, rng)]
        for target in targets:
            for count in (1, 4, 20):
                assert network.answer(number, target, count) == table.closest(target, count)


@pytest.mark.parametrize("config", CONFIGS)
def test_buckets_are_as_full_as_they_can_be(config: RoutingTableConfig) -> None:
    network = StaticNetwork(200, table=config, seed=3)
    keys = [network.contact(number).key for number in range(200)]
    for number in range(0, 200, 17):
        for shared in range(16):
            held = network.bucket(number, shared)
            there = {other for other in range(200) if keys[other].shared_prefix_length(keys[number]) == shared}
            assert set(held) <= there
            assert len(set(held)) == len(held) == min(len(there), config.size_of_bucket(shared))


def test_a_table_is_the_same_whoever_asks_first() -> None:
    first, second = (StaticNetwork(200, table=CONFIGS[0], seed=4) for _ in range(2))
    numbers = list(range(0, 200, 9))
    tables = {number: first.table_of(number) for number in numbers}
    assert {number: second.table_of(number) for number in reversed(numbers)} == tables
    assert StaticNetwork(200, table=CONFIGS[0], seed=5).table_of(0) != tables[0]


def test_choices_are_uniform() -> None:
    """Each of the about 128 nodes of the far half is in a table of 16 equally often."""
    chosen = [0] * 256
    for seed in range(400):
        network = StaticNetwork(256, table=RoutingTableConfig(bucket_size=16), seed=seed)
        for number in network.bucket(0, 0):
            chosen[number] += 1
    assert min(chosen[160:]) > 20  # 50 on average
    assert max(chosen) < 90


def test_the_truth_is_a_sort() -> None:
    network, rng = StaticNetwork(500, table=CONFIGS[0], seed=6), Random(7)
    everybody = [network.contact(number) for number in range(500)]
    for _ in range(100):
        target = Key.random(ID_BITS, rng)
        for count in (1, 8, 499, 600):
            assert network.closest(target, count) == nearest(everybody, target, count)


def test_a_contact_says_which_node_it_is() -> None:
    network = StaticNetwork(300, table=CONFIGS[0], seed=8)
    assert [network.number_of(network.contact(number)) for number in range(300)] == list(range(300))
    assert len({network.contact(number).address for number in range(300)}) == 300
    assert len(network) == 300
