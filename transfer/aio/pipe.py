"""Bytes in order, between one that writes and one that reads; each byte is copied at most once on its way."""

from __future__ import annotations

from collections import deque


class Pipe:
    """One direction of a connection.

    Attributes:
        size: bytes written and not yet taken.
        is_ended: nothing follows what is in here.
        is_broken: what follows is an error, not a regular end.

    Invariants:
        size is the sum of the chunks' sizes, and no chunk is empty
    """

    __slots__ = ("_chunks", "is_broken", "is_ended", "size")

    def __init__(self) -> None:
        self._chunks: deque[bytes | memoryview] = deque()
        self.size = 0
        self.is_ended = False
        self.is_broken = False

    def put(self, data: bytes) -> None:
        """Adds bytes, which are not copied."""
        if data:
            self._chunks.append(data)
            self.size += len(data)

    def take(self, most: int) -> bytes:
        """Removes `most` bytes, or all; a chunk that is taken as it was put is not copied."""
        chunks, room = self._chunks, most
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
        if len(parts) == 1 and isinstance(parts[0], bytes):
            return parts[0]
        return b"".join(parts)

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

    def clear(self) -> None:
        """Drops what is inside."""
        self._chunks.clear()
        self.size = 0
