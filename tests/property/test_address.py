"""Endpoints: text, compact and socket forms all name the same place."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.address import (
    Address,
    AddressError,
    is_usable_peer,
    join_compact,
    packed_host,
    split_compact,
)

ports = st.integers(0, 65535)
ipv4_hosts = st.ip_addresses(v=4).map(str)
ipv6_hosts = st.ip_addresses(v=6).map(str)
ipv4_addresses = st.builds(Address, ipv4_hosts, ports)
ipv6_addresses = st.builds(Address, ipv6_hosts, ports)
addresses = ipv4_addresses | ipv6_addresses
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=4).map(".".join)


@given(addresses | st.builds(Address, names, ports))
def test_text_round_trip(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert Address.parse(f"  {address}\n") == address


@given(addresses)
def test_compact_round_trip(address: Address) -> None:
    data = address.compact()
    assert len(data) == (18 if address.is_ipv6 else 6)
    assert Address.from_compact(data) == address


@given(st.binary(min_size=6, max_size=6) | st.binary(min_size=18, max_size=18))
def test_every_compact_form_names_one_address(data: bytes) -> None:
    assert Address.from_compact(data).compact() == data


@given(st.binary(max_size=40).filter(lambda data: len(data) not in (6, 18)))
def test_other_lengths_are_no_compact_form(data: bytes) -> None:
    with pytest.raises(AddressError, match=f"not {len(data)}"):
        Address.from_compact(data)


@given(st.lists(ipv4_addresses, max_size=9))
def test_a_run_of_ipv4_round_trips(run: list[Address]) -> None:
    assert split_compact(join_compact(run), ipv6=False) == run


@given(st.lists(ipv6_addresses, max_size=9))
def test_a_run_of_ipv6_round_trips(run: list[Address]) -> None:
    assert split_compact(join_compact(run), ipv6=True) == run


@given(st.binary(max_size=60), st.booleans())
def test_a_run_is_split_or_refused_by_its_length_alone(data: bytes, ipv6: bool) -> None:
    stride = 18 if ipv6 else 6
    if len(data) % stride:
        with pytest.raises(AddressError):
            split_compact(data, ipv6=ipv6)
    else:
        assert join_compact(split_compact(data, ipv6=ipv6)) == data


@given(st.ip_addresses(v=6), ports)
def test_every_spelling_of_an_ipv6_address_becomes_the_same(ip: IPv6Address, port: int) -> None:
    plain = Address(str(ip), port)
    assert Address.parse(f"[{ip.exploded}]:{port}") == plain
    assert Address.parse(f"[{ip.exploded.upper()}]:{port}") == plain


@given(st.ip_addresses(v=4), ports)
def test_the_socket_form_of_mapped_ipv4_is_ipv4(ip: IPv4Address, port: int) -> None:
    assert Address.from_socket((f"::ffff:{ip}", port, 0, 0)) == Address(str(ip), port)
    assert Address.from_socket((str(ip), port)) == (str(ip), port)


@given(st.ip_addresses())
def test_packed_hosts_are_what_the_standard_library_packs(ip: IPv4Address | IPv6Address) -> None:
    assert packed_host(str(ip)) == ip.packed


@given(st.ip_addresses(), st.integers(-5, 70000))
def test_usable_means_a_port_and_a_host_one_can_dial(ip: IPv4Address | IPv6Address, port: int) -> None:
    dialable = not (ip.is_multicast or ip.is_unspecified or str(ip) == "255.255.255.255")
    assert is_usable_peer(Address(str(ip), port)) == (dialable and 0 < port < 65536)
