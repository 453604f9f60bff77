"""Nodes that cannot have chosen their key are preferred to those that can."""

from __future__ import annotations

from kademlia_core import Contact, Key, RoutingTable, RoutingTableConfig
from transfer.address import Address

OWN = Key(0, 8)
VERIFIED_PORTS = range(1000, 2000)
OTHER_PORTS = range(5000, 6000)


def verified(value: int, host: str = "127.0.0.1") -> Contact:
    return Contact(Key(value, 8), Address(host, VERIFIED_PORTS[value]))


def other(value: int, host: str = "127.0.0.1") -> Contact:
    return Contact(Key(value, 8), Address(host, OTHER_PORTS[value]))


def new_table(**options: int) -> RoutingTable:
    config = RoutingTableConfig(bucket_size=2, replacements=2, **options)  # type: ignore[arg-type]
    return RoutingTable(OWN, config=config, is_verified=lambda contact: contact.address.port in VERIFIED_PORTS)


def filled(table: RoutingTable, *contacts: Contact) -> RoutingTable:
    for contact in contacts:
        table.on_response(contact, now=0.0)
    return table


def test_a_verified_node_takes_the_place_of_the_newest_that_is_not() -> None:
    table = filled(new_table(), other(200), other(201))
    assert table.on_response(verified(202), now=1.0)
    assert set(table) == {other(200), verified(202)}
    assert table.on_response(verified(203), now=1.0)
    assert set(table) == {verified(202), verified(203)}
    assert not table.on_response(verified(204), now=1.0)
    table.check_invariants()


def test_doubtful_nodes_give_way_first() -> None:
    table = filled(new_table(), other(200), other(201))
    table.on_failure(other(200), now=1.0)
    assert table.on_response(verified(202), now=1.0)
    assert set(table) == {other(201), verified(202)}


def test_a_displaced_node_waits_in_the_reserve() -> None:
    table = filled(new_table(), other(200), other(201), verified(202))
    for _ in range(2):
        table.on_failure(verified(202), now=1.0)
    assert set(table) == {other(200), other(201)}


def test_a_bad_node_gives_way_before_an_unverified_one() -> None:
    table = filled(new_table(), verified(200), other(201))
    for _ in range(2):
        table.on_failure(verified(200), now=1.0)
    assert table.on_response(verified(202), now=1.0)
    assert set(table) == {other(201), verified(202)}


def test_a_verified_node_moves_up_before_newer_ones() -> None:
    table = filled(new_table(), verified(200), verified(201), verified(202), other(203))
    for _ in range(2):
        table.on_failure(verified(200), now=1.0)
    assert set(table) == {verified(201), verified(202)}


def test_others_do_not_push_verified_ones_out_of_the_reserve() -> None:
    table = filled(new_table(), *(verified(200 + n) for n in range(4)), other(204), other(205))
    for value in (200, 201):
        for _ in range(2):
            table.on_failure(verified(value), now=1.0)
    assert set(table) == {verified(202), verified(203)}


def test_verified_ones_push_others_out_of_the_reserve_first() -> None:
    table = filled(new_table(), *(verified(200 + n) for n in range(3)), other(203), verified(204))
    for value in (200, 201):
        for _ in range(2):
            table.on_failure(verified(value), now=1.0)
    assert set(table) == {verified(202), verified(204)}


def test_only_who_is_verified_is_wanted_where_others_fill_a_bucket() -> None:
    table = filled(new_table(), *(other(200 + n) for n in range(4)), other(100))
    assert table.wants(verified(210))
    assert not table.wants(other(210))
    filled(table, *(verified(220 + n) for n in range(4)))
    assert not table.wants(verified(210))


def test_a_verified_node_takes_the_share_of_its_subnet() -> None:
    table = new_table(max_per_subnet_in_bucket=1)
    filled(table, other(200, "8.8.8.1"), verified(201, "8.8.8.2"))
    assert list(table) == [verified(201, "8.8.8.2")]
    assert not table.on_response(verified(202, "8.8.8.3"), now=0.0)
    assert not table.on_response(other(203, "8.8.8.4"), now=0.0)
    table.check_invariants()


def test_without_the_preference_all_are_alike() -> None:
    table = filled(new_table(prefer_verified=False), other(200), other(201), verified(202))
    assert set(table) == {other(200), other(201)}


def test_eight_inventions_near_a_key_keep_no_verified_node_out() -> None:
    """An attacker that chooses keys fills the bucket first; whoever cannot choose comes later and still gets in."""
    config = RoutingTableConfig(bucket_size=8)
    honest = [verified(128 + 8 * n) for n in range(8)]
    table = RoutingTable(OWN, config=config, is_verified=lambda contact: contact in honest)
    filled(table, *(other(240 + n) for n in range(8)), *honest)
    assert set(table) == set(honest)
