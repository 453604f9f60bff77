"""The order that both sides agree on (BEP 40)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.dialling.peer_priority import crc32c, peer_priority
from transfer.address import Address, AddressError

ONE, THREE = "0000000000000001", "0000000000000003"
addresses = st.builds(Address, st.ip_addresses().map(str), st.integers(1, 65535))


@given(addresses, addresses)
def test_both_sides_agree(one: Address, other: Address) -> None:
    assert peer_priority(one, other) == peer_priority(other, one)
    assert 0 <= peer_priority(one, other) < 1 << 32


@pytest.mark.parametrize(
    ("one", "other", "hashed"),
    [
        ("230.12.123.1", "230.12.123.3", "e60c7b01 e60c7b03"),
        ("230.12.23.1", "230.12.123.3", "e60c1701 e60c7b01"),
        ("230.120.23.1", "230.12.123.3", "e60c5101 e6781501"),
        ("2001:db8:ffff:ffff::1", "2001:db9:ffff:ffff::3", "20010db855555555" + ONE + "20010db955555555" + THREE),
        ("2001:db8:ff00:ffff::1", "2001:db8:ffff:ffff::1", "20010db8ff005555" + ONE + "20010db8ffff5555" + ONE),
        ("2001:db8:ffff:fff0::1", "2001:db8:ffff:ffff::1", "20010db8fffffff0" + ONE + "20010db8ffffffff" + ONE),
    ],
)  # fmt: skip
def test_what_is_hashed(one: str, other: str, hashed: str) -> None:
    assert peer_priority(Address(one, 1), Address(other, 2)) == crc32c(bytes.fromhex(hashed))


def test_one_host_is_told_apart_by_ports() -> None:
    host = "230.12.123.3"
    assert peer_priority(Address(host, 0x4D2), Address(host, 0x12C)) == crc32c(bytes.fromhex("012c04d2"))


def test_two_families_have_no_order() -> None:
    assert peer_priority(Address("1.2.3.4", 1), Address("::1", 1)) == 0


def test_names_have_none_either() -> None:
    with pytest.raises(AddressError):
        peer_priority(Address("localhost", 1), Address("::1", 1))
