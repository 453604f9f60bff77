"""The receiving half of a connection: packets in any order become bytes in order, and what to tell their sender."""

from __future__ import annotations

from transfer.utp.config import UtpConfig
from transfer.utp.packet import HEADER_BYTES


class ReceivingHalf:
    """What has arrived, and what is missing.

    Sequence numbers are unwrapped here: they grow for ever.

    Attributes:
        expected: the sequence number that comes next; all before it has arrived.
        mask: bit i says that the packet `expected + 1 + i` is here already: what a selective acknowledgement tells.
        chunks: payloads in order that nobody has taken yet.
        unread_bytes: in `chunks`, and what was taken from there and not yet read.
        buffer_bytes: how much may wait, in order or behind a hole. It may become less than what waits already.
        has_ended: everything up to the other side's FIN is in `chunks` or was taken.

    Invariants:
        a packet is in `ahead` exactly when its bit is set
        at most max_packets_ahead packets, and receive_buffer_bytes of bytes, wait behind a hole
    """

    __slots__ = (
        "_ahead",
        "_ahead_bytes",
        "_fin",
        "_max_ahead",
        "buffer_bytes",
        "chunks",
        "expected",
        "has_ended",
        "mask",
        "unread_bytes",
    )

    def __init__(self, config: UtpConfig, *, expected: int) -> None:
        self.expected = expected
        self.mask = 0
        self.chunks: list[memoryview | bytes] = []
        self.unread_bytes = 0
        self.has_ended = False
        self._ahead: dict[int, memoryview | bytes] = {}
        self._ahead_bytes = 0
        self._fin: int | None = None
        self.buffer_bytes = config.receive_buffer_bytes
        self._max_ahead = config.max_packets_ahead

    def receive(self, sequence: int, data: bytes, start: int, end: int) -> bool:
        """One packet with a payload; False if it told nothing new."""
        distance = sequence - self.expected
        if distance == 0 and not self.has_ended:
            size = end - start
            if self.unread_bytes and self.unread_bytes + size > self.buffer_bytes:
                return False
            if size:
                self.chunks.append(memoryview(data)[start:end] if size != len(data) else data)
                self.unread_bytes += size
            self._advance(1)
            return True
        return distance > 0 and self._keep(sequence, data[start:end])

    def receive_run(self, sequence: int, data: bytes, segment_bytes: int, count: int) -> bool:
        """Packets with sequence numbers in a row, each header without extensions; False if they told nothing new."""
        distance = sequence - self.expected
        size = len(data) - HEADER_BYTES * count
        if distance == 0 and self._fin is None and self.unread_bytes + size <= self.buffer_bytes:
            view = memoryview(data)
            self.chunks += [
                view[start : start + segment_bytes - HEADER_BYTES]
                for start in range(HEADER_BYTES, len(data), segment_bytes)
            ]
            self.unread_bytes += size
            self._advance(count)
            return True
        if distance > 0 and self._keep_run(sequence, data, segment_bytes, count):
            return True
        is_new = False
        for number in range(count):
            start = number * segment_bytes
            end = min(start + segment_bytes, len(data))
            is_new |= self.receive(sequence + number, data, start + HEADER_BYTES, end)
        return is_new

    def receive_fin(self, sequence: int) -> bool:
        """The other side's last packet; False if it told nothing new."""
        if self._fin is not None or sequence < self.expected:
            return False
        if sequence - self.expected > self._max_ahead or (
            self.mask and sequence <= self.expected + self.mask.bit_length()
        ):
            return False  # before what has arrived already
        self._fin = sequence
        if sequence == self.expected:
            self._advance(1)
            return True
        self._ahead[sequence] = b""
        self.mask |= 1 << sequence - self.expected - 1
        return True

    def take_chunks(self) -> list[memoryview | bytes]:
        """Removes what is in order. It counts as unread until `unread_bytes` is lowered."""
        chunks, self.chunks = self.chunks, []
        return chunks

    def discard(self) -> None:
        """Drops all that is here and unread: nobody will read it."""
        self.chunks.clear()
        self.unread_bytes = 0

    @property
    def window(self) -> int:
        """What the other side may have on its way: room for a whole packet at least, or 0."""
        room = self.buffer_bytes - self.unread_bytes - self._ahead_bytes
        return room if room >= LEAST_WINDOW_BYTES else 0

    @property
    def held_bytes(self) -> int:
        """Memory in use for what nobody has read."""
        return self.unread_bytes + self._ahead_bytes

    def check_invariants(self) -> None:
        assert set(self._ahead) == {
            self.expected + 1 + bit for bit in range(self.mask.bit_length()) if self.mask >> bit & 1
        }
        assert len(self._ahead) <= self._max_ahead
        assert self._ahead_bytes == sum(map(len, self._ahead.values()))
        assert sum(map(len, self.chunks)) <= self.unread_bytes
        assert not self.has_ended or not self.mask

    def _keep(self, sequence: int, payload: bytes) -> bool:
        """A packet behind a hole. It is a copy, so that the rest of what it came with is free."""
        bit = sequence - self.expected - 1
        if bit >= self._max_ahead or self.mask >> bit & 1 or (self._fin is not None and sequence >= self._fin):
            return False
        if self.unread_bytes + self._ahead_bytes + len(payload) > self.buffer_bytes:
            return False
        self._ahead[sequence] = payload
        self._ahead_bytes += len(payload)
        self.mask |= 1 << bit
        return True

    def _keep_run(self, sequence: int, data: bytes, segment_bytes: int, count: int) -> bool:
        """A run behind a hole, if all of it is new and there is room: what a loss leaves of the runs behind it."""
        bit = sequence - self.expected - 1
        size = len(data) - HEADER_BYTES * count
        if bit + count > self._max_ahead or self._fin is not None or self.mask >> bit & (1 << count) - 1:
            return False
        if self.unread_bytes + self._ahead_bytes + size > self.buffer_bytes:
            return False
        for number, start in enumerate(range(0, len(data), segment_bytes), sequence):
            self._ahead[number] = data[start + HEADER_BYTES : start + segment_bytes]
        self._ahead_bytes += size
        self.mask |= (1 << count) - 1 << bit
        return True

    def _advance(self, count: int) -> None:
        """So many packets have arrived from `expected` on; what waited behind them follows."""
        first = self.expected
        self.expected = first + count
        mask = self.mask
        if mask:
            ahead = self._ahead
            if count > 1:
                for bit in range(min(count - 1, mask.bit_length())):  # came twice
                    if mask >> bit & 1:
                        self._ahead_bytes -= len(ahead.pop(first + 1 + bit))
                mask >>= count - 1
            following = (~mask & mask + 1).bit_length() - 1  # how many of the lowest bits are set in a row
            if following:
                start = self.expected
                payloads = [ahead.pop(sequence) for sequence in range(start, start + following)]
                size = sum(map(len, payloads))
                self._ahead_bytes -= size
                self.unread_bytes += size
                self.chunks += [payload for payload in payloads if payload]
                self.expected = start + following
            self.mask = mask >> following + 1
        if self._fin is not None and self.expected > self._fin:
            self.has_ended = True


LEAST_WINDOW_BYTES = 1500
