from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTable, RoutingTableConfig
from kademlia_core.bucket import NodeState
from kademlia_core.subnet import subnet_of
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
    assert not table.wants(OWN)
    assert len(table) == 0


def test_wants_nobody_where_there_is_no_room() -> None:
    table = RoutingTable(OWN, config=CONFIG)
    for value in (200, 201, 202, 203):
        assert table.wants(Key(value, 8))
        table.on_response(contact(value), now=0.0)
    table.on_response(contact(100), now=0.0)
    assert not table.wants(Key(204, 8))
    assert table.wants(Key(1, 8))


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


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("192.168.0.9", None),
        ("::1", None),
        ("fe80::1", None),
        ("8.8.4.4", bytes([8, 8, 4])),
        ("2a00:1450:4001:81b::200e", bytes.fromhex("2a0014504001081b")),
    ],
)
def test_subnets(host: str, expected: bytes | None) -> None:
    assert subnet_of(host) == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"bucket_size": 0},
        {"replacements": -1},
        {"good_for_s": 0.0},
        {"bad_after_failures": 0},
        {"max_per_subnet_in_bucket": 0},
        {"max_per_subnet_in_bucket": 11},
    ],
)
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        RoutingTableConfig(**bad)
