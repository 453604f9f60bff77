"""Bytes in order, between one that puts and one that takes; each byte is copied at most once on its way."""

from __future__ import annotations

from collections import deque
from itertools import islice


class ByteQueue:
    """What was put and not yet taken.

    Attributes:
        size: bytes inside.

    Invariants:
        size is the sum of the chunks' sizes, and no chunk is empty
    """

    __slots__ = ("_chunks", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self.size = 0

    def put(self, data: bytes | memoryview) -> None:
        """Adds bytes, which are not copied and so must not change."""
        if data:
            self._chunks.append(data)
            self.size += len(data)

    def put_joined(self, data: bytes, most: int) -> None:
        """Adds bytes, and joins them with the last chunk as long as that is no longer than `most`.

        Many small chunks cost more than what is in them.
        """
        chunks = self._chunks
        if chunks and len(data) + len(chunks[-1]) <= most:
            chunks[-1] = b"".join((chunks[-1], data))
            self.size += len(data)
        else:
            self.put(data)

    def take(self, most: int) -> bytes:
        """Removes `most` bytes, or all; a chunk that is taken as it was put is not copied."""
        chunks = self._chunks
        if chunks:
            first = chunks[0]
            size = len(first)
            if size > most:
                return self._cut(first, most)
            if size == most or len(chunks) == 1:
                del chunks[0]
                self.size -= size
                return first if isinstance(first, bytes) else bytes(first)
        room = most
        parts: list[bytes | memoryview] = []
        while chunks and room:
            first = chunks[0]
            if len(first) > room:
                view = memoryview(first)
                parts.append(view[:room])
                chunks[0] = view[room:]
                room = 0
            else:
                parts.append(chunks.popleft())
                room -= len(first)
        self.size -= most - room
        return _joined(parts)

    def take_first(self) -> bytes:
        """Removes the first chunk, which is there."""
        first = self._chunks.popleft()
        self.size -= len(first)
        return first if isinstance(first, bytes) else bytes(first)

    def take_whole(self, most: int) -> bytes:
        """Removes as many whole chunks as `most` has room for, or so much of a first one that is longer."""
        chunks = self._chunks
        if chunks and len(chunks[0]) > most:
            return self._cut(chunks[0], most)
        parts: list[bytes | memoryview] = []
        size = 0
        while chunks and size + len(chunks[0]) <= most:
            size += len(chunks[0])
            parts.append(chunks.popleft())
        self.size -= size
        return _joined(parts)

    def take_parts(self, most: int) -> list[bytes | memoryview]:
        """Removes `most` bytes, or all, as they lie; many small ones are joined."""
        chunks, room = self._chunks, most
        parts: list[bytes | memoryview] = []
        while chunks and room:
            first = chunks[0]
            size = len(first)
            if size > room:
                view = memoryview(first)
                parts.append(view[:room])
                chunks[0] = view[room:]
                room = 0
            else:
                parts.append(first)
                del chunks[0]
                room -= size
        self.size -= most - room
        return parts if len(parts) <= MANY_PARTS else [b"".join(parts)]

    def take_into(self, buffer: memoryview) -> int:
        """Removes as many bytes as `buffer` holds, or all; returns how many."""
        chunks, filled, room = self._chunks, 0, len(buffer)
        while chunks and filled < room:
            first = chunks[0]
            size = min(len(first), room - filled)
            if size < len(first):
                view = memoryview(first)
                buffer[filled : filled + size] = view[:size]
                chunks[0] = view[size:]
            else:
                buffer[filled : filled + size] = first
                chunks.popleft()
            filled += size
        self.size -= filled
        return filled

    def vectors(self, most: int) -> list[bytes | memoryview]:
        """The first chunks, up to `most` of them, for a call that tells how many of their bytes it took."""
        return list(islice(self._chunks, most))

    def discard(self, size: int) -> None:
        """Removes the first `size` bytes, which are there."""
        chunks = self._chunks
        self.size -= size
        while size:
            first = chunks[0]
            if size < len(first):
                chunks[0] = memoryview(first)[size:]
                return
            size -= len(first)
            chunks.popleft()

    def clear(self) -> None:
        """Drops what is inside."""
        self._chunks.clear()
        self.size = 0

    def _cut(self, first: bytes | memoryview, size: int) -> bytes:
        """Removes a part of the first chunk."""
        view = memoryview(first)
        self._chunks[0] = view[size:]
        self.size -= size
        return bytes(view[:size])

    @property
    def first_size(self) -> int:
        """How long the first chunk is; 0 without one."""
        return len(self._chunks[0]) if self._chunks else 0


MANY_PARTS = 8


def frozen(data: bytes | bytearray | memoryview) -> bytes:
    """What may stay in a queue: what can change is copied, because its owner may change it later.

    Raises:
        TypeError: that is no bytes.
    """
    if type(data) is bytes:
        return data
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be bytes, bytearray or memoryview, not {type(data).__name__!r}")
    return bytes(data)


def _joined(parts: list[bytes | memoryview]) -> bytes:
    if len(parts) == 1 and isinstance(parts[0], bytes):
        return parts[0]
    return b"".join(parts)
