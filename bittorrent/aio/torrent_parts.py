"""What a torrent is made with: what was asked for, and what the session lends to all of its torrents."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittorrent.aio.peers.private_calls import PrivateCalls
from bittorrent.aio.reachability import Reachability
from bittorrent.aio.sources.guarded_http import GuardedHttp
from bittorrent.aio.sources.local_discovery import LocalDiscovery
from bittorrent.aio.sources.tracker import TrackerClient
from bittorrent.config import SessionConfig
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.paths import DialPath
from bittorrent.files.same_files import SameFiles
from bittorrent.identity.registry import TorrentRegistry
from bittorrent.metainfo.selection import FileName
from bittorrent.rate_limits import SwarmLimits
from bittorrent.storage.claims import PathClaims
from bittorrent.storage.ports import OpenStorage
from transfer.aio.transports import StreamDialler
from transfer.limits.admission import AdmissionCore

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentOptions:
    """How one torrent is to be treated.

    Attributes:
        download_dir: where its files are.
        state_dir: where its state is kept for good.
        seed_only: never write; stop with StorageError unless every piece is on disk already.
        overwrite: replace files of others that are in the way: all, or those at these absolute paths.
        super_seed: send each piece once before any twice (BEP 16).
        web_seeds: URLs besides those that the source names.
        select: the files that are wanted; nothing at all means what was wanted before, or else everything.
        sequential: begin pieces in the order of the torrent.
        paused: move nothing until it is resumed; what is on disk is checked all the same.
    """

    download_dir: Path
    state_dir: Path | None = None
    seed_only: bool = False
    overwrite: bool | frozenset[Path] = False
    super_seed: bool = False
    web_seeds: tuple[str, ...] = ()
    select: tuple[FileName, ...] = ()
    sequential: bool = False
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """What belongs to the session, and every torrent of it uses.

    Attributes:
        peer_id: ours.
        executor: runs what blocks.
        transports: dial, one for each path by which peers are called.
        claims: which torrent uses which place on disk.
        admission: the connections of all torrents.
        ip_filter: hosts to have nothing to do with, from the start.
        reach: at which address and port peers reach us.
        limits: how fast all torrents together may be.
        local: calls into the local network for peers, if that is wanted.
        registry: all torrents of the session, by their hashes.
        same_files: which of them have which files, as far as that is known by roots (BEP 52).
        calls: says which peers in private networks may be called.
    """

    peer_id: bytes
    dht: MainlineNode | None
    trackers: TrackerClient
    http: GuardedHttp
    executor: Executor
    open_storage: OpenStorage
    transports: Mapping[DialPath, StreamDialler]
    claims: PathClaims
    admission: AdmissionCore
    ip_filter: IpFilter
    reach: Reachability
    limits: SwarmLimits
    local: LocalDiscovery | None
    registry: TorrentRegistry[Any]
    same_files: SameFiles[Any]
    calls: PrivateCalls
    config: SessionConfig


def replaceable(overwrite: bool | Iterable[str | os.PathLike[str]]) -> bool | frozenset[Path]:
    """`TorrentOptions.overwrite` as users give it: the paths need not be absolute."""
    if isinstance(overwrite, bool):
        return overwrite
    return frozenset(Path(os.path.abspath(path)) for path in overwrite)
