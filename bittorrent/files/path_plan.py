"""A place of its own for each file of a torrent, whatever the torrent calls them."""

from __future__ import annotations

from collections.abc import Sequence

from bittorrent.files.names import MAX_ELEMENT_BYTES, SYSTEM_RULES, NameRules, cut_to, split_extension

MAX_PATH_BYTES = 3072  # of PATH_MAX, which is 4096 on Linux; the rest is for the download directory


class PathPlan:
    """Gives each file a path of its own.

    Files that share a path, with another file or with a folder, are told apart by a number before the extension:
    `a.bin`, `a.1.bin`, `a.2.bin`. The first file with a path keeps it; folders keep theirs always.

    First all are added; then, unless `is_clear`, each is asked for. Cost: a step for each element of a path.
    """

    __slots__ = ("_root", "_rules", "is_clear")

    def __init__(self, rules: NameRules = SYSTEM_RULES) -> None:
        self._rules = rules
        self._root = _Folder()
        self.is_clear = True  # no path was added twice, and none that is a folder, too

    def add(self, path: tuple[str, ...]) -> None:
        """Takes note of a file."""
        folder = self._folder(path)
        key = self._rules.key(path[-1])
        if key in folder.files or key in folder.folders:
            self.is_clear = False
        folder.files.add(key)

    def place(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """The path that a file gets; to be called once for each file, in the order of the torrent."""
        folder = self._folder(path)
        key = self._rules.key(path[-1])
        if key not in folder.folders and key not in folder.placed:
            folder.placed.add(key)
            return path
        return (*path[:-1], self._numbered(folder, path[-1]))

    def place_new(self, path: tuple[str, ...]) -> bool:
        """Whether a file that was not added finds its place free; it has it then."""
        folder = self._root
        for element in path[:-1]:
            key = self._rules.key(element)
            if key in folder.files or key in folder.placed:
                return False
            if key not in folder.folders:
                break
            folder = folder.folders[key]
        else:
            key = self._rules.key(path[-1])
            if key in folder.folders or key in folder.files or key in folder.placed:
                return False
        self._folder(path).placed.add(self._rules.key(path[-1]))
        return True

    def has_folder(self, path: tuple[str, ...]) -> bool:
        """Whether there is a file somewhere below."""
        folder = self._root
        for element in path:
            below = folder.folders.get(self._rules.key(element))
            if below is None:
                return False
            folder = below
        return True

    def _folder(self, path: tuple[str, ...]) -> _Folder:
        """The one around a file; made where it is new."""
        folder = self._root
        for element in path[:-1]:
            key = self._rules.key(element)
            below = folder.folders.get(key)
            if below is None:
                below = folder.folders[key] = _Folder()
                if key in folder.files:
                    self.is_clear = False
            folder = below
        return folder

    def _numbered(self, folder: _Folder, name: str) -> str:
        stem, extension = split_extension(name)
        room = MAX_ELEMENT_BYTES - len(extension.encode())
        series = (self._rules.key(cut_to(stem, room - _NUMBER_BYTES)), self._rules.key(extension))
        number = folder.next_numbers.get(series, 1)
        while True:
            ending = f".{number}"
            candidate = cut_to(stem, room - len(ending)) + ending + extension
            key = self._rules.key(candidate)
            number += 1
            if key not in folder.folders and key not in folder.files and key not in folder.placed:
                folder.next_numbers[series] = number  # so that thousands of files with one name cost no more each
                folder.placed.add(key)
                return candidate


class _Folder:
    """What is in a folder, each by the key of its name: as the torrent has it (`files`), and as it is to be stored."""

    __slots__ = ("files", "folders", "next_numbers", "placed")

    def __init__(self) -> None:
        self.folders: dict[str, _Folder] = {}
        self.files: set[str] = set()
        self.placed: set[str] = set()
        self.next_numbers: dict[tuple[str, str], int] = {}


def shorten_path(path: Sequence[str]) -> tuple[str, ...]:
    """A path without the folders that make it longer than systems can open.

    Those are the innermost, so that files that are close stay close.
    """
    sizes = [len(element.encode()) + 1 for element in path]
    total, limit = sum(sizes) - 1, MAX_PATH_BYTES - _NUMBER_BYTES
    if total <= limit:
        return tuple(path)
    kept = len(path) - 1
    while kept > 1 and total > limit:
        kept -= 1
        total -= sizes[kept]
    return (*path[:kept], path[-1])


_NUMBER_BYTES = 8
