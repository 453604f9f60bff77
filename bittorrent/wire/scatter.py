"""Where the next bytes of a connection belong: blocks straight into their pieces, everything else into a frame buffer.

Theory of operation
-------------------
A `piece` message is a header of 13 bytes (length, type, piece, begin) and a block. A peer answers requests in the order
they were made, or nearly so, and blocks have one size: what it will send next is known to the byte, headers included.
Before each read the scatter lends the transport a list of buffers that guesses this stream (`transfer.aio.scatter`
fills it in one call):

    | rest of a block | head 0 | place 0 | head 1 | place 1 | ...  up to `window` | frame buffer |
      only when one     13 B    inside the piece                                   whatever else comes
      has begun

Heads land in scratch memory that all connections share, one after the other; the heads that are expected are packed
into a second scratch at the same positions. After the read, `updated(size)` learns how far the bytes reached:

1. The rest of a block that had begun takes its share first. It needs no check: its header was checked when it began.
2. `count` planned blocks are covered completely. If a whole header more was covered, `heads` is `count + 1`.
3. One comparison of both scratches tells whether all `heads` headers are as expected (`right == heads`). Then `count`
   blocks are where they belong without having been copied; what follows has three forms. The block behind the last
   header has begun: its place is held, and the next read continues it. Or all planned blocks are full: what is left
   of `size` lies in the frame buffer already. Or a piece of a header came: it is given back as `displaced`.
4. If a header differs, but is that of another block of the same size, the stream is still as it was laid out: only
   that block lies in the place of another. It is copied out and reported as `moved` (programs that read their files in
   several threads answer so, a few blocks late or early); blocks behind it may well be right again.
5. If it is anything else, everything from it on was guessed wrong. The bytes are collected in the order in which they
   came (`displaced`) and the caller puts them into the frame buffer, where they are read as frames.

What was written into a place by a wrong guess is no harm: a place counts only when `filled` names its block. All that
lies in the place of another is copied before anything is reported, because a report may have places written to.

The guess adapts. `window` is how many blocks are planned: it doubles while reads fill the plan, and otherwise comes
half the way down to what one read brought. After a wrong guess of the fifth kind nothing is planned for `patience`
reads, twice as many each time, up to MAX_PATIENCE.

Two things may happen between the reads. The frame buffer may hold the beginning of a block (the transport fills only
one buffer, or a guess was wrong): `_begin_from_frames` moves it into its place, and only the rest comes directly. And
the place of a block that has begun may be taken away (another peer was quicker, or the piece was given up): the rest of
it is read into waste, so that the stream stays in step, and `wasted` counts it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.wire.frames import PIECE, PIECE_HEADER_SIZE, FrameBuffer


class BlockPlaces(Protocol):
    """Knows where the blocks of one peer go.

    The scatter may write to a place that it was given until the next call of anything, or for as long as it holds it.
    """

    def next_places(self, count: int) -> Sequence[tuple[Block, memoryview]]:
        """The blocks that should come next, in order: at most `count`, none that is held."""
        ...

    def hold(self, block: Block) -> memoryview | None:
        """Keeps the place of a block whose first bytes have come.

        None when the peer should not send this block, or another peer is sending it.
        """
        ...

    def holds(self, block: Block) -> bool:
        """Whether the place is still kept: no other peer has sent the block, and the piece was not given up."""
        ...

    def filled(self, blocks: Sequence[Block]) -> None:
        """These blocks, held or among the latest `next_places`, are complete where they belong."""
        ...

    def moved(self, blocks: Sequence[tuple[Block, bytes]]) -> None:
        """These blocks are complete, and came when others were expected. The peer may not have been asked for them."""
        ...

    def wasted(self, size: int) -> None:
        """`size` bytes of a block whose place was not held any more have come, and are lost."""
        ...


class ScatterScratch:
    """Where headers arrive and are compared. One is enough for all connections of an event loop."""

    __slots__ = ("expected", "head_views", "heads", "waste")

    def __init__(self) -> None:
        self.heads = bytearray(PIECE_HEADER_SIZE * MAX_BLOCKS)
        self.expected = bytearray(PIECE_HEADER_SIZE * MAX_BLOCKS)
        view = memoryview(self.heads)
        self.head_views = [view[at : at + PIECE_HEADER_SIZE] for at in range(0, len(self.heads), PIECE_HEADER_SIZE)]
        self.waste = memoryview(bytearray(BLOCK_SIZE))


class BlockScatter:
    """Lends buffers for the next read of one connection, and finds out what came.

    Args:
        frames: what is not a block in its place ends up here.
        places: of the blocks of this peer.

    Invariants:
        while a block has begun, the rest of it is what comes next, and no frame waits
        0 <= window <= MAX_BLOCKS; nothing is planned while `patience` reads have to pass first
    """

    __slots__ = (
        "_begun",
        "_frames",
        "_is_wasted",
        "_patience",
        "_penalty",
        "_places",
        "_planned",
        "_rest",
        "_scratch",
        "_window",
    )

    def __init__(self, frames: FrameBuffer, places: BlockPlaces, scratch: ScatterScratch) -> None:
        self._frames = frames
        self._places = places
        self._scratch = scratch
        self._planned: Sequence[tuple[Block, memoryview]] = ()
        self._begun: Block | None = None
        self._rest = scratch.waste[:0]
        self._is_wasted = False
        self._window = 1
        self._patience = 0
        self._penalty = 1

    def get_buffers(self) -> list[memoryview]:
        """Where the next bytes go, in this order."""
        if self._begun is None and self._frames.size:
            self._begin_from_frames()
            if self._begun is None:
                return [self._frames.get_buffer()]
        buffers = []
        if self._begun is not None:
            buffers.append(self._rest_of_begun())
        if self._patience:
            self._patience -= 1
        else:
            self._plan(buffers)
        buffers.append(self._frames.get_buffer())
        return buffers

    def _plan(self, buffers: list[memoryview]) -> None:
        scratch = self._scratch
        at = 0
        self._planned = self._places.next_places(self._window)
        for head, (block, place) in zip(scratch.head_views, self._planned):  # noqa: B905  # the first is longer
            _HEADER.pack_into(scratch.expected, at, 9 + block[2], PIECE, block[0], block[1])
            at += PIECE_HEADER_SIZE
            buffers.append(head)
            buffers.append(place)

    def get_buffer(self) -> memoryview:
        """One buffer, for a transport that fills only one: the rest of a block that has begun, or room for frames."""
        return self._frames.get_buffer() if self._begun is None else self._rest_of_begun()

    def updated(self, size: int) -> bytes:
        """Takes note that `size` bytes came into the buffers that were lent last; reports blocks to `places`.

        Returns:
            What came in another place than it should: to be put into the frame buffer, in front of nothing else.
            Otherwise empty, and the frame buffer holds what is no block.
        """
        planned, self._planned = self._planned, ()
        filled: list[Block] = []
        if self._begun is not None:
            taken = min(size, len(self._rest))
            self._rest = self._rest[taken:]
            size -= taken
            if not self._rest:
                if self._is_wasted:
                    self._places.wasted(self._begun.length)
                else:
                    filled.append(self._begun)
                self._begun = None
        count = 0  # planned blocks that are covered completely (step 2)
        while count < len(planned) and size >= PIECE_HEADER_SIZE + planned[count][0][2]:
            size -= PIECE_HEADER_SIZE + planned[count][0][2]
            count += 1
        heads = count + (count < len(planned) and size >= PIECE_HEADER_SIZE)
        right = self._count_right(heads)
        filled += [block for block, _ in planned[: min(right, count)]]
        if right < heads:
            return self._sort_out(planned, filled, right, count, heads, size)
        self._adapt(count, len(planned), heads)
        displaced = b""
        if heads > count:
            self._begin(*planned[count], size - PIECE_HEADER_SIZE)
        elif count == len(planned):
            self._frames.buffer_updated(size)
        else:  # not even a whole header
            displaced = bytes(self._scratch.head_views[count][:size])
        if filled:
            self._places.filled(filled)
        return displaced

    def _sort_out(
        self,
        planned: Sequence[tuple[Block, memoryview]],
        filled: list[Block],
        right: int,
        count: int,
        heads: int,
        size: int,
    ) -> bytes:
        """Steps 4 and 5, from the first header that was not expected; arguments and result are those of `updated`."""
        moved: list[tuple[Block, bytes]] = []
        begun: Block | None = None
        number = right
        while number < heads:
            (expected, place), heard = planned[number], self._heard(number)
            if heard is None or heard[2] != expected[2]:
                break
            if number == count:
                begun = heard
            elif heard == expected:
                filled.append(expected)
            else:
                moved.append((heard, bytes(place)))
            number += 1
        is_laid_out = number == heads
        displaced = b""
        if not is_laid_out or begun is not None or count < len(planned):
            displaced = self._displaced(planned, count if is_laid_out else number, count, size)
        else:
            self._frames.buffer_updated(size)
        if is_laid_out:
            self._adapt(count, len(planned), heads)
        else:
            self._window, self._patience = 1, self._penalty
            self._penalty = min(2 * self._penalty, MAX_PATIENCE)
        if filled:
            self._places.filled(filled)
        if moved:
            self._places.moved(moved)
        home = self._places.hold(begun) if begun is not None and is_laid_out else None
        if begun is not None and home is not None:
            received = size - PIECE_HEADER_SIZE
            home[:received] = displaced[PIECE_HEADER_SIZE:]
            self._begun, self._rest, self._is_wasted = begun, home[received:], False
            return b""
        return displaced

    def _adapt(self, count: int, planned: int, heads: int) -> None:
        """The next plan, after one that was laid out rightly."""
        if count == planned == MAX_BLOCKS:
            self._penalty = 1
        if heads:
            grown = 2 * count + 2 if count == planned else max(count + 2, (planned + count) // 2)
            self._window = min(grown, MAX_BLOCKS)

    def _heard(self, number: int) -> Block | None:
        """The block that a header announced; None when it is that of something else."""
        length, kind, piece, begin = _HEADER.unpack_from(self._scratch.heads, number * PIECE_HEADER_SIZE)
        return Block(piece, begin, length - 9) if kind == PIECE else None

    def _rest_of_begun(self) -> memoryview:
        """Where the rest of a block goes that has begun: nowhere, if its place was taken away meanwhile."""
        assert self._begun is not None
        if not self._is_wasted and not self._places.holds(self._begun):
            self._is_wasted = True
            self._rest = self._scratch.waste[: len(self._rest)]
        return self._rest

    def _begin(self, block: Block, place: memoryview, received: int) -> None:
        self._places.hold(block)
        self._begun, self._rest, self._is_wasted = block, place[received:], False

    def _begin_from_frames(self) -> None:
        """Moves the beginning of a block out of the frame buffer, so that the rest of it need not be copied.

        What waits there is one frame that has not come to its end: the complete ones have been taken.
        """
        head = self._frames.peek(PIECE_HEADER_SIZE)
        if len(head) < PIECE_HEADER_SIZE:
            return
        length, kind, piece, begin = _HEADER.unpack(head)
        received = self._frames.size - PIECE_HEADER_SIZE
        if kind != PIECE:
            return
        block = Block(piece, begin, length - 9)
        place = self._places.hold(block)
        if place is not None:
            self._frames.take_into(place[:received], skip=PIECE_HEADER_SIZE)
            self._begun, self._rest, self._is_wasted = block, place[received:], False

    def _count_right(self, heads: int) -> int:
        """How many of the first headers are as expected."""
        heard, expected = self._scratch.heads, self._scratch.expected
        end = heads * PIECE_HEADER_SIZE
        if heard[:end] == expected[:end]:
            return heads
        for number in range(heads):
            at = number * PIECE_HEADER_SIZE
            if heard[at : at + PIECE_HEADER_SIZE] != expected[at : at + PIECE_HEADER_SIZE]:
                return number
        return heads

    def _displaced(self, planned: Sequence[tuple[Block, memoryview]], first: int, count: int, left: int) -> bytes:
        """The bytes from header `first` on, as they came: through `count` blocks and `left` bytes more."""
        parts: list[memoryview] = []
        heads = self._scratch.head_views
        for number in range(first, count):
            parts += (heads[number], planned[number][1])
        if count < len(planned):
            parts += (heads[count][:left], planned[count][1][: max(0, left - PIECE_HEADER_SIZE)])
        else:
            parts.append(self._frames.get_buffer()[:left])
        return b"".join(parts)


MAX_PATIENCE = 64  # reads without a plan from a peer that answers in another order
MAX_BLOCKS = 32  # half a megabyte: more at a time makes the loop's other callbacks wait, and gains nothing
_HEADER = struct.Struct(">IBII")
