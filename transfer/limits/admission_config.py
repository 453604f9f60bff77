"""How many connections there may be: the first of the three layers of limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transfer.limits.half_open import HalfOpenConfig
from transfer.limits.machine import UNKNOWN, Machine
from transfer.limits.resources import ScopeLimits
from transfer.limits.shares import LOOPBACK, Networks
from transfer.limits.source_limiter import RateLimitConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionConfig:
    """Every number that shapes an `AdmissionCore`.

    Attributes:
        max_inbound: connections that others make, beside those that are in their handshake.
        max_outbound: connections that we make, those being called included.
        max_connections: both together; None: as many as the two allow.
        max_per_address: of one IPv4 address or IPv6 /64, both directions, the handshake done.
        max_per_subnet: the same of one IPv4 /24 or IPv6 /48.
        max_half_open: inbound connections in their handshake, beside the others.
        max_half_open_per_subnet: of them, from one IPv4 /24 or IPv6 /48.
        handshake_timeout_s: for a handshake, however it drips in.
        max_dialling: outbound connections that were not accepted yet: some routers and networks break under many.
        accepts_per_address_per_s: how fast one address may connect, on average; the burst is what it may at once.
        accept_burst_per_address: see `accepts_per_address_per_s`.
        accepts_per_s: how fast all together may.
        accept_burst: see `accepts_per_s`.
        max_addresses: whose rate is remembered; the one heard from longest ago is forgotten first.
        guaranteed: a group (a torrent, a service) that has fewer connections may use the reserve, which is a sixteenth
            of each limit; and the group that has most gives one up as long as the reserve is in use.
        guaranteed_calls: the same for calls, which may lead to nothing.
        exempt: networks for which the caps and rates of addresses and subnets are no matter. It protects nobody from
            making room: for half-open connections and idle ones all rules hold.
        connection_memory_bytes: what one connection is taken to need, its buffers included.
        memory_bytes: for all connections; None: an eighth of the machine's.
        descriptors: sockets of all connections; None: half of what the process may have open.
        setting: what users call the numbers above, where it is something else.
    """

    max_inbound: int = 1024
    max_outbound: int = 512
    max_connections: int | None = None
    max_per_address: int = 32
    max_per_subnet: int = 128
    max_half_open: int = 256
    max_half_open_per_subnet: int = 96
    handshake_timeout_s: float = 10.0
    max_dialling: int = 60
    accepts_per_address_per_s: float = 5.0
    accept_burst_per_address: float = 100.0
    accepts_per_s: float = 1000.0
    accept_burst: float = 2000.0
    max_addresses: int = 4096
    guaranteed: int = 2
    guaranteed_calls: int = 4
    exempt: tuple[str, ...] = LOOPBACK
    connection_memory_bytes: int = 64 << 10
    memory_bytes: int | None = None
    descriptors: int | None = None
    setting: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0 and name != "connection_memory_bytes":
                raise ValueError(f"{name} must be positive")
        if self.connection_memory_bytes < 0:
            raise ValueError("connection_memory_bytes must not be negative")
        Networks(self.exempt)  # says what is wrong with them

    def name_of(self, field_name: str) -> str:
        """What users call one of the numbers."""
        return self.setting.get(field_name, field_name)

    @property
    def rate(self) -> RateLimitConfig:
        """What of it holds for the pace of accepting."""
        return RateLimitConfig(
            per_host_per_s=self.accepts_per_address_per_s,
            per_host_burst=max(1.0, self.accept_burst_per_address),
            total_per_s=self.accepts_per_s,
            total_burst=max(1.0, self.accept_burst),
            max_hosts=self.max_addresses,
        )

    def half_open(self, machine: Machine = UNKNOWN) -> HalfOpenConfig:
        """What of it holds for handshakes: where sockets are few, they do not take more than a quarter of them."""
        descriptors = self.descriptors or machine.descriptor_share
        return HalfOpenConfig(
            max_waiting=min(self.max_half_open, descriptors // 4 or 1) if descriptors else self.max_half_open,
            max_per_host=self.max_per_address,
            max_per_network=self.max_half_open_per_subnet,
            timeout_s=self.handshake_timeout_s,
        )

    def system_limits(self, machine: Machine = UNKNOWN) -> ScopeLimits:
        """For all connections, on this machine."""
        return ScopeLimits(
            memory=self.memory_bytes or machine.memory_share,
            descriptors=self.descriptors or machine.descriptor_share,
            setting=self._settings(memory="memory_bytes", descriptors="descriptors"),
        )

    def settled_limits(self, machine: Machine = UNKNOWN) -> ScopeLimits:
        """For all but those that came and are in their handshake: these have sockets of their own left."""
        descriptors = self.descriptors or machine.descriptor_share
        return ScopeLimits(
            connections_in=self.max_inbound,
            connections_out=self.max_outbound,
            connections=self.max_connections,
            descriptors=max(1, descriptors - self.half_open(machine).max_waiting) if descriptors else None,
            setting=self._settings(
                connections_in="max_inbound",
                connections_out="max_outbound",
                connections="max_connections",
                descriptors="descriptors",
            ),
        )

    @property
    def transient_limits(self) -> ScopeLimits:
        """For calls. Who comes in is no matter of a number alone: `HalfOpenCore`."""
        return ScopeLimits(connections_out=self.max_dialling, setting=self._settings(connections_out="max_dialling"))

    @property
    def network_limits(self) -> ScopeLimits:
        """For one subnet."""
        setting = self._settings(connections="max_per_subnet")
        return ScopeLimits(connections=self.max_per_subnet, keeps_reserve=False, setting=setting)

    @property
    def address_limits(self) -> ScopeLimits:
        """For one address."""
        setting = self._settings(connections="max_per_address")
        return ScopeLimits(connections=self.max_per_address, keeps_reserve=False, setting=setting)

    def _settings(self, **names: str) -> dict[str, str]:
        return {resource: self.name_of(name) for resource, name in names.items()}
