"""Pieces of which some blocks are here, and what is to be kept of them on the disk."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry


@dataclass(slots=True)
class UnfinishedPiece:
    """A piece of which some blocks are here: a set of their numbers as an integer (block `n` is bit `n`).

    `buffer` has the size of the piece; where no block is it holds zeros.
    """

    index: int
    buffer: bytearray
    blocks: int

    def held_blocks(self, geometry: Geometry) -> list[Block]:
        """The blocks that are here, in order."""
        return [block for block in geometry.blocks(self.index) if self.blocks >> block.begin // BLOCK_SIZE & 1]


@dataclass(frozen=True, slots=True)
class KeepingStep:
    """What is to be done with the kept blocks, in this order.

    Attributes:
        verified: what is kept of these pieces is of no use any more.
        dropped: what is kept of these may even be wrong.
        blocks: to be kept, with their bytes.
    """

    verified: tuple[int, ...]
    dropped: tuple[int, ...]
    blocks: tuple[tuple[Block, bytes], ...]

    def __bool__(self) -> bool:
        return bool(self.verified or self.dropped or self.blocks)
