"""Which packets of a bulk flow are on their way, delivered or lost: the sender's scoreboard. Pure."""

from __future__ import annotations

from collections import deque

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket
from transfer.congestion.rate_sample import Flight


class Scoreboard:
    """Packets by number, and their sendings by order.

    Attributes:
        first: the first number that is not known to be delivered.
        next_number: of the next new packet.
        next_order: of the next sending.
        in_flight: packets on their way: sent, not delivered, not lost.
        sacked: packets beyond `first` that are delivered.
        waiting: lost packets that have not been sent again.
        in_order: sendings by order, for the loss detector; settled ones may be among them.
        late, repaired, is_reordered: of the last acknowledgement: packets that had been taken for lost and arrived by
            their first sending; those that arrived by a later one; whether one was overtaken by what was sent after it.

    Invariants:
        a packet from first to next_number is in flight, waiting or sacked, and in one of these only
        what is before first is delivered
    """

    __slots__ = (
        "_ends",
        "_lost",
        "_open",
        "_probe",
        "first",
        "in_flight",
        "in_order",
        "is_reordered",
        "late",
        "next_number",
        "next_order",
        "repaired",
        "sacked",
        "waiting",
    )

    def __init__(self) -> None:
        self.first = self.next_number = self.next_order = 0
        self.in_flight = self.sacked = self.waiting = self.late = self.repaired = 0
        self.is_reordered = False
        self.in_order: deque[BulkPacket] = deque()
        self._open: dict[int, BulkPacket] = {}  # not delivered: the last sending of each number
        self._lost: deque[BulkPacket] = deque()  # those that wait; settled by delivery or replaced: passed over
        self._probe: BulkPacket | None = None  # sent again without being taken for lost
        self._ends: dict[int, int] = {}  # of ranges that were looked at already, by their starts

    def acknowledge(self, ack: BulkAck, *, newest_order: int, is_duplicate: bool) -> list[BulkPacket]:
        """Takes an acknowledgement in, and returns the packets that it is the first to tell of.

        Args:
            newest_order: the highest order that was known to be delivered before.
            is_duplicate: the sending that arrived last was of a packet that had arrived before.
        """
        found: list[BulkPacket] = []
        pop = self._open.pop
        first, next_number = self.first, ack.next_number
        if next_number > first:
            if next_number > self.next_number:
                raise ValueError(f"packet {next_number - 1} was acknowledged, and never sent")
            for number in range(first, next_number):
                packet = pop(number, None)
                if packet is None:
                    self.sacked -= 1
                else:
                    found.append(packet)
            self.first = next_number
        if ack.ranges:
            in_sequence = len(found)
            for start, end in ack.ranges:
                if start < self.first:  # an acknowledgement that was overtaken
                    continue
                known = self._ends.get(start, start)
                if end > known:
                    for number in range(known, end):
                        packet = pop(number, None)
                        if packet is not None:
                            found.append(packet)
                    self._ends[start] = end
            self.sacked += len(found) - in_sequence
            if len(self._ends) > _MAX_ENDS:
                self._ends.clear()  # costs a second look at what still is beyond a hole, and nothing else
        self.late = self.repaired = 0
        self.is_reordered = False
        echo_order = ack.echo.order - is_duplicate
        for packet in found:
            if packet.is_settled:  # it waits to be sent again, and needs not
                self.waiting -= 1
                self.late += 1
                continue
            packet.is_settled = True
            self.in_flight -= 1
            if packet.is_again:
                if packet is self._probe:
                    self._probe = None
                elif packet.order > echo_order:  # what arrived last had left before it: so its first sending arrived
                    self.late += 1
                else:
                    self.repaired += 1
            elif packet.order < newest_order:
                self.is_reordered = True
        return found

    def lose(self, packets: list[BulkPacket]) -> None:
        """The loss detector has settled these: they wait to be sent again."""
        self.in_flight -= len(packets)
        self.waiting += len(packets)
        self._lost.extend(packets)

    def lose_all(self) -> int:
        """All that is on its way is lost, and is sent again by number. Returns how many packets that were."""
        count = self.in_flight
        self._lost = deque(sorted(self._open.values(), key=lambda packet: packet.number))
        for packet in self._lost:
            packet.is_settled = True
        self.in_order.clear()
        self.waiting += count
        self.in_flight = 0
        return count

    def send(self, count: int, *, now: float, flight: Flight | None) -> list[BulkPacket]:
        """So many packets leave: those that wait first, then new ones."""
        sent: list[BulkPacket] = []
        order = self.next_order
        while self.waiting and len(sent) < count:
            lost = self._lost.popleft()
            if self._open.get(lost.number) is lost:
                sent.append(BulkPacket(lost.number, order + len(sent), now, True, flight))
                self.waiting -= 1
        number = self.next_number
        order += len(sent)
        new = count - len(sent)
        for i in range(new):
            sent.append(BulkPacket(number + i, order + i, now, False, flight))
        self.next_number = number + new
        self._register(sent)
        return sent

    def send_last_again(self, *, now: float, flight: Flight | None) -> tuple[BulkPacket, BulkPacket]:
        """The packet in flight with the highest number leaves once more. Returns its old sending and its new one."""
        before = max((p for p in self._open.values() if not p.is_settled), key=lambda packet: packet.number)
        before.is_settled = True
        self.in_flight -= 1
        again = BulkPacket(before.number, self.next_order, now, True, flight)
        self._probe = again
        self._register([again])
        return before, again

    def check_invariants(self, config: BulkConfig) -> None:
        """Raises AssertionError if one of the class's invariants does not hold."""
        settled = sum(packet.is_settled for packet in self._open.values())
        assert settled == self.waiting
        assert len(self._open) - settled == self.in_flight
        assert all(self.first <= number < self.next_number for number in self._open)
        assert self.sacked == self.next_number - self.first - len(self._open)
        assert self.first not in range(self.first, self.next_number) or self.first in self._open
        unsettled = [packet.order for packet in self.in_order if not packet.is_settled]
        assert unsettled == sorted(packet.order for packet in self._open.values() if not packet.is_settled)
        assert self.next_number - self.first <= config.max_ahead_packets

    def _register(self, sent: list[BulkPacket]) -> None:
        self.next_order += len(sent)
        self.in_flight += len(sent)
        self.in_order.extend(sent)
        for packet in sent:
            self._open[packet.number] = packet
            packet.sent_in_flight = self.in_flight


_MAX_ENDS = 1000
