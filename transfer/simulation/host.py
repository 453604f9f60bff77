"""The machines of a simulated network, and which of them the running code is on."""

from __future__ import annotations

import errno
import os
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.simulation.datagrams import DatagramEndpoint
    from transfer.simulation.disk import Disk
    from transfer.simulation.link import Pipe
    from transfer.simulation.nat import Firewall, Nat
    from transfer.simulation.server import ListeningAddress
    from transfer.simulation.streams import SimulatedStream

Endpoint = tuple[str, int]


class Host:
    """One machine: its addresses, what is bound on it, and its own side of the wire.

    Code runs on a host inside `with simulation.host(address):`, and so do the tasks and callbacks that it starts.

    Attributes:
        addresses: its IP addresses, the first of each family being the one that it sends from.
        is_up: False from a crash until it is started again.
        boot: the present boot, or the last one while it is down.
        uplink: its access line in each direction, shared by all its traffic; None is an infinite one.
        downlink: see `uplink`.
        firewall: what it lets in; None lets in everything.
        congestion: the congestion controller of what it sends over new connections; None: that of all hosts.
    """

    __slots__ = (
        "_next_port",
        "addresses",
        "boot",
        "congestion",
        "connections",
        "disk",
        "downlink",
        "firewall",
        "index",
        "listeners",
        "loopback",
        "realm",
        "udp",
        "uplink",
    )

    def __init__(self, index: int, realm: Realm, addresses: tuple[str, ...]) -> None:
        self.index = index
        self.realm = realm
        self.addresses = addresses
        self.boot = Boot(self)
        self.uplink: Pipe | None = None
        self.downlink: Pipe | None = None
        self.firewall: Firewall | None = None
        self.congestion: str | None = None
        self.disk: Disk | None = None
        self.udp: dict[DatagramEndpoint, None] = {}
        self.listeners: dict[ListeningAddress, None] = {}
        self.connections: dict[SimulatedStream, None] = {}
        self.loopback = Realm(f"{addresses[0]} itself")
        self._next_port = FIRST_EPHEMERAL_PORT

    @property
    def is_up(self) -> bool:
        return self.boot.is_alive

    def source_for(self, target_ip: str) -> str:
        """The address that a packet to `target_ip` leaves from.

        Raises:
            OSError: no address of that family.
        """
        is_ipv6 = ":" in target_ip
        for address in self.addresses:
            if (":" in address) == is_ipv6:
                return address
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    def local_addresses(self, ip: str) -> tuple[str, ...]:
        """The addresses that a socket bound to `ip` answers to.

        Raises:
            OSError: `ip` is not one of this host's.
        """
        if ip in WILDCARDS:
            return (*(address for address in self.addresses if (":" in address) == (":" in ip)), LOOPBACK[ip])
        if ip in self.addresses or is_loopback(ip) or self.is_group(ip):
            return (ip,)
        raise OSError(errno.EADDRNOTAVAIL, f"{os.strerror(errno.EADDRNOTAVAIL)}: {ip} is not an address of {self}")

    def table_for(self, ip: str) -> Realm:
        """Where sockets on `ip` are found: the network around this host, or this host alone."""
        return self.loopback if (is_loopback(ip) or self.is_group(ip)) and ip not in self.addresses else self.realm

    def is_group(self, ip: str) -> bool:
        """Whether a datagram to `ip` goes to all that listen: multicast, or a broadcast to all or to its /24."""
        if ":" in ip or not ip.endswith(".255") or ip == "255.255.255.255":
            return ip == "255.255.255.255" or is_multicast(ip)
        network = ip.rpartition(".")[0]
        return is_multicast(ip) or any(network == address.rpartition(".")[0] for address in self.addresses)

    def free_port(self, taken: dict[Endpoint, DatagramEndpoint] | dict[Endpoint, ListeningAddress], ip: str) -> int:
        """The next port that no socket is bound to; ports are not reused before the range has been gone through.

        Raises:
            OSError: all are taken.
        """
        for _ in range(PORTS - FIRST_EPHEMERAL_PORT):
            port = self._next_port
            self._next_port = port + 1 if port + 1 < PORTS else FIRST_EPHEMERAL_PORT
            if (ip, port) not in taken:
                return port
        raise OSError(errno.EADDRINUSE, f"all ports of {ip} are in use")

    def __str__(self) -> str:
        return self.addresses[0]

    def __repr__(self) -> str:
        return f"<Host {', '.join(self.addresses)}{'' if self.is_up else ' (down)'}>"


class Boot:
    """The time of a host from one start to the next crash. Code belongs to the boot that it was started in."""

    __slots__ = ("host", "is_alive")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.is_alive = True


class Realm:
    """Hosts that reach one another directly: the public network, or what is behind one NAT box."""

    __slots__ = ("gateway", "hosts", "listeners", "name", "nats", "udp")

    def __init__(self, name: str, gateway: Nat | None = None) -> None:
        self.name = name
        self.gateway = gateway
        self.hosts: dict[str, Host] = {}
        self.nats: dict[str, Nat] = {}
        self.udp: dict[Endpoint, DatagramEndpoint] = {}
        self.listeners: dict[Endpoint, ListeningAddress] = {}


@lru_cache(maxsize=65_536)
def canonical_ip(text: str) -> str:
    """The one spelling by which the network knows an address; an IPv4-mapped IPv6 address is its IPv4 address.

    Raises:
        ValueError: not an IP address.
    """
    address = ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def is_loopback(ip: str) -> bool:
    return ip.startswith("127.") or ip == "::1"


def is_multicast(ip: str) -> bool:
    """RFC 5771: 224.0.0.0/4; RFC 4291, section 2.7: ff00::/8."""
    return ip.startswith("ff") if ":" in ip else 224 <= int(ip.partition(".")[0]) < 240


current_boot: ContextVar[Boot | None] = ContextVar("simulated_boot", default=None)
WILDCARDS = ("0.0.0.0", "::")
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
FIRST_EPHEMERAL_PORT = 49152  # RFC 6335, section 6
PORTS = 65536
