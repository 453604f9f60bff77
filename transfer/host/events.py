"""What a host tells its program of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from transfer.host.identify import Identification
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """The first connection with a peer."""

    peer_id: PeerId
    address: Multiaddr
    is_inbound: bool


@dataclass(frozen=True, slots=True)
class PeerIdentified:
    """A peer has told of itself, for the first time or again."""

    peer_id: PeerId
    said: Identification


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The last connection with a peer is lost."""

    peer_id: PeerId
    reason: str


class DropCause(Enum):
    """Which rule has ended a connection."""

    IDLE = "idle"  # the peer gave no sign of life
    TRIMMED = "trimmed"  # there were too many peers, and others were worth more


@dataclass(frozen=True, slots=True)
class ConnectionDropped:
    """This host has ended a connection by a rule of its own.

    Attributes:
        at: when, in seconds of the loop's clock.
        reason: names the numbers that were decisive, and the settings.
    """

    peer_id: PeerId
    address: Multiaddr
    at: float
    cause: DropCause
    reason: str

    def __str__(self) -> str:
        return f"connection with {self.address} {self.cause.value}: {self.reason}"


HostEvent = PeerConnected | PeerIdentified | PeerDisconnected | ConnectionDropped
