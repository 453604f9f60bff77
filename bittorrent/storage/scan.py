"""The files at a place on disk that are to be shared, as they are found."""

from __future__ import annotations

import errno
import glob
import os
import shlex
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.entry import MAX_FILES
from bittorrent.files.names import STATE_FOLDER
from bittorrent.storage.hashing import SourceFile


def scan_files(root: str, *, attributes: bool = False, exclude: Sequence[str] = ()) -> list[SourceFile]:
    """The regular files at or below `root`, ordered by path, element by element, as bytes.

    What a pattern of `exclude` means is left out: `is_excluded` says how.

    Symbolic links are followed, except that with `attributes` those that lead to something else below `root` stay
    links; then executable and hidden files are marked as well (BEP 47).

    Raises:
        StorageError: a folder cannot be read, or a symbolic link leads back into a folder around it.
        MetainfoError: there are too many.
    """
    try:
        status = os.stat(root)
    except OSError as error:
        raise StorageError.from_os_error("share", root, error) from None
    if not stat.S_ISDIR(status.st_mode):
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"cannot share {root}: it is neither a file nor a folder", path=root)
        marks = _marks(os.path.basename(root), status) if attributes else ""
        return [SourceFile((), root, status.st_size, status.st_mtime_ns, marks)]
    found: list[SourceFile] = []
    # A folder waits here with the identities of the folders around it, which is how a loop of links is noticed.
    waiting: list[tuple[tuple[str, ...], str, frozenset[tuple[int, int]]]] = [((), root, frozenset())]
    while waiting:
        prefix, folder, around = waiting.pop()
        identity, entries = _list(folder)
        if identity in around:
            raise _useless_link(folder, root, "back to a folder around it")
        for entry in entries:
            if not prefix and entry.name == STATE_FOLDER:
                continue
            path = (*prefix, entry.name)
            if is_excluded(path, exclude):
                continue
            link_to = _target_inside(root, entry.path) if attributes and entry.is_symlink() else ()
            if link_to:
                found.append(SourceFile(path, "", 0, 0, "l", link_to))
                continue
            try:
                status = entry.stat()
            except OSError as error:
                if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise _useless_link(entry.path, root, "nowhere") from None
                raise StorageError.from_os_error("share", entry.path, error) from None
            if stat.S_ISDIR(status.st_mode):
                waiting.append((path, entry.path, around | {identity}))
            elif stat.S_ISREG(status.st_mode):
                marks = _marks(entry.name, status) if attributes else ""
                found.append(SourceFile(path, entry.path, status.st_size, status.st_mtime_ns, marks))
        if len(found) > MAX_FILES:
            raise MetainfoError(f"cannot share {root}: it holds more than {MAX_FILES} files")
    found.sort(key=lambda file: file.raw_path)
    return found


def is_excluded(path: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a pattern means a file or folder.

    By its name (`*.tmp`), or by its path below the shared folder (`extras/*.tmp`; `*` goes over slashes, too). Upper
    and lower case differ; a slash at the end of a pattern is ignored.
    """
    whole = "/".join(path)
    return any(
        fnmatchcase(whole, pattern.strip("/")) or fnmatchcase(path[-1], pattern.rstrip("/")) for pattern in patterns
    )


def _useless_link(path: str, root: str, where: str) -> StorageError:
    pattern = shlex.quote(glob.escape(os.path.relpath(path, root).replace(os.sep, "/")))
    return StorageError(f"cannot share {path}: this link leads {where}; --exclude {pattern} leaves it out", path=path)


def _list(folder: str) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    try:
        status = os.stat(folder)
        with os.scandir(folder) as listing:
            return (status.st_dev, status.st_ino), list(listing)
    except OSError as error:
        raise StorageError.from_os_error("share", folder, error) from None


def _marks(name: str, status: os.stat_result) -> str:
    is_hidden = name.startswith(".") or bool(getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)
    is_executable = os.name == "posix" and bool(status.st_mode & stat.S_IXUSR)
    return "x" * is_executable + "h" * is_hidden


def _target_inside(root: str, link: str) -> tuple[str, ...]:
    """What a link below `root` finally stands for, relative to it; empty when that is missing or lies outside."""
    top, target = os.path.realpath(root), os.path.realpath(link)
    if not target.startswith(os.path.join(top, "")) or not os.path.exists(target):
        return ()
    return tuple(os.path.relpath(target, top).split(os.sep))
