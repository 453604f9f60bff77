"""What the info dictionary of a new torrent says about its files, in each version of the format (BEP 3, 47, 52)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bittorrent.creating.padding import pad_all, pad_between
from bittorrent.errors import MetainfoError
from bittorrent.files.paths import shorten
from bittorrent.merkle.forest import Forest
from bittorrent.merkle.hasher import HybridHasher, MerkleHasher
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.pieces.hasher import SHA1_SIZE, Sha1Hasher
from bittorrent.storage.hashing import SourceFile, hash_pieces
from transfer.wire.bencode import MAX_DEPTH

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from transfer.wire.bencode import Encodable


class TorrentFormat(StrEnum):
    """Which versions of BitTorrent a torrent is of."""

    V1 = "v1"  # BEP 3: what every program reads
    V2 = "v2"  # BEP 52: a tree of SHA-256 for each file, so that blocks can be verified and equal files be known
    HYBRID = "hybrid"  # both in one


@dataclass(frozen=True, slots=True)
class Content:
    """The keys of the info dictionary that say what is shared, and the piece layers, which stand outside it."""

    info: dict[bytes, Encodable]
    layers: dict[bytes, bytes] = field(default_factory=dict)


def read_files(
    files: Sequence[SourceFile],
    name: bytes,
    piece_length: int,
    form: TorrentFormat,
    *,
    align: bool = False,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Content:
    """Hashes the files, each once.

    Args:
        files: in the order of their paths, element by element, which is the order of a file tree.
        name: what a single file is called in the tree.
        align: begin each file of version 1 with a piece of its own, as those of the others always do.

    Raises:
        StorageError: a file cannot be read, or is not as it was when it was found.
        MetainfoError: there are more folders in each other than a torrent of version 2 can have.
    """
    if form is TorrentFormat.V1:
        return _read_v1(pad_between(files, piece_length) if align else files, piece_length, executor, progress)
    check_depth(files)
    padded = pad_all(files, piece_length)
    forest = Forest.of(((file.length, None) for file in files if file.length), piece_length)
    if form is TorrentFormat.V2:
        nodes = hash_pieces(
            padded,
            piece_length,
            MerkleHasher(forest),
            without_padding=True,
            read_bytes=_READ_BYTES,
            executor=executor,
            progress=progress,
        )
        info: dict[bytes, Encodable] = {}
    else:
        found = hash_pieces(
            padded,
            piece_length,
            HybridHasher(b"", forest),
            read_bytes=_READ_BYTES,
            executor=executor,
            progress=progress,
        )
        size = SHA1_SIZE + HASH_SIZE
        info = _listing(padded)
        info[b"pieces"] = b"".join([found[at : at + SHA1_SIZE] for at in range(0, len(found), size)])
        nodes = b"".join([found[at + SHA1_SIZE : at + size] for at in range(0, len(found), size)])
    roots, layers = _roots_and_layers(files, piece_length, nodes)
    info[b"meta version"] = 2
    info[b"file tree"] = _file_tree(files, name, roots)
    return Content(info, layers)


def check_depth(files: Sequence[SourceFile]) -> None:
    """Raises MetainfoError where folders lie deeper in each other than others would read."""
    for file in files:
        if len(file.path) > MAX_PATH_ELEMENTS:
            raise MetainfoError(
                f"cannot share {shorten(file.location)}: it lies below more than the {MAX_PATH_ELEMENTS - 1} folders"
                " that a torrent of version 2 may have in each other; version 1 has no such limit"
            )


def _read_v1(
    files: Sequence[SourceFile],
    piece_length: int,
    executor: Executor | None,
    progress: Callable[[int, int], None] | None,
) -> Content:
    info = _listing(files)
    info[b"pieces"] = hash_pieces(files, piece_length, Sha1Hasher(), executor=executor, progress=progress)
    return Content(info)


def _listing(files: Sequence[SourceFile]) -> dict[bytes, Encodable]:
    """The files as version 1 has them."""
    if files[0].path:
        return {b"files": [_listed(file) for file in files]}
    info: dict[bytes, Encodable] = {b"length": files[0].length}
    if files[0].attributes:
        info[b"attr"] = files[0].attributes
    return info


def _listed(file: SourceFile) -> dict[bytes, Encodable]:
    return {b"length": file.length, b"path": file.raw_path, **_attributes(file)}


def _attributes(file: SourceFile) -> dict[bytes, Encodable]:
    found: dict[bytes, Encodable] = {}
    if file.attributes:
        found[b"attr"] = file.attributes
    if file.link_to:
        found[b"symlink path"] = [os.fsencode(element) for element in file.link_to]
    return found


def _roots_and_layers(
    files: Sequence[SourceFile], piece_length: int, nodes: bytes
) -> tuple[list[bytes | None], dict[bytes, bytes]]:
    """The root of each file, None where it is empty, and the piece layers of those larger than a piece, by root.

    Args:
        nodes: of all pieces, one after the other.
    """
    roots: list[bytes | None] = []
    layers: dict[bytes, bytes] = {}
    at = 0
    for file in files:
        root = None
        if file.length:
            shape = TreeShape(file.length, piece_length)
            end = at + shape.piece_count * HASH_SIZE
            layer = nodes[at:end]
            root = shape.root_of_layer(layer)
            assert root is not None
            if shape.needs_layer:
                layers[root] = layer
            at = end
        roots.append(root)
    return roots, layers


def _file_tree(files: Sequence[SourceFile], name: bytes, roots: Sequence[bytes | None]) -> dict[bytes, Encodable]:
    tree: dict[bytes, Encodable] = {}
    for file, root in zip(files, roots, strict=True):
        *folders, last = file.raw_path or [name]
        place = tree
        for folder in folders:
            inner = place.setdefault(folder, {})
            assert isinstance(inner, dict)
            place = inner
        entry = _attributes(file)
        if not file.link_to:
            entry[b"length"] = file.length  # a link has none: libtorrent leaves it out, too
        if root is not None:
            entry[b"pieces root"] = root
        place[last] = {b"": entry}
    return tree


# Measured: with less, threads spend more time on waiting for each other than a core saves by its cache.
_READ_BYTES = 1 << 20
# Around the folders: the torrent, its info dictionary, the tree, the file, what it says and the path of a link.
MAX_PATH_ELEMENTS = MAX_DEPTH - 5
