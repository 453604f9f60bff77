"""A torrent: what is shared, how it is cut into pieces, and their hashes (BEP 3, 5, 12, 19, 27)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.entry import MAX_FILES, FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules
from bittorrent.files.paths import without_unsafe_characters
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.announce import parse_nodes, parse_trackers, parse_web_seeds
from bittorrent.metainfo.files import parse_files, parse_name
from bittorrent.metainfo.magnet import Magnet
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import SHA1_SIZE, PieceHasher, Sha1Hasher
from transfer.address import Address
from transfer.plain_file import read_file
from transfer.wire import bencode
from transfer.wire.bencode_parts import BencodedParts, no_pause

if TYPE_CHECKING:
    from transfer.wire.bencode import Encodable, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class MetainfoLimits:
    """Bounds on a torrent from outside. Beyond the first three it is refused; surplus sources of peers are dropped."""

    size_bytes: int = 32 << 20
    files: int = MAX_FILES
    piece_length_bytes: int = 256 << 20
    trackers: int = 500
    nodes: int = 200
    web_seeds: int = 200

    def __post_init__(self) -> None:
        if min(self.size_bytes, self.files, self.piece_length_bytes) < 1:
            raise ValueError("size_bytes, files and piece_length_bytes must be positive")
        if min(self.trackers, self.nodes, self.web_seeds) < 0:
            raise ValueError("trackers, nodes and web_seeds must not be negative")


DEFAULT_LIMITS = MetainfoLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metainfo:
    """A checked version 1 torrent; a hybrid one is used through its version 1 side.

    `name` and the paths of `files` are fit for the disk; where that is another name than the torrent has, it is in
    `original_name` and `FileEntry.original`. `torrent_id` holds the hashes of `info_bytes`, the info dictionary exactly
    as it came. `files` are in torrent order, padding and symbolic links included (`visible_files` leaves them out).
    `geometry` says how their bytes are cut into pieces and blocks, `hasher` which pieces are right.
    `trackers` are tiers (BEP 12). `source`, in the info dictionary, is how private trackers tell their torrents apart.
    The text of `comment`, `created_by` and `source` is fit for a terminal: control characters are gone, but for the
    line ends of the comment.

    Always true: at least one byte is shared, and `piece_hashes` holds 20 bytes for each of `piece_count` pieces.
    """

    torrent_id: TorrentId
    info_bytes: bytes
    name: str
    files: tuple[FileEntry, ...]
    total_bytes: int
    piece_length: int
    piece_hashes: bytes
    hasher: PieceHasher = field(repr=False, compare=False)
    private: bool = False
    trackers: tuple[tuple[str, ...], ...] = ()
    nodes: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None
    source: str | None = None
    original_name: bytes | None = None
    geometry: Geometry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        padding = ((entry.offset, entry.length) for entry in self.files if entry.is_padding)
        object.__setattr__(self, "geometry", Geometry.of(self.total_bytes, self.piece_length, padding=padding))

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        limits: MetainfoLimits = DEFAULT_LIMITS,
        rules: NameRules = SYSTEM_RULES,
        pause: Callable[[], None] = no_pause,
    ) -> Metainfo:
        """The content of a `.torrent` file.

        Bytes behind the torrent are ignored and optional keys of a wrong type count as absent: both are in
        circulation and harmless.

        Args:
            rules: what names the system that stores the files knows.
            pause: called after every few milliseconds of work: a torrent of many files takes seconds. It may let others
                work, or raise to put an end to it.

        Raises:
            MetainfoError: anything else is wrong with it.
        """
        if len(data) > limits.size_bytes:
            raise MetainfoError(f"the torrent has {len(data)} bytes, more than the {limits.size_bytes} allowed")
        try:
            parts = BencodedParts(data, inside=b"info", apart=b"files", pause=pause)
        except bencode.BencodeError as error:
            raise MetainfoError(f"not a torrent: {error}") from None
        if parts.inner is None:
            raise MetainfoError("not a torrent: it has no info dictionary")
        top = parts.values
        creation_date = top.get(b"creation date")
        return cls._build(
            data[parts.inner.start : parts.inner.end],
            parts.inner,
            limits,
            rules,
            pause,
            trackers=parse_trackers(top, limit=limits.trackers),
            nodes=parse_nodes(top, limit=limits.nodes),
            web_seeds=parse_web_seeds(top, limit=limits.web_seeds),
            comment=_lines(top, b"comment.utf-8", b"comment"),
            created_by=_text(top, b"created by.utf-8", b"created by"),
            creation_date=creation_date if isinstance(creation_date, int) else None,
        )

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        limits: MetainfoLimits = DEFAULT_LIMITS,
        pause: Callable[[], None] = no_pause,
    ) -> Metainfo:
        """Reads a `.torrent` file; one that is too large is not read into memory. `pause` is as for `from_bytes`.

        Raises:
            StorageError: the file is missing or cannot be read.
            MetainfoError: it is not a usable torrent. The text begins with the path.
        """
        try:
            size = os.stat(path).st_size
            if size > limits.size_bytes:
                raise MetainfoError(f"{size} bytes are more than the {limits.size_bytes} a torrent may have")
            data = read_file(path, limits.size_bytes + 1, may_be_pipe=True)
            return cls.from_bytes(data, limits=limits, pause=pause)
        except OSError as error:
            raise StorageError.from_os_error("read", path, error) from None
        except MetainfoError as error:
            raise MetainfoError(f"{os.fspath(path)}: {error.reason}") from None

    @classmethod
    def from_info(
        cls,
        info_bytes: bytes,
        *,
        trackers: Sequence[Sequence[str]] = (),
        web_seeds: Sequence[str] = (),
        nodes: Sequence[Address] = (),
        comment: str | None = None,
        created_by: str | None = None,
        creation_date: int | None = None,
        limits: MetainfoLimits = DEFAULT_LIMITS,
        rules: NameRules = SYSTEM_RULES,
        pause: Callable[[], None] = no_pause,
    ) -> Metainfo:
        """A torrent from its info dictionary alone, as peers send it for a magnet link (BEP 9).

        `rules` and `pause` are as for `from_bytes`. That it is the wanted one is for the caller to check: `info_hash`
        is computed from `info_bytes`, not compared.

        Raises:
            MetainfoError: not exactly one usable info dictionary.
        """
        if len(info_bytes) > limits.size_bytes:
            raise MetainfoError(f"the metadata has {len(info_bytes)} bytes, more than the {limits.size_bytes} allowed")
        info_bytes = bytes(info_bytes)
        try:
            info = BencodedParts(info_bytes, apart=b"files", pause=pause)
        except bencode.BencodeError as error:
            raise MetainfoError(f"not the metadata of a torrent: {error}") from None
        if info.end != len(info_bytes):
            raise MetainfoError(f"not the metadata of a torrent: data after the value at byte {info.end}")
        return cls._build(
            info_bytes,
            info,
            limits,
            rules,
            pause,
            trackers=tuple(tuple(tier) for tier in trackers if tier),
            nodes=tuple(nodes),
            web_seeds=tuple(web_seeds),
            comment=comment,
            created_by=created_by,
            creation_date=creation_date,
        )

    @classmethod
    def _build(
        cls,
        info_bytes: bytes,
        parts: BencodedParts,
        limits: MetainfoLimits,
        rules: NameRules,
        pause: Callable[[], None],
        *,
        trackers: tuple[tuple[str, ...], ...],
        nodes: tuple[Address, ...] = (),
        web_seeds: tuple[str, ...],
        comment: str | None,
        created_by: str | None,
        creation_date: int | None,
    ) -> Metainfo:
        info = parts.values
        _check_version(info)
        torrent_id = TorrentId.of(info_bytes)
        name, raw_name = parse_name(info, torrent_id.info_hash, rules)
        piece_length = _parse_piece_length(info, limits)
        files = parse_files(info, parts.listed, name, raw_name, max_files=limits.files, rules=rules, pause=pause)
        total_bytes = files[-1].end if files else 0
        if total_bytes == 0:
            raise MetainfoError("the torrent contains no data: all its files are empty")
        piece_hashes = _parse_piece_hashes(info, total_bytes, piece_length)
        return cls(
            torrent_id=torrent_id,
            info_bytes=info_bytes,
            name=name,
            original_name=raw_name if raw_name != name.encode() else None,
            files=files,
            total_bytes=total_bytes,
            piece_length=piece_length,
            piece_hashes=piece_hashes,
            hasher=Sha1Hasher(piece_hashes),
            private=info.get(b"private") == 1,
            trackers=trackers,
            nodes=nodes,
            web_seeds=web_seeds,
            comment=comment,
            created_by=created_by,
            creation_date=creation_date,
            source=_text(info, b"source"),
        )

    @property
    def info_hash(self) -> bytes:
        """The 20 bytes that it is known by everywhere."""
        return self.torrent_id.info_hash

    @property
    def piece_count(self) -> int:
        return self.geometry.piece_count

    @property
    def visible_files(self) -> tuple[FileEntry, ...]:
        """The files that exist for a user: all but padding and symbolic links."""
        return tuple(entry for entry in self.files if not entry.is_padding and not entry.link_to)

    def piece_hash(self, index: int) -> bytes:
        """The SHA-1 that the piece must have.

        Raises:
            IndexError: no such piece.
        """
        return Sha1Hasher(self.piece_hashes).expected(index)

    def magnet(self) -> Magnet:
        """What identifies this torrent and where to ask for it, without the metadata."""
        return Magnet(
            info_hash=self.info_hash,
            name=self.name,
            trackers=tuple(tracker for tier in self.trackers for tracker in tier),
            web_seeds=self.web_seeds,
            exact_length=self.total_bytes,
        )

    def magnet_link(self) -> str:
        """`magnet()` as text."""
        return str(self.magnet())

    def to_bytes(self) -> bytes:
        """The content of a `.torrent` file. The info dictionary is written as it came, so the info-hash stays.

        Keys outside it that this class does not know are not written.
        """
        top: dict[bytes, Encodable] = {}
        if self.trackers:
            top[b"announce"] = self.trackers[0][0]
            if sum(map(len, self.trackers)) > 1:
                top[b"announce-list"] = self.trackers
        if self.comment is not None:
            top[b"comment"] = self.comment
        if self.created_by is not None:
            top[b"created by"] = self.created_by
        if self.creation_date is not None:
            top[b"creation date"] = self.creation_date
        if self.nodes:
            top[b"nodes"] = [[node.host, node.port] for node in self.nodes]
        if self.web_seeds:
            top[b"url-list"] = self.web_seeds
        encoded = {key: bencode.encode(value) for key, value in top.items()}
        encoded[b"info"] = self.info_bytes
        return b"d%be" % b"".join(bencode.encode(key) + encoded[key] for key in sorted(encoded))


def _check_version(info: dict[bytes, Value]) -> None:
    """`meta version` decides what the other keys mean, so it is looked at first (BEP 52)."""
    version = info.get(b"meta version", 1)
    if version not in (1, 2):
        raise MetainfoError("not supported: this version of the torrent format")
    if b"pieces" not in info and (version == 2 or b"file tree" in info):
        raise MetainfoError("not supported yet: BitTorrent v2 (this torrent has no version 1 part)")


def _parse_piece_length(info: dict[bytes, Value], limits: MetainfoLimits) -> int:
    piece_length = info.get(b"piece length")
    if not isinstance(piece_length, int) or piece_length < 1:
        raise MetainfoError("the piece length is missing or not a positive number")
    if piece_length > limits.piece_length_bytes:
        raise MetainfoError(f"a piece of {piece_length} bytes is more than the {limits.piece_length_bytes} allowed")
    return piece_length


def _parse_piece_hashes(info: dict[bytes, Value], total_bytes: int, piece_length: int) -> bytes:
    pieces = info.get(b"pieces")
    if not isinstance(pieces, bytes):
        raise MetainfoError("the torrent has no piece hashes")
    expected = Geometry.of(total_bytes, piece_length).piece_count
    if len(pieces) != expected * SHA1_SIZE:
        raise MetainfoError(
            f"the torrent has {len(pieces)} bytes of piece hashes; {total_bytes} bytes in pieces of {piece_length}"
            f" need {expected * SHA1_SIZE}"
        )
    return pieces


def _text(found: dict[bytes, Value], *keys: bytes) -> str | None:
    """The first of `keys` that is text."""
    raw = next((value for value in map(found.get, keys) if isinstance(value, bytes)), None)
    return without_unsafe_characters(raw.decode(errors="replace")) if raw is not None else None


def _lines(found: dict[bytes, Value], *keys: bytes) -> str | None:
    """The same with its lines, which end as a terminal has it."""
    raw = next((value for value in map(found.get, keys) if isinstance(value, bytes)), None)
    if raw is None:
        return None
    text = raw.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    return "\n".join(map(without_unsafe_characters, text.split("\n")))
