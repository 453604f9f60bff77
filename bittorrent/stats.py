"""What a torrent and a session tell about themselves: snapshots, made when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bittorrent.origin import Origin
from transfer.path_stats import PathStats


class TorrentState(Enum):
    """Where a torrent is in its life.

    It moves forwards, and to STOPPED from anywhere; it goes back to DOWNLOADING when more is wanted, or when a disk
    that refused is tried again, and to CHECKING when everything is to be hashed again.
    """

    METADATA = "metadata"  # a magnet link whose info dictionary is being fetched
    CHECKING = "checking"  # what is on disk is being hashed
    DOWNLOADING = "downloading"
    FINISHED = "finished"  # every wanted piece is verified on disk, some are not wanted
    SEEDING = "seeding"  # every piece is verified on disk
    FAILED = "failed"  # the disk takes nothing more; what it has is shared, and `Torrent.resume` goes on
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStats:
    """What one source gave. `address` is where a peer listens, or a web seed's URL."""

    address: Origin
    pieces: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupSummary:
    """The DHT lookup that found the first peer of a torrent.

    `elapsed_s` is the time to that peer. `hops` is 0 while only this node's own store has answered, which happens
    in networks so small that every node stores everything.
    """

    hops: int
    queries: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentStats:
    """One moment of a torrent. Sizes of what is not known yet (a magnet link) are 0.

    Attributes:
        info_hash_v2: the 32 bytes of version 2; None when the torrent has none, or it is not known yet.
        checked_pieces: how far the check of what was on disk has come.
        done_bytes: verified and on disk of what is wanted; what the check found included.
        done_pieces: see `done_bytes`.
        wanted_bytes: all pieces that hold something wanted.
        needed_bytes: what of it is missing still; `done_bytes + needed_bytes == wanted_bytes`, always.
        wanted_pieces: see `wanted_bytes`.
        verified_bytes: verified and on disk, wanted or not.
        unfinished_bytes: what has come of pieces that are not complete; it is kept for the next start.
        downloaded_bytes: blocks moved in this session; wasted_bytes of them were of no use.
        uploaded_bytes: see `downloaded_bytes`.
        failed_pieces: complete pieces with a wrong hash.
        peers: connected, and endpoints known.
        known_peers: see `peers`.
        eta_s: seconds left at the present rate, None when that means nothing.
        sources: the peers and servers that gave verified pieces, most first.
        lookup: None until the DHT named a peer.
        is_paused: nothing is moved until it is resumed.
        layer_hashes: of version 2, while they are fetched: how many hashes of piece layers are here, of how many.
        wanted_layer_hashes: see `layer_hashes`.
    """

    state: TorrentState
    info_hash: bytes
    name: str
    total_bytes: int
    done_bytes: int
    wanted_bytes: int
    needed_bytes: int
    verified_bytes: int
    piece_count: int
    wanted_pieces: int
    done_pieces: int
    checked_pieces: int
    unfinished_bytes: int
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
    is_paused: bool
    info_hash_v2: bytes | None = None
    layer_hashes: int = 0
    wanted_layer_hashes: int = 0


class TrackerState(Enum):
    """What became of the last announcement to a tracker."""

    UNTRIED = "untried"
    ANNOUNCING = "announcing"
    WORKING = "working"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerStats:
    """One tracker of a torrent.

    Attributes:
        url: as the torrent names it, passkeys included.
        tier: trackers of one tier stand in for each other (BEP 12), in the order of these snapshots.
        next_announce_s: from now on until it is asked again; None while it is not its turn.
        error: why the last announcement came to nothing.
        warning: what the tracker told with its last answer, for people.
        peers: how many its last answer named.
        seeders: how many it knows, if it said so.
        leechers: see `seeders`.
        external_ip: our address as it sees it (BEP 24).
        announces: how often it was asked, and how often in vain.
        failures: see `announces`.
    """

    url: str
    tier: int
    state: TrackerState
    next_announce_s: float | None
    error: str | None
    warning: str | None
    peers: int
    seeders: int | None
    leechers: int | None
    external_ip: str | None
    announces: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStats:
    """One connection of a torrent.

    Attributes:
        address: the other end; a `ServerUrl` for a web seed.
        client: what it calls itself; empty when it does not.
        is_dialled: we called it.
        encryption: "rc4", "plain" after an encrypted handshake, or None without one.
        progress: how much of the torrent it has, from 0 to 1; 0 until it is known how many pieces there are.
        is_choking: it serves us no data, we serve it none.
        am_choking: see `is_choking`.
        is_interested: in what the other has.
        am_interested: see `is_interested`.
        requested_blocks: on order from it.
        is_snubbed: it owes us data and has not sent any for long.
        connected_s: since when.
        held_up_by: what decides how fast it sends, as a value of `SlowReason`.
        transport: what carries the bytes: "tcp", "utp", or "http" for a web seed.
        path: window, round-trip time and delivery rate of what we send it, as the carrier of the connection sees them;
            None where it does not tell (web seeds, systems other than Linux).
        introduced_by: the peer that brought us together, by hole punching; None for all that could simply be called.
    """

    address: Origin
    client: str
    is_dialled: bool
    encryption: str | None
    progress: float
    is_choking: bool
    am_choking: bool
    is_interested: bool
    am_interested: bool
    download_rate_bytes_per_s: float
    upload_rate_bytes_per_s: float
    downloaded_bytes: int
    uploaded_bytes: int
    requested_blocks: int
    is_snubbed: bool
    connected_s: float
    held_up_by: str
    transport: str = "tcp"
    path: PathStats | None = None
    introduced_by: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """One file of a torrent. `number` counts `metainfo.files`; `priority` is 0 for one that is not wanted."""

    number: int
    path: str
    size_bytes: int
    done_bytes: int
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """One moment of a session: sums over its torrents, and what strangers tried."""

    torrents: int
    connections: int
    refused_connections: int
    downloaded_bytes: int
    uploaded_bytes: int
