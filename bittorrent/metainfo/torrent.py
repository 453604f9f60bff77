"""A torrent: what is shared, how it is cut into pieces, and their hashes (BEP 3, 5, 12, 19, 27, 52)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.names import SYSTEM_RULES, NameRules
from bittorrent.files.paths import without_unsafe_characters
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.merkle.shape import TreeShape
from bittorrent.metainfo.announce import parse_nodes, parse_trackers, parse_web_seeds
from bittorrent.metainfo.content import DEFAULT_LIMITS, UNREAD, MetainfoLimits, read_content
from bittorrent.metainfo.hashers import hasher_of
from bittorrent.metainfo.layers import check_layers, lacks_layers, read_layers, trees_of
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.similar import parse_collections, parse_similar, without_known
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import PieceHasher, Sha1Hasher
from transfer.address import Address
from transfer.plain_file import read_file
from transfer.wire import bencode
from transfer.wire.bencode_parts import BencodedParts, no_pause

if TYPE_CHECKING:
    from transfer.wire.bencode import Encodable, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Metainfo:
    """A checked torrent, of version 1, of version 2 (BEP 52), or of both: a hybrid one.

    `name` and the paths of `files` are fit for the disk; where that is another name than the torrent has, it is in
    `original_name` and `FileEntry.original`. `torrent_id` holds the hashes of `info_bytes`, the info dictionary exactly
    as it came. `files` are in torrent order, padding and symbolic links included (`visible_files` leaves them out).
    `total_bytes` is what all files have together, without padding. `geometry` says how their bytes are cut into pieces
    and blocks, `hasher` which pieces are right.

    `trees` are the shapes of the trees of version 2 by their roots, one of each file that is not empty; equal files
    share one. `layers` are the piece layers by the same roots. They do not come with a magnet link: until all are here
    (`has_layers`) a torrent of version 2 alone cannot be verified, and a hybrid one is by version 1 only.

    `trackers` are tiers (BEP 12). `source`, in the info dictionary, is how private trackers tell their torrents apart.
    `similar` (short hashes) and `collections` (names as they are written) say which torrents have files in common with
    it (BEP 38).
    The text of `comment`, `created_by` and `source` is fit for a terminal: control characters are gone, but for the
    line ends of the comment.

    Always true: at least one byte is shared; `piece_hashes` holds 20 bytes for each of `piece_count` pieces, or nothing
    in a torrent of version 2 alone; each of `layers` leads to its root; both halves of a hybrid have the same files.
    """

    torrent_id: TorrentId
    info_bytes: bytes
    name: str
    files: tuple[FileEntry, ...]
    piece_length: int
    piece_hashes: bytes = field(repr=False)
    hasher: PieceHasher = field(repr=False, compare=False)
    layers: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    private: bool = False
    trackers: tuple[tuple[str, ...], ...] = ()
    nodes: tuple[Address, ...] = ()
    web_seeds: tuple[str, ...] = ()
    comment: str | None = None
    created_by: str | None = None
    creation_date: int | None = None
    source: str | None = None
    similar: tuple[bytes, ...] = ()
    collections: tuple[bytes, ...] = ()
    original_name: bytes | None = None
    total_bytes: int = field(init=False, compare=False)
    geometry: Geometry = field(init=False, repr=False, compare=False)
    trees: Mapping[bytes, TreeShape] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        geometry = _geometry_of(self.files, self.piece_length, has_v1=bool(self.piece_hashes))
        object.__setattr__(self, "geometry", geometry)
        object.__setattr__(self, "total_bytes", geometry.content_bytes)
        object.__setattr__(self, "trees", trees_of(self.files, self.piece_length))

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
            parts = BencodedParts(data, inside=b"info", apart=b"files", unread=UNREAD, pause=pause)
        except bencode.BencodeError as error:
            raise MetainfoError(f"not a torrent: {error}") from None
        if parts.inner is None:
            raise MetainfoError("not a torrent: it has no info dictionary")
        top = parts.values
        creation_date = top.get(b"creation date")
        span = parts.spans.get(b"piece layers")
        return cls._build(
            data[parts.inner.start : parts.inner.end],
            parts.inner,
            data,
            limits,
            rules,
            pause,
            layers=read_layers(data, span) if span is not None else (),
            trackers=parse_trackers(top, limit=limits.trackers),
            nodes=parse_nodes(top, limit=limits.nodes),
            web_seeds=parse_web_seeds(top, limit=limits.web_seeds),
            comment=_lines(top, b"comment.utf-8", b"comment"),
            created_by=_text(top, b"created by.utf-8", b"created by"),
            creation_date=creation_date if isinstance(creation_date, int) else None,
            outside=top,
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
        layers: Mapping[bytes, bytes] = MappingProxyType({}),
        limits: MetainfoLimits = DEFAULT_LIMITS,
        rules: NameRules = SYSTEM_RULES,
        pause: Callable[[], None] = no_pause,
    ) -> Metainfo:
        """A torrent from its info dictionary alone, as peers send it for a magnet link (BEP 9).

        `rules` and `pause` are as for `from_bytes`, `layers` as for `with_layers`. That it is the wanted one is for the
        caller to check: `info_hash` is computed from `info_bytes`, not compared.

        Raises:
            MetainfoError: not exactly one usable info dictionary, or a layer that is not of it.
        """
        if len(info_bytes) > limits.size_bytes:
            raise MetainfoError(f"the metadata has {len(info_bytes)} bytes, more than the {limits.size_bytes} allowed")
        info_bytes = bytes(info_bytes)
        try:
            info = BencodedParts(info_bytes, apart=b"files", unread=UNREAD, pause=pause)
        except bencode.BencodeError as error:
            raise MetainfoError(f"not the metadata of a torrent: {error}") from None
        if info.end != len(info_bytes):
            raise MetainfoError(f"not the metadata of a torrent: data after the value at byte {info.end}")
        return cls._build(
            info_bytes,
            info,
            info_bytes,
            limits,
            rules,
            pause,
            layers=layers.items(),
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
        data: bytes,
        limits: MetainfoLimits,
        rules: NameRules,
        pause: Callable[[], None],
        *,
        layers: Iterable[tuple[bytes, bytes]],
        trackers: tuple[tuple[str, ...], ...],
        nodes: tuple[Address, ...] = (),
        web_seeds: tuple[str, ...],
        comment: str | None,
        created_by: str | None,
        creation_date: int | None,
        outside: Mapping[bytes, Value] = MappingProxyType({}),
    ) -> Metainfo:
        content = read_content(info_bytes, parts, data, limits=limits, rules=rules, pause=pause)
        bare = cls(
            torrent_id=content.torrent_id,
            info_bytes=info_bytes,
            name=content.name,
            original_name=content.raw_name if content.raw_name != content.name.encode() else None,
            files=content.files,
            piece_length=content.piece_length,
            piece_hashes=content.piece_hashes,
            hasher=Sha1Hasher(content.piece_hashes),
            private=parts.values.get(b"private") == 1,
            trackers=trackers,
            nodes=nodes,
            web_seeds=web_seeds,
            comment=comment,
            created_by=created_by,
            creation_date=creation_date,
            source=_text(parts.values, b"source"),
            similar=parse_similar(parts.values, outside),
            collections=parse_collections(parts.values, outside),
        )
        return bare._with(layers, pause) if content.torrent_id.v2 is not None else bare

    def with_layers(self, layers: Mapping[bytes, bytes], *, pause: Callable[[], None] = no_pause) -> Metainfo:
        """The same torrent with piece layers that others sent, beside those that it has; it may lack some still.

        Raises:
            MetainfoError: one is not of this torrent, or does not lead to its root.
        """
        return self._with(layers.items(), pause)

    def _with(self, layers: Iterable[tuple[bytes, bytes]], pause: Callable[[], None]) -> Metainfo:
        known = {**self.layers, **check_layers(self.trees, layers, pause=pause)}
        hasher = hasher_of(
            self.files, self.piece_length, piece_hashes=self.piece_hashes, trees=self.trees, layers=known
        )
        return replace(self, layers=known, hasher=hasher)

    @property
    def info_hash(self) -> bytes:
        """The 20 bytes that it is known by everywhere."""
        return self.torrent_id.info_hash

    @property
    def has_layers(self) -> bool:
        """Whether no piece layer is missing: what there is of version 2 can be verified."""
        return not lacks_layers(self.trees, self.layers)

    @property
    def is_verifiable(self) -> bool:
        """Whether each piece can be told from a wrong one: by its SHA-1, or because no layer is missing."""
        return bool(self.piece_hashes) or self.has_layers

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
            IndexError: no such piece, or a torrent of version 2 alone.
        """
        return Sha1Hasher(self.piece_hashes).expected(index)

    def magnet(self) -> Magnet:
        """What identifies this torrent and where to ask for it, without the metadata."""
        return Magnet(
            v1=self.torrent_id.v1,
            v2=self.torrent_id.v2,
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
        top.update(without_known(self.info_bytes, self.similar, self.collections))
        encoded = {key: bencode.encode(value) for key, value in top.items()}
        encoded[b"info"] = self.info_bytes
        if self.trees:
            encoded[b"piece layers"] = bencode.encode(self.layers)
        return b"d%be" % b"".join(bencode.encode(key) + encoded[key] for key in sorted(encoded))


def _geometry_of(files: Sequence[FileEntry], piece_length: int, *, has_v1: bool) -> Geometry:
    total = files[-1].end if files else 0
    padding = ((entry.offset, entry.length) for entry in files if entry.is_padding)
    if has_v1:
        return Geometry.of(total, piece_length, padding=padding)
    return Geometry.of_files(total, piece_length, gaps=padding)


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
