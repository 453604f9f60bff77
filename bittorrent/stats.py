"""What a torrent and a session tell about themselves: snapshots, made when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from transfer.address import Address


class TorrentState(Enum):
    """Where a torrent is in its life; it only moves forwards, and to STOPPED from anywhere."""

    METADATA = "metadata"  # a magnet link whose info dictionary is being fetched
    CHECKING = "checking"  # what is on disk is being hashed
    DOWNLOADING = "downloading"
    SEEDING = "seeding"  # every piece is verified on disk
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStats:
    """What one source gave. `address` is where it listens."""

    address: Address
    pieces: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupSummary:
    """The DHT lookup that found the first peer of a torrent.

    `elapsed_s` is the time to that peer. `hops` is 0 while only this node's own store has answered, which happens
    in networks so small that everybody stores everything.
    """

    hops: int
    queries: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentStats:
    """One moment of a torrent. Sizes of what is not known yet (a magnet link) are 0.

    Attributes:
        checked_pieces: how far the check of what was on disk has come.
        done_bytes, done_pieces: verified and on disk; what the check found included.
        downloaded_bytes, uploaded_bytes: blocks moved in this session; wasted_bytes of them were of no use.
        failed_pieces: complete pieces with a wrong hash.
        peers, known_peers: connected, and endpoints known.
        eta_s: seconds left at the present rate, None when that means nothing.
        sources: who gave verified pieces, most first.
        lookup: None until the DHT named a peer.
    """

    state: TorrentState
    info_hash: bytes
    name: str
    total_bytes: int
    done_bytes: int
    piece_count: int
    done_pieces: int
    checked_pieces: int
    downloaded_bytes: int
    uploaded_bytes: int
    wasted_bytes: int
    failed_pieces: int
    download_rate_bytes_per_s: float
    upload_rate_bytes_per_s: float
    peers: int
    known_peers: int
    eta_s: float | None
    sources: tuple[SourceStats, ...]
    lookup: LookupSummary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """One moment of a session: sums over its torrents, and what strangers tried."""

    torrents: int
    connections: int
    refused_connections: int
    downloaded_bytes: int
    uploaded_bytes: int
