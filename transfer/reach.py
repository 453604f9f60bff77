"""How far away an IP address can be seen: the internet, one network, or this machine alone."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


class Reach(IntEnum):
    """From where an address leads to the same host; more is farther."""

    MACHINE = 0  # loopback, and what a system takes for it
    NETWORK = 1  # private, link-local and shared networks
    INTERNET = 2


@lru_cache(maxsize=4096)
def reach_of(host: str) -> Reach:
    """Of an IP address.

    An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) has that one's reach; a name has the least, since
    it is not known where it leads.

    Not `ipaddress.is_global`: what that says differs between versions of Python.
    """
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return Reach.MACHINE
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is None:
            return _reach_in(ip, _MACHINE_V6, _NETWORK_V6)
        ip = inner
    return _reach_in(ip, _MACHINE_V4, _NETWORK_V4)


def is_public(host: str) -> bool:
    """Whether an IP address belongs to the internet at large; False for what is no address."""
    return reach_of(host) is Reach.INTERNET


def is_same_network(one: str, other: str) -> bool:
    """Whether two IP addresses are as near as those of one usual network: a /24 of IPv4, a /64 of IPv6.

    The real size of a network is known to the system alone, and cannot be asked for everywhere.
    """
    try:
        first, second = ip_address(one.partition("%")[0]), ip_address(other.partition("%")[0])
    except ValueError:
        return False
    size = 3 if first.version == 4 else 8
    return first.version == second.version and first.packed[:size] == second.packed[:size]


def _reach_in(
    ip: IPv4Address | IPv6Address,
    machine: tuple[IPv4Network | IPv6Network, ...],
    network: tuple[IPv4Network | IPv6Network, ...],
) -> Reach:
    if any(ip in part for part in machine):
        return Reach.MACHINE
    return Reach.NETWORK if any(ip in part for part in network) else Reach.INTERNET


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, if it is that kind."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    return IPv4Address(ip.packed[12:]) if ip in _NAT64 else None


_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
# 0.0.0.0/8 is "this host" to most systems (RFC 1122).
_MACHINE_V4 = (IPv4Network("127.0.0.0/8"), IPv4Network("0.0.0.0/8"))
_NETWORK_V4 = tuple(
    map(
        IPv4Network,
        (
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",  # link-local (RFC 3927), where clouds keep their secrets
            "100.64.0.0/10",  # shared by the customers of a provider (RFC 6598), and by overlay networks
            "192.0.0.0/24",  # for protocols (RFC 6890)
            "198.18.0.0/15",  # for measuring devices (RFC 2544)
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
_MACHINE_V6 = (IPv6Network("::/127"),)
_NETWORK_V6 = tuple(
    map(
        IPv6Network,
        (
            "fc00::/7",  # RFC 4193
            "fe80::/10",  # link-local
            "fec0::/10",  # site-local, in use in spite of RFC 3879
            "64:ff9b:1::/48",  # NAT64 of one network (RFC 8215)
            "ff00::/8",
        ),
    )
)
