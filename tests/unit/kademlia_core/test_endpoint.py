from __future__ import annotations

from collections.abc import Hashable

import pytest

from kademlia_core import Contact, Key, LookupConfig, LookupCore, RoutingTable, RoutingTableConfig
from kademlia_core.endpoint import Endpoint, group_of
from transfer.address import Address

TARGET = Key(0, 160)


@pytest.mark.parametrize(
    ("endpoint", "group"),
    [
        (Address("8.8.4.4", 1), bytes([8, 8, 4])),
        (Address("2a00:1450:4001::1", 1), bytes.fromhex("2a0014504001")),
        (Address("192.168.0.9", 1), None),
        (Address("node.example", 1), None),
        (("8.8.4.4", 1), None),
        ("QmPeer", None),
    ],
)
def test_by_default_addresses_belong_to_their_subnets_and_nothing_else_is_counted(
    endpoint: Endpoint, group: bytes | None
) -> None:
    assert group_of(endpoint) == group


def of_the_letter(endpoint: Endpoint) -> Hashable | None:
    assert isinstance(endpoint, str)
    return endpoint[0] if endpoint[0] != "-" else None


def contacts(names: str) -> list[Contact]:
    return [Contact(Key(number, 160), f"{name}{number}") for number, name in enumerate(names, start=1)]


def test_a_table_asks_whose_an_endpoint_is() -> None:
    config = RoutingTableConfig(bucket_size=8, max_per_subnet_in_bucket=2, max_per_subnet=3)
    table = RoutingTable(TARGET, config=config, group_of=of_the_letter)
    entered = [table.on_response(contact, now=0.0) for contact in contacts("aaab---")]
    assert entered == [True, True, False, True, True, True, True]
    table.check_invariants()


def test_a_lookup_asks_whose_an_endpoint_is() -> None:
    config = LookupConfig(k=3, alpha=3, max_per_subnet=1)
    lookup = LookupCore(TARGET, contacts("aab-"), config=config, group_of=of_the_letter)
    assert [contact.endpoint for contact in lookup.queries_to_send(now=0.0)] == ["a1", "b3", "-4"]


def test_contacts_of_any_kind_compare_and_hash() -> None:
    one, same, other = Contact(TARGET, "a"), Contact(TARGET, "a"), Contact(TARGET, "b")
    assert one == same != other
    assert len({one, same, other}) == 2
    assert str(one) == f"{TARGET.hex()} at a"
    assert Contact(TARGET, Address("8.8.4.4", 1)).address == ("8.8.4.4", 1)
