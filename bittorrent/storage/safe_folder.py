"""A folder in which files are opened without being led out of it."""

from __future__ import annotations

import os
import stat

from bittorrent.errors import StorageError
from bittorrent.storage.durable import make_folders


class SafeFolder:
    """Opens files below `root`. Nothing is written through a symbolic link that leads out of it.

    With `writable=False` symbolic links are followed: what is read is worth nothing to anybody unless it has the hashes
    of the torrent.
    """

    __slots__ = ("root", "writable")

    def __init__(self, root: str | os.PathLike[str], *, writable: bool) -> None:
        self.root = os.path.abspath(root)
        self.writable = writable

    def path(self, elements: tuple[str, ...]) -> str:
        return os.path.join(self.root, *elements)

    def open_to_read(self, path: str) -> int:
        """A descriptor. Opens first and checks then: nothing is changed by it, and most files that are not there cost
        one call.

        Raises:
            StorageError: a symbolic link, or no file.
            OSError: the system refused.
        """
        number = os.open(path, _FLAGS | (_NO_FOLLOW if self.writable else 0))
        try:
            if self.writable:
                self.check_inside(path)
            _check_regular(number, path)
        except StorageError:
            os.close(number)
            raise
        return number

    def open_to_write(self, path: str, *, mode: int = 0o666) -> int:
        """A descriptor; file and folders are made.

        Raises:
            StorageError: a symbolic link, or no file.
            OSError: the system refused.
        """
        self.check_inside(path)
        make_folders(os.path.dirname(path))
        number = os.open(path, _FLAGS | _NO_FOLLOW | os.O_RDWR | os.O_CREAT, mode)
        try:
            _check_regular(number, path)
        except StorageError:
            os.close(number)
            raise
        return number

    def check_inside(self, path: str) -> None:
        """Raises:
        StorageError: writing to `path` would go through a symbolic link that leads out, or is one.
        """
        if os.path.islink(path):  # O_NOFOLLOW says the same without a race, where it exists
            raise symbolic_link(path)
        self.check_folder(os.path.dirname(path))

    def check_folder(self, folder: str) -> None:
        """Folders on the way to a file may be symbolic links, as long as they stay inside `root`.

        Raises:
            StorageError: it leads out.
        """
        root, real = os.path.realpath(self.root), os.path.realpath(folder)
        if real != root and not real.startswith(os.path.join(root, "")):
            raise StorageError(
                f"{folder} leads out of {self.root} through a symbolic link; remove it or choose another directory",
                path=folder,
            )


def not_a_file(path: str) -> StorageError:
    return StorageError(f"{path} is not a file; move it away or choose another directory", path=path)


def symbolic_link(path: str) -> StorageError:
    text = f"{path} is a symbolic link, and nothing is written through it; remove it or choose another directory"
    return StorageError(text, path=path)


def _check_regular(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise not_a_file(path)


# O_NONBLOCK, so that a pipe in the place of a file cannot stop the program; for files it means nothing.
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
