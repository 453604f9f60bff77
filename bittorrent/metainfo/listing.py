"""The files of a torrent as they are read, one after the other: each gets a safe path of its own, and its offset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import MAX_TOTAL_BYTES, FileEntry
from bittorrent.files.names import NameRules, safe_name
from bittorrent.files.path_plan import PathPlan, shorten_path


class FileListing:
    """Collects the files below the folder `name`, in the order of the torrent.

    Args:
        name, raw_name: of the torrent: made safe, and as it came.
        pause: called after every few files.

    Attributes:
        offset: where the next file begins.
    """

    def __init__(self, name: str, raw_name: bytes, rules: NameRules, pause: Callable[[], None]) -> None:
        self.offset = 0
        self._pause = pause
        self._top = name
        self._raw_top = raw_name
        self._is_top_changed = name.encode() != raw_name
        self._rules = rules
        self._plan = PathPlan(rules)
        self._entries: list[FileEntry] = []
        self._links: list[tuple[int, Sequence[bytes], Sequence[bytes]]] = []
        self._safe: dict[bytes, str] = {}  # folders come again and again

    def __len__(self) -> int:
        return len(self._entries)

    def add_file(self, raw: Sequence[bytes], length: int, attributes: bytes, root: bytes | None = None) -> None:
        """A file.

        Args:
            raw: its path below `name`, as the torrent has it.
            attributes: letters of BEP 47.
            root: its `pieces root` (BEP 52).

        Raises:
            MetainfoError: the total is more than a file system can hold.
        """
        path = self._path(raw)
        self._plan.add(path)
        original = self._original(raw, path)
        executable, hidden = b"x" in attributes, b"h" in attributes
        self._entries.append(FileEntry(path, length, self.offset, False, executable, hidden, (), original, root))
        self._advance(length)

    def add_only(self, length: int, attributes: bytes, root: bytes | None = None) -> None:
        """The only file of a torrent that is no folder: its path is `name`. Arguments are as for `add_file`."""
        original = (self._raw_top,) if self._is_top_changed else ()
        executable, hidden = b"x" in attributes, b"h" in attributes
        self._entries.append(FileEntry((self._top,), length, 0, False, executable, hidden, (), original, root))

    def add_padding(self, length: int) -> None:
        """Padding (BEP 47).

        Raises:
            MetainfoError: as `add_file`.
        """
        self._entries.append(_padding(length, self.offset))
        self._advance(length)

    def add_link(self, raw: Sequence[bytes], target: Sequence[bytes]) -> None:
        """A symbolic link; an empty path or target makes it padding of no length."""
        if raw and target:
            self._links.append((len(self._entries), raw, target))
        self._entries.append(_padding(0, self.offset))

    def finish(self) -> tuple[FileEntry, ...]:
        """All of them. Links come last: none takes the place of a file, and each leads to a file or folder."""
        entries = self._entries
        if not self._plan.is_clear:
            for number, entry in enumerate(entries):
                if not entry.is_padding and (path := self._plan.place(entry.path)) != entry.path:
                    original = entry.original or tuple(element.encode() for element in entry.path)
                    entries[number] = replace(entry, path=path, original=original)
                if not number % FILES_A_PAUSE:
                    self._pause()
        if self._links:
            places: dict[tuple[str, ...], tuple[str, ...]] = {}  # by what the torrent says
            for number, entry in enumerate(entries):
                if not entry.is_padding:
                    places.setdefault(self._path(entry.original[1:]) if entry.original else entry.path, entry.path)
                if not number % FILES_A_PAUSE:
                    self._pause()
            for number, (index, raw, target) in enumerate(self._links):
                entries[index] = self._link(raw, self._path(target), places, entries[index])
                if not number % FILES_A_PAUSE:
                    self._pause()
        return tuple(entries)

    def _advance(self, length: int) -> None:
        self.offset += length
        if self.offset > MAX_TOTAL_BYTES:
            raise MetainfoError("the files are larger together than a file system can hold")

    def _link(
        self,
        raw: Sequence[bytes],
        target: tuple[str, ...],
        places: dict[tuple[str, ...], tuple[str, ...]],
        otherwise: FileEntry,
    ) -> FileEntry:
        path = self._path(raw)
        place = places.get(target) or (target if self._plan.has_folder(target) else None)
        if place is None or not self._plan.place_new(path):
            return otherwise
        places.setdefault(path, path)
        return FileEntry(path, 0, otherwise.offset, link_to=place, original=self._original(raw, path))

    def _path(self, raw: Sequence[bytes]) -> tuple[str, ...]:
        safe = self._safe
        path = [self._top]
        for element in raw[:-1]:
            name = safe.get(element)
            if name is None:
                name = safe[element] = safe_name(element, self._rules)
            path.append(name)
        path.append(safe_name(raw[-1], self._rules))
        return shorten_path(path)

    def _original(self, raw: Sequence[bytes], path: tuple[str, ...]) -> tuple[bytes, ...]:
        is_same = len(raw) == len(path) - 1 and all(map(_is_same, raw, path[1:]))
        return () if is_same and not self._is_top_changed else (self._raw_top, *raw)


def _padding(length: int, offset: int) -> FileEntry:
    return FileEntry((".pad", str(length)), length, offset, is_padding=True)


def _is_same(raw: bytes, name: str) -> bool:
    return raw == name.encode()


FILES_A_PAUSE = 256
