"""Pieces under construction, and whose blocks they are made of: what is needed to tell a liar from its victims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice

from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import LeafOf
from bittorrent.swarm.peer import NOBODY, Sender


class PieceAssembly:
    """Buffers of unfinished pieces. A block is received at its place here, or copied to it once.

    Args:
        leaf_of: hashes each block that is received.

    Invariants:
        buffered_bytes is the sum of the sizes of the pieces under construction
        a place is held by one connection at most, and only in a piece under construction
    """

    __slots__ = (
        "_buffers",
        "_free",
        "_geometry",
        "_held",
        "_leaf_of",
        "_leaves",
        "_senders",
        "_views",
        "buffered_bytes",
    )

    def __init__(self, geometry: Geometry, leaf_of: LeafOf | None = None) -> None:
        self._geometry = geometry
        self._leaf_of = leaf_of
        self._leaves: dict[int, dict[int, bytes]] = {}
        self._buffers: dict[int, bytearray] = {}
        self._views: dict[int, memoryview] = {}
        self._held: dict[Block, int] = {}
        self._senders: dict[int, dict[int, Sender]] = {}
        self._free: list[bytearray] = []
        self.buffered_bytes = 0

    def write(self, block: Block, data: bytes | memoryview, sender: Sender) -> None:
        """Puts a block that the picker accepted at its place."""
        self.view(block.piece)[block.begin : block.begin + block.length] = data
        self.received(block, sender)

    def view(self, index: int) -> memoryview:
        """All of a piece under construction, which it is from now on."""
        view = self._views.get(index)
        if view is None:
            buffer = self._buffers[index] = self._new_buffer(index)
            view = self._views[index] = memoryview(buffer)
            self._senders[index] = {}
        return view

    def place(self, block: Block, number: int) -> memoryview | None:
        """Where connection `number` may put a block; None when another one holds the place."""
        if self._held and self._held.get(block, number) != number:
            return None
        return self.view(block.piece)[block.begin : block.begin + block.length]

    def places(self, blocks: Iterable[Block], count: int, number: int) -> list[tuple[Block, memoryview]]:
        """Where connection `number` may put the first of these blocks, up to one that another one holds.

        Blocks that it holds itself are left out. Cost: half a microsecond for each.
        """
        found: list[tuple[Block, memoryview]] = []
        held, last, view = self._held, -1, _NOTHING
        for block in islice(blocks, count + 1):
            if held and block in held:
                if held[block] == number:
                    continue
                break
            index, begin, length = block
            if index != last:
                view, last = self.view(index), index
            found.append((block, view[begin : begin + length]))
        return found[:count]

    def hold(self, block: Block, number: int) -> None:
        """Nobody but connection `number` writes to the place of a block until it is received or the piece dropped."""
        self._held[block] = number

    def is_held(self, block: Block, number: int) -> bool:
        """Whether connection `number` still holds the place."""
        return self._held.get(block) == number

    def received(self, block: Block, sender: Sender) -> None:
        """A block that the picker accepted is at its place."""
        self.received_all((block,), sender)

    def received_all(self, blocks: Sequence[Block], sender: Sender) -> None:
        """`received` for each."""
        index = -1
        senders: dict[int, Sender] = {}
        for block in blocks:
            if block[0] != index:
                index = block[0]
                senders = self._senders[index]
            senders[block[1]] = sender
        if self._held:
            for block in blocks:
                self._held.pop(block, None)
        if self._leaf_of is not None:
            self._hash(blocks, self._leaf_of)

    def _hash(self, blocks: Sequence[Block], leaf_of: LeafOf) -> None:
        for block in blocks:
            index, begin, length = block
            leaf = leaf_of(block, self._views[index][begin : begin + length])
            if leaf is not None:
                self._leaves.setdefault(index, {})[begin] = leaf

    def drop_empty(self, is_wanted: Callable[[int], bool]) -> None:
        """Frees pieces of which nothing has come, unless `is_wanted`: their places were lent in vain."""
        held = {block.piece for block in self._held}
        for index in [index for index, senders in self._senders.items() if not senders and index not in held]:
            if not is_wanted(index):
                self.drop(index)

    def release(self, number: int) -> None:
        """Connection `number` is gone."""
        for block in [block for block, holder in self._held.items() if holder == number]:
            del self._held[block]

    def leaves(self, index: int) -> dict[int, bytes]:
        """The hashes of the blocks of a piece under construction, by their offsets, as far as they were made."""
        return self._leaves.get(index, {})

    def take(self, index: int) -> tuple[bytearray, dict[int, Sender]]:
        """The finished piece and the sender of each block (by its offset). Give the buffer back with `recycle`."""
        buffer = self._buffers.pop(index)
        del self._views[index]
        self.buffered_bytes -= len(buffer)
        if self._held:
            for block in [block for block in self._held if block.piece == index]:
                del self._held[block]
        self._leaves.pop(index, None)
        return buffer, self._senders.pop(index)

    def drop(self, index: int) -> int:
        """Forgets what has come of a piece that the picker gave up; returns how many bytes peers sent for that."""
        if index not in self._buffers:
            return 0
        buffer, senders = self.take(index)
        self.recycle(buffer)
        return sum(min(BLOCK_SIZE, len(buffer) - begin) for begin, sender in senders.items() if sender is not NOBODY)

    def adopt(
        self, index: int, buffer: bytearray, senders: dict[int, Sender], leaves: dict[int, bytes] | None = None
    ) -> None:
        """A piece that nobody sends yet is under construction from now on, with these blocks of it, in this buffer."""
        self.drop(index)
        self._buffers[index] = buffer
        self._views[index] = memoryview(buffer)
        self._senders[index] = senders
        if leaves:
            self._leaves[index] = leaves
        self.buffered_bytes += len(buffer)

    def unfinished(self) -> Iterator[tuple[int, memoryview, Mapping[int, Sender]]]:
        """The pieces under construction, oldest first: index, bytes, and the sender of each block that is here.

        Senders are listed by the offset of the block, in the order in which the blocks came.
        """
        for index, senders in self._senders.items():
            yield index, self._views[index], senders

    def recycle(self, buffer: bytearray) -> None:
        """Keeps a few buffers for reuse: clearing megabytes for every piece costs more than hashing them."""
        if len(buffer) == self._geometry.piece_length and len(self._free) < MAX_FREE_BUFFERS:
            self._free.append(buffer)

    def _new_buffer(self, index: int) -> bytearray:
        size = self._geometry.piece_size(index)
        self.buffered_bytes += size
        if not self._free or size != self._geometry.piece_length:
            return bytearray(size)
        buffer = self._free.pop()
        zeros = self._geometry.zero_blocks.get(index, 0)
        while zeros:  # what was there before is not padding
            lowest = zeros & -zeros
            begin = (lowest.bit_length() - 1) * BLOCK_SIZE
            end = min(begin + BLOCK_SIZE, size)
            buffer[begin:end] = bytes(end - begin)
            zeros ^= lowest
        return buffer


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
        """The senders that certainly lied about this piece; the others are under suspicion until a good copy comes."""
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
        """The senders of earlier blocks of this piece that differ from the good ones, each once."""
        liars: dict[int, Sender] = {}
        for begin, length, digest, sender in self._failed.pop(index, ()):
            if _digest(memoryview(buffer)[begin : begin + length]) != digest:
                liars[sender.number] = sender
        return list(liars.values())


def _digest(data: memoryview) -> bytes:
    return blake2b(data, digest_size=16).digest()


_NOTHING = memoryview(b"")
MAX_FREE_BUFFERS = 8
MAX_SUSPECTS = 4096
