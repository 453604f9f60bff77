"""What a `PortMapper` needs of a gateway, whichever protocol it speaks; and where the system's gateway is."""

from __future__ import annotations

import socket
import sys
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Protocol

from transfer.address import is_ip_address
from transfer.portmap.values import Grant, MapRequest
from transfer.reach import Reach, reach_of


class Gateway(Protocol):
    """A way to ask for mappings. Every method raises PortMapError, and nothing else, for what is outside."""

    async def map(self, request: MapRequest) -> Grant:
        """Makes a mapping, or makes it last longer."""

    async def unmap(self, grant: Grant) -> None:
        """Takes a mapping back."""

    async def outer_host(self) -> str | None:
        """The gateway's address outside, after `map`; None where it has none or does not say."""

    async def aclose(self) -> None:
        """Closes what is open."""


def default_gateway(*, is_ipv6: bool) -> str | None:
    """The router that packets for the internet go to first; None where there is none, or it cannot be found out.

    Linux says so in /proc. Elsewhere it is guessed that the first address of the network is the router's, which holds
    for nearly all that are sold for homes; nobody but that address is asked.
    """
    if Path("/proc/net/route").exists():
        return _route_v6() if is_ipv6 else _route_v4()
    host = None if is_ipv6 else local_host(None, is_ipv6=False)
    return str(IPv4Address(int(IPv4Address(host)) & 0xFFFFFF00 | 1)) if host is not None else None


def local_host(gateway: str | None, *, is_ipv6: bool, bound: str | None = None) -> str | None:
    """The address of this host that others are to reach through the gateway; None: there is none.

    No packet is sent: a route is looked up.

    Args:
        bound: where the port listens; taken as it is, unless it stands for every address.
    """
    if bound is not None and is_ip_address(bound) and bound not in ("0.0.0.0", "::"):
        return bound
    target = ANYBODY_V6 if is_ipv6 else gateway or ANYBODY_V4
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((target, 9))
            host = str(probe.getsockname()[0])
    except OSError:
        return None
    if is_ipv6 and reach_of(host) is not Reach.INTERNET:
        return None  # nobody can call it from outside, whatever a firewall lets in
    return host


def _route_v4() -> str | None:
    """Hexadecimal, in the byte order of the machine; flags 3: up, and through a gateway."""
    best: tuple[int, str] | None = None
    for line in _lines("/proc/net/route")[1:]:
        words = line.split()
        if len(words) < 8 or words[1] != "00000000" or words[7] != "00000000" or int(words[3], 16) & 3 != 3:
            continue
        packed = int(words[2], 16).to_bytes(4, sys.byteorder)
        metric = int(words[6])
        if best is None or metric < best[0]:
            best = metric, str(IPv4Address(packed))
    return best[1] if best is not None else None


def _route_v6() -> str | None:
    best: tuple[int, str] | None = None
    for line in _lines("/proc/net/ipv6_route"):
        words = line.split()
        if len(words) < 10 or words[:2] != ["0" * 32, "00"] or int(words[8], 16) & 3 != 3:
            continue
        host = IPv6Address(bytes.fromhex(words[4]))
        metric = int(words[5], 16)
        if best is None or metric < best[0]:
            best = metric, f"{host}%{words[9]}" if host.is_link_local else str(host)
    return best[1] if best is not None else None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []


ANYBODY_V4 = "192.0.2.1"  # RFC 5737: a route to it is looked up, nothing is sent
ANYBODY_V6 = "2001:4860::1"  # any address that only a default route leads to
