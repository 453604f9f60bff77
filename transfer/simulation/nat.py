"""NAT boxes of the four classic kinds (RFC 3489, section 5) and host firewalls."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from transfer.simulation.host import Endpoint, Realm


class NatKind(Enum):
    """Which hosts may send to a port that the box has opened.

    RFC 4787 calls the first three endpoint-independent mappings with, in this order, endpoint-independent,
    address-dependent, and address-and-port-dependent filtering; the last is address-and-port-dependent in both.
    """

    FULL_CONE = "full cone"
    RESTRICTED = "restricted cone"
    PORT_RESTRICTED = "port-restricted cone"
    SYMMETRIC = "symmetric"


class Nat:
    """A box between an inner network and an outer one, with one address outside.

    Args:
        outside: the network that the box is part of.
        address: its IP address there.
        hairpin: whether inner hosts reach one another through the outer address (RFC 4787, REQ-9, wants it).
        udp_timeout_s: silence after which an opened port closes (RFC 4787, REQ-5; RFC 5382, REQ-5).
        tcp_timeout_s: see `udp_timeout_s`.
    """

    def __init__(
        self,
        outside: Realm,
        address: str,
        *,
        kind: NatKind,
        hairpin: bool = True,
        udp_timeout_s: float = 120.0,
        tcp_timeout_s: float = 7440.0,
    ) -> None:
        if address in outside.hosts or address in outside.nats:
            raise ValueError(f"{address} already belongs to another host")
        if udp_timeout_s <= 0 or tcp_timeout_s <= 0:
            raise ValueError("timeouts must be positive")
        self.kind = kind
        self.address = address
        self.outside = outside
        self.inside = Realm(f"behind {address}", gateway=self)
        self._hairpin = hairpin
        self._timeout_us = {"udp": round(udp_timeout_s * 1e6), "tcp": round(tcp_timeout_s * 1e6)}
        self._by_inside: dict[tuple[str, Endpoint, Endpoint | None], Mapping] = {}
        self._by_port: dict[tuple[str, int], Mapping] = {}
        self._next_port = FIRST_PORT
        outside.nats[address] = self

    def outbound(self, protocol: str, source: Endpoint, target: Endpoint, now_us: int) -> Endpoint:
        """What a packet from an inner `source` looks like outside; opens or refreshes a port."""
        key = (protocol, source, target if self.kind is NatKind.SYMMETRIC else None)
        mapping = self._by_inside.get(key)
        if mapping is not None and now_us - mapping.used_at_us > self._timeout_us[protocol]:
            del self._by_port[(protocol, mapping.port)]
            mapping = None
        if mapping is None:
            mapping = Mapping(source, self._free_port(protocol, now_us))
            self._by_inside[key] = mapping
            self._by_port[(protocol, mapping.port)] = mapping
        mapping.used_at_us = now_us
        mapping.contacted[target] = now_us
        mapping.contacted_hosts[target[0]] = now_us
        return self.address, mapping.port

    def inbound(self, protocol: str, port: int, source: Endpoint, now_us: int) -> Endpoint | None:
        """The inner endpoint that a packet to the outer `port` goes to, None when it is filtered."""
        mapping = self._by_port.get((protocol, port))
        if mapping is None:
            return None
        oldest_us = now_us - self._timeout_us[protocol]
        if mapping.used_at_us < oldest_us or (source[0] == self.address and not self._hairpin):
            return None
        if self.kind is NatKind.FULL_CONE:
            return mapping.inside
        if self.kind is NatKind.RESTRICTED:
            return mapping.inside if mapping.contacted_hosts.get(source[0], -1) >= max(oldest_us, 0) else None
        return mapping.inside if mapping.contacted.get(source, -1) >= max(oldest_us, 0) else None

    def _free_port(self, protocol: str, now_us: int) -> int:
        """The next port, in turn; one whose mapping has timed out may be taken over."""
        for _ in range(65_536 - FIRST_PORT):
            port = self._next_port
            self._next_port = port + 1 if port < 65_535 else FIRST_PORT
            mapping = self._by_port.get((protocol, port))
            if mapping is None:
                return port
            if now_us - mapping.used_at_us > self._timeout_us[protocol]:
                self._by_inside = {key: kept for key, kept in self._by_inside.items() if kept is not mapping}
                return port
        raise OSError(f"the NAT box {self.address} has no free port left")


class Mapping:
    """A port that a NAT box has opened."""

    __slots__ = ("contacted", "contacted_hosts", "inside", "port", "used_at_us")

    def __init__(self, inside: Endpoint, port: int) -> None:
        self.inside = inside
        self.port = port
        self.used_at_us = 0
        self.contacted: dict[Endpoint, int] = {}
        self.contacted_hosts: dict[str, int] = {}


class Firewall:
    """Lets in answers, and whatever goes to an open port.

    Args:
        open_tcp: ports that every host may reach.
        open_udp: see `open_tcp`.
        memory_s: how long after the last packet out an endpoint may still answer.
    """

    def __init__(self, *, open_tcp: Iterable[int] = (), open_udp: Iterable[int] = (), memory_s: float = 120.0) -> None:
        self._open = {"tcp": frozenset(open_tcp), "udp": frozenset(open_udp)}
        self._memory_us = round(memory_s * 1e6)
        self._sent: dict[tuple[str, int, Endpoint], int] = {}

    def sent(self, protocol: str, source: Endpoint, target: Endpoint, now_us: int) -> None:
        """A packet left from `source`, a port of this host."""
        self._sent[(protocol, source[1], target)] = now_us

    def admits(self, protocol: str, source: Endpoint, target: Endpoint, now_us: int) -> bool:
        """Whether a packet from `source` to `target`, a port of this host, comes in."""
        if target[1] in self._open[protocol]:
            return True
        sent_at_us = self._sent.get((protocol, target[1], source))
        return sent_at_us is not None and now_us - sent_at_us <= self._memory_us


FIRST_PORT = 1024
