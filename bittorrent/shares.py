"""What shares of connections are counted for. No host is exempt: programs of this machine must not keep others out."""

from __future__ import annotations

from transfer.address import AddressError
from transfer.subnet import IPV4_PREFIX_BYTES, IPV6_PREFIX_BYTES, subscriber_of


def share_of(host: str) -> bytes:
    """An IPv4 address, the /64 of an IPv6 address, or a host that is not named by an IP address."""
    try:
        return subscriber_of(host)
    except AddressError:
        return host.encode()


def network_of(host: str) -> bytes:
    """The IPv4 /24 or the IPv6 /48 of a host, or the host itself if it is not named by an IP address."""
    try:
        share = subscriber_of(host)
    except AddressError:
        return host.encode()
    return share[: IPV4_PREFIX_BYTES if len(share) == 4 else IPV6_PREFIX_BYTES]
