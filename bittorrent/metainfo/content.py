"""What an info dictionary says is shared, checked: by version 1 (BEP 3), by version 2 (BEP 52), or by both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import MAX_FILES, FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules
from bittorrent.identity.torrent_id import V1_KEYS, TorrentId
from bittorrent.metainfo.file_tree import FileTree
from bittorrent.metainfo.files import parse_files, parse_name, safe_name_of
from bittorrent.metainfo.halves import join_halves
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.hasher import SHA1_SIZE
from transfer.wire.bencode_parts import BencodedParts, no_pause

if TYPE_CHECKING:
    from transfer.wire.bencode import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class MetainfoLimits:
    """Bounds on a torrent from outside. Beyond the first four it is refused; surplus sources of peers are dropped.

    `pieces` is for torrents of version 2, which can claim any number of them in a few bytes; those of version 1 have a
    hash for each, so that `size_bytes` bounds them. It is libtorrent's bound, too.
    """

    size_bytes: int = 32 << 20
    files: int = MAX_FILES
    piece_length_bytes: int = 256 << 20
    pieces: int = 1 << 21
    trackers: int = 500
    nodes: int = 200
    web_seeds: int = 200

    def __post_init__(self) -> None:
        if min(self.size_bytes, self.files, self.piece_length_bytes, self.pieces) < 1:
            raise ValueError("size_bytes, files, piece_length_bytes and pieces must be positive")
        if min(self.trackers, self.nodes, self.web_seeds) < 0:
            raise ValueError("trackers, nodes and web_seeds must not be negative")


DEFAULT_LIMITS = MetainfoLimits()
MAX_PIECE_LENGTH = 32767 * BLOCK_SIZE  # libtorrent's bound, whatever the torrent's size is
UNREAD = (b"file tree", b"piece layers")  # may be large, and are read entry by entry


@dataclass(frozen=True, slots=True, kw_only=True)
class TorrentContent:
    """As `Metainfo` has it. `piece_hashes` is empty for version 2 alone, and no file has a root in version 1 alone."""

    torrent_id: TorrentId
    name: str
    raw_name: bytes
    files: tuple[FileEntry, ...]
    piece_length: int
    piece_hashes: bytes


def read_content(
    info_bytes: bytes,
    parts: BencodedParts,
    data: bytes,
    *,
    limits: MetainfoLimits = DEFAULT_LIMITS,
    rules: NameRules = SYSTEM_RULES,
    pause: Callable[[], None] = no_pause,
) -> TorrentContent:
    """Reads an info dictionary.

    Args:
        info_bytes: the dictionary as it came.
        parts: the same taken apart, `files` apart and `UNREAD` unread.
        data: in which the spans of `parts` lie.
        pause: called after every few files.

    Raises:
        MetainfoError: it is not usable.
    """
    info = parts.values
    is_v2 = _version_of(info) == 2
    is_v1 = not is_v2 or not V1_KEYS.isdisjoint(info)
    torrent_id = TorrentId.of_halves(info_bytes, has_v1=is_v1, has_v2=is_v2)
    name, raw_name = parse_name(info, torrent_id.info_hash, rules)
    piece_length = _piece_length_of(info, limits, is_v2=is_v2)
    tree = _tree_of(parts, data) if is_v2 else None
    if tree is not None and tree.only is not None and not is_v1:
        raw_name = tree.only  # the torrent's name is only for people then
        name = safe_name_of(raw_name, torrent_id.info_hash, rules)
    files: tuple[FileEntry, ...] = ()
    if is_v1:
        files = parse_files(info, parts.listed, name, raw_name, max_files=limits.files, rules=rules, pause=pause)
    if tree is not None:
        is_folder = tree.only is None or b"files" in info
        if not is_folder and tree.only != raw_name:
            raise MetainfoError("the halves of the torrent disagree in the name of its only file")
        found = tree.files(
            name,
            raw_name,
            is_folder=is_folder,
            piece_length=piece_length,
            max_files=limits.files,
            rules=rules,
            pause=pause,
        )
        files = join_halves(files, found, pause=pause) if is_v1 else found
    if not any(entry.length and not entry.is_padding for entry in files):
        raise MetainfoError("the torrent contains no data: all its files are empty")
    largest = min(piece_length, files[-1].end)
    if largest > limits.piece_length_bytes:
        raise MetainfoError(f"a piece of {largest} bytes is more than the {limits.piece_length_bytes} allowed")
    piece_count = -(-files[-1].end // piece_length)
    if is_v2 and piece_count > limits.pieces:
        raise MetainfoError(f"the torrent has {piece_count} pieces, more than the {limits.pieces} allowed")
    return TorrentContent(
        torrent_id=torrent_id,
        name=name,
        raw_name=raw_name,
        files=files,
        piece_length=piece_length,
        piece_hashes=_piece_hashes_of(info, piece_count, files[-1].end, piece_length) if is_v1 else b"",
    )


def _version_of(info: dict[bytes, Value]) -> int:
    """`meta version` decides what the other keys mean, so it is looked at first (BEP 52)."""
    version = info.get(b"meta version", 1)
    if version not in (1, 2):
        raise MetainfoError("not supported: this version of the torrent format")
    if version == 1 and b"pieces" not in info and b"file tree" in info:
        raise MetainfoError("the torrent has a file tree, but does not say that it is of version 2")
    if version == 2 and list(info) != sorted(info):
        raise MetainfoError("the keys of the torrent's info dictionary are not in order")
    return 1 if version == 1 else 2


def _tree_of(parts: BencodedParts, data: bytes) -> FileTree:
    span = parts.spans.get(b"file tree")
    if span is None:
        raise MetainfoError("the torrent is of version 2, but has no file tree")
    return FileTree(data, span)


def _piece_length_of(info: dict[bytes, Value], limits: MetainfoLimits, *, is_v2: bool) -> int:
    piece_length = info.get(b"piece length")
    if not isinstance(piece_length, int) or piece_length < 1:
        raise MetainfoError("the piece length is missing or not a positive number")
    if piece_length > MAX_PIECE_LENGTH:
        raise MetainfoError(f"a piece of {piece_length} bytes is more than the {MAX_PIECE_LENGTH} there can be")
    if is_v2 and (piece_length < BLOCK_SIZE or piece_length & piece_length - 1):
        raise MetainfoError(f"the piece length of version 2 is a power of two from {BLOCK_SIZE} on, not {piece_length}")
    return piece_length


def _piece_hashes_of(info: dict[bytes, Value], piece_count: int, total_bytes: int, piece_length: int) -> bytes:
    pieces = info.get(b"pieces")
    if not isinstance(pieces, bytes):
        raise MetainfoError("the torrent has no piece hashes")
    if len(pieces) != piece_count * SHA1_SIZE:
        raise MetainfoError(
            f"the torrent has {len(pieces)} bytes of piece hashes; {total_bytes} bytes in pieces of {piece_length}"
            f" need {piece_count * SHA1_SIZE}"
        )
    return pieces
