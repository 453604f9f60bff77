"""Sharing files with the BitTorrent world: torrents, magnet links, peers, and a session that moves the bytes.

The pure parts load at once; the asyncio session loads, with the HTTP client of its trackers, when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittorrent.config import SessionConfig
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.errors import (
    BitTorrentError,
    MagnetError,
    MetadataError,
    MetainfoError,
    NoPeersError,
    SelectionError,
    StorageError,
    TorrentStoppedError,
    TrackerError,
    WireError,
)
from bittorrent.lifecycle.seed_goal import SeedGoal
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.picker.read_ahead import StreamConfig
from bittorrent.rate_limits import RateLimits
from bittorrent.stats import FileStats, PeerStats, SessionStats, SourceStats, TorrentState, TorrentStats, TrackerStats
from bittorrent.storage.create import create_metainfo
from bittorrent.swarm.explain import Explanation, SlowReason

if TYPE_CHECKING:
    from bittorrent.aio.session import Session
    from bittorrent.aio.storage.create import create_torrent
    from bittorrent.aio.stream import FileStream
    from bittorrent.aio.torrent import Torrent

__all__ = [
    "BitTorrentError",
    "Explanation",
    "FileStats",
    "FileStream",
    "IpFilter",
    "Magnet",
    "MagnetError",
    "MetadataError",
    "Metainfo",
    "MetainfoError",
    "NoPeersError",
    "PeerStats",
    "RateLimits",
    "SeedGoal",
    "SelectionError",
    "Session",
    "SessionConfig",
    "SessionStats",
    "SlowReason",
    "SourceStats",
    "StorageError",
    "StreamConfig",
    "Torrent",
    "TorrentState",
    "TorrentStats",
    "TorrentStoppedError",
    "TrackerError",
    "TrackerStats",
    "WireError",
    "create_metainfo",
    "create_torrent",
]

_LAZY = {
    "FileStream": "bittorrent.aio.stream",
    "Session": "bittorrent.aio.session",
    "Torrent": "bittorrent.aio.torrent",
    "create_torrent": "bittorrent.aio.storage.create",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
