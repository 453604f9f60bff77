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
    A symbolic link has no bytes; `link_to` is the path of a file or folder of the same torrent.
    """

    path: tuple[str, ...]
    length: int
    offset: int
    is_padding: bool = False
    is_executable: bool = False
    is_hidden: bool = False
    link_to: tuple[str, ...] = ()

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
    """All files in the order of the torrent, padding and symbolic links included, so that their numbers are those that
    others use (BEP 53). A link that is unsafe, or leads to nothing in the torrent, counts as padding of no length.

    Raises:
        MetainfoError: neither or both of `length` and `files`, an unsafe or repeated path, a length that is not a
            number from 0 on, more than `max_files` files, or a total that no file system can hold.
    """
    listed, single = info.get(b"files"), info.get(b"length")
    if listed is not None and single is not None:
        raise MetainfoError("the torrent says both that it is one file and that it is many")
    if listed is None:
        check_path((name,))
        attributes = _attributes_of(info)
        return (FileEntry((name,), _length_of(info), 0, False, b"x" in attributes, b"h" in attributes),)
    if not isinstance(listed, list) or not listed:
        raise MetainfoError("the list of files is missing or empty")
    if len(listed) > max_files:
        raise MetainfoError(f"the torrent has {len(listed)} files, more than the {max_files} allowed")
    entries: list[FileEntry] = []
    links: list[tuple[int, dict[bytes, Value]]] = []
    taken = PathSet()
    offset = 0
    for item in listed:
        if not isinstance(item, dict):
            raise MetainfoError("the list of files holds something that is not a file")
        attributes = _attributes_of(item)
        if b"l" in attributes:  # takes no room, whatever its length says: libtorrent counts it so too
            links.append((len(entries), item))
            entries.append(_padding(0, offset))
            continue
        length = _length_of(item)
        path = (".pad",) if b"p" in attributes else (name, *_path_of(item))
        if b"p" in attributes or path[-1].startswith(_OLD_PADDING):
            entries.append(_padding(length, offset))
        else:
            check_path(path)
            taken.add(path)
            entries.append(FileEntry(path, length, offset, False, b"x" in attributes, b"h" in attributes))
        offset += length
        if offset > MAX_TOTAL_BYTES:
            raise MetainfoError("the files are larger together than a file system can hold")
    for index, item in links:
        entries[index] = _link(item, name, taken, entries[index])
    return tuple(entries)


def _link(item: dict[bytes, Value], name: str, taken: PathSet, otherwise: FileEntry) -> FileEntry:
    """Links come last: none takes the place of a file, and each leads to a file or folder that is known to be safe."""
    try:
        path = (name, *_path_of(item))
        target = (name, *_path_of({b"path": item.get(b"symlink path", 0)}))
        check_path(path)
        if target not in taken:
            return otherwise
        taken.add(path)
    except MetainfoError:
        return otherwise
    return FileEntry(path, 0, otherwise.offset, link_to=target)


def _padding(length: int, offset: int) -> FileEntry:
    return FileEntry((".pad", str(length)), length, offset, is_padding=True)


def _attributes_of(item: dict[bytes, Value]) -> bytes:
    attributes = item.get(b"attr")
    return attributes if isinstance(attributes, bytes) else b""


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
