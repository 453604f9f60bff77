"""What happens in the service, as views hear of it, in this order: values that do not change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bittorrent import BadBlock, EventsLost, IpFilter
from fileshare.service.snapshots import JobSnapshot
from kademlia_core import BootstrapError, PointerError
from transfer import Address, PortMapStatus, Proxy, RefusalSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchStarted:
    """The torrent at a URL is being fetched."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOpened:
    """Others can call from now on.

    Attributes:
        dht_address: None without the DHT.
        ip_filter: hosts to have nothing to do with, and the file they were read from; None where none were named.
        local_error: why no peers are found in the local network, where they were asked for.
        proxy: what everything goes through, so that nobody can call; None: nobody is kept from calling.
        proxy_error: why it carries no datagrams.
    """

    address: Address
    dht_address: Address | None
    ip_filter: IpFilter | None
    ip_filter_file: Path | None
    local_error: str | None
    proxy: Proxy | None = None
    proxy_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMappingChanged:
    """The router lets others in, or does so no longer, or elsewhere; told first when it is known whether it does.

    Attributes:
        port: what others are told from now on.
    """

    mapping: PortMapStatus
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtUnreachable:
    """The DHT cannot be joined; it is tried again."""

    error: BootstrapError


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentAdded:
    """A torrent begins."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataKnown:
    """The files of a torrent are known: at once, except for magnet links."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentsMoved:
    """All torrents of this moment, with `stats` and `explanation`; told now and then as long as there are any."""

    jobs: tuple[JobSnapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFound:
    """A torrent that changes has a newer version, which begins now: the one with this info-hash (BEP 46)."""

    label: str
    number: int
    info_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUnusable:
    """The newest version of a torrent that changes points to no torrent; the one before stays."""

    label: str
    number: int
    error: PointerError


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentSlowed:
    """Nothing has come for some seconds, or the reason is another one now: `job.explanation`."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentCompleted:
    """All that is wanted of a torrent is verified and on disk."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentFailed:
    """A torrent cannot go on, or could not begin: `job.error`."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentEnded:
    """A torrent is shared no longer: `job.reason`."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentPaused:
    """Nothing of a torrent is moved any more."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentResumed:
    """A torrent goes on."""

    job: JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentWarned:
    """A tracker has something to tell its users; each text is told once. `tracker` is its name without passkeys."""

    info_hash: bytes
    name: str
    tracker: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFailed:
    """A block of a version 2 torrent was not what it must be; it is fetched again. Told once for each."""

    info_hash: bytes
    name: str
    block: BadBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsRefused:
    """A limit has refused connections often of late. Told once, and again as long as it goes on."""

    summary: RefusalSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEmpty:
    """There is no torrent file yet in a folder that is watched from now on."""

    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderUnreadable:
    """A watched folder cannot be read; what it held is shared on until it can. Told once each time."""

    directory: Path
    error: OSError


@dataclass(frozen=True, slots=True)
class ServiceClosing:
    """Torrents end now: what was reached is saved, and trackers are told."""


ServiceEvent: TypeAlias = (
    FetchStarted
    | ServiceOpened
    | PortMappingChanged
    | DhtUnreachable
    | TorrentAdded
    | MetadataKnown
    | TorrentsMoved
    | TorrentSlowed
    | TorrentCompleted
    | TorrentFailed
    | TorrentEnded
    | TorrentPaused
    | TorrentResumed
    | TorrentWarned
    | BlockFailed
    | VersionFound
    | VersionUnusable
    | ConnectionsRefused
    | FolderEmpty
    | FolderUnreadable
    | ServiceClosing
    | EventsLost
)
