"""Sockets that send to a group of the local network and hear what others send there."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from ipaddress import IPv6Address
from pathlib import Path

from transfer.address import Address


def ipv4_socket(group: Address, interface: str) -> socket.socket:
    """Hears what is sent to the group on one interface, together with others on this machine, and sends there.

    Raises:
        OSError: there is no multicast.
    """
    made = _shared_socket(socket.AF_INET)
    try:
        # Windows cannot bind to a group; elsewhere nothing but what is sent to the group shall come in.
        made.bind(("" if sys.platform == "win32" else group.host, group.port))
        membership = struct.pack("4s4s", socket.inet_aton(group.host), socket.inet_aton(interface))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except BaseException:
        made.close()
        raise
    return made


def ipv6_socket(group: Address, index: int) -> socket.socket:
    """The same over IPv6, where an interface has a number instead of an address.

    Raises:
        OSError: there is no multicast.
    """
    made = _shared_socket(socket.AF_INET6)
    try:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if sys.platform.startswith("linux"):  # else each socket hears what the others joined on their interfaces
            with suppress(OSError):
                made.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
        made.bind(("" if sys.platform == "win32" else group.host, group.port))
        membership = IPv6Address(group.host).packed + struct.pack("@I", index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    except BaseException:
        made.close()
        raise
    return made


def ipv6_interfaces(host: str) -> list[int]:
    """The numbers of the interfaces that lead to `host` here: that which has the address, or all for "::".

    Loopback is one of them only when it is asked for. Where a system does not say which interface has an address, it
    is 0: the one that the system takes for multicast.
    """
    names = {name: index for index, name in socket.if_nameindex()}
    addresses = _addresses()
    if host == "::":
        loopback = {name for name, address in addresses if address.is_loopback} or {"lo", "lo0"}
        return [index for name, index in names.items() if name not in loopback][:MAX_INTERFACES]
    wanted = IPv6Address(host.partition("%")[0])
    found = {names[name] for name, address in addresses if address == wanted and name in names}
    return sorted(found) or [0]


def _addresses() -> list[tuple[str, IPv6Address]]:
    """Which interface has which address, as Linux says it; nothing elsewhere."""
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
    rows = [line.split() for line in lines]
    return [(row[5], IPv6Address(bytes.fromhex(row[0]))) for row in rows if len(row) > 5]


def _shared_socket(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        made.close()
        raise
    return made


IPV6_MULTICAST_ALL = 29  # linux/in6.h
MAX_INTERFACES = 16
