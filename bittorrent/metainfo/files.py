"""The files as a version 1 torrent lists them (BEP 3; padding and symbolic links of BEP 47)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import MAX_TOTAL_BYTES, FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules, clean_name, safe_name, safe_top_name
from bittorrent.files.path_plan import PathPlan, shorten_path
from transfer.wire.bencode import BencodeError
from transfer.wire.bencode_parts import BencodedList, no_pause

if TYPE_CHECKING:
    from transfer.wire.bencode import Value


def parse_name(info: dict[bytes, Value], info_hash: bytes, rules: NameRules = SYSTEM_RULES) -> tuple[str, bytes]:
    """The torrent's name, which is the file's or that of the folder around all files: made safe, and as it came.

    `name.utf-8` comes first. A name of which nothing is left is replaced by the info-hash.

    Raises:
        MetainfoError: missing.
    """
    raw = next((info[key] for key in (b"name.utf-8", b"name") if isinstance(info.get(key), bytes)), None)
    if not isinstance(raw, bytes):
        raise MetainfoError("the torrent has no name")
    name = clean_name(raw, rules) or (info_hash.hex() if raw else "_")
    return safe_top_name(name, rules), raw


def parse_files(
    info: dict[bytes, Value],
    listed: BencodedList | None,
    name: str,
    raw_name: bytes,
    *,
    max_files: int,
    rules: NameRules = SYSTEM_RULES,
    pause: Callable[[], None] = no_pause,
) -> tuple[FileEntry, ...]:
    """All files in the order of the torrent, padding and symbolic links included.

    So their numbers are those that others use (BEP 53). Paths are made safe, and each file gets its own (`PathPlan`). A
    link that leads to nothing in the torrent, or is in the way of a file, counts as padding of no length.

    Args:
        listed: the list `files`, where that is one.
        pause: called after every few files.

    Raises:
        MetainfoError: neither or both of `length` and `files`, no path, a length that is not a number from 0 on, more
            than `max_files` files, or a total that no file system can hold.
    """
    if b"files" in info and b"length" in info:
        raise MetainfoError("the torrent says both that it is one file and that it is many")
    if b"files" not in info:
        attributes = _attributes_of(info)
        original = (raw_name,) if name.encode() != raw_name else ()
        return (FileEntry((name,), _length_of(info), 0, False, b"x" in attributes, b"h" in attributes, (), original),)
    if listed is None or not len(listed):
        raise MetainfoError("the list of files is missing or empty")
    if len(listed) > max_files:
        raise MetainfoError(f"the torrent has {len(listed)} files, more than the {max_files} allowed")
    listing = _Listing(name, raw_name, rules, pause)
    try:
        for items in listed.batches(pause=pause):
            for item in items:
                listing.add(item)
    except BencodeError as error:
        raise MetainfoError(f"a file of the torrent is described by {error.reason}") from None
    return listing.finish()


class _Listing:
    """The files as they are read, one after the other."""

    def __init__(self, name: str, raw_name: bytes, rules: NameRules, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._top = name
        self._raw_top = raw_name
        self._is_top_changed = name.encode() != raw_name
        self._rules = rules
        self._plan = PathPlan(rules)
        self._entries: list[FileEntry] = []
        self._links: list[tuple[int, dict[bytes, Value]]] = []
        self._safe: dict[bytes, str] = {}  # folders come again and again
        self._offset = 0

    def add(self, item: Value) -> None:
        if not isinstance(item, dict):
            raise MetainfoError("the list of files holds something that is not a file")
        attributes = _attributes_of(item)
        if b"l" in attributes:  # takes no room, whatever its length says: libtorrent counts it so too
            self._links.append((len(self._entries), item))
            self._entries.append(_padding(0, self._offset))
            return
        length = _length_of(item)
        raw = [] if b"p" in attributes else _raw_path_of(item)
        if b"p" in attributes or raw[-1].startswith(_OLD_PADDING):
            self._entries.append(_padding(length, self._offset))
        else:
            path = self._path(raw)
            self._plan.add(path)
            original = self._original(raw, path)
            executable, hidden = b"x" in attributes, b"h" in attributes
            self._entries.append(FileEntry(path, length, self._offset, False, executable, hidden, (), original))
        self._offset += length
        if self._offset > MAX_TOTAL_BYTES:
            raise MetainfoError("the files are larger together than a file system can hold")

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
            for number, (index, item) in enumerate(self._links):
                entries[index] = self._link(item, places, entries[index])
                if not number % FILES_A_PAUSE:
                    self._pause()
        return tuple(entries)

    def _link(
        self, item: dict[bytes, Value], places: dict[tuple[str, ...], tuple[str, ...]], otherwise: FileEntry
    ) -> FileEntry:
        try:
            raw = _raw_path_of(item)
            target = self._path(_raw_path_of({b"path": item.get(b"symlink path", 0)}))
        except MetainfoError:
            return otherwise
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


def _attributes_of(item: dict[bytes, Value]) -> bytes:
    attributes = item.get(b"attr")
    return attributes if isinstance(attributes, bytes) else b""


def _raw_path_of(item: dict[bytes, Value]) -> list[bytes]:
    """`path.utf-8` comes first, if it is usable."""
    listed = [found for key in (b"path.utf-8", b"path") if isinstance(found := item.get(key), list) and found]
    for elements in listed:
        path = [element for element in elements if isinstance(element, bytes)]
        if len(path) == len(elements):
            return path
    if listed:
        raise MetainfoError("a path of the torrent holds something that is not text")
    raise MetainfoError("a file of the torrent has no path")


def _is_same(raw: bytes, name: str) -> bool:
    return raw == name.encode()


def _length_of(item: dict[bytes, Value]) -> int:
    length = item.get(b"length")
    if not isinstance(length, int):
        raise MetainfoError("a file of the torrent has no length")
    if not 0 <= length <= MAX_TOTAL_BYTES:
        raise MetainfoError(f"a file of the torrent has the impossible length {length}")
    return length


_OLD_PADDING = b"_____padding_file_"  # BitComet's name for padding, before BEP 47 gave it an attribute
FILES_A_PAUSE = 256
