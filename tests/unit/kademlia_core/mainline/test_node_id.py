from __future__ import annotations

from ipaddress import ip_address
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Key
from kademlia_core.mainline.node_id import crc32c, is_valid_for, node_id_for
from transfer.address import AddressError
from transfer.external_address import is_local


def prefix_by_the_book(host: str, r: int) -> int:
    """The 21 bits as the example code of BEP 42 computes them, one step after the other."""
    packed = ip_address(host).packed
    mask = bytes.fromhex("030f3fff") if len(packed) == 4 else bytes.fromhex("0103070f1f3f7fff")
    masked = bytearray(byte & keep for byte, keep in zip(packed, mask, strict=False))
    masked[0] |= (r & 7) << 5
    return crc32c(bytes(masked)) >> 11


addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@given(addresses, st.integers(0, 255), st.integers())
def test_ids_follow_the_example_code(host: str, r: int, seed: int) -> None:
    key = node_id_for(host, Random(seed), r=r)
    assert is_valid_for(key, host)
    assert key.value & 255 == r
    if not is_local(host):
        assert key.value >> 139 == prefix_by_the_book(host, r)


@given(addresses.filter(lambda host: not is_local(host)), st.binary(min_size=20, max_size=20).map(Key.from_bytes))
def test_an_id_is_valid_if_and_only_if_the_book_says_so(host: str, key: Key) -> None:
    assert is_valid_for(key, host) is (key.value >> 139 == prefix_by_the_book(host, key.value & 7))


def test_an_address_has_eight_places() -> None:
    rng = Random(1)
    for host in ("8.8.8.8", "2a00:1450:4001:830::200e"):
        keys = [node_id_for(host, rng) for _ in range(400)]
        assert len(set(keys)) == 400
        assert len({key.value >> 139 for key in keys}) == 8
        assert all(is_valid_for(key, host) for key in keys)


def test_the_host_part_of_an_ipv6_address_does_not_count() -> None:
    key = node_id_for("2a00:1450:4001:830::1", Random(1))
    assert is_valid_for(key, "2a00:1450:4001:830:ffff:ffff:ffff:ffff")
    assert not is_valid_for(key, "2a00:1450:4001:831::1")


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "169.254.7.7",
        "127.0.0.1", "127.255.255.255", "100.64.0.0", "100.127.255.255",
        "::1", "fe80::1", "febf::1", "fc00::1", "fdff::1",
    ],
)  # fmt: skip
def test_local_addresses_may_have_any_id(host: str) -> None:
    rng = Random(1)
    assert is_local(host)
    assert all(is_valid_for(Key.random(160, rng), host) for _ in range(50))
    assert len({node_id_for(host, rng).value >> 139 for _ in range(50)}) > 40, "they are spread over the whole space"


@pytest.mark.parametrize(
    "host",
    [
        "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "169.253.255.255", "169.255.0.0", "126.255.255.255", "128.0.0.0", "100.63.255.255", "100.128.0.0",
        "::2", "fec0::1", "fe00::1", "2000::1",
    ],
)  # fmt: skip
def test_their_neighbours_may_not(host: str) -> None:
    rng = Random(1)
    assert not is_local(host)
    assert not any(is_valid_for(Key.random(160, rng), host) for _ in range(50))


def test_r_is_a_byte() -> None:
    with pytest.raises(ValueError, match="0 and 255"):
        node_id_for("8.8.8.8", Random(1), r=256)


def test_names_are_refused() -> None:
    with pytest.raises(AddressError):
        is_valid_for(Key(0, 160), "router.example")
    with pytest.raises(AddressError):
        is_local("router.example")
