"""Datagrams for many hosts at once: multicast groups and broadcasts reach the hosts of one local network.

A local network is all hosts behind one NAT box; among hosts with public addresses it is a /24 of IPv4 or a /64 of
IPv6. Each of them gets a copy over its own link from the sender, with that link's delay and loss. A socket hears a
group that it has joined, and a broadcast when it is bound to no address in particular.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from zlib import crc32

from transfer.simulation.host import WILDCARDS, Endpoint, Host, is_loopback, is_multicast
from transfer.simulation.link import DROPPED
from transfer.simulation.network import FILTERED, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transfer.simulation.datagrams import DatagramEndpoint
    from transfer.simulation.network import Network


def send_to_group(
    network: Network, host: Host, source: Endpoint, group: Endpoint, data: bytes, *, hears_itself: bool
) -> None:
    """Sends one copy to each host of the sender's local network on which a socket might hear it."""
    network.datagrams += 1
    kind = "multicast" if is_multicast(group[0]) else "broadcast"
    now_us = network.loop.scheduler.now_us
    size, check = len(data), crc32(data)
    if not host.is_up:
        return
    leaves_us = now_us
    if host.uplink is not None and not is_loopback(source[0]):
        leaves_us = host.uplink.send(size + 28, now_us)
        if leaves_us < 0:
            network.note(kind, source, group, size, check, DROPPED)
            return
    count = 0
    for found in list(neighbours(network, host, source[0])):
        if (found is host and not hears_itself) or not any(hears(endpoint, source, group) for endpoint in found.udp):
            continue
        count += 1
        target = (source[0] if found is host else found.source_for(source[0]), group[1])
        fault = network.verdict(host, found) if network.faults else None
        copy = Copy(network, found, source, group, data)
        if fault is not None:
            network.note(kind, source, target, size, check, fault.code)
            if fault.holds:
                fault.hold(copy)
            continue
        if found.firewall is not None and not found.firewall.admits("udp", source, target, now_us):
            network.note(kind, source, target, size, check, FILTERED)
            continue
        arrives_us = network.link_between(host, found).datagram_us(host.index, found.index, size, leaves_us)
        network.note(kind, source, target, size, check, arrives_us if arrives_us < 0 else arrives_us - now_us)
        if arrives_us >= 0:
            network.loop.scheduler.schedule(arrives_us, copy)
    if not count:
        network.note(kind, source, group, size, check, UNREACHABLE)


class Copy:
    """A datagram to a group on its way to one host; there it goes to every socket that hears it by then."""

    __slots__ = ("_data", "_group", "_host", "_network", "_source", "_through_access")
    _cancelled = False

    def __init__(self, network: Network, host: Host, source: Endpoint, group: Endpoint, data: bytes) -> None:
        self._network = network
        self._host = host
        self._source = source
        self._group = group
        self._data = data
        self._through_access = False

    def _run(self) -> None:
        host = self._host
        if host.downlink is not None and not self._through_access and not is_loopback(self._source[0]):
            arrives_us = host.downlink.send(len(self._data) + 28, self._network.loop.scheduler.now_us)
            if arrives_us >= 0:
                self._through_access = True
                self._network.loop.scheduler.schedule(arrives_us, self)
            return
        for endpoint in list(host.udp):
            if hears(endpoint, self._source, self._group):
                endpoint.receive(self._data, self._source)


def hears(endpoint: DatagramEndpoint, source: Endpoint, group: Endpoint) -> bool:
    """Whether a datagram to `group` is for this socket."""
    ip, port = endpoint.local
    if port != group[1] or (ip not in WILDCARDS and ip != group[0]) or (":" in ip) is not (":" in group[0]):
        return False
    return not is_multicast(group[0]) or (group[0], is_loopback(source[0])) in endpoint.options.groups


def neighbours(network: Network, host: Host, source_ip: str) -> Iterator[Host]:
    """The hosts of the local network of an address, itself included, in the order in which they were made."""
    if is_loopback(source_ip):
        yield host
        return
    is_public = host.realm is network.public
    wanted = _prefix(source_ip)
    for found in dict.fromkeys(host.realm.hosts.values()):
        if found is host or any(
            (":" in ip) is (":" in source_ip) and (not is_public or _prefix(ip) == wanted) for ip in found.addresses
        ):
            yield found


def _prefix(ip: str) -> int:
    address = ip_address(ip)
    return int(address) >> (64 if address.version == 6 else 8)
