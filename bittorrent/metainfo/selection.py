"""Which files and pieces of a torrent are wanted, and how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from bittorrent.errors import SelectionError
from bittorrent.files.entry import FileEntry
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.priority import DEFAULT_PRIORITY, MAX_PRIORITY

FileName: TypeAlias = int | str | range  # a number, several, or a path, a folder or a pattern


class Selection:
    """The priorities of the files of one torrent, and what they mean for its pieces.

    Priorities are numbers from 0 (not wanted) to 7 (before all others); 4 is usual. A piece has the highest priority of
    the files that have bytes in it, unless it was given one of its own. Padding goes with the bytes before it.

    Args:
        files: in the order of the torrent, padding included: files are known by their number in it.
        priorities: of the files; none at all means that everything is wanted.

    Raises:
        ValueError: not one priority for each file, or one that is none.
    """

    __slots__ = ("_files", "_geometry", "_pieces", "files")

    def __init__(self, files: Sequence[FileEntry], geometry: Geometry, priorities: Sequence[int] = ()) -> None:
        if len(priorities) not in (0, len(files)):
            raise ValueError(f"{len(priorities)} priorities for {len(files)} files")
        _check(priorities)
        self.files = tuple(priorities) or (DEFAULT_PRIORITY,) * len(files)
        self._files = files
        self._geometry = geometry
        self._pieces: dict[int, int] = {}

    def set_files(self, priorities: Mapping[int, int]) -> None:
        """New priorities for some files. Pieces forget those of their own.

        Raises:
            ValueError: no priority; SelectionError: no such file.
        """
        _check(priorities.values())
        changed = list(self.files)
        for number, priority in priorities.items():
            if not 0 <= number < len(changed):
                raise SelectionError(f"file {number} is no file of the torrent: it has {len(changed)}, counted from 0")
            changed[number] = priority
        self.files = tuple(changed)
        self._pieces.clear()

    def set_pieces(self, priorities: Mapping[int, int]) -> None:
        """Priorities of their own for some pieces, whatever their files have.

        Raises:
            ValueError: no priority, or no such piece.
        """
        _check(priorities.values())
        for index in priorities:
            if not 0 <= index < self._geometry.piece_count:
                raise ValueError(f"piece {index} is not one of {self._geometry.piece_count}")
        self._pieces.update(priorities)

    def pieces(self) -> bytes:
        """The priority of each piece. Cost: O(pieces), and a step for each file."""
        found = bytearray(self._geometry.piece_count)
        before = DEFAULT_PRIORITY
        for entry, priority in zip(self._files, self.files, strict=True):
            if not entry.length:
                continue
            effective = before = before if entry.is_padding else priority
            if not effective:
                continue
            pieces = self._geometry.pieces_of(entry.offset, entry.length)
            first, last = pieces[0], pieces[-1]
            for edge in (first, last):
                found[edge] = max(found[edge], effective)
            found[first + 1 : last] = bytes([effective]) * max(0, last - first - 1)  # of these no other file has a byte
        for index, priority in self._pieces.items():
            found[index] = priority
        return bytes(found)

    def numbers_of(self, names: Iterable[FileName]) -> set[int]:
        """The files meant by numbers, ranges of numbers, paths, folders and patterns such as `*.mkv`.

        Padding is never meant: a number of it alone is no file, and a range goes over it.

        Raises:
            SelectionError: one of them means no file.
        """
        found: set[int] = set()
        for name in names:
            if isinstance(name, str):
                numbers = {number for number, entry in enumerate(self._files) if _is_meant(entry, name)}
            else:
                wanted = name if isinstance(name, range) else range(name, name + 1)
                inside = range(len(self._files))[max(0, wanted.start) : max(0, wanted.stop) : wanted.step]
                numbers = {number for number in inside if not self._files[number].is_padding}
                if inside and not numbers:
                    raise SelectionError(f"{_text(name)} is only padding between files; `kad torrent show` lists them")
            if not numbers:
                raise SelectionError(f"{_text(name)} is no file of the torrent; `kad torrent show` lists them")
            found |= numbers
        return found

    def only(self, names: Iterable[FileName]) -> dict[int, int]:
        """Priorities with which just these files are wanted: for `set_files`. Padding has none.

        Raises:
            SelectionError: one of them means no file.
        """
        wanted = self.numbers_of(names)
        return {
            number: DEFAULT_PRIORITY if number in wanted else 0
            for number, entry in enumerate(self._files)
            if not entry.is_padding
        }


def _check(priorities: Iterable[int]) -> None:
    for priority in priorities:
        if not 0 <= priority <= MAX_PRIORITY:
            raise ValueError(f"a priority is a number from 0 to {MAX_PRIORITY}, not {priority}")


def _is_meant(entry: FileEntry, name: str) -> bool:
    """Paths are meant with and without the folder that is the torrent's name; `*` goes over folders too."""
    if entry.is_padding:
        return False
    name = name.rstrip("/")
    paths = [entry.path, entry.path[1:]] if len(entry.path) > 1 else [entry.path]
    for path in paths:
        if any(fnmatchcase("/".join(path[:depth]), name) for depth in range(1, len(path) + 1)):
            return True
        if "/".join(path[: name.count("/") + 1]) == name:  # a name with brackets is a pattern, too
            return True
    return "/" not in name and (fnmatchcase(entry.path[-1], name) or entry.path[-1] == name)


def _text(name: FileName) -> str:
    return f"{name.start}-{name.stop - 1}" if isinstance(name, range) else str(name)
