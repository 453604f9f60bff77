"""What was written and has not left yet, cut into packets without copying."""

from __future__ import annotations

from collections import deque

from transfer.datagrams.runs import Buffer


class Outgoing:
    """Bytes in order, taken a packet's payload at a time.

    A payload that lies within one written piece is a view of it; one that spans several is joined.

    Attributes:
        size: bytes inside.
    """

    __slots__ = ("_offset", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._offset = 0  # of what is left of the first piece
        self.size = 0

    def put(self, data: Buffer) -> None:
        """Adds bytes, which must not change."""
        if data:
            self._pieces.append(memoryview(data))
            self.size += len(data)

    def take(self, payload_bytes: int, most: int) -> list[Buffer]:
        """Removes up to `most` payloads, each of `payload_bytes`; the last of all may be shorter."""
        pieces = self._pieces
        payloads: list[Buffer] = []
        offset = self._offset
        taken = 0
        while pieces and len(payloads) < most:
            piece = pieces[0]
            whole = min((len(piece) - offset) // payload_bytes, most - len(payloads))
            if whole:
                end = offset + whole * payload_bytes
                payloads += [piece[at : at + payload_bytes] for at in range(offset, end, payload_bytes)]
                taken += end - offset
                offset = end
            rest = len(piece) - offset
            if rest >= payload_bytes:
                break  # enough of them
            if not rest:
                pieces.popleft()
                offset = 0
            elif len(payloads) < most:
                parts: list[Buffer] = []
                room = payload_bytes
                while room and pieces:
                    part = pieces[0][offset : offset + room]
                    parts.append(part)
                    room -= len(part)
                    offset += len(part)
                    if offset == len(pieces[0]):
                        pieces.popleft()
                        offset = 0
                payloads.append(parts[0] if len(parts) == 1 else b"".join(parts))
                taken += payload_bytes - room
        self._offset = offset
        self.size -= taken
        return payloads

    def clear(self) -> None:
        """Drops what is inside."""
        self._pieces.clear()
        self._offset = self.size = 0
