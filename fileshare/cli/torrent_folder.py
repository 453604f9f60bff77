"""A directory whose torrents are shared: which of them can be, and what changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bittorrent.errors import BitTorrentError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.places import content_path
from fileshare.cli.errors import CommandError
from transfer.errors import TransferError

Stamp = tuple[int, int]  # time of the last change in nanoseconds, size in bytes


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

    Args:
        directory: what is looked at; folders in it are not.
        content_dir: where the content is; by default in the same place.
    """

    def __init__(self, directory: Path, *, content_dir: Path | None = None) -> None:
        self.directory = directory
        self.content_dir = content_dir or directory
        self._known: dict[Path, _Sighting] = {}
        self._has_looked = False

    def __len__(self) -> int:
        """How many torrent files there were at the last look."""
        return len(self._known)

    def look(self) -> Changes:
        """What is new since the last look.

        Raises:
            OSError: the directory cannot be read.
        """
        changes = Changes()
        seen = dict(self._torrent_files())
        for path in [path for path in self._known if path not in seen]:
            self._forget(path, changes)
        for path, stamp in seen.items():
            sighting = self._known.get(path)
            if sighting is None or sighting.stamp != stamp:
                if sighting is not None:
                    self._forget(path, changes)
                sighting = self._known[path] = self._read(path, stamp, changes)
            if sighting.metainfo is not None:
                self._look_at_content(path, sighting, sighting.metainfo, changes)
        self._has_looked = True
        return changes

    def _torrent_files(self) -> Iterator[tuple[Path, Stamp]]:
        for path in sorted(self.directory.iterdir()):
            if path.suffix.lower() == ".torrent" and path.is_file():
                stamp = _stamp(path)
                if stamp is not None:
                    yield path, stamp

    def _read(self, path: Path, stamp: Stamp, changes: Changes) -> _Sighting:
        try:
            metainfo = Metainfo.from_file(path)
        except BitTorrentError as error:
            changes.wrong.append((path, error))
            return _Sighting(stamp, None)
        for other, sighting in self._known.items():
            if sighting.metainfo is not None and sighting.metainfo.info_hash == metainfo.info_hash and other != path:
                changes.wrong.append((path, CommandError(f"it is the same torrent as {other}")))
                return _Sighting(stamp, None)
        return _Sighting(stamp, metainfo)

    def _look_at_content(self, path: Path, sighting: _Sighting, metainfo: Metainfo, changes: Changes) -> None:
        content = content_path(metainfo, self.content_dir)
        stamp = _stamp(content)
        is_settled = stamp is not None and (stamp == sighting.content or not self._has_looked)
        sighting.content = stamp
        if stamp is None and not sighting.was_told:
            sighting.was_told = True
            changes.wrong.append((path, CommandError(f"it is shared once {content} is there")))
        if is_settled and stamp != sighting.tried:
            sighting.tried = stamp
            changes.ready.append((path, metainfo))

    def _forget(self, path: Path, changes: Changes) -> None:
        sighting = self._known.pop(path)
        if sighting.metainfo is not None and sighting.tried is not None:
            changes.gone.append(sighting.metainfo.info_hash)


@dataclass(slots=True)
class _Sighting:
    """A torrent file as it was at the last look; `tried` is what its content was when it was ready."""

    stamp: Stamp
    metainfo: Metainfo | None
    content: Stamp | None = None
    tried: Stamp | None = None
    was_told: bool = False


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
