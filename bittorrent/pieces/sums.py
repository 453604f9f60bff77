"""A number for each of some pieces, and the sum of those of any set of pieces."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping

from bittorrent.pieces.bitfield import Bitfield


class PieceSums:
    """Adds up numbers of pieces quickly, however many there are.

    Each bit that the numbers have is kept as a set of the pieces whose number has it.

    Args:
        values: the numbers by piece, from 0 on; a piece that is not there has 0.
        size: how many pieces there are.

    Attributes:
        total: the sum of all.

    Cost: once, a few passes over the pieces, in C, for each bit of the largest number.
    """

    __slots__ = ("_planes", "total")

    def __init__(self, values: Mapping[int, int], size: int) -> None:
        self.total = sum(values.values())
        self._planes: list[tuple[int, Bitfield]] = []
        if not self.total:
            return
        numbers = array("Q", bytes(8 * size))
        for index, value in values.items():
            numbers[index] = value
        if sys.byteorder == "big":
            numbers.byteswap()
        raw = numbers.tobytes()
        for bit in range(max(values.values()).bit_length()):
            self._planes.append((1 << bit, Bitfield.from_flags(raw[bit // 8 :: 8].translate(_HAS_BIT[bit % 8]))))

    def over(self, pieces: Bitfield) -> int:
        """The sum of the numbers of a set of pieces. Cost: O(pieces / 8) for each bit of the largest number, in C."""
        return sum(weight * pieces.count_common(plane) for weight, plane in self._planes)


_HAS_BIT = [bytes(byte >> bit & 1 for byte in range(256)) for bit in range(8)]
