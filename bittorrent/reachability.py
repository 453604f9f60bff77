"""Where others reach a session, and what shows that they can: one port, one address, and who called."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.address import Address
from transfer.external_address import ExternalAddress, ExternalAddressConfig
from transfer.portmap.values import PortMapStatus
from transfer.reach import Reach, reach_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachabilityStats:
    """A session as others see it, at one moment.

    Attributes:
        listen: where it listens.
        local_host: the address of this host that leads to others; None: it is in no network.
        port: what trackers, the DHT and peers are told: that of the mapping, if there is one.
        mapping: what became of the mapping at the gateway; None: it is not wanted.
        seen_as: addresses at which peers and trackers see us, with how many networks say so, most first.
        dht_seen_as: the same, of DHT nodes.
        external_host: which of them is believed; None so far.
        callers: peers from the internet that called us and completed their handshake.
        local_callers: the same, of those in this network and on this machine.
        last_caller: the last of `callers`.
        dht_unsolicited: queries of DHT nodes that this node had not spoken to before; None without a node.
    """

    listen: Address
    local_host: str | None
    port: int
    mapping: PortMapStatus | None
    seen_as: tuple[tuple[str, int], ...]
    dht_seen_as: tuple[tuple[str, int], ...]
    external_host: str | None
    callers: int
    local_callers: int
    last_caller: Address | None
    dht_unsolicited: int | None


class ReachabilityCore:
    """Puts together what peers, trackers, the DHT and the gateway tell.

    Args:
        listen: where the session listens.
        is_behind_nat: what leaves for the internet gets another address on the way.
    """

    def __init__(self, listen: Address, config: ExternalAddressConfig, *, is_behind_nat: bool = False) -> None:
        self.listen = listen
        self._is_behind_nat = is_behind_nat
        self.external = ExternalAddress(config, is_ipv6=listen.is_ipv6)
        self.mapping: PortMapStatus | None = None
        self.callers = 0
        self.local_callers = 0
        self.last_caller: Address | None = None

    def receive_vote(self, voter: Address, host: str, *, now: float) -> None:
        """A peer or a tracker says at which address it sees us."""
        self.external.on_vote(voter, Address(host, self.port), now=now)

    def receive_mapping(self, status: PortMapStatus) -> None:
        """The gateway did something, or did not."""
        self.mapping = status

    def receive_caller(self, caller: Address) -> None:
        """A peer called us, and its handshake was in order."""
        if reach_of(caller.host) is Reach.INTERNET:
            self.callers += 1
            self.last_caller = caller
        else:
            self.local_callers += 1

    @property
    def port(self) -> int:
        """What others are told."""
        mapped = self.mapping.tcp_port if self.mapping is not None else None
        return mapped or self.listen.port

    @property
    def needs_introductions(self) -> bool:
        """Whether others cannot just call us: there is a NAT, and nobody has opened it, or only one of several.

        Those who know us must know the port of our datagrams then, to bring us together with others (BEP 55).
        """
        mapping = self.mapping
        if not self._is_behind_nat or mapping is None or mapping.tcp_port is None or mapping.is_behind_another_nat:
            return self._is_behind_nat
        seen = self.external.agreed
        return seen is not None and mapping.external_host is not None and seen != mapping.external_host

    @property
    def is_mapped_elsewhere(self) -> bool:
        """Whether the port outside has another number than ours."""
        return self.port != self.listen.port

    def external_host(self, dht: str | None = None) -> str | None:
        """Our address, as peers and trackers agree; or else as the DHT does, or as the gateway says.

        Args:
            dht: what the DHT agrees on, if it does.
        """
        said = self.external.agreed or dht
        if said is None and self.mapping is not None and not self.mapping.is_behind_another_nat:
            said = self.mapping.external_host
        return said
