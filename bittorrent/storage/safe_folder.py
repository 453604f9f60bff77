"""A folder in which files are opened without being led out of it, except where the user wishes so."""

from __future__ import annotations

import errno
import os
import stat
from enum import Enum

from bittorrent.errors import StorageError
from bittorrent.storage.durable import make_folders


class Making(Enum):
    """What becomes of a file that is opened to be written."""

    IF_MISSING = "if missing"
    ALWAYS = "always"  # FileExistsError when there is one
    NEVER = "never"  # FileNotFoundError when there is none


class SafeFolder:
    """Opens files below `root`.

    Symbolic links that the user made are followed: a file, or a folder, may well lie on another disk. A torrent can
    make links too (BEP 47), and nothing is written through these. Theirs are relative, below the torrent's own folder,
    and lead to something inside it or inside `root`; so a link like that is not followed, even if the user made it.

    With `writable=False` all links are followed: what is read is worth nothing unless it has the hashes of the torrent.
    """

    __slots__ = ("root", "writable")

    def __init__(self, root: str | os.PathLike[str], *, writable: bool) -> None:
        self.root = os.path.abspath(root)
        self.writable = writable

    def path(self, elements: tuple[str, ...]) -> str:
        return os.path.join(self.root, *elements)

    def open_to_read(self, path: str) -> tuple[int, os.stat_result]:
        """A descriptor, and what it leads to.

        Raises:
            StorageError: a symbolic link that is not followed, or no file.
            OSError: the system refused.
        """
        number = os.open(self.resolve(path) if self.writable else path, _FLAGS | (_NO_FOLLOW if self.writable else 0))
        return number, _status_of_file(number, path)

    def open_to_write(
        self, path: str, *, mode: int = 0o666, making: Making = Making.IF_MISSING
    ) -> tuple[int, os.stat_result]:
        """A descriptor, and what it leads to; folders are made where a file may be.

        Raises:
            StorageError: a symbolic link that is not followed or leads to nothing, or no file.
            OSError: the system refused.
        """
        real = self.resolve(path)
        flags = _FLAGS | _NO_FOLLOW | os.O_RDWR
        if making is not Making.NEVER:
            make_folders(os.path.dirname(path))
            flags |= os.O_CREAT | (os.O_EXCL if making is Making.ALWAYS else 0)
        number = os.open(real, flags, mode)
        return number, _status_of_file(number, path)

    def resolve(self, path: str) -> str:
        """Where `path` leads to, whether there is something or not.

        Raises:
            StorageError: out of `root` without a symbolic link, or through one that is not followed, or through one
                to a folder that is not there: its disk may be missing.
        """
        elements = os.path.relpath(path, self.root).split(os.sep)
        if os.pardir in elements or os.path.isabs(elements[0]):
            raise StorageError(f"{path} leads out of {self.root}; choose another directory", path=path)
        root = current = os.path.realpath(self.root)
        top = os.path.join(root, elements[0])
        for depth, element in enumerate(elements):
            place = os.path.join(current, element)
            target = _link_at(place)
            if target is None:
                current = place
                continue
            aim = os.path.normpath(os.path.join(current, target))
            if depth and not os.path.isabs(target) and (_is_inside(aim, root) or _is_inside(aim, top)):
                raise symbolic_link(os.path.join(self.root, *elements[: depth + 1]))
            current = os.path.realpath(place)
            if not os.path.lexists(current if depth + 1 < len(elements) else os.path.dirname(current)):
                raise _leads_nowhere(os.path.join(self.root, *elements[: depth + 1]), target)
            if not depth:
                top = current
        return current


def not_a_file(path: str) -> StorageError:
    return StorageError(f"{path} is not a file; move it away or choose another directory", path=path)


def symbolic_link(path: str) -> StorageError:
    text = (
        f"{path} is a symbolic link that a torrent may have made, and nothing is written through it;"
        " remove it, make it absolute or choose another directory"
    )
    return StorageError(text, path=path)


def _leads_nowhere(path: str, target: str) -> StorageError:
    text = f"{path} is a symbolic link to {target}, which is not there; mount its disk, make the folder or remove it"
    return StorageError(text, path=path, errno=errno.ENOENT)


def _link_at(path: str) -> str | None:
    try:
        return os.readlink(path)
    except (OSError, ValueError):  # no link, or nothing there
        return None


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _status_of_file(descriptor: int, path: str) -> os.stat_result:
    """Closes the descriptor of anything else."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise not_a_file(path)
    return status


# O_NONBLOCK, so that a pipe in the place of a file cannot stop the program; for files it means nothing.
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
