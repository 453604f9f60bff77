"""What the system says about single files, judged by what a torrent needs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from bittorrent.errors import StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.ports import FileStamp
from bittorrent.storage.safe_folder import not_a_file

ADVICE = "move it away, choose another directory (-o), or replace it (--overwrite)"


def is_sparse(descriptor: int, position: int, length: int) -> bool:
    """Whether no block of the disk belongs to the range. Moves the file position, which no code relies on."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA) >= position + length
    except OSError as error:
        return error.errno == errno.ENXIO  # no data from here to the end; anything else: not supported here


def check_status(path: str, status: os.stat_result, length: int, *, writable: bool) -> None:
    """Refuses what can be no file of `length` bytes, not even an unfinished one.

    Raises:
        StorageError: that is what is at `path`.
    """
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file(path)
    if status.st_size > length:
        advice = ADVICE if writable else "move it away or choose another directory"
        raise StorageError(
            f"{path} has {status.st_size} bytes but the torrent says {length}, so it is another file; {advice}",
            path=path,
        )


def check_case(files: Sequence[FileEntry]) -> None:
    """Refuses paths that differ in nothing but case.

    Raises:
        StorageError: two paths are one for a system that ignores case.
    """
    seen: dict[str, FileEntry] = {}
    for entry in files:
        if not entry.is_padding and seen.setdefault(str(entry).casefold(), entry) is not entry:
            raise StorageError(
                f"{str(entry)!r} is in the torrent twice for a system that ignores case", path=str(entry)
            )


def stamp_of(path: str | None) -> FileStamp | None:
    """None for what is not there."""
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return None
    return FileStamp(status.st_size, status.st_mtime_ns) if status is not None else None


def mode_of(entry: FileEntry) -> int:
    """What a new file may be used for, before the user's umask."""
    return 0o777 if entry.is_executable else 0o666
