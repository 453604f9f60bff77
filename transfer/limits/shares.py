"""What shares are counted for: hosts and their networks. No host is exempt here: who is, a setting says."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from transfer.address import AddressError
from transfer.subnet import IPV4_PREFIX_BYTES, IPV6_PREFIX_BYTES, subscriber_of

LOOPBACK = ("127.0.0.0/8", "::1/128")


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


@lru_cache(maxsize=4096)
def share_name(host: str) -> str:
    """What `share_of` stands for, as people write it."""
    return _name(host, 32, 64)


@lru_cache(maxsize=4096)
def network_name(host: str) -> str:
    """What `network_of` stands for, as people write it."""
    return _name(host, 24, 48)


class Networks:
    """A list of networks, for settings: each an address or a CIDR.

    Raises:
        ValueError: one of them is neither; the message names it.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        networks = [_parse(text) for text in texts]
        self._ipv4 = [net for net in networks if isinstance(net, IPv4Network)]
        self._ipv6 = [net for net in networks if isinstance(net, IPv6Network)]
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._ipv4 or self._ipv6)

    def __contains__(self, host: str) -> bool:
        """Whether a host is in one of them; a name that is no IP address is in none."""
        found = self._known.get(host)
        if found is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[host] = self._look(host)
        return found

    def _look(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.version == 4:
            return any(address in network for network in self._ipv4)
        return any(address in network for network in self._ipv6)


def _parse(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address and no network such as 192.168.0.0/16") from None


def _name(host: str, ipv4_bits: int, ipv6_bits: int) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    bits = ipv4_bits if address.version == 4 else ipv6_bits
    network = ip_network((address, bits), strict=False)
    return str(network.network_address) if bits == 32 else str(network)


MAX_KNOWN = 4096
