"""The parts of pieces that peers ask each other for."""

from __future__ import annotations

from typing import NamedTuple

BLOCK_SIZE = 16384  # BEP 3: peers drop a connection that asks for more


class Block(NamedTuple):
    """A request's three numbers, as they stand on the wire: piece index, offset in the piece, length in bytes."""

    piece: int
    begin: int
    length: int
