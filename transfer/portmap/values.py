"""What is asked of a gateway, and what comes of it, whichever protocol it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from transfer.address import Address
from transfer.errors import TransferError


class MappedProtocol(StrEnum):
    """What a mapping is for."""

    TCP = "tcp"
    UDP = "udp"

    @property
    def number(self) -> int:
        """As IANA has it."""
        return 6 if self is MappedProtocol.TCP else 17


class PortMapMethod(StrEnum):
    """How a gateway is asked."""

    PCP = "PCP"
    NAT_PMP = "NAT-PMP"
    UPNP = "UPnP"


class PortMapFailure(StrEnum):
    """Why a mapping was not made; what follows from it is in `MappingRound` and `PortMapCore`."""

    NO_GATEWAY = "no gateway"
    SILENT = "no answer"
    UNSUPPORTED = "not supported"
    REFUSED = "refused"
    CONFLICT = "port taken"
    NO_ADDRESS = "no outer address"
    NO_RESOURCES = "no resources"
    GARBAGE = "answer makes no sense"


class PortMapError(TransferError):
    """A gateway did not do what it was asked for.

    Attributes:
        failure: what kind of reason it has.
        code: as its protocol numbers it; None where no number came.
    """

    def __init__(self, message: str, *, failure: PortMapFailure, code: int | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """Others shall reach a port of this host.

    Attributes:
        external_port: which port of the gateway would be best.
        lifetime_s: for how long; 0 ends the mapping.
    """

    protocol: MappedProtocol
    internal_port: int
    external_port: int
    lifetime_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A mapping that a gateway made.

    Attributes:
        lifetime_s: seconds for which it holds; None: until it is removed.
        external_host: of the gateway, where the answer said so.
        epoch_s: how long the gateway's table has existed, where the answer said so.
    """

    protocol: MappedProtocol
    internal_port: int
    external_port: int
    lifetime_s: int | None
    external_host: str | None = None
    epoch_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapStatus:
    """Whether others can come in through the gateway, at one moment.

    Attributes:
        is_settled: every protocol was tried; before, nothing else here means anything.
        method: by which protocol the mappings were made; None: there are none.
        local_host: the address of this host that the gateway leads to.
        gateway: whom PCP and NAT-PMP ask; None where the system has no default route.
        external_host: the gateway's own outer address, as it says; None: it did not say.
        tcp_port: where others reach our TCP port; None: not through a mapping.
        udp_port: the same for UDP.
        is_behind_another_nat: the gateway's outer address is no public one, so that a mapping there leads nowhere yet.
        failures: why each protocol that was tried did not serve, in the order of trying.
        renewals: mappings that were made again, for whatever reason.
        gateway_restarts: how often the gateway had forgotten its table.
    """

    is_settled: bool
    method: PortMapMethod | None
    local_host: str | None
    gateway: str | None
    external_host: str | None
    tcp_port: int | None
    udp_port: int | None
    is_behind_another_nat: bool
    failures: tuple[tuple[PortMapMethod, str], ...]
    renewals: int
    gateway_restarts: int

    @property
    def external(self) -> Address | None:
        """Where others reach our TCP port; None: not through a mapping, or the gateway does not say its address."""
        if self.tcp_port is None or self.external_host is None:
            return None
        return Address(self.external_host, self.tcp_port)
