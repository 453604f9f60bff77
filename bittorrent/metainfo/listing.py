"""The files of a torrent as they are read, one after the other: each gets a safe path of its own, and its offset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

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
        self._links_left = MAX_ALL_LINKS_FOLLOWED
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
            places: dict[Path, Path] = {}  # by what the torrent says
            for number, entry in enumerate(entries):
                if not entry.is_padding:
                    places.setdefault(self._path(entry.original[1:]) if entry.original else entry.path, entry.path)
                if not number % FILES_A_PAUSE:
                    self._pause()
            targets = {self._path(raw): self._targets_of(raw, target) for _, raw, target in self._links}
            for number, (index, raw, _) in enumerate(self._links):
                entries[index] = self._link(raw, targets, places, entries[index])
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
        targets: dict[Path, tuple[Path, Path]],
        places: dict[Path, Path],
        otherwise: FileEntry,
    ) -> FileEntry:
        path = self._path(raw)
        place = self._place_of(path, targets, places)
        if place is None or not self._plan.place_new(path):
            return otherwise
        places.setdefault(path, path)
        return FileEntry(path, 0, otherwise.offset, link_to=place, original=self._original(raw, path))

    def _targets_of(self, raw: Sequence[bytes], target: Sequence[bytes]) -> tuple[Path, Path]:
        """What a link may mean: a path in the torrent (BEP 47) or, as some programs have it, one in its own folder."""
        return self._path(target), self._path([*raw[:-1], *target])

    def _place_of(self, path: Path, targets: dict[Path, tuple[Path, Path]], places: dict[Path, Path]) -> Path | None:
        """The file or folder that a link leads to, through other links if need be; None when there is none."""
        ahead, seen = list(targets[path]), {path}
        while ahead:
            target = ahead.pop(0)
            if target in seen:
                continue
            seen.add(target)
            place = places.get(target) or (target if self._plan.has_folder(target) else None)
            if place is not None:
                return place
            if len(seen) > MAX_LINKS_FOLLOWED or not self._links_left:
                continue
            self._links_left -= 1
            for end in range(2, len(target) + 1 if len(target) <= MAX_LINK_DEPTH else 0):
                ahead += ((*found, *target[end:]) for found in targets.get(target[:end], ()))
        return None

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


Path: TypeAlias = tuple[str, ...]

FILES_A_PAUSE = 256
# What is looked at for links that lead through other links: for one, for all of a torrent, and how deep.
MAX_LINKS_FOLLOWED = 16
MAX_ALL_LINKS_FOLLOWED = 5_000
MAX_LINK_DEPTH = 32
