"""Which network an endpoint belongs to, for the rule that no network may fill a routing table."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address

IPV4_PREFIX_BYTES = 3  # /24: the smallest block that is routed, hence what one attacker rents
IPV6_PREFIX_BYTES = 8  # /64: what one subscriber gets at least


@lru_cache(maxsize=4096)
def subnet_of(host: str) -> bytes | None:
    """The network prefix of an IP address; None for loopback, private and link-local ones, which are not counted.

    Raises:
        ValueError: `host` is not an IP address.
    """
    ip = ip_address(host)
    if ip.is_private or ip.is_link_local:
        return None
    return ip.packed[: IPV4_PREFIX_BYTES if ip.version == 4 else IPV6_PREFIX_BYTES]
