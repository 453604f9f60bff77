"""How far away addresses can be seen, IPv4 addresses in the clothes of IPv6 included."""

from __future__ import annotations

import pytest

from transfer.reach import Reach, is_public, is_same_network, reach_of

MACHINE = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
MACHINE += ["2002:7f00:1::", "localhost", "", "1.2.3"]
NETWORK = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"]
NETWORK += ["255.255.255.255", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "::ffff:192.168.1.1"]
NETWORK += ["64:ff9b::c0a8:101", "2002:a00:1::1", "198.18.0.1", "ff02::1"]
INTERNET = ["8.8.8.8", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.128.0.1", "2001:db8::1", "2606:4700::1"]
INTERNET += ["::ffff:8.8.8.8", "64:ff9b::808:808", "203.0.113.5", "11.0.0.1", "223.255.255.255"]


@pytest.mark.parametrize(
    ("host", "reach"),
    [(host, Reach.MACHINE) for host in MACHINE]
    + [(host, Reach.NETWORK) for host in NETWORK]
    + [(host, Reach.INTERNET) for host in INTERNET],
)
def test_the_reach_of_an_address(host: str, reach: Reach) -> None:
    assert reach_of(host) is reach
    assert is_public(host) == (reach is Reach.INTERNET)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("192.168.1.50", "192.168.1.1", True),
        ("192.168.1.50", "192.168.2.1", False),
        ("fd00::1", "fd00::ffff:1", True),
        ("fd00::1", "fd00:0:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("192.168.1.50", "fd00::1", False),
        ("192.168.1.50", "router.home", False),
    ],
)
def test_the_same_network(one: str, other: str, expected: bool) -> None:
    assert is_same_network(one, other) is expected
    assert is_same_network(other, one) is expected
