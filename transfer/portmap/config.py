"""Bounds and times of port mapping."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.address import Address
from transfer.portmap.values import PortMapMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapConfig:
    """How a gateway is asked.

    Attributes:
        methods: which protocols, in this order; the one that served is asked first from then on.
        lifetime_s: of a mapping. It is renewed at three quarters of what the gateway grants.
        look_interval_s: mappings are renewed at least this often, which is how a restart of the gateway is seen: not
            every one tells (miniupnpd can count its epoch from the start of the machine).
        address_interval_s: how often the address of this host is looked at; a new one is mapped at once.
        answer_timeout_s: for one question over PCP or NAT-PMP; it is repeated meanwhile.
        first_repeat_s: after so long for the first time, then twice as long each time (RFC 6886: 250 ms).
        search_timeout_s: for gateways that speak UPnP to answer; the search is repeated once.
        http_timeout_s: for one question over UPnP.
        round_timeout_s: for all questions of one method together.
        close_timeout_s: for taking the mappings back at the end.
        max_attempts: outer ports that are tried when one is taken.
        retry_s: after no method served; it doubles each time, up to `max_retry_s`.
        max_search_answers: gateways of which one description is read.
        max_body_bytes: of one answer over HTTP.
        gateway: who is asked over PCP and NAT-PMP; None: the system's default gateway.
        gateway_port: see `gateway`.
        search_address: where UPnP gateways are searched for; None: the multicast group of SSDP.
        description: what the gateway's own pages call the mapping.
    """

    methods: tuple[PortMapMethod, ...] = (PortMapMethod.PCP, PortMapMethod.NAT_PMP, PortMapMethod.UPNP)
    lifetime_s: int = 3600
    look_interval_s: float = 300.0
    address_interval_s: float = 15.0
    answer_timeout_s: float = 1.5
    first_repeat_s: float = 0.25
    search_timeout_s: float = 2.0
    http_timeout_s: float = 3.0
    round_timeout_s: float = 12.0
    close_timeout_s: float = 1.0
    max_attempts: int = 5
    retry_s: float = 60.0
    max_retry_s: float = 1800.0
    max_search_answers: int = 4
    max_body_bytes: int = 128 * 1024
    gateway: str | None = None
    gateway_port: int = 5351
    search_address: Address | None = None
    description: str = "kademlia-core"

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{name} must be positive")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError("methods must name at least one, and none twice")
        if self.retry_s > self.max_retry_s:
            raise ValueError("retry_s must not exceed max_retry_s")
        if self.gateway_port > 65535:
            raise ValueError("gateway_port must be a port")
