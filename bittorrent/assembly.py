"""Pieces under construction, and whose blocks they are made of: what is needed to tell a liar from its victims."""

from __future__ import annotations

from hashlib import blake2b

from bittorrent.picker.geometry import Block, Geometry
from bittorrent.swarm_peer import Sender


class PieceAssembly:
    """Buffers of unfinished pieces. A block is copied once, from the receive buffer to its place here.

    Invariants:
        buffered_bytes is the sum of the sizes of the pieces under construction
    """

    __slots__ = ("_buffers", "_free", "_geometry", "_senders", "buffered_bytes")

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._buffers: dict[int, bytearray] = {}
        self._senders: dict[int, dict[int, Sender]] = {}
        self._free: list[bytearray] = []
        self.buffered_bytes = 0

    def write(self, block: Block, data: bytes | memoryview, sender: Sender) -> None:
        """Puts a block that the picker accepted at its place."""
        buffer = self._buffers.get(block.piece)
        if buffer is None:
            buffer = self._buffers[block.piece] = self._new_buffer(block.piece)
            self._senders[block.piece] = {}
        buffer[block.begin : block.begin + block.length] = data
        self._senders[block.piece][block.begin] = sender

    def take(self, index: int) -> tuple[bytearray, dict[int, Sender]]:
        """The finished piece and the sender of each block (by its offset). Give the buffer back with `recycle`."""
        buffer = self._buffers.pop(index)
        self.buffered_bytes -= len(buffer)
        return buffer, self._senders.pop(index)

    def drop(self, index: int) -> None:
        """Forgets what has come of a piece that the picker gave up."""
        if index in self._buffers:
            buffer, _ = self.take(index)
            self.recycle(buffer)

    def recycle(self, buffer: bytearray) -> None:
        """Keeps a few buffers for reuse: clearing megabytes for every piece costs more than hashing them."""
        if len(buffer) == self._geometry.piece_length and len(self._free) < MAX_FREE_BUFFERS:
            self._free.append(buffer)

    def _new_buffer(self, index: int) -> bytearray:
        size = self._geometry.piece_size(index)
        self.buffered_bytes += size
        return self._free.pop() if self._free and size == self._geometry.piece_length else bytearray(size)


class Blame:
    """Remembers the blocks of pieces that failed, so that the good copy shows which of them were lies.

    A piece from one sender needs no memory: that sender lied. `max_pieces` bounds the memory; what is dropped only
    means that a liar goes on a little longer.
    """

    __slots__ = ("_failed", "_max_pieces")

    def __init__(self, *, max_pieces: int = 64) -> None:
        self._failed: dict[int, list[tuple[int, int, bytes, Sender]]] = {}
        self._max_pieces = max_pieces

    def piece_failed(
        self, index: int, buffer: bytearray, senders: dict[int, Sender], geometry: Geometry
    ) -> list[Sender]:
        """Who certainly lied about this piece; the others are under suspicion until a good copy comes."""
        by_number = {sender.number: sender for sender in senders.values()}
        if len(by_number) == 1:
            return list(by_number.values())
        if index in self._failed or len(self._failed) < self._max_pieces:
            suspects = self._failed.setdefault(index, [])
            for block in geometry.blocks(index):
                data = memoryview(buffer)[block.begin : block.begin + block.length]
                suspects.append((block.begin, block.length, _digest(data), senders[block.begin]))
            del suspects[:-MAX_SUSPECTS]
        return []

    def piece_verified(self, index: int, buffer: bytearray) -> list[Sender]:
        """Who sent blocks of this piece earlier that differ from the good ones, each once."""
        liars: dict[int, Sender] = {}
        for begin, length, digest, sender in self._failed.pop(index, ()):
            if _digest(memoryview(buffer)[begin : begin + length]) != digest:
                liars[sender.number] = sender
        return list(liars.values())


def _digest(data: memoryview) -> bytes:
    return blake2b(data, digest_size=16).digest()


MAX_FREE_BUFFERS = 8
MAX_SUSPECTS = 4096
