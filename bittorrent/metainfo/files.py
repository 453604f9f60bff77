"""The files of a version 1 torrent (BEP 3, padding and symbolic links of BEP 47) and where each lies in its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError
from bittorrent.metainfo.paths import PathSet, check_element, check_path, decode_text

if TYPE_CHECKING:
    from transfer.wire.bencode import Value

MAX_TOTAL_BYTES = 2**63 - 1  # what a file offset can hold


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file. `path` is relative to the download directory; with several files it begins with the torrent's name.

    `offset` is where the file begins in the concatenation of all files, which is what pieces are cut from. Padding
    (`is_padding`) only fills a piece up: its bytes are zeros, it is never on disk and not shown, its path says nothing.
    """

    path: tuple[str, ...]
    length: int
    offset: int
    is_padding: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last byte."""
        return self.offset + self.length

    def __str__(self) -> str:
        return "/".join(self.path)


def parse_name(info: dict[bytes, Value]) -> str:
    """The torrent's name: the file's, or that of the folder around all files. `name.utf-8` comes first.

    Raises:
        MetainfoError: missing, not UTF-8 or not a safe file name.
    """
    raw = _first_of(info, b"name.utf-8", b"name")
    if not isinstance(raw, bytes):
        raise MetainfoError("the torrent has no name")
    name = decode_text(raw, "the name")
    check_element(name)
    return name


def parse_files(info: dict[bytes, Value], name: str, *, max_files: int) -> tuple[FileEntry, ...]:
    """All files in the order of the torrent, with padding, without symbolic links (they hold no data; none is made).

    Raises:
        MetainfoError: neither or both of `length` and `files`, an unsafe or repeated path, a length that is not a
            number from 0 on, more than `max_files` files, or a total that no file system can hold.
    """
    listed, single = info.get(b"files"), info.get(b"length")
    if listed is not None and single is not None:
        raise MetainfoError("the torrent says both that it is one file and that it is many")
    if listed is None:
        check_path((name,))
        return (FileEntry((name,), _length_of(info), 0),)
    if not isinstance(listed, list) or not listed:
        raise MetainfoError("the list of files is missing or empty")
    if len(listed) > max_files:
        raise MetainfoError(f"the torrent has {len(listed)} files, more than the {max_files} allowed")
    entries: list[FileEntry] = []
    taken = PathSet()
    offset = 0
    for item in listed:
        if not isinstance(item, dict):
            raise MetainfoError("the list of files holds something that is not a file")
        attributes = item.get(b"attr")
        attributes = attributes if isinstance(attributes, bytes) else b""
        if b"l" in attributes:  # takes no room, whatever its length says: libtorrent counts it so too
            continue
        length = _length_of(item)
        path = (".pad",) if b"p" in attributes else (name, *_path_of(item))
        if b"p" in attributes or path[-1].startswith(_OLD_PADDING):
            entries.append(FileEntry((".pad", str(length)), length, offset, is_padding=True))
        else:
            check_path(path)
            taken.add(path)
            entries.append(FileEntry(path, length, offset))
        offset += length
        if offset > MAX_TOTAL_BYTES:
            raise MetainfoError("the files are larger together than a file system can hold")
    return tuple(entries)


def _path_of(item: dict[bytes, Value]) -> list[str]:
    raw = _first_of(item, b"path.utf-8", b"path")
    if not isinstance(raw, list) or not raw:
        raise MetainfoError("a file of the torrent has no path")
    path: list[str] = []
    for element in raw:
        if not isinstance(element, bytes):
            raise MetainfoError("a path of the torrent holds something that is not text")
        path.append(decode_text(element, "the file name"))
    return path


def _length_of(item: dict[bytes, Value]) -> int:
    length = item.get(b"length")
    if not isinstance(length, int):
        raise MetainfoError("a file of the torrent has no length")
    if not 0 <= length <= MAX_TOTAL_BYTES:
        raise MetainfoError(f"a file of the torrent has the impossible length {length}")
    return length


def _first_of(item: dict[bytes, Value], *keys: bytes) -> Value | None:
    return next((item[key] for key in keys if key in item), None)


_OLD_PADDING = "_____padding_file_"  # BitComet's name for padding, before BEP 47 gave it an attribute
