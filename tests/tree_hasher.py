"""A hash that no torrent has: a tree over the blocks of a piece, which depends on the piece's number, too.

Nothing but the port `PieceHasher` is common to it and SHA-1: another length, a tree instead of a stream, and digests of
zeros that differ from piece to piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.hasher import NO_LEAVES, Readable
from bittorrent.storage.hashing import hash_pieces
from bittorrent.storage.scan import scan_files


class TreeHasher:
    """`PieceHasher` with the digests of all pieces."""

    def __init__(self, digests: bytes = b"") -> None:
        self.digests = digests

    @classmethod
    def of(cls, path: Path, piece_length: int) -> TreeHasher:
        """With what the pieces of a file or folder have."""
        return cls(hash_pieces(scan_files(str(path)), piece_length, cls()))

    def begin(self, index: int) -> _Tree:
        return _Tree(index)

    def digest(self, index: int, data: Readable, leaves: Mapping[int, bytes] = NO_LEAVES) -> bytes:
        tree = _Tree(index)
        tree.update(data)
        return tree.digest()

    def leaf_of(self, block: Block, data: Readable) -> bytes | None:
        return None

    def digest_of_zeros(self, index: int, size: int) -> bytes:
        return self.digest(index, bytes(size))

    def expects(self, index: int, digest: bytes) -> bool:
        if not 0 <= index < len(self.digests) // 32:
            raise IndexError(index)
        return self.digests[index * 32 : (index + 1) * 32] == digest

    def bad_blocks(self, index: int, data: Readable, leaves: bytes) -> int | None:
        return None


class _Tree:
    def __init__(self, index: int) -> None:
        self._index = index
        self._rest = b""
        self._leaves: list[bytes] = []

    def update(self, data: Readable, /) -> None:
        self._rest += data
        while len(self._rest) >= BLOCK_SIZE:
            self._leaves.append(sha256(self._rest[:BLOCK_SIZE]).digest())
            self._rest = self._rest[BLOCK_SIZE:]

    def digest(self) -> bytes:
        level = [*self._leaves, sha256(self._rest).digest()] if self._rest else list(self._leaves)
        while len(level) > 1:
            level += [bytes(32)] * (len(level) % 2)
            level = [sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
        return sha256(b"%d" % self._index + level[0]).digest()
