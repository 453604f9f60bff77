"""Length-prefixed frames out of one growing receive buffer, without a copy for each frame (BEP 3, peer messages)."""

from __future__ import annotations

import struct

from bittorrent.errors import WireError
from bittorrent.pieces.block import Block


class FrameBuffer:
    """Where a connection's bytes arrive, and the frames that are complete in it.

    The buffer starts small, so an idle connection is cheap, and doubles while the network fills it, so a fast one
    reads many blocks at a time.

    Invariants:
        0 <= start <= end <= capacity <= largest capacity
    """

    __slots__ = ("_buffer", "_end", "_largest", "_max_frame", "_start", "_view")

    def __init__(self, *, max_frame_bytes: int, first_capacity_bytes: int = 16 << 10) -> None:
        self._max_frame = max_frame_bytes
        self._largest = max(LARGEST_CAPACITY_BYTES, max_frame_bytes + 4)
        self._buffer = bytearray(min(first_capacity_bytes, self._largest))
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    def get_buffer(self) -> memoryview:
        """Free space for the network to write to, never empty. Ends the life of every view given out before."""
        capacity, rest = len(self._buffer), self._end - self._start
        if self._end == capacity and capacity < self._largest:
            self._move_rest_to(bytearray(min(2 * capacity, self._largest)))
        elif rest == 0:
            self._start = self._end = 0
        elif self._start and capacity - self._end < capacity // 4:
            self._move_rest_to(self._buffer)
        if self._end == len(self._buffer):
            raise ValueError("complete frames were left in a full buffer")
        return self._view[self._end :]

    def buffer_updated(self, size: int) -> None:
        """`size` bytes of the last `get_buffer` were filled."""
        if not 0 <= size <= len(self._buffer) - self._end:
            raise ValueError(f"{size} bytes were not free")
        self._end += size

    def clear(self) -> None:
        """Forgets what arrived."""
        self._start = self._end = 0

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._end - self._start

    @property
    def is_full(self) -> bool:
        """Whether nothing more can arrive before something is taken."""
        return self._end - self._start == self._largest

    def peek(self, size: int) -> bytes:
        """Up to `size` of the bytes that wait, left where they are."""
        return bytes(self._view[self._start : min(self._end, self._start + size)])

    def take(self, size: int) -> bytes | None:
        """The next `size` bytes as they are, or None while fewer have arrived."""
        if self._end - self._start < size:
            return None
        self._start += size
        return bytes(self._view[self._start - size : self._start])

    def take_into(self, target: memoryview, *, skip: int) -> None:
        """Puts all that waits, but for the first `skip` bytes, into `target`, which has just this size."""
        target[:] = self._view[self._start + skip : self._end]
        self._start = self._end

    def fill(self, data: memoryview) -> memoryview:
        """Takes as much of `data` as there is room for, as if the network had brought it; returns the rest."""
        room = self.get_buffer()
        size = min(len(room), len(data))
        room[:size] = data[:size]
        self._end += size
        return data[size:]

    def next_blocks(self) -> list[tuple[Block, memoryview]]:
        """The blocks of all complete `piece` frames that come next, with their bytes, valid as those of `next_frame`.

        Empty when the next frame is another one, or incomplete, or too short or too long to be right.
        """
        found: list[tuple[Block, memoryview]] = []
        view, start, end, most = self._view, self._start, self._end, self._max_frame
        while end - start > PIECE_HEADER_SIZE:
            length, kind, piece, begin = _PIECE_HEADER.unpack_from(view, start)
            frame_end = start + 4 + length
            if kind != PIECE or not 9 < length <= most or frame_end > end:
                break
            found.append((Block(piece, begin, length - 9), view[start + PIECE_HEADER_SIZE : frame_end]))
            start = frame_end
        self._start = start
        return found

    def next_requests(self) -> list[Block]:
        """What all complete `request` frames ask for that come next; empty when the next frame is another one."""
        found: list[Block] = []
        view, start, end = self._view, self._start, self._end
        while end - start >= REQUEST_SIZE:
            length, kind, piece, begin, size = _REQUEST.unpack_from(view, start)
            if kind != REQUEST or length != REQUEST_SIZE - 4:
                break
            found.append(Block(piece, begin, size))
            start += REQUEST_SIZE
        self._start = start
        return found

    def next_frame(self) -> memoryview | None:
        """The body of the next complete frame (empty: keep-alive), valid until the next `get_buffer`; None: wait.

        Raises:
            WireError: the announced length exceeds `max_frame_bytes`.
        """
        start = self._start
        if self._end - start < 4:
            return None
        length = int.from_bytes(self._view[start : start + 4], "big")
        if length > self._max_frame:
            raise WireError(f"the peer announced a message of {length} bytes; {self._max_frame} is the limit")
        frame_end = start + 4 + length
        if frame_end > self._end:
            return None
        self._start = frame_end
        return self._view[start + 4 : frame_end]

    def _move_rest_to(self, target: bytearray) -> None:
        rest = self._end - self._start
        target[:rest] = self._buffer[self._start : self._end]
        self._start, self._end = 0, rest
        if target is not self._buffer:
            self._buffer = target
            self._view = memoryview(target)


REQUEST, PIECE = 6, 7
REQUEST_SIZE = 17
PIECE_HEADER_SIZE = 13
_PIECE_HEADER = struct.Struct(">IBII")
_REQUEST = struct.Struct(">IBIII")
LARGEST_CAPACITY_BYTES = 256 << 10
