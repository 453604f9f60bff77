"""How wide and high the tree of one file is, and where its pieces are in it (BEP 52)."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.merkle.tree import HASH_SIZE, LEAF_BYTES, power_of_two_from, root_of


@dataclass(frozen=True, slots=True)
class TreeShape:
    """The tree over the blocks of a file of `length` bytes, in a torrent whose pieces have `piece_length` bytes.

    A file that is larger than a piece has a row of nodes that each stand for one piece: its piece layer. A smaller one
    is a piece of its own, whose hash is the root. An empty file has no tree.
    """

    length: int
    piece_length: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"a file of {self.length} bytes has no tree")
        if self.piece_length < LEAF_BYTES or self.piece_length & self.piece_length - 1:
            raise ValueError(f"trees need pieces of a power of two from {LEAF_BYTES} bytes on, not {self.piece_length}")

    @property
    def leaf_count(self) -> int:
        """The blocks of the file."""
        return -(-self.length // LEAF_BYTES)

    @property
    def piece_count(self) -> int:
        return -(-self.length // self.piece_length)

    @property
    def height(self) -> int:
        """Of the root: that of a tree of one leaf is 0."""
        return (self.leaf_count - 1).bit_length()

    @property
    def piece_height(self) -> int:
        """Of the piece layer. The tree of a file that has none may be lower."""
        return (self.piece_length // LEAF_BYTES).bit_length() - 1

    @property
    def subtree_height(self) -> int:
        """Of the node that stands for one piece: in the piece layer, or the root where there is none."""
        return min(self.height, self.piece_height)

    @property
    def needs_layer(self) -> bool:
        """Whether there is a piece layer: not for a file that is no larger than a piece."""
        return self.length > self.piece_length

    def row_count(self, height: int) -> int:
        """How many nodes at a height stand for blocks that are there."""
        return -(-self.leaf_count >> height)

    def row_width(self, height: int) -> int:
        """How many nodes there are at a height, the missing ones included."""
        return 1 << self.height - height

    def piece_size(self, number: int) -> int:
        """The bytes of a piece of the file; the last may be short."""
        self._check(number)
        return min(self.piece_length, self.length - number * self.piece_length)

    def leaves_in_piece(self, number: int) -> int:
        """How many blocks a piece of the file has."""
        return -(-self.piece_size(number) // LEAF_BYTES)

    def root_of_piece(self, leaves: bytes) -> bytes:
        """The hash of a piece, from all its leaves."""
        return root_of(leaves, width=1 << self.subtree_height)

    def root_of_layer(self, layer: bytes) -> bytes | None:
        """The root that a piece layer leads to; None when it has not one hash for each piece."""
        if len(layer) != self.piece_count * HASH_SIZE:
            return None
        return root_of(layer, width=power_of_two_from(self.piece_count), height=self.subtree_height)

    def _check(self, number: int) -> None:
        if not 0 <= number < self.piece_count:
            raise IndexError(f"piece {number} is not one of {self.piece_count} of the file")
