"""Which tree each piece of a torrent belongs to: its files' trees beside each other (BEP 52)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE, LEAF_BYTES


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of the pieces of a torrent in which every file begins with a piece of its own. `Forest.of` makes it.

    Attributes:
        piece_length: in bytes.
        digests: the node that stands for each piece, one after the other: in its file's piece layer, or the root where
            there is none. 32 zero bytes stand for one that is not known. Empty in a torrent that is being made.
        sizes: of the pieces that end with their file, before the next piece begins.
        heights: of the nodes of pieces that are whole files lower than a piece; all others are as high as a piece.
    """

    piece_length: int
    digests: bytes = field(repr=False)
    sizes: Mapping[int, int] = field(repr=False)
    heights: Mapping[int, int] = field(repr=False)

    @classmethod
    def of(cls, files: Iterable[tuple[int, bytes | None]], piece_length: int) -> Forest:
        """The trees of files that are not empty.

        Args:
            files: of each, in order, its length and its piece layer, or its root where it has none. None or nothing
                stands for hashes that are not known (yet).
        """
        parts: list[bytes] = []
        sizes: dict[int, int] = {}
        heights: dict[int, int] = {}
        first = 0
        for length, hashes in files:
            shape = TreeShape(length, piece_length)
            count = shape.piece_count
            if hashes and len(hashes) != count * HASH_SIZE:
                raise ValueError(f"{len(hashes)} bytes are no hashes of {count} pieces")
            parts.append(hashes or UNKNOWN * count)
            if length % piece_length:
                sizes[first + count - 1] = shape.piece_size(count - 1)
            if shape.subtree_height < shape.piece_height:
                heights[first] = shape.subtree_height
            first += count
        return cls(piece_length, b"".join(parts), sizes, heights)

    def size_of(self, index: int) -> int:
        """The bytes of a piece that are of its file."""
        return self.sizes.get(index, self.piece_length)

    def width_of(self, index: int) -> int:
        """How many leaves the node that stands for a piece has below it, the missing ones included."""
        height = self.heights.get(index)
        return self.piece_length // LEAF_BYTES if height is None else 1 << height

    def expected(self, index: int) -> bytes | None:
        """The node that stands for a piece; None when it is not known.

        Raises:
            IndexError: no such piece.
        """
        count = len(self.digests) // HASH_SIZE
        if not 0 <= index < count:
            raise IndexError(f"piece {index} of {count}")
        found = self.digests[index * HASH_SIZE : (index + 1) * HASH_SIZE]
        return found if found != UNKNOWN else None


UNKNOWN = bytes(HASH_SIZE)
