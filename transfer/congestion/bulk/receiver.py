"""The receiver of a bulk flow: what has arrived, and when that is acknowledged (RFC 5681, RFC 2018). Pure."""

from __future__ import annotations

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket


class BulkReceiver:
    """Acknowledges every second packet that comes in order, and at once whatever does not, or closes a hole.

    Attributes:
        next_number: everything before it has arrived.
        received, duplicates, refused, marked: packets; refused were beyond the receive window.
        clock_offset_s: how far the receiver's clock is from the sender's: delays are known but for a constant.

    Invariants:
        next_number is not among what arrived beyond it; ranges do not touch each other
    """

    __slots__ = (
        "_ack_at",
        "_beyond",
        "_config",
        "_end_of",
        "_last",
        "_last_at",
        "_recent",
        "_start_of",
        "_unacknowledged",
        "clock_offset_s",
        "duplicates",
        "marked",
        "next_number",
        "received",
        "refused",
    )

    def __init__(self, config: BulkConfig | None = None, *, clock_offset_s: float = 0.0) -> None:
        self._config = config or BulkConfig()
        self.clock_offset_s = clock_offset_s
        self.next_number = self.received = self.duplicates = self.refused = self.marked = 0
        self._beyond: set[int] = set()
        self._end_of: dict[int, int] = {}  # the ranges of _beyond, by both of their ends
        self._start_of: dict[int, int] = {}
        self._recent: list[tuple[int, int]] = []
        self._unacknowledged = 0
        self._last: BulkPacket | None = None
        self._last_at = 0.0
        self._ack_at: float | None = None

    def receive_packet(self, packet: BulkPacket, *, now: float, is_marked: bool = False) -> BulkAck | None:
        """A packet has arrived. Returns what leaves now, if anything does."""
        number = packet.number
        config = self._config
        self._last = packet
        self._last_at = now
        if is_marked:
            self.marked += 1
        if number == self.next_number and not self._beyond:
            self.next_number = number + 1
            self.received += 1
            if self._may_wait(config.ack_every, now=now):
                return None
        elif number < self.next_number or number in self._beyond:
            self.duplicates += 1
        elif number - self.next_number >= config.max_ahead_packets:
            self.refused += 1
            return None
        else:
            self.received += 1
            continues = number in self._start_of
            self._add(number)
            if continues and number >= self.next_number and self._may_wait(config.ack_every_beyond, now=now):
                return None
        return self._acknowledge(packet)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due."""
        return self._ack_at

    def handle_timer(self, *, now: float) -> BulkAck | None:
        """The acknowledgement that has waited long enough, if there is one."""
        if self._ack_at is None or self._last is None or now < self._ack_at - _ROUNDING_S:
            return None
        return self._acknowledge(self._last)

    def check_invariants(self) -> None:
        """Raises AssertionError if one of the class's invariants does not hold."""
        assert self.next_number not in self._beyond
        assert self._start_of == {end: start for start, end in self._end_of.items()}
        numbers = [number for start, end in sorted(self._end_of.items()) for number in range(start, end)]
        assert numbers == sorted(self._beyond)
        assert not set(self._end_of) & set(self._start_of)
        assert len(self._recent) <= self._config.sack_ranges
        assert all(number in self._beyond for start, end in self._recent for number in range(start, end))
        assert self.received == self.next_number + len(self._beyond)

    def _may_wait(self, together: int, *, now: float) -> bool:
        self._unacknowledged += 1
        if self._unacknowledged >= together:
            return False
        if self._ack_at is None:
            self._ack_at = now + self._config.ack_delay_s
        return True

    def _acknowledge(self, packet: BulkPacket) -> BulkAck:
        self._unacknowledged = 0
        self._ack_at = None
        ranges = tuple(self._recent) if self._recent else ()
        delay_s = self._last_at + self.clock_offset_s - packet.sent_at
        return BulkAck(self.next_number, ranges, packet, delay_s, self.duplicates, self.marked)

    def _add(self, number: int) -> None:
        if number == self.next_number:
            end = self._end_of.pop(number + 1, number + 1)
            self._start_of.pop(end, None)
            self._beyond.difference_update(range(number + 1, end))
            self.next_number = end
            self._recent = [each for each in self._recent if each[0] > end]
            return
        self._beyond.add(number)
        start = self._start_of.pop(number, number)
        end = self._end_of.pop(number + 1, number + 1)
        self._end_of[start] = end
        self._start_of[end] = start
        recent = [(start, end)]
        for each in self._recent:
            if not start <= each[0] < end and len(recent) < self._config.sack_ranges:
                recent.append(each)
        self._recent = recent


_ROUNDING_S = 1e-6
