"""Which network and which subscriber an endpoint belongs to, for the rule that no peer may fill what all share."""

from __future__ import annotations

from functools import lru_cache

from transfer.address import packed_host

IPV4_PREFIX_BYTES = 3  # /24: the smallest block that is routed, hence what one attacker rents
IPV6_PREFIX_BYTES = 6  # /48: what one site gets for the asking
IPV6_6TO4_PREFIX_BYTES = 5  # 2002:a.b.c::/40, so that an IPv4 /24 is no richer by way of 6to4 (RFC 3056)


@lru_cache(maxsize=4096)
def subnet_of(host: str) -> bytes | None:
    """The network prefix of an IP address; None for loopback, private and link-local ones, which are not counted.

    Raises:
        AddressError: `host` is not an IP address.
    """
    packed = packed_host(host)
    if len(packed) == 4:
        return None if _is_uncounted_ipv4(packed[0], packed[1]) else packed[:IPV4_PREFIX_BYTES]
    if _is_uncounted_ipv6(packed):
        return None
    return packed[: IPV6_6TO4_PREFIX_BYTES if packed[:2] == _6TO4 else IPV6_PREFIX_BYTES]


@lru_cache(maxsize=4096)
def subscriber_of(host: str) -> bytes:
    """The subscriber that shares are counted for: an IPv4 address, or a /64, of which one subscriber has all addresses.

    Raises:
        AddressError: `host` is not an IP address.
    """
    packed = packed_host(host)
    return packed if len(packed) == 4 else packed[:8]


@lru_cache(maxsize=4096)
def region_of(host: str) -> bytes | None:
    """The part of the internet that an address is in; None for loopback, private and link-local addresses.

    It is an IPv4 /16 or IPv6 /32, about what one provider holds in one place.

    Raises:
        AddressError: `host` is not an IP address.
    """
    if subnet_of(host) is None:
        return None
    packed = packed_host(host)
    return packed[:2] if len(packed) == 4 else packed[:4]


def _is_uncounted_ipv4(first: int, second: int) -> bool:
    """127/8, 10/8, 192.168/16, 172.16/12, 169.254/16: the ones that BEP 42 exempts.

    Not `ipaddress.is_private`: that differs between versions of Python, holds documentation and reserved ranges, which
    a liar may claim, and takes four times as long.
    """
    if first in (10, 127):
        return True
    return (
        (first == 192 and second == 168) or (first == 172 and second & 0xF0 == 16) or (first == 169 and second == 254)
    )


def _is_uncounted_ipv6(packed: bytes) -> bool:
    """::1, fc00::/7 (RFC 4193) and fe80::/10 (RFC 4291)."""
    return packed[0] & 0xFE == 0xFC or (packed[0] == 0xFE and packed[1] & 0xC0 == 0x80) or packed == _LOOPBACK


_6TO4 = bytes.fromhex("2002")
_LOOPBACK = (1).to_bytes(16, "big")
