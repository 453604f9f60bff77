"""The simulated network: which hosts there are, which way a packet takes, and when it arrives."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING
from zlib import crc32

from transfer.simulation.host import Endpoint, Host, Realm, canonical_ip, current_boot, is_loopback
from transfer.simulation.link import DROPPED, LOST, Link, LinkModel
from transfer.simulation.names import NameTable
from transfer.simulation.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfer.simulation.faults import Fault
    from transfer.simulation.loop import SimulationLoop
    from transfer.simulation.nat import Nat
    from transfer.simulation.scheduler import Scheduler


class Network:
    """Hosts and the links between them.

    Args:
        seed: of every random choice on the network; the program under simulation draws from elsewhere.
        link: between any two hosts that have no link of their own.
    """

    def __init__(self, *, seed: int, link: Link) -> None:
        self.rng = random.Random(f"network {seed}")
        self.trace = Trace()
        self.names = NameTable()
        self.public = Realm("public")
        self.hosts: list[Host] = []
        self.datagrams = 0
        self.faults: list[Fault] = []
        self.has_crashes = False
        self.loop: SimulationLoop
        self._default = LinkModel(link, self.rng)
        self._inside = LinkModel(Link(delay_s=LOOPBACK_DELAY_S, mtu_bytes=65_536), self.rng)
        self._links: dict[tuple[int, int], LinkModel] = {}
        self._scheduler: Scheduler
        self._home: Host | None = None

    def attach(self, loop: SimulationLoop) -> None:
        self.loop = loop
        self._scheduler = loop.scheduler

    # Hosts and links.

    def host(self, addresses: Iterable[str], *, behind: Nat | None = None) -> Host:
        """The host with these addresses; made when the first of them is new.

        Raises:
            ValueError: no address, not an IP address, or one that belongs to another host or NAT box.
        """
        wanted = tuple(map(canonical_ip, addresses))
        if not wanted:
            raise ValueError("a host needs at least one IP address")
        realm = behind.inside if behind is not None else self.public
        known = realm.hosts.get(wanted[0])
        if known is None:
            known = Host(len(self.hosts), realm, wanted)
            self.hosts.append(known)
            fresh = wanted
        else:
            fresh = tuple(ip for ip in wanted if ip not in known.addresses)
        for ip in fresh:
            if realm.hosts.setdefault(ip, known) is not known or ip in realm.nats:
                raise ValueError(f"{ip} already belongs to another host")
        if fresh is not wanted:
            known.addresses = (*known.addresses, *fresh)
        return known

    def here(self) -> Host:
        """The host that the running code is on: outside any, a machine at 192.0.2.1.

        Raises:
            OSError: the code was started before a crash of its host.
        """
        boot = current_boot.get()
        if boot is None:
            if self._home is None:
                self._home = self.host(HOME_ADDRESSES)
            return self._home
        if not boot.is_alive:
            raise OSError(
                errno.ENETDOWN, f"{os.strerror(errno.ENETDOWN)}: this code ran on {boot.host} until it crashed"
            )
        return boot.host

    def set_link(self, source: Host, target: Host, link: Link) -> None:
        """Gives one direction between two hosts a link of its own."""
        self._links[(source.index, target.index)] = LinkModel(link, self.rng)

    def set_default_link(self, link: Link) -> None:
        self._default = LinkModel(link, self.rng)

    def link_between(self, source: Host, target: Host) -> LinkModel:
        if source is target:
            return self._inside
        if self._links:
            return self._links.get((source.index, target.index), self._default)
        return self._default

    # The way of a packet.

    def route(self, host: Host, protocol: str, source: Endpoint, target: Endpoint) -> Route | None:
        """Through NAT boxes to the host that `target` stands for; None when no host has that address."""
        ip = target[0]
        if is_loopback(ip) and ip not in host.realm.hosts:
            return Route(host, host.loopback, source, target)
        realm = host.realm
        for _ in range(MAX_NAT_DEPTH):
            found = realm.hosts.get(target[0])
            if found is not None:
                return Route(found, realm, source, target)
            box = realm.nats.get(target[0])
            now_us = self._scheduler.now_us
            if box is not None:
                inside = box.inbound(protocol, target[1], source, now_us)
                if inside is None:
                    return None
                realm, target = box.inside, inside
            elif realm.gateway is not None:
                box = realm.gateway
                source = box.outbound(protocol, source, target, now_us)
                realm = box.outside
            else:
                return None
        return None

    def verdict(self, source: Host, target: Host) -> Fault | None:
        """The first fault that keeps packets from going this way."""
        for fault in self.faults:
            if fault.concerns(source, target):
                return fault
        return None

    # Datagrams.

    def send_datagram(self, host: Host, source: Endpoint, target: Endpoint, data: bytes) -> None:
        """Sends towards `target`; where the network loses it, only the trace knows."""
        self.datagrams += 1
        scheduler = self._scheduler
        now_us = scheduler.now_us
        realm = host.realm
        found = realm.hosts.get(target[0])
        seen_source, seen_target = source, target
        if found is None:
            way = self.route(host, "udp", source, target)
            if way is None:
                self._note_datagram("udp", source, target, data, UNREACHABLE)
                return
            found, realm, seen_source, seen_target = way.host, way.realm, way.source, way.target
        if not host.is_up:
            return
        if self.faults and (fault := self.verdict(host, found)) is not None:
            self._note_datagram("udp", source, target, data, fault.code)
            if fault.holds:
                fault.hold(Arrival(self, found, realm, seen_source, seen_target, data))
            return
        if host.firewall is not None:
            host.firewall.sent("udp", source, target, now_us)
        if (found.firewall is not None) and not found.firewall.admits("udp", seen_source, seen_target, now_us):
            self._note_datagram("udp", source, target, data, FILTERED)
            return

        size = len(data)
        leaves_us = now_us
        if host.uplink is not None:
            leaves_us = host.uplink.send(size + 28, now_us)
            if leaves_us < 0:
                self._note_datagram("udp", source, target, data, DROPPED)
                return
        link = self.link_between(host, found)
        arrives_us = link.datagram_us(host.index, found.index, size, leaves_us)
        self.trace.add(
            (
                now_us,
                scheduler.sequence,
                "udp",
                source,
                target,
                size,
                crc32(data),
                arrives_us if arrives_us < 0 else arrives_us - now_us,
            )
        )
        if arrives_us < 0:
            return
        if link.oddities:
            arrives_us, again_us = link.second_copy_us(arrives_us)
            if again_us:
                scheduler.schedule(again_us, Arrival(self, found, realm, seen_source, seen_target, data))
        scheduler.schedule(arrives_us, Arrival(self, found, realm, seen_source, seen_target, data))

    def note(self, kind: str, source: Endpoint, target: Endpoint, size: int = 0, check: int = 0, code: int = 0) -> None:
        """Adds an event of virtual now to the trace."""
        self.trace.add((self._scheduler.now_us, self._scheduler.sequence, kind, source, target, size, check, code))

    def _note_datagram(self, kind: str, source: Endpoint, target: Endpoint, data: bytes, code: int) -> None:
        self.note(kind, source, target, len(data), crc32(data), code)


class Route:
    """Where a packet ends, and what its two ends look like from there."""

    __slots__ = ("host", "realm", "source", "target")

    def __init__(self, host: Host, realm: Realm, source: Endpoint, target: Endpoint) -> None:
        self.host = host
        self.realm = realm
        self.source = source
        self.target = target


class Arrival:
    """A datagram under way; it goes to the socket that has bound its target by then."""

    __slots__ = ("_data", "_host", "_network", "_realm", "_source", "_target", "_through_access")
    _cancelled = False

    def __init__(
        self, network: Network, host: Host, realm: Realm, source: Endpoint, target: Endpoint, data: bytes
    ) -> None:
        self._network = network
        self._host = host
        self._realm = realm
        self._source = source
        self._target = target
        self._data = data
        self._through_access = False

    def _run(self) -> None:
        host = self._host
        if host.downlink is not None and not self._through_access:
            self._pass_access()
            return
        endpoint = self._realm.udp.get(self._target)
        if endpoint is not None:
            endpoint.receive(self._data, self._source)
        elif host.is_up:
            self._network.note("unreachable", self._source, self._target, len(self._data))
            self._report_unreachable()

    def _pass_access(self) -> None:
        """Through the access line of the receiver, in the order of arrival there."""
        network, downlink = self._network, self._host.downlink
        if downlink is None:
            return
        arrives_us = downlink.send(len(self._data) + 28, network._scheduler.now_us)
        if arrives_us < 0:
            network.note("udp", self._source, self._target, len(self._data), 0, DROPPED)
            return
        self._through_access = True
        network._scheduler.schedule(arrives_us, self)

    def _report_unreachable(self) -> None:
        """As ICMP would: only a sender that has connected its socket to this target is told (RFC 1122, 4.1.3.3)."""
        sender = self._realm.udp.get(self._source)
        if sender is not None and sender.remote == self._target:
            delay_us = self._network.link_between(self._host, sender.host).delay_us(self._host.index, sender.host.index)
            self._network.loop.call_later(delay_us / 1e6, sender.refuse)


UNREACHABLE = -3
FILTERED = -4
VERDICTS = {LOST: "lost", DROPPED: "queue full", UNREACHABLE: "no such host", FILTERED: "filtered"}
LOOPBACK_DELAY_S = 0.00002
HOME_ADDRESSES = ("192.0.2.1", "2001:db8::1")  # RFC 5737, RFC 3849: for documentation, so hardly in use
MAX_NAT_DEPTH = 8
