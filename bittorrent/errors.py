"""Every error of this package, sorted by which side is at fault and what to do next."""

from __future__ import annotations

import os
from errno import EACCES, EDQUOT, EFBIG, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOSPC, EPERM, EROFS

from transfer.errors import DecodeError, RemoteProtocolError, TransferError


class BitTorrentError(TransferError):
    """Root of all errors of the package bittorrent."""


class MetainfoError(BitTorrentError, DecodeError):
    """A torrent (a `.torrent` file, or metadata that a peer sent) is not usable. `reason` is the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MagnetError(BitTorrentError, DecodeError):
    """A text is not a usable magnet link."""


class ResumeError(BitTorrentError, DecodeError):
    """Bytes are not the stored state of a torrent: hash what is on disk instead."""


class TorrentCollisionError(BitTorrentError, ValueError):
    """Two different torrents would be known by one hash. `alias` is that hash: only one of the two can be here."""

    def __init__(self, message: str, *, alias: bytes) -> None:
        super().__init__(message)
        self.alias = alias


class WireError(BitTorrentError, RemoteProtocolError):
    """A peer broke the peer wire protocol: drop the connection."""


class StorageError(BitTorrentError, OSError):
    """The disk did not do what was asked: the torrent stops, what was verified stays.

    `path` is the file concerned or None, `errno` the system's number or None where this library itself refused.
    """

    def __init__(self, message: str, *, path: str | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno

    @classmethod
    def from_os_error(cls, action: str, path: str | os.PathLike[str], error: OSError) -> StorageError:
        """`cannot <action> <path>: <what the system says>; <what to do>`; our own errors stay as they are."""
        if isinstance(error, StorageError):
            return error
        said = os.strerror(error.errno) if error.errno is not None else str(error)
        advice = _ADVICE.get(error.errno) if error.errno is not None else None
        text = f"cannot {action} {os.fspath(path)}: {said}" + (f"; {advice}" if advice else "")
        return cls(text, path=os.fspath(path), errno=error.errno)


class MissingDataError(StorageError):
    """The bytes asked for are not on disk: their file is missing or too short."""


class FilesChangedError(StorageError):
    """A file is not the one that the torrent used so far: check what is there, and go on. `number` says which."""

    def __init__(self, message: str, *, path: str, number: int) -> None:
        super().__init__(message, path=path)
        self.number = number


class JobInterruptedError(BitTorrentError):
    """Work of a torrent that has ended was given up: there is nothing to do."""


class SelectionError(BitTorrentError, ValueError):
    """A file was named that is not in the torrent."""


class TrackerError(BitTorrentError, ConnectionError):
    """A tracker refused or did not answer properly. `failure_reason` is the tracker's own text, or None."""

    def __init__(self, message: str, *, failure_reason: str | None = None) -> None:
        super().__init__(message)
        self.failure_reason = failure_reason


class WebSeedError(BitTorrentError, ConnectionError):
    """A web seed did not give what was asked for. `is_final` tells that it never will."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class NoPeersError(BitTorrentError, ConnectionError):
    """No source of peers named one that has what is wanted."""


class MetadataError(BitTorrentError, ConnectionError):
    """The metadata that a magnet link stands for could not be had from any peer."""


class TorrentStoppedError(BitTorrentError, RuntimeError):
    """The torrent was stopped or removed while the caller waited for it."""


_ADVICE = {
    ENOSPC: "free some space and start again",
    EDQUOT: "free some space and start again",
    EACCES: "check its permissions, or choose another directory",
    EPERM: "check its permissions, or choose another directory",
    EROFS: "choose a directory that can be written",
    ENOENT: "check the path",
    EMFILE: "raise the limit of open files (ulimit -n)",
    ENFILE: "close other programs that hold many files open",
    EFBIG: "choose a file system that holds large files",
    ENAMETOOLONG: "choose a directory with a shorter path",
}
