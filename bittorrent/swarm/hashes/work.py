"""What has to be read and hashed before a request for hashes can be answered: for a thread, not for the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bittorrent.merkle.proof import TreeRows
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE, leaves_of
from bittorrent.pieces.hasher import Readable


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a range of one tree can be answered from: its rows, and the leaves of the pieces that it needs."""

    rows: TreeRows
    leaves: bytes


@dataclass(frozen=True, slots=True)
class HashWork:
    """One tree, and some pieces of a file that has it.

    Attributes:
        row: its piece layer, or its root where it has none.
        pieces: the numbers of pieces in the file.
        first_piece: of the file, in the torrent.
        rows: of the tree, if they were made before.
    """

    root: bytes
    shape: TreeShape
    row: bytes = field(repr=False)
    pieces: range
    first_piece: int
    rows: TreeRows | None = field(default=None, repr=False)

    @property
    def size_bytes(self) -> int:
        """How much has to be read."""
        return sum(map(self.shape.piece_size, self.pieces))

    def run(self, read: Callable[[int, int], Readable]) -> Prepared | None:
        """Reads and hashes; None when what is there is not what it should be any more. Blocks.

        Args:
            read: the first bytes of a piece of the torrent, by its index.

        Raises:
            StorageError: they cannot be read.
        """
        shape = self.shape
        rows = self.rows or TreeRows(shape, self.row, shape.subtree_height)
        leaves: list[bytes] = []
        for number in self.pieces:
            found = leaves_of(read(self.first_piece + number, shape.piece_size(number)))
            start = number * HASH_SIZE
            if shape.root_of_piece(found) != rows.row(shape.subtree_height)[start : start + HASH_SIZE]:
                return None  # a peer would take it for a lie of ours
            leaves.append(found)
        return Prepared(rows, b"".join(leaves))
