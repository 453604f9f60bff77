"""Sharing files with the BitTorrent world: torrents, magnet links, peers, and a session that moves the bytes.

The public names of the package are those below; everything else is internal. A module loads when a name of it is first
used: a program that reads torrents does not load the event loop, and only a session loads the HTTP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.public import public_names

if TYPE_CHECKING:
    from bittorrent.aio.event_stream import EventSource, EventStream
    from bittorrent.aio.session import Session
    from bittorrent.aio.sources.guarded_http import GuardedHttp, HttpConfig, NotHttpError, read_body
    from bittorrent.aio.sources.http_proxy import RefusedError
    from bittorrent.aio.storage.create import create_torrent
    from bittorrent.aio.stream import FileStream
    from bittorrent.aio.torrent import Torrent
    from bittorrent.config import SessionConfig
    from bittorrent.creating.content import TorrentFormat
    from bittorrent.creating.create import MIN_PIECE_LENGTH, create_metainfo
    from bittorrent.dialling.encryption import Encryption
    from bittorrent.dialling.ip_filter import IpFilter, IpFilterError
    from bittorrent.dialling.paths import DialPath, PathConfig
    from bittorrent.dialling.turnover import TurnoverConfig
    from bittorrent.errors import (
        BitTorrentError,
        FilesChangedError,
        MagnetError,
        MetadataError,
        MetainfoError,
        MissingDataError,
        NoPeersError,
        ResumeError,
        SelectionError,
        StorageError,
        TorrentCollisionError,
        TorrentStoppedError,
        TrackerError,
        WebSeedError,
        WireError,
    )
    from bittorrent.events import (
        BadBlock,
        BlocksFailed,
        EventsLost,
        FileCompleted,
        PauseChanged,
        PeerConnected,
        PeerDisconnected,
        PieceFailed,
        PieceVerified,
        StateChanged,
        TorrentStopped,
        TrackerWarned,
    )
    from bittorrent.files.entry import FileEntry
    from bittorrent.files.file_set import FileSet
    from bittorrent.files.names import safe_name
    from bittorrent.identity.torrent_id import TorrentId
    from bittorrent.lifecycle.seed_goal import SeedGoal
    from bittorrent.metainfo.content import MetainfoLimits
    from bittorrent.metainfo.magnet import Magnet, parse_info_hash, parse_torrent_id
    from bittorrent.metainfo.selection import FileName, Selection
    from bittorrent.metainfo.torrent import Metainfo
    from bittorrent.origin import ServerUrl
    from bittorrent.peer.config import PeerConfig
    from bittorrent.picker.config import PickerConfig
    from bittorrent.picker.picker import PiecePicker
    from bittorrent.picker.read_ahead import ReadAheadConfig
    from bittorrent.pieces.bitfield import Bitfield
    from bittorrent.pieces.block import Block
    from bittorrent.pieces.geometry import Geometry
    from bittorrent.pieces.hasher import PieceHasher
    from bittorrent.rate_limits import RateLimits
    from bittorrent.reachability import ReachabilityStats
    from bittorrent.stats import (
        FileStats,
        LookupSummary,
        PeerStats,
        SessionStats,
        SourceStats,
        TorrentState,
        TorrentStats,
        TrackerState,
        TrackerStats,
    )
    from bittorrent.storage.check import verify_pieces
    from bittorrent.storage.files import FileStorage
    from bittorrent.storage.fsspec_storage import FsspecStorage
    from bittorrent.storage.hashing import SourceFile
    from bittorrent.storage.memory import MemoryStorage
    from bittorrent.storage.ownership import judge_files
    from bittorrent.storage.places import content_path
    from bittorrent.storage.ports import FileBacked, OpenStorage, Storage, Watched
    from bittorrent.storage.resume import ResumeStore
    from bittorrent.storage.scan import scan_files
    from bittorrent.storage.whereabouts import explain_absence
    from bittorrent.swarm.config import SwarmConfig
    from bittorrent.swarm.explain import Explanation, SlowReason
    from bittorrent.swarm.uploading.choker import ChokerConfig, SeedingPolicy
    from bittorrent.tracker.messages import tracker_name

__all__ = [
    "MIN_PIECE_LENGTH",
    "BadBlock",
    "BitTorrentError",
    "Bitfield",
    "Block",
    "BlocksFailed",
    "ChokerConfig",
    "DialPath",
    "Encryption",
    "EventSource",
    "EventStream",
    "EventsLost",
    "Explanation",
    "FileBacked",
    "FileCompleted",
    "FileEntry",
    "FileName",
    "FileSet",
    "FileStats",
    "FileStorage",
    "FileStream",
    "FilesChangedError",
    "FsspecStorage",
    "Geometry",
    "GuardedHttp",
    "HttpConfig",
    "IpFilter",
    "IpFilterError",
    "LookupSummary",
    "Magnet",
    "MagnetError",
    "MemoryStorage",
    "MetadataError",
    "Metainfo",
    "MetainfoError",
    "MetainfoLimits",
    "MissingDataError",
    "NoPeersError",
    "NotHttpError",
    "OpenStorage",
    "PathConfig",
    "PauseChanged",
    "PeerConfig",
    "PeerConnected",
    "PeerDisconnected",
    "PeerStats",
    "PickerConfig",
    "PieceFailed",
    "PieceHasher",
    "PiecePicker",
    "PieceVerified",
    "RateLimits",
    "ReachabilityStats",
    "ReadAheadConfig",
    "RefusedError",
    "ResumeError",
    "ResumeStore",
    "SeedGoal",
    "SeedingPolicy",
    "Selection",
    "SelectionError",
    "ServerUrl",
    "Session",
    "SessionConfig",
    "SessionStats",
    "SlowReason",
    "SourceFile",
    "SourceStats",
    "StateChanged",
    "Storage",
    "StorageError",
    "SwarmConfig",
    "Torrent",
    "TorrentCollisionError",
    "TorrentFormat",
    "TorrentId",
    "TorrentState",
    "TorrentStats",
    "TorrentStopped",
    "TorrentStoppedError",
    "TrackerError",
    "TrackerState",
    "TrackerStats",
    "TrackerWarned",
    "TurnoverConfig",
    "Watched",
    "WebSeedError",
    "WireError",
    "content_path",
    "create_metainfo",
    "create_torrent",
    "explain_absence",
    "judge_files",
    "parse_info_hash",
    "parse_torrent_id",
    "read_body",
    "safe_name",
    "scan_files",
    "tracker_name",
    "verify_pieces",
]

_MODULES = {
    "BadBlock": "bittorrent.events",
    "BitTorrentError": "bittorrent.errors",
    "Bitfield": "bittorrent.pieces.bitfield",
    "Block": "bittorrent.pieces.block",
    "ChokerConfig": "bittorrent.swarm.uploading.choker",
    "DialPath": "bittorrent.dialling.paths",
    "Encryption": "bittorrent.dialling.encryption",
    "EventSource": "bittorrent.aio.event_stream",
    "EventStream": "bittorrent.aio.event_stream",
    "EventsLost": "bittorrent.events",
    "Explanation": "bittorrent.swarm.explain",
    "FileBacked": "bittorrent.storage.ports",
    "BlocksFailed": "bittorrent.events",
    "FileCompleted": "bittorrent.events",
    "FileEntry": "bittorrent.files.entry",
    "FileName": "bittorrent.metainfo.selection",
    "FileSet": "bittorrent.files.file_set",
    "FileStats": "bittorrent.stats",
    "FileStorage": "bittorrent.storage.files",
    "FileStream": "bittorrent.aio.stream",
    "FilesChangedError": "bittorrent.errors",
    "FsspecStorage": "bittorrent.storage.fsspec_storage",
    "Geometry": "bittorrent.pieces.geometry",
    "GuardedHttp": "bittorrent.aio.sources.guarded_http",
    "HttpConfig": "bittorrent.aio.sources.guarded_http",
    "IpFilter": "bittorrent.dialling.ip_filter",
    "IpFilterError": "bittorrent.dialling.ip_filter",
    "LookupSummary": "bittorrent.stats",
    "MIN_PIECE_LENGTH": "bittorrent.creating.create",
    "Magnet": "bittorrent.metainfo.magnet",
    "MagnetError": "bittorrent.errors",
    "MemoryStorage": "bittorrent.storage.memory",
    "MetadataError": "bittorrent.errors",
    "Metainfo": "bittorrent.metainfo.torrent",
    "MetainfoError": "bittorrent.errors",
    "MetainfoLimits": "bittorrent.metainfo.content",
    "MissingDataError": "bittorrent.errors",
    "NoPeersError": "bittorrent.errors",
    "NotHttpError": "bittorrent.aio.sources.guarded_http",
    "OpenStorage": "bittorrent.storage.ports",
    "PathConfig": "bittorrent.dialling.paths",
    "PauseChanged": "bittorrent.events",
    "PeerConfig": "bittorrent.peer.config",
    "PeerConnected": "bittorrent.events",
    "PeerDisconnected": "bittorrent.events",
    "PeerStats": "bittorrent.stats",
    "PickerConfig": "bittorrent.picker.config",
    "PieceFailed": "bittorrent.events",
    "PieceHasher": "bittorrent.pieces.hasher",
    "PiecePicker": "bittorrent.picker.picker",
    "PieceVerified": "bittorrent.events",
    "RateLimits": "bittorrent.rate_limits",
    "ReachabilityStats": "bittorrent.reachability",
    "ReadAheadConfig": "bittorrent.picker.read_ahead",
    "RefusedError": "bittorrent.aio.sources.http_proxy",
    "ResumeError": "bittorrent.errors",
    "ResumeStore": "bittorrent.storage.resume",
    "SeedGoal": "bittorrent.lifecycle.seed_goal",
    "SeedingPolicy": "bittorrent.swarm.uploading.choker",
    "Selection": "bittorrent.metainfo.selection",
    "SelectionError": "bittorrent.errors",
    "ServerUrl": "bittorrent.origin",
    "Session": "bittorrent.aio.session",
    "SessionConfig": "bittorrent.config",
    "SessionStats": "bittorrent.stats",
    "SlowReason": "bittorrent.swarm.explain",
    "SourceFile": "bittorrent.storage.hashing",
    "SourceStats": "bittorrent.stats",
    "StateChanged": "bittorrent.events",
    "Storage": "bittorrent.storage.ports",
    "StorageError": "bittorrent.errors",
    "SwarmConfig": "bittorrent.swarm.config",
    "Torrent": "bittorrent.aio.torrent",
    "TorrentCollisionError": "bittorrent.errors",
    "TorrentId": "bittorrent.identity.torrent_id",
    "TorrentFormat": "bittorrent.creating.content",
    "TorrentState": "bittorrent.stats",
    "TorrentStats": "bittorrent.stats",
    "TorrentStopped": "bittorrent.events",
    "TorrentStoppedError": "bittorrent.errors",
    "TrackerError": "bittorrent.errors",
    "TrackerState": "bittorrent.stats",
    "TrackerStats": "bittorrent.stats",
    "TrackerWarned": "bittorrent.events",
    "TurnoverConfig": "bittorrent.dialling.turnover",
    "Watched": "bittorrent.storage.ports",
    "WebSeedError": "bittorrent.errors",
    "WireError": "bittorrent.errors",
    "content_path": "bittorrent.storage.places",
    "create_metainfo": "bittorrent.creating.create",
    "create_torrent": "bittorrent.aio.storage.create",
    "explain_absence": "bittorrent.storage.whereabouts",
    "judge_files": "bittorrent.storage.ownership",
    "parse_info_hash": "bittorrent.metainfo.magnet",
    "parse_torrent_id": "bittorrent.metainfo.magnet",
    "read_body": "bittorrent.aio.sources.guarded_http",
    "safe_name": "bittorrent.files.names",
    "scan_files": "bittorrent.storage.scan",
    "tracker_name": "bittorrent.tracker.messages",
    "verify_pieces": "bittorrent.storage.check",
}

__getattr__, __dir__ = public_names(__name__, _MODULES)
