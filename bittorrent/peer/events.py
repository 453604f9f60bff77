"""What a `PeerCore` reports: one class for each thing that happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bittorrent.merkle.proof import HashRange
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.hashes import Hashes, HashReject
from bittorrent.wire.holepunch import PunchMessage
from bittorrent.wire.metadata import MetadataData, MetadataReject
from bittorrent.wire.pex import PexMessage


@dataclass(frozen=True, slots=True)
class HandshakeReceived:
    """The other side's handshake is here. On an incoming connection nothing more is read until `welcome`."""

    handshake: Handshake


@dataclass(frozen=True, slots=True)
class ExtensionsReceived:
    """An extension handshake was read; `PeerCore.extensions` and friends are up to date."""


@dataclass(frozen=True, slots=True)
class ChokeChanged:
    """The peer choked or unchoked us.

    A peer that chokes forgets our requests; with the fast extension it answers or rejects each of them (BEP 6).
    """

    is_choked: bool


@dataclass(frozen=True, slots=True)
class InterestChanged:
    """The peer became interested in us, or lost interest."""

    is_interested: bool


@dataclass(frozen=True, slots=True)
class PeerHas:
    """The peer now has one more piece. Only sent once the geometry is known."""

    index: int


@dataclass(frozen=True, slots=True)
class PeerHasMany:
    """What the peer had when it connected, or when the geometry became known."""

    bits: Bitfield


@dataclass(frozen=True, slots=True)
class PeerLost:
    """The peer does not have a piece any more that it announced (BEP 54)."""

    index: int


@dataclass(frozen=True, slots=True)
class RequestRejected:
    """The peer will not send a block: perhaps one that we asked for (BEP 6)."""

    block: Block


@dataclass(frozen=True, slots=True)
class FastAllowed:
    """We may ask for one more piece while the peer chokes us: see `PeerCore.allowed_fast` (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class PieceSuggested:
    """The peer would like to be asked for a piece: see `PeerCore.suggested` (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class DhtPortReceived:
    """The peer runs a DHT node on this UDP port (BEP 5)."""

    port: int


@dataclass(frozen=True, slots=True)
class MetadataArrived:
    """An answer to one of our metadata requests."""

    message: MetadataData | MetadataReject


@dataclass(frozen=True, slots=True)
class PexReceived:
    """The peer names others (BEP 11)."""

    message: PexMessage


@dataclass(frozen=True, slots=True)
class HashesRequested:
    """The peer asks for nodes of a tree. The numbers may be anything (BEP 52)."""

    range: HashRange


@dataclass(frozen=True, slots=True)
class HashesArrived:
    """An answer to one of our requests for nodes of a tree; what it says is not checked yet."""

    message: Hashes | HashReject


@dataclass(frozen=True, slots=True)
class PunchReceived:
    """The peer asks to be introduced to another one, introduces one, or will not (BEP 55)."""

    message: PunchMessage


PeerEvent: TypeAlias = (
    HandshakeReceived | ExtensionsReceived | ChokeChanged | InterestChanged | PeerHas | PeerHasMany | PeerLost
    | RequestRejected | FastAllowed | PieceSuggested | DhtPortReceived | MetadataArrived | PexReceived
    | HashesRequested | HashesArrived | PunchReceived
)  # fmt: skip
