"""Bringing files to another place, so that at every moment all of them are whole at the old or at the new one."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress

from bittorrent.errors import StorageError
from bittorrent.storage.durable import place, remove_folder_if_empty


def relocate(moves: Sequence[tuple[str, str]], *, roots: Sequence[str]) -> None:
    """Moves files, each (from, to); sources that do not exist are left out.

    First everything is made available at the new place, then it is removed from the old one: a process killed
    meanwhile leaves all of it at one of them, and an error (a disk that is full, say) leaves the old place as it was.
    It works across file systems. Folders that are left empty are removed, up to but without `roots`.

    Raises:
        StorageError: something is at a new place already, or the system refused.
    """
    placed: list[str] = []
    moved: list[str] = []
    try:
        for source, target in moves:
            if not os.path.lexists(source):
                continue
            try:
                place(source, target)
            except FileExistsError:
                raise StorageError(f"{target} exists already; nothing was moved", path=target) from None
            except OSError as error:
                raise StorageError.from_os_error("move to", target, error) from None
            placed.append(target)
            moved.append(source)
    except StorageError:
        for target in placed:
            with suppress(OSError):
                os.unlink(target)
        remove_empty_folders([target for _, target in moves], roots=roots)
        raise
    remove_files(moved, roots=roots)


def remove_files(paths: Sequence[str], *, roots: Sequence[str]) -> None:
    """Removes files (never what a symbolic link leads to), and the folders left empty by that, up to `roots`.

    Raises:
        StorageError: the system refused.
    """
    for path in paths:
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise StorageError.from_os_error("remove", path, error) from None
    remove_empty_folders(paths, roots=roots)


def remove_empty_folders(paths: Sequence[str], *, roots: Sequence[str]) -> None:
    """Removes the empty folders around files that are gone; what cannot be removed stays."""
    for folder in {os.path.dirname(path): None for path in paths}:
        while any(folder.startswith(os.path.join(root, "")) for root in roots):
            with suppress(StorageError):
                if remove_folder_if_empty(folder):
                    folder = os.path.dirname(folder)
                    continue
            break
