from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kademlia_core import Contact, InvalidKeyError, Key, MainlineConfig, RoutingTable, RoutingTableConfig
from kademlia_core.bucket import NodeState
from transfer.address import Address

OWN = Key(0, 8)
CONFIG = RoutingTableConfig(bucket_size=2, replacements=2)
QUARTER_HOUR_S = 900.0


def contact(value: int, host: str = "127.0.0.1") -> Contact:
    return Contact(Key(value, 8), Address(host, 1000 + value))


def test_only_the_own_bucket_splits() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    kept = [value for value in range(255, 0, -1) if table.on_response(contact(value), now=0.0)]
    assert kept == [255, 254, 127, 126, 63, 62, 31, 30, 15, 14, 7, 6, 3, 2, 1]
    assert table.bucket_count == 8


def test_states_follow_the_clock_of_bep_5() -> None:
    table, node = RoutingTable(OWN, config=CONFIG), contact(200)
    table.on_response(node, now=0.0)
    assert table.state_of(node, now=QUARTER_HOUR_S - 1) is NodeState.GOOD
    assert table.state_of(node, now=QUARTER_HOUR_S) is NodeState.QUESTIONABLE
    assert table.questionable(now=QUARTER_HOUR_S) == node
    assert table.on_query(node, now=QUARTER_HOUR_S)  # it has answered before, so a query is a sign of life
    assert table.state_of(node, now=QUARTER_HOUR_S) is NodeState.GOOD
    table.on_failure(node, now=QUARTER_HOUR_S)
    assert table.state_of(node, now=QUARTER_HOUR_S) is NodeState.QUESTIONABLE
    table.on_failure(node, now=QUARTER_HOUR_S)
    assert table.state_of(node, now=QUARTER_HOUR_S) is NodeState.BAD


def test_whoever_only_queries_does_not_enter() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    assert not table.on_query(contact(200), now=0.0)
    assert table.closest(Key(200, 8), 8) == []
    assert table.state_of(contact(200), now=0.0) is None


def test_one_lost_answer_keeps_the_place_but_not_the_recommendation() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    table.on_response(contact(200), now=0.0)
    table.on_failure(contact(200), now=1.0)
    assert contact(200) in table
    assert table.closest(OWN, 8) == []
    assert table.closest(OWN, 8, max_failures=1) == [contact(200)]


def test_a_doubtful_node_gives_way_only_after_a_second_chance() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 201, 202):
        table.on_response(contact(value), now=0.0)
    assert contact(202) not in table
    assert table.rival_of(Key(202, 8), now=1.0) is None  # both are good
    assert table.rival_of(Key(202, 8), now=QUARTER_HOUR_S) == contact(200)
    table.on_failure(contact(200), now=QUARTER_HOUR_S)
    assert contact(200) in table
    table.on_failure(contact(200), now=QUARTER_HOUR_S)
    assert contact(200) not in table
    assert contact(202) in table


def test_the_newest_replacement_moves_up() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 201, 202, 203, 204):
        table.on_response(contact(value), now=0.0)
    for _ in range(2):
        table.on_failure(contact(200), now=1.0)
    assert set(table) == {contact(201), contact(204)}


def test_a_replacement_that_fails_is_forgotten() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 201, 202):
        table.on_response(contact(value), now=0.0)
    table.on_failure(contact(202), now=1.0)
    for _ in range(2):
        table.on_failure(contact(200), now=1.0)
    assert contact(200) in table  # bad, but nobody wants the place


def test_nobody_takes_over_the_key_of_a_good_node() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    thief = Contact(Key(200, 8), Address("127.0.0.1", 6))
    table.on_response(contact(200), now=0.0)
    assert not table.on_response(thief, now=1.0)
    assert list(table) == [contact(200)]
    assert table.on_response(thief, now=QUARTER_HOUR_S)  # the node has moved
    assert list(table) == [thief]


def test_a_restarted_node_replaces_its_former_self() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    reborn = Contact(Key(100, 8), contact(200).address)
    table.on_response(contact(200), now=0.0)
    assert table.on_response(reborn, now=1.0)
    assert list(table) == [reborn]


def test_the_own_key_never_enters() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    assert not table.on_response(contact(0), now=0.0)
    assert not table.wants(contact(0))
    assert len(table) == 0


def test_wants_nobody_where_there_is_no_room() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 201, 202, 203):
        assert table.wants(contact(value))
        table.on_response(contact(value), now=0.0)
    table.on_response(contact(100), now=0.0)
    assert not table.wants(contact(204))
    assert table.wants(contact(1))


def test_stale_buckets_are_named_oldest_first() -> None:
    table, rng = RoutingTable(OWN, config=CONFIG), Random(1)
    for value in (200, 201, 100):
        table.on_response(contact(value), now=0.0)
    table.on_response(contact(100), now=500.0)
    assert table.stale_target(now=QUARTER_HOUR_S - 1, rng=rng) is None
    target = table.stale_target(now=QUARTER_HOUR_S, rng=rng)
    assert target is not None
    assert target.shared_prefix_length(OWN) == 0
    table.refreshed(target, now=QUARTER_HOUR_S)
    assert table.stale_target(now=QUARTER_HOUR_S, rng=rng) is None
    target = table.stale_target(now=QUARTER_HOUR_S + 500.0, rng=rng)
    assert target is not None
    assert target.shared_prefix_length(OWN) >= 1


def test_a_subnet_has_its_share_of_a_bucket_and_of_the_table() -> None:
    config = RoutingTableConfig(bucket_size=8, max_per_subnet_in_bucket=2, max_per_subnet=3)
    table = RoutingTable(OWN, config=config)
    assert table.on_response(contact(200, "8.8.8.1"), now=0.0)
    assert table.on_response(contact(201, "8.8.8.2"), now=0.0)
    assert not table.on_response(contact(202, "8.8.8.3"), now=0.0)
    assert table.on_response(contact(203, "8.8.9.3"), now=0.0)
    for value in range(204, 210):
        assert table.on_response(contact(value, f"9.9.{value}.9"), now=0.0) is (value < 209)
    assert table.on_response(contact(100, "8.8.8.4"), now=0.0)
    assert not table.on_response(contact(101, "8.8.8.5"), now=0.0)


def test_an_ipv6_site_is_one_subnet() -> None:
    table = RoutingTable(OWN, config=RoutingTableConfig(bucket_size=8, max_per_subnet_in_bucket=2))
    kept = [table.on_response(contact(200 + n, f"2a00:1450:4001:{n:x}::1"), now=0.0) for n in range(3)]
    assert kept == [True, True, False]
    assert table.on_response(contact(210, "2a00:1450:4002::1"), now=0.0)


def test_the_first_buckets_may_be_larger() -> None:
    table = RoutingTable(OWN, config=RoutingTableConfig(bucket_size=2, first_bucket_sizes=(16, 5), replacements=2))
    for value in range(255, 0, -1):
        table.on_response(contact(value), now=0.0)
    table.check_invariants()
    shared = [node.key.shared_prefix_length(OWN) for node in table]
    assert [shared.count(length) for length in range(8)] == [16, 5, 2, 2, 2, 2, 2, 1]


def test_only_the_public_network_has_large_first_buckets_by_default() -> None:
    assert RoutingTableConfig().first_bucket_sizes == ()
    config = MainlineConfig().routing_table
    assert [config.size_of_bucket(index) for index in range(6)] == [128, 64, 32, 16, 8, 8]
    assert config.bucket_size == 8  # what an answer names


def test_a_table_of_another_width_is_no_place() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    stranger = Contact(Key(5, 160), Address("127.0.0.1", 1))
    with pytest.raises(InvalidKeyError):
        table.on_response(stranger, now=0.0)
    with pytest.raises(InvalidKeyError):
        table.closest(stranger.key, 8)


def test_sightings_are_the_nodes_that_are_not_bad() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 100, 50):
        table.on_response(contact(value), now=float(value))
    for _ in range(2):
        table.on_failure(contact(100), now=300.0)
    seen = {sighting.contact: sighting for sighting in table.sightings(now=200.0 + QUARTER_HOUR_S - 1)}
    assert list(seen) == [contact(200), contact(50)]
    assert (seen[contact(200)].seen_at, seen[contact(200)].state) == (200.0, NodeState.GOOD)
    assert (seen[contact(50)].seen_at, seen[contact(50)].state) == (50.0, NodeState.QUESTIONABLE)


@pytest.mark.parametrize(
    "bad",
    [
        {"bucket_size": 0},
        {"first_bucket_sizes": (16, 7)},
        {"replacements": -1},
        {"good_for_s": 0.0},
        {"bad_after_failures": 0},
        {"max_per_subnet_in_bucket": 0},
        {"max_per_subnet_in_bucket": 11},
    ],
)
def test_senseless_configurations_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        RoutingTableConfig(**bad)


def test_a_table_that_moves_keeps_whom_it_has_room_for() -> None:
    rng = Random(5)
    table = RoutingTable(Key(0, 160))
    contacts = [Contact(Key.random(160, rng), Address("127.0.0.1", 1 + number)) for number in range(300)]
    for contact in contacts:
        table.on_response(contact, now=1.0)
    table.on_failure(contacts[0], now=2.0)
    before = set(table)
    new_key = contacts[5].key if contacts[5] in table else Key.random(160, rng)
    table.move(new_key, now=3.0)
    table.check_invariants()
    assert table.own_key == new_key
    assert set(table) <= before | set(contacts)
    assert len(table) >= 0.8 * len(before)
    assert new_key not in {contact.key for contact in table}
    target = Key.random(160, rng)
    assert table.closest(target, 8, max_failures=1) == sorted(table, key=lambda contact: contact.key ^ target)[:8]


def full_bucket() -> RoutingTable:
    """A table whose farthest bucket holds 255 and 254, and cannot split."""
    table = RoutingTable(OWN, config=CONFIG)
    for value in (255, 254, 127):
        assert table.on_response(contact(value), now=0.0)
    return table


@pytest.mark.parametrize("bad", [255, 254])
def test_a_newcomer_takes_the_place_of_the_bad_one_among_the_failing(bad: int) -> None:
    table = full_bucket()
    for value in (255, 254):
        table.on_failure(contact(value), now=1.0)  # one lost answer each
    table.on_failure(contact(bad), now=1.0)
    assert table.needs(contact(253))
    assert table.wants(contact(253))
    assert table.on_response(contact(253), now=2.0)
    assert set(table) == {contact(255 + 254 - bad), contact(253), contact(127)}
    table.check_invariants()


@pytest.mark.parametrize(("failures", "leaving"), [((2, 3), 254), ((3, 2), 255), ((2, 2), 255)])
def test_of_two_bad_ones_the_worst_leaves_first_and_then_the_first(failures: tuple[int, int], leaving: int) -> None:
    table = full_bucket()
    for value, count in zip((255, 254), failures, strict=True):
        for _ in range(count):
            table.on_failure(contact(value), now=1.0)
    assert table.on_response(contact(253), now=2.0)
    assert set(table) == {contact(255 + 254 - leaving), contact(253), contact(127)}


def test_one_lost_answer_makes_no_room_for_a_newcomer() -> None:
    table = full_bucket()
    for value in (255, 254):
        table.on_failure(contact(value), now=1.0)
    assert not table.needs(contact(253))
    assert not table.on_response(contact(253), now=2.0)  # it waits in reserve
    assert set(table) == {contact(255), contact(254), contact(127)}
