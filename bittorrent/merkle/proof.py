"""Parts of trees that peers ask each other for, and how they are known to be right (BEP 52)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE, power_of_two_from, root_of, row_above, zero_root
from transfer.errors import DecodeError

HASHES_AT_ONCE = 512  # BEP 52: what may be asked for in one message
MAX_HASHES = 8192  # what libtorrent answers


class HashError(DecodeError):
    """Hashes from a peer that are not those of the tree that they were asked of."""


@dataclass(frozen=True, slots=True)
class HashRange:
    """What messages 21 to 23 are about: nodes in a row of a tree, and the nodes that prove them.

    Attributes:
        root: of the tree, 32 bytes.
        base: the height of the row: 0 for leaves.
        index: the first node.
        length: how many nodes.
        proof_layers: the rows, from `base` on, whose node beside the path to the root is wanted, too. The first ones
            can be computed from the nodes of the range; they are counted but not sent.
    """

    root: bytes
    base: int
    index: int
    length: int
    proof_layers: int

    @property
    def uncle_count(self) -> int:
        """How many nodes of proof are sent behind those of the range."""
        return max(0, self.proof_layers - (self.length.bit_length() - 2))

    @property
    def hash_count(self) -> int:
        """How many hashes an answer has."""
        return self.length + self.uncle_count

    def is_within(self, shape: TreeShape, *, most: int = MAX_HASHES) -> bool:
        """Whether these numbers, which a stranger may have sent, are a range of the tree.

        It lies below the root, has a power of two of nodes and begins at a multiple of it; no more proof is asked for
        than leads to the root.
        """
        return (
            0 <= self.base < shape.height
            and 2 <= self.length <= min(most, shape.row_width(self.base))
            and not self.length & self.length - 1
            and 0 <= self.index <= shape.row_width(self.base) - self.length
            and not self.index % self.length
            and 0 <= self.proof_layers < shape.height - self.base
        )

    def pieces(self, shape: TreeShape) -> range:
        """The pieces of the file whose leaves are needed to answer; none when its piece layer is enough."""
        if self.base >= shape.subtree_height:
            return range(0)
        first, rest = divmod(self.index << self.base, 1 << shape.subtree_height)
        end = first + -(-(rest + (self.length << self.base)) // (1 << shape.subtree_height))
        return range(min(first, shape.piece_count), min(end, shape.piece_count))


def ranges_of(
    shape: TreeShape, root: bytes, base: int, first: int, count: int, *, most: int = HASHES_AT_ONCE
) -> Iterator[HashRange]:
    """What to ask for to have some nodes of a row, each with all the proof it needs; nothing for the root itself.

    Args:
        first: a multiple of the power of two from `count` on, or of `most` where that is less.
        most: how many nodes may be asked for in one message: a power of two.
    """
    if base >= shape.height:
        return
    for index in range(first, first + count, most):
        length = max(2, min(most, power_of_two_from(first + count - index)))
        yield HashRange(root, base, index, length, shape.height - base - 1)


def layer_ranges(shape: TreeShape, root: bytes, *, most: int = HASHES_AT_ONCE) -> list[HashRange]:
    """What to ask for to have the piece layer of a file; nothing when it has none."""
    if not shape.needs_layer:
        return []
    return list(ranges_of(shape, root, shape.piece_height, 0, shape.piece_count, most=most))


def leaf_ranges(shape: TreeShape, root: bytes, piece: int, *, most: int = HASHES_AT_ONCE) -> list[HashRange]:
    """What to ask for to have the leaves of a piece of the file; nothing when it is one block, whose leaf is known."""
    if shape.subtree_height == 0:
        return []
    first = piece << shape.subtree_height
    return list(ranges_of(shape, root, 0, first, shape.leaves_in_piece(piece), most=most))


class TreeRows:
    """Every node of a tree from one row up: what answers to peers are made of.

    Args:
        row: all nodes at `row_height`, such as the piece layer of a file, or its root where it has none.

    Cost: of making it one hash for each node above the row.
    """

    __slots__ = ("_height", "_rows", "_shape")

    def __init__(self, shape: TreeShape, row: bytes, row_height: int) -> None:
        if len(row) != shape.row_count(row_height) * HASH_SIZE:
            raise ValueError(f"{len(row)} bytes are not the {shape.row_count(row_height)} nodes of height {row_height}")
        self._shape = shape
        self._height = row_height
        self._rows = [row]
        for height in range(row_height, shape.height):
            self._rows.append(row_above(self._rows[-1], height))

    @property
    def root(self) -> bytes:
        return self._rows[-1]

    def row(self, height: int) -> bytes:
        """The nodes of a row that stand for blocks that are there."""
        return self._rows[height - self._height]

    def answer(self, wanted: HashRange, *, leaves: bytes = b"") -> bytes | None:
        """The nodes of a range and its proof; None when it is no range of this tree, or lies below the row.

        Args:
            leaves: all leaves of the pieces that `wanted.pieces` names: with them a range below the row of pieces can
                be answered.
        """
        shape = self._shape
        if not wanted.is_within(shape):
            return None
        rows = dict(zip(range(self._height, shape.height + 1), ((0, row) for row in self._rows), strict=True))
        pieces = wanted.pieces(shape)
        if wanted.base < self._height:
            if self._height > shape.subtree_height or len(leaves) != _leaves_in(shape, pieces) * HASH_SIZE:
                return None
            low = leaves
            for height in range(self._height):
                rows[height] = pieces.start << shape.subtree_height - height, low
                low = row_above(low, height)
        found = [_nodes(*rows[wanted.base], wanted.base, wanted.index, wanted.length)]
        height = wanted.base + wanted.length.bit_length() - 1
        index = wanted.index // wanted.length
        for _ in range(wanted.uncle_count):
            found.append(_nodes(*rows[height], height, index ^ 1, 1))
            height, index = height + 1, index >> 1
        return b"".join(found)


def hashes_for(shape: TreeShape, wanted: HashRange, row: bytes, row_height: int) -> bytes | None:
    """The answer to a request from a whole row of nodes; None when it has none. `TreeRows` answers many."""
    return TreeRows(shape, row, row_height).answer(wanted)


def check_hashes(shape: TreeShape, wanted: HashRange, hashes: bytes) -> bytes:
    """The row that was asked for, without nodes that stand for nothing.

    Args:
        wanted: a range with all the proof that leads to the root.
        hashes: the answer.

    Raises:
        HashError: the answer is not as long as it must be, or does not lead to the root.
    """
    if not wanted.is_within(shape, most=shape.row_width(0)):
        raise HashError(f"{wanted.length} hashes from {wanted.index} on are no range of row {wanted.base}")
    if len(hashes) != wanted.hash_count * HASH_SIZE:
        raise HashError(f"an answer of {len(hashes)} bytes, not {wanted.hash_count} hashes")
    split = wanted.length * HASH_SIZE
    row = hashes[:split]
    node = root_of(row, width=wanted.length, height=wanted.base)
    height, index = wanted.base + wanted.length.bit_length() - 1, wanted.index // wanted.length
    for start in range(split, len(hashes), HASH_SIZE):
        uncle = hashes[start : start + HASH_SIZE]
        node = sha256(uncle + node if index & 1 else node + uncle).digest()
        height, index = height + 1, index >> 1
    if height != shape.height:
        raise HashError("an answer without all the proof")
    if node != wanted.root:
        raise HashError("hashes that do not lead to the root")
    there = max(0, min(wanted.length, shape.row_count(wanted.base) - wanted.index)) * HASH_SIZE
    if row[there:] != zero_root(wanted.base) * (wanted.length - there // HASH_SIZE):
        raise HashError("hashes of blocks behind the end of the file")
    return row[:there]


def _nodes(first: int, row: bytes, height: int, index: int, count: int) -> bytes:
    """Nodes of a row that begins with node `first`; those that are missing are filled in."""
    start = (index - first) * HASH_SIZE
    found = row[start : start + count * HASH_SIZE]
    return found + zero_root(height) * (count - len(found) // HASH_SIZE)


def _leaves_in(shape: TreeShape, pieces: range) -> int:
    return sum(map(shape.leaves_in_piece, pieces))
