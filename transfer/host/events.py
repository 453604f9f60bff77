"""What a host tells its program of."""

from __future__ import annotations

from dataclasses import dataclass

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


HostEvent = PeerConnected | PeerIdentified | PeerDisconnected
