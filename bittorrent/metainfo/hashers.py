"""Which `PieceHasher` a torrent has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bittorrent.files.entry import FileEntry
from bittorrent.merkle.forest import Forest
from bittorrent.merkle.hasher import HybridHasher, MerkleHasher
from bittorrent.merkle.shape import TreeShape
from bittorrent.pieces.hasher import PieceHasher, Sha1Hasher


def hasher_of(
    files: Sequence[FileEntry],
    piece_length: int,
    *,
    piece_hashes: bytes,
    trees: Mapping[bytes, TreeShape],
    layers: Mapping[bytes, bytes],
) -> PieceHasher:
    """By version 1 where there are no trees, by version 2 where there are no SHA-1 hashes, otherwise by both.

    Args:
        piece_hashes: the SHA-1 of each piece.
        trees: by their roots.
        layers: by the same; some may be missing. No piece of their files is right for a torrent of version 2 alone.
    """
    if not trees:
        return Sha1Hasher(piece_hashes)
    hashes = ((entry.length, entry.pieces_root) for entry in files if entry.pieces_root is not None)
    forest = Forest.of(
        ((length, layers.get(root) if trees[root].needs_layer else root) for length, root in hashes), piece_length
    )
    return HybridHasher(piece_hashes, forest) if piece_hashes else MerkleHasher(forest)
