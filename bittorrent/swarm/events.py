"""What a `SwarmCore` asks its shell to do: one class for each thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from bittorrent.origin import Origin, ServerUrl
from bittorrent.swarm.hashes.work import HashWork
from bittorrent.swarm.peer import Sender
from bittorrent.wire.pex import PexFlags
from transfer.address import Address


@dataclass(frozen=True, slots=True)
class MetadataCompleted:
    """A magnet link's info dictionary is here, its hash checked."""

    info_bytes: bytes


@dataclass(frozen=True, slots=True)
class PieceCompleted:
    """All blocks of a piece are here: hash it, write it if it is right, and say `piece_verified` or `piece_failed`.

    Attributes:
        senders: of the blocks, by their offsets.
        leaves: the hashes of some blocks, by their offsets (`PieceHasher.leaf_of`).
    """

    index: int
    buffer: bytearray
    senders: dict[int, Sender]
    leaves: dict[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class LayersCompleted:
    """All piece layers that were wanted are here, by the roots of their trees; each leads to its root (BEP 52)."""

    layers: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class LeavesArrived:
    """The leaves of a piece that failed: find out which blocks are bad, and say `blocks_judged`."""

    completed: PieceCompleted
    leaves: bytes


@dataclass(frozen=True, slots=True)
class HashesWanted:
    """A peer asks for hashes that have to be made first: do the work in a thread, and say `hashes_prepared`."""

    work: HashWork


@dataclass(frozen=True, slots=True)
class PiecesUnfinished:
    """Blocks are asked for, or have come, that would be lost with the process: about once a second."""


@dataclass(frozen=True, slots=True)
class PeerBanned:
    """This peer certainly lied; its connection is closed already."""

    address: Origin


@dataclass(frozen=True, slots=True)
class ServerLied:
    """A piece that a server in the swarm sent has a wrong hash. It is still connected."""

    address: ServerUrl
    index: int


@dataclass(frozen=True, slots=True)
class DhtNodeFound:
    """A peer told us about its DHT node."""

    address: Address


@dataclass(frozen=True, slots=True)
class PeersNamed:
    """A peer told us about others (BEP 11). All of them can be called, and may be inventions."""

    peers: tuple[tuple[Address, PexFlags], ...]


@dataclass(frozen=True, slots=True)
class SeenAs:
    """A peer says at which IP address it sees us (BEP 10, `yourip`)."""

    voter: Address
    host: str


@dataclass(frozen=True, slots=True)
class PunchWanted:
    """Call this endpoint over uTP, now: the peer there does the same (BEP 55).

    Attributes:
        relay: who says so.
        asked: the endpoint that we have asked it for, if we have; the other one is where that peer is.
    """

    address: Address
    relay: Address
    asked: Address | None


@dataclass(frozen=True, slots=True)
class PunchFailed:
    """Who was asked to introduce us to this endpoint does not; 0 if it is gone."""

    address: Address
    reason: int


SwarmEvent: TypeAlias = (
    MetadataCompleted | PieceCompleted | PiecesUnfinished | PeerBanned | ServerLied | DhtNodeFound | PeersNamed | SeenAs
    | LayersCompleted | LeavesArrived | HashesWanted | PunchWanted | PunchFailed
)  # fmt: skip
