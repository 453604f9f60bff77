"""What a stream has to send: bytes that packets share, and entries that are a packet each. Pure."""

from __future__ import annotations

from collections import deque

from transfer.simulation.segments import Kind


class Outbox:
    """Everything in the order in which it was put; packets are cut when they leave, so small writes share one.

    Args:
        packet_bytes: the most that a packet carries.

    Attributes:
        shared_bytes: what waits of the bytes that packets share.

    Invariants:
        shared_bytes is the sum of the shared entries' sizes, none of which is empty
        `cut` can be called `packets` times, and no more
    """

    __slots__ = ("_entries", "_packet_bytes", "_whole", "shared_bytes")

    def __init__(self, packet_bytes: int) -> None:
        self._packet_bytes = packet_bytes
        self._entries: deque[tuple[Kind, bytes | memoryview, bool]] = deque()  # the last: a packet of its own
        self._whole = 0
        self.shared_bytes = 0

    def put(self, data: bytes) -> None:
        """Bytes that travel together with others."""
        if data:
            self._entries.append((Kind.DATA, data, False))
            self.shared_bytes += len(data)

    def put_packet(self, kind: Kind, data: bytes = b"") -> None:
        """One packet, however little it carries. Nothing shared may follow."""
        self._entries.append((kind, data, True))
        self._whole += 1

    def put_opaque(self, data: bytes, rounded: int) -> None:
        """Bytes whose length may differ a little from run to run: as many packets as `rounded` of them fill."""
        most = self._packet_bytes
        for start in range(0, rounded, most):
            self.put_packet(Kind.DATA, data[start : start + most])

    def cut(self) -> tuple[Kind, bytes]:
        """The next packet."""
        entries = self._entries
        kind, data, is_whole = entries.popleft()
        if is_whole:
            self._whole -= 1
            return kind, bytes(data)
        parts: list[bytes | memoryview] = []
        room = self._packet_bytes
        while len(data) <= room:
            parts.append(data)
            room -= len(data)
            if not room or not entries or entries[0][2]:
                break
            data = entries.popleft()[1]
        else:
            view = memoryview(data)
            parts.append(view[:room])
            entries.appendleft((kind, view[room:], False))
            room = 0
        self.shared_bytes -= self._packet_bytes - room
        return kind, b"".join(parts)

    def clear(self) -> None:
        """Drops everything."""
        self._entries.clear()
        self.shared_bytes = self._whole = 0

    @property
    def packets(self) -> int:
        """How many packets that is."""
        return self._whole + -(-self.shared_bytes // self._packet_bytes)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        shared = [len(data) for _, data, is_whole in self._entries if not is_whole]
        assert sum(shared) == self.shared_bytes
        assert all(shared)
        assert self._whole + len(shared) == len(self._entries)
