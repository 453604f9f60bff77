"""The files as a version 2 torrent has them: a tree of dictionaries (BEP 52; symbolic links of BEP 47)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import MAX_TOTAL_BYTES, FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules
from bittorrent.metainfo.files import attributes_of, length_of, link_target_of
from bittorrent.metainfo.listing import FILES_A_PAUSE, FileListing
from transfer.wire.bencode import DEFAULT_LIMITS, decode_scanned, scan, scan_string
from transfer.wire.bencode_parts import MAX_VALUE_BYTES, no_pause

ROOT_BYTES = 32


class FileTree:
    """The tree of files of one torrent.

    Args:
        data: bencoded; `span` is where the tree begins and ends in it, which `bencode.scan` has found valid (it bounds
            how deep it is, too).

    Attributes:
        only: the name of the only file when there is nothing else at the top, otherwise None. Such a torrent is that
            file and no folder, unless it says otherwise in its version 1 half.
    """

    def __init__(self, data: bytes, span: tuple[int, int]) -> None:
        self._data = data
        self._start, self._end = span
        self.only = self._only_name()

    def files(
        self,
        name: str,
        raw_name: bytes,
        *,
        is_folder: bool,
        piece_length: int,
        max_files: int,
        rules: NameRules = SYSTEM_RULES,
        pause: Callable[[], None] = no_pause,
    ) -> tuple[FileEntry, ...]:
        """All files in the order of the torrent; each begins with a piece.

        What lies between the end of a file and the next piece is padding, which is in no dictionary, so that files have
        the numbers that libtorrent gives them. There is none behind the last file. A link that leads to nothing in the
        torrent, or is in the way of a file, counts as padding of no length.

        Args:
            name, raw_name: of the torrent, made safe and as it came: what all paths begin with.
            is_folder: False for the only file, whose path is the name alone.
            pause: called after every few files.

        Raises:
            MetainfoError: a name that is empty or not in order, something that is neither file nor folder, a file with
                siblings of its own or without a usable length or root, padding, more than `max_files` files, or a total
                that no file system can hold.
        """
        listing = FileListing(name, raw_name, rules, pause)
        gap = 0
        for number, found in enumerate(self._walk()):
            if number == max_files:
                raise MetainfoError(f"the torrent has more than the {max_files} files allowed")
            if gap:
                listing.add_padding(gap)
                gap = 0
            if found.link_to is not None:
                listing.add_link(found.path, found.link_to)
            elif is_folder:
                listing.add_file(found.path, found.length, found.attributes, found.root)
            else:
                listing.add_only(found.length, found.attributes, found.root)
            gap = -found.length % piece_length
            if not number % FILES_A_PAUSE:
                pause()
        return listing.finish()

    def _only_name(self) -> bytes | None:
        """Cost: a look at the first entry."""
        data, position = self._data, self._start + 1
        if data[position : position + 1] == b"e":
            raise MetainfoError("the torrent has no files: its file tree is empty")
        name, position = scan_string(data, position)
        if not data.startswith(_FILE_KEY, position):
            return None
        return name if scan(data, position, DEFAULT_LIMITS, pause=no_pause) == self._end - 1 else None

    def _walk(self) -> Iterator[_Found]:
        """Each file with its path, in order. Iterative, so depth costs no stack."""
        data, position = self._data, self._start + 1
        path: list[bytes] = []
        before: list[bytes] = [b""]  # the last name seen, of the folder and of all around it
        while True:
            if data[position : position + 1] == b"e":
                position += 1
                before.pop()
                if not before:
                    return
                path.pop()
                continue
            name, position = scan_string(data, position)
            if not name:
                raise MetainfoError("the file tree has something beside a file, or a name that is empty")
            if name <= before[-1]:
                raise MetainfoError("the names of the file tree are not in order")
            before[-1] = name
            if data[position : position + 1] != b"d":
                raise MetainfoError("the file tree has something that is neither a file nor a folder")
            path.append(name)
            if usual := _USUAL_FILE.match(data, position):
                length = int(usual[1])
                position = usual.end()
                yield _checked(path, length, b"", usual[2])
                path.pop()
            elif data.startswith(_FILE_KEY, position):
                found, position = self._unusual(path, position + len(_FILE_KEY))
                yield found
                path.pop()
            else:
                position += 1
                before.append(b"")

    def _unusual(self, path: list[bytes], start: int) -> tuple[_Found, int]:
        """A file with more than a length and a root, or less; and where the next entry of its folder begins."""
        data = self._data
        end = scan(data, start, DEFAULT_LIMITS, pause=no_pause)
        if data[start : start + 1] != b"d" or data[end : end + 1] != b"e":
            raise MetainfoError("the file tree has a file that is no dictionary, or has something beside it")
        if end - start > MAX_VALUE_BYTES:
            raise MetainfoError(f"a file of the torrent is described by {end - start} bytes")
        item = decode_scanned(data[start:end])
        assert isinstance(item, dict)
        if list(item) != sorted(item):
            raise MetainfoError("the keys of a file of the file tree are not in order")
        attributes = attributes_of(item)
        if b"p" in attributes:
            raise MetainfoError("the file tree has padding, which only a version 1 list may have")
        if b"l" in attributes:  # takes no room, whatever its length says
            return _Found(path.copy(), 0, attributes, None, link_target_of(item)), end + 1
        root = item.get(b"pieces root")
        return _checked(path, length_of(item), attributes, root if isinstance(root, bytes) else b""), end + 1


class _Found(NamedTuple):
    """A file of the tree, or a symbolic link, where `link_to` is not None."""

    path: list[bytes]
    length: int
    attributes: bytes
    root: bytes | None
    link_to: list[bytes] | None = None


def _checked(path: list[bytes], length: int, attributes: bytes, root: bytes) -> _Found:
    if not length:
        return _Found(path.copy(), 0, attributes, None)  # an empty file has no tree, whatever it says
    if length > MAX_TOTAL_BYTES:
        raise MetainfoError(f"a file of the torrent has the impossible length {length}")
    if len(root) != ROOT_BYTES or not any(root):
        raise MetainfoError("a file of the torrent has no pieces root")
    return _Found(path.copy(), length, attributes, root)


_FILE_KEY = b"d0:"
_USUAL_FILE = re.compile(rb"d0:d6:lengthi(0|[1-9][0-9]*)e11:pieces root32:(.{32})ee", re.DOTALL)
