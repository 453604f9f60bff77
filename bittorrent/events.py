"""What happens to a torrent, as its users hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bittorrent.origin import Origin
from bittorrent.stats import TorrentState


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The torrent is in another state of its life."""

    state: TorrentState


@dataclass(frozen=True, slots=True)
class PauseChanged:
    """The torrent was paused or resumed."""

    is_paused: bool


@dataclass(frozen=True, slots=True)
class PieceVerified:
    """A piece has its hash and is on disk."""

    index: int


@dataclass(frozen=True, slots=True)
class PieceFailed:
    """A piece has another hash than it must have; it is fetched again. `senders` sent blocks of it.

    In a torrent of version 2 `BlocksFailed` may follow, and only those blocks be fetched again.
    """

    index: int
    senders: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class BadBlock:
    """`length` bytes at `begin` of piece `index` are not what they must be.

    `sender` sent them, and is banned; None when they were kept from an earlier run.
    """

    index: int
    begin: int
    length: int
    sender: Origin | None


@dataclass(frozen=True, slots=True)
class BlocksFailed:
    """These blocks are why a piece has failed: they alone are fetched again (BEP 52)."""

    index: int
    blocks: tuple[BadBlock, ...]


@dataclass(frozen=True, slots=True)
class FileCompleted:
    """The last piece of `metainfo.files[number]` is verified and on disk."""

    number: int
    path: str


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """A peer takes part in the swarm from now on."""

    address: Origin


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """A peer is gone. `reason` is for people."""

    address: Origin
    reason: str


@dataclass(frozen=True, slots=True)
class TrackerWarned:
    """A tracker has something to tell its users; `url` may have a passkey in it."""

    url: str
    message: str


@dataclass(frozen=True, slots=True)
class TorrentStopped:
    """The last event. `error` says why; `TorrentStoppedError` if the user wanted it."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The reader was too slow: so many events, the oldest at that moment, were dropped here."""

    count: int


TorrentEvent: TypeAlias = (
    StateChanged
    | PauseChanged
    | PieceVerified
    | PieceFailed
    | BlocksFailed
    | FileCompleted
    | PeerConnected
    | PeerDisconnected
    | TrackerWarned
    | TorrentStopped
    | EventsLost
)
