"""The files as a version 1 torrent lists them (BEP 3; padding and symbolic links of BEP 47)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import MAX_TOTAL_BYTES, FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules, clean_name, safe_top_name
from bittorrent.metainfo.listing import FileListing
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
    return safe_name_of(raw, info_hash, rules), raw


def safe_name_of(raw: bytes, info_hash: bytes, rules: NameRules = SYSTEM_RULES) -> str:
    """A torrent's name, made safe. What nothing is left of is replaced by the info-hash."""
    return safe_top_name(clean_name(raw, rules) or (info_hash.hex() if raw else "_"), rules)


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
        only = FileListing(name, raw_name, rules, pause)
        only.add_only(length_of(info), attributes_of(info))
        return only.finish()
    if listed is None or not len(listed):
        raise MetainfoError("the list of files is missing or empty")
    if len(listed) > max_files:
        raise MetainfoError(f"the torrent has {len(listed)} files, more than the {max_files} allowed")
    listing = FileListing(name, raw_name, rules, pause)
    try:
        for items in listed.batches(pause=pause):
            for item in items:
                _add(listing, item)
    except BencodeError as error:
        raise MetainfoError(f"a file of the torrent is described by {error.reason}") from None
    return listing.finish()


def _add(listing: FileListing, item: Value) -> None:
    if not isinstance(item, dict):
        raise MetainfoError("the list of files holds something that is not a file")
    attributes = attributes_of(item)
    if b"l" in attributes:  # takes no room, whatever its length says: libtorrent counts it so too
        listing.add_link(_path_if_any(item, b"path.utf-8", b"path"), link_target_of(item))
        return
    length = length_of(item)
    raw = [] if b"p" in attributes else _raw_path_of(item)
    if b"p" in attributes or raw[-1].startswith(_OLD_PADDING):
        listing.add_padding(length)
    else:
        listing.add_file(raw, length, attributes)


def attributes_of(item: dict[bytes, Value]) -> bytes:
    """The letters of BEP 47 that describe a file."""
    attributes = item.get(b"attr")
    return attributes if isinstance(attributes, bytes) else b""


def length_of(item: dict[bytes, Value]) -> int:
    """The bytes of a file.

    Raises:
        MetainfoError: it does not say, or has an impossible number.
    """
    length = item.get(b"length")
    if not isinstance(length, int):
        raise MetainfoError("a file of the torrent has no length")
    if not 0 <= length <= MAX_TOTAL_BYTES:
        raise MetainfoError(f"a file of the torrent has the impossible length {length}")
    return length


def link_target_of(item: dict[bytes, Value]) -> list[bytes]:
    """The path that a symbolic link leads to; empty when it has none that is usable."""
    return _path_if_any(item, b"symlink path")


def _raw_path_of(item: dict[bytes, Value]) -> list[bytes]:
    """`path.utf-8` comes first, if it is usable."""
    path = _path_if_any(item, b"path.utf-8", b"path")
    if path:
        return path
    if item.get(b"path.utf-8") or item.get(b"path"):
        raise MetainfoError("a path of the torrent holds something that is not text")
    raise MetainfoError("a file of the torrent has no path")


def _path_if_any(item: dict[bytes, Value], *keys: bytes) -> list[bytes]:
    """The first of these values that is a path; otherwise an empty one."""
    for key in keys:
        elements = item.get(key)
        if isinstance(elements, list) and elements:
            path = [element for element in elements if isinstance(element, bytes)]
            if len(path) == len(elements):
                return path
    return []


_OLD_PADDING = b"_____padding_file_"  # BitComet's name for padding, before BEP 47 gave it an attribute
