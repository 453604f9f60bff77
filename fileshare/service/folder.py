"""A directory whose torrents are shared: which of them can be, and what changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bittorrent import BitTorrentError, Metainfo, content_path
from fileshare.service.errors import ServiceError
from transfer import TransferError

Stamp = tuple[int, int, int]  # time of the last change in nanoseconds, size in bytes, number of the inode


@dataclass(slots=True)
class Changes:
    """What a look at a directory found: torrents to be shared now, others that are gone, and what is wrong."""

    ready: list[tuple[Path, Metainfo]] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    wrong: list[tuple[Path, TransferError]] = field(default_factory=list)


class TorrentFolder:
    """The `.torrent` files in a directory, and the content that lies beside them. Blocks while it looks.

    A torrent is ready once its file or folder is there and has not changed between two looks (the first look takes
    everything for settled); after that again when it has changed, in case it was not complete before.

    Several files may hold the same torrent: it is shared once, and gone with the last of them, so that a file can be
    copied, renamed or written anew while its torrent is shared. A file that cannot be read is told of once it has not
    changed between two looks, because a program may be writing it; until then it stands for what it held before.

    Args:
        directory: what is looked at; folders in it are not.
        content_dir: where the content is; by default in the same place.
    """

    def __init__(self, directory: Path, *, content_dir: Path | None = None) -> None:
        self.directory = directory
        self.content_dir = content_dir or directory
        self._files: dict[Path, _File] = {}
        self._torrents: dict[bytes, _Torrent] = {}
        self._has_looked = False

    def __len__(self) -> int:
        """How many torrent files there were at the last look."""
        return len(self._files)

    def offer(self, info_hash: bytes) -> tuple[Path, Metainfo] | None:
        """A torrent that was ready at the last look, and the file that stands for it."""
        torrent = self._torrents.get(info_hash)
        return (torrent.path, torrent.metainfo) if torrent is not None and torrent.tried is not None else None

    def look(self) -> Changes:
        """What is new since the last look.

        Raises:
            OSError: the directory cannot be read.
        """
        changes = Changes()
        seen = dict(self._torrent_files())
        for path in [path for path in self._files if path not in seen]:
            del self._files[path]
        for path, stamp in seen.items():
            self._look_at_file(path, stamp, changes)
        holders: dict[bytes | None, Path] = {}
        for path, file in self._files.items():
            holders.setdefault(file.holds, path)
        for info_hash, torrent in list(self._torrents.items()):
            if info_hash not in holders:
                del self._torrents[info_hash]
                if torrent.tried is not None:
                    changes.gone.append(info_hash)
                continue
            if not self._holds(torrent.path, info_hash):
                torrent.path = holders[info_hash]
            self._look_at_content(torrent, changes)
        self._has_looked = True
        return changes

    def _torrent_files(self) -> Iterator[tuple[Path, Stamp]]:
        for path in sorted(self.directory.iterdir()):
            if path.suffix.lower() == ".torrent" and path.is_file():
                stamp = _stamp(path)
                if stamp is not None:
                    yield path, stamp

    def _look_at_file(self, path: Path, stamp: Stamp, changes: Changes) -> None:
        file = self._files.setdefault(path, _File())
        is_settled = file.stamp == stamp or not self._has_looked
        if is_settled and file.is_read:
            return
        file.stamp, file.is_read = stamp, False
        try:
            metainfo = Metainfo.from_file(path)
        except BitTorrentError as error:
            if is_settled:
                changes.wrong.append((path, error))
                file.holds, file.is_read = None, True
            return
        file.is_read = True
        if file.holds == metainfo.info_hash:
            return
        file.holds = metainfo.info_hash
        torrent = self._torrents.setdefault(metainfo.info_hash, _Torrent(path, metainfo))
        if torrent.path != path and self._holds(torrent.path, metainfo.info_hash):
            changes.wrong.append((path, ServiceError(f"it is the same torrent as {torrent.path}")))

    def _holds(self, path: Path, info_hash: bytes) -> bool:
        file = self._files.get(path)
        return file is not None and file.holds == info_hash

    def _look_at_content(self, torrent: _Torrent, changes: Changes) -> None:
        content = content_path(torrent.metainfo, self.content_dir)
        stamp = _stamp(content)
        is_settled = stamp is not None and (stamp == torrent.content or not self._has_looked)
        torrent.content = stamp
        if stamp is None and not torrent.was_told:
            torrent.was_told = True
            changes.wrong.append((torrent.path, ServiceError(f"it is shared once {content} is there")))
        if is_settled and stamp != torrent.tried:
            torrent.tried = stamp
            changes.ready.append((torrent.path, torrent.metainfo))


@dataclass(slots=True)
class _File:
    """A file as it was at the last look.

    Attributes:
        holds: the info-hash of the torrent in it; None for one that never was a torrent, or is none any more.
        is_read: `holds` is about the file as `stamp` has it.
    """

    stamp: Stamp | None = None
    holds: bytes | None = None
    is_read: bool = False


@dataclass(slots=True)
class _Torrent:
    """A torrent that is in one of the files, or in several, of which `path` stands for it.

    Attributes:
        content: what was seen of it at the last look.
        tried: what it was when the torrent was ready.
        was_told: that there is no content yet.
    """

    path: Path
    metainfo: Metainfo
    content: Stamp | None = None
    tried: Stamp | None = None
    was_told: bool = False


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
