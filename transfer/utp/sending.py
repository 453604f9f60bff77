"""The sending half of a connection: what is on its way, what has arrived, what is lost. One record a flight.

Theory of operation. What leaves at one moment is a `Flight`: packets with sequence numbers in a row, all of one size
but the last. For each packet there is one bit in each of three numbers, which count from `base`, the oldest packet that
is not acknowledged: `acked` (it has arrived), `lost` (it is taken for lost, and waits to be sent again) and `resent`
(it was sent again). An acknowledgement, of one packet or of a thousand, is a handful of operations on these numbers,
and sums over the flights they touch. Sequence numbers are unwrapped here: they grow for ever.
"""

from __future__ import annotations

from bisect import bisect_right

from transfer.datagrams.runs import Buffer
from transfer.utp.flights import Delivered, Flight


class SendingHalf:
    """The packets that have left and are not all acknowledged.

    Attributes:
        base: the oldest packet that is not acknowledged.
        next: the sequence number of the next new packet.
        acked, lost, resent: see the module.
        in_flight: bytes on their way: sent, neither acknowledged nor lost.
        delivered_bytes, lost_bytes, resent_packets, resent_bytes: of the whole connection.
        fin: the sequence number of our FIN, once it was sent.
        probe: the sequence number of the probe of the path's MTU on its way.

    Invariants:
        flights follow one another without gaps, up to `next`, and the first one ends behind `base`
        no bit is set in two of acked and lost; the lowest bit of acked is not set
        in_flight is the sum of the sizes of what is in neither
    """

    __slots__ = (
        "_delivered",
        "_flights",
        "_repairs",
        "_starts",
        "acked",
        "base",
        "delivered_bytes",
        "duplicates_needed",
        "fin",
        "in_flight",
        "lost",
        "lost_bytes",
        "next",
        "probe",
        "resent",
        "resent_bytes",
        "resent_packets",
    )

    def __init__(self, first_sequence: int) -> None:
        self.base = self.next = first_sequence
        self.acked = self.lost = self.resent = 0
        self.in_flight = 0
        self.delivered_bytes = self.lost_bytes = self.resent_packets = self.resent_bytes = 0
        self.fin: int | None = None
        self.probe: int | None = None
        self.duplicates_needed = DUPLICATES
        self._flights: list[Flight] = []
        self._starts: list[int] = []  # of the flights, for bisect
        self._repairs: dict[int, Flight] = {}  # packets sent again, the latest last; each a flight of its own
        self._delivered = Delivered()

    # What leaves.

    def on_sent(self, payloads: list[Buffer], size: int, *, now: float, tag: object = None) -> Flight:
        """New packets have left: `size` bytes, all packets of one size but the last."""
        self.in_flight += size
        flight = Flight(
            self.next, payloads, sent_at=now, in_flight=self.in_flight, lost_before=self.lost_bytes, tag=tag
        )
        self._starts.append(self.next)
        self._flights.append(flight)
        self.next = flight.end
        return flight

    def lost_sequences(self, most: int) -> list[int]:
        """The oldest packets that have to be sent again, all of one size but the last; a FIN is alone."""
        sequences: list[int] = []
        lost, size = self.lost, 0
        while lost and len(sequences) < most:
            low = lost & -lost
            sequence = self.base + low.bit_length() - 1
            length = len(self.payload(sequence))
            if sequences and (length != size or sequence == self.fin):
                if length < size and sequence != self.fin:
                    sequences.append(sequence)
                break
            size = length
            sequences.append(sequence)
            if sequence == self.fin:
                break
            lost ^= low
        return sequences

    def on_resent(self, sequences: list[int], *, now: float, tag: object = None) -> None:
        """These packets, which were lost, have left again."""
        for sequence in sequences:
            bit = 1 << sequence - self.base
            payload = self.payload(sequence)
            self.lost ^= bit
            self.in_flight += len(payload)
            self.resent_bytes += len(payload)
            self.resent |= bit
            self._repairs[sequence] = Flight(
                sequence, [payload], sent_at=now, in_flight=self.in_flight, lost_before=self.lost_bytes, tag=tag
            )
        self.resent_packets += len(sequences)

    def on_not_sent(self, sequences: list[int]) -> None:
        """The socket did not take the packets that have just been said to leave: they wait to be sent again."""
        for sequence in sequences:
            bit = 1 << sequence - self.base
            self._repairs.pop(sequence, None)
            if not (self.acked | self.lost) & bit:
                self.lost |= bit
                self.in_flight -= len(self.payload(sequence))

    # What is told.

    def on_ack(self, acked: int, sack: int, *, now: float, late_s: float, least_rtt_s: float) -> Delivered | None:
        """An acknowledgement; None if it told nothing new.

        Args:
            acked: the last packet of those that have all arrived; from base - 1 to next - 1.
            sack: bit i says that the packet acked + 2 + i has arrived, too.
            late_s: a packet is lost if something was delivered that was sent so much later.
            least_rtt_s: nothing that was sent more lately than this can have been acknowledged.
        """
        count = acked + 1 - self.base
        new = (1 << count) - 1
        if sack:
            new |= sack << count + 1 & (1 << self.next - self.base) - 1
        new &= ~self.acked
        if not new:
            return None
        told = self._delivered
        told.prior_in_flight = self.in_flight
        told.lost_bytes = told.lost_packets = 0
        told.lost_flight = None
        told.probe_lost = False
        told.late_packets = (new & self.lost).bit_count()
        size = self._bytes_of(new)
        on_way = new & ~self.lost if self.lost else new
        self.in_flight -= size if on_way == new else self._bytes_of(on_way)
        told.acked_bytes = size
        self.delivered_bytes += size
        self._note_newest(told, new, now=now, least_rtt_s=least_rtt_s)
        arrived = self.acked | new
        self.acked = arrived
        self.lost &= ~new
        self.resent &= ~new
        probe = self.probe
        told.probe_delivered = probe is not None and bool(new >> probe - self.base & 1)
        if told.probe_delivered:
            self.probe = None
        if arrived & 1:  # from base on everything up to the first hole, which may be more than was told at once
            self._advance((~arrived & arrived + 1).bit_length() - 1)
        if self.acked:
            self._find_lost(told, late_s)
        return told

    def on_timeout(self) -> None:
        """All that was on its way counts as lost, and waits to be sent again."""
        self.lost_bytes += self.in_flight
        self.in_flight = 0
        self.lost = (1 << self.next - self.base) - 1 & ~self.acked
        self.probe = None
        self._repairs.clear()

    def lose_oldest(self) -> Delivered | None:
        """The oldest packet is lost: duplicates of one acknowledgement say so. None if it was sent again already."""
        if self.base == self.next or (self.lost | self.resent | self.acked) & 1:
            return None
        return self._lose_unheard(1)

    def lose_passed(self, reach: int, *, sent_until: float) -> Delivered | None:
        """Something has arrived that is not described, the packet `reach` or one behind it. None if that says nothing.

        Lost is what enough packets lie behind, up to `reach`, and what was sent by `sent_until`, which is so long ago
        that whatever arrived was sent later.
        """
        count = min(reach, self.next - 1) - self.duplicates_needed + 1 - self.base
        holes = (1 << self.span) - 1 & ~(self.acked | self.lost)
        once = holes & ~self.resent
        missing = once & (1 << count) - 1 if count > 0 else 0
        for flight in self._flights:
            if flight.sent_at > sent_until:
                break
            missing |= once & (1 << flight.end - self.base) - 1
        for sequence, repair in self._repairs.items():
            if repair.sent_at > sent_until:
                break
            missing |= 1 << sequence - self.base
        return self._lose_unheard(missing) if missing else None

    # Views.

    def payload(self, sequence: int) -> Buffer:
        """Of a packet that is not acknowledged."""
        flight = self._flight_of(sequence)
        return flight.payloads[sequence - flight.start]

    @property
    def span(self) -> int:
        """Packets from the oldest that is not acknowledged to the newest."""
        return self.next - self.base

    @property
    def is_fin_acked(self) -> bool:
        return self.fin is not None and self.base > self.fin

    def last_unacked(self) -> int | None:
        """The newest packet on its way."""
        waiting = (1 << self.span) - 1 & ~(self.acked | self.lost)
        return self.base + waiting.bit_length() - 1 if waiting else None

    def check_invariants(self) -> None:
        every = (1 << self.span) - 1
        assert not self.acked & self.lost
        assert (self.acked | self.lost | self.resent) <= every
        assert not self.acked & 1
        assert self.in_flight == self._bytes_of(every & ~(self.acked | self.lost)) >= 0
        at = self._flights[0].start if self._flights else self.next
        assert at <= self.base
        for flight in self._flights:
            assert flight.start == at
            at = flight.end
        assert at == self.next
        assert not self._flights or self._flights[0].end > self.base
        assert self._starts == [flight.start for flight in self._flights]
        on_way = self.resent & ~(self.acked | self.lost)
        assert set(self._repairs) == {self.base + bit for bit in range(self.span) if on_way >> bit & 1}

    # Parts of the above.

    def _flight_of(self, sequence: int) -> Flight:
        return self._flights[bisect_right(self._starts, sequence) - 1]

    def _bytes_of(self, mask: int) -> int:
        """The payloads of the packets whose bits are set."""
        if not mask:
            return 0
        base, total = self.base, 0
        flights = self._flights
        lowest = (mask & -mask).bit_length() - 1
        index = bisect_right(self._starts, base + lowest) - 1
        while index < len(flights):
            flight = flights[index]
            index += 1
            first = flight.start - base
            if first > 0:
                part = mask >> first
                if not part:
                    break
                count = flight.end - flight.start
            else:
                part, count = mask, flight.end - base
            part &= (1 << count) - 1
            total += part.bit_count() * flight.size
            if flight.last_size != flight.size and part >> count - 1:
                total += flight.last_size - flight.size
        return total

    def _note_newest(self, told: Delivered, new: int, *, now: float, least_rtt_s: float) -> None:
        """Which of the packets was sent last, and a round trip if there is one to be measured."""
        once = new & ~self.resent if self.resent else new
        told.newest = None
        told.newest_sent_at = 0.0
        told.rtt_s = None
        if once:
            flight = self._flight_of(self.base + once.bit_length() - 1)
            told.newest = flight
            told.newest_sent_at = flight.sent_at
            told.rtt_s = now - flight.sent_at
        again = new & self.resent
        while again:
            low = again & -again
            again ^= low
            repair = self._repairs.pop(self.base + low.bit_length() - 1, None)
            if repair is None:
                continue
            if now - repair.sent_at < least_rtt_s:  # too soon: it was the first sending that arrived
                told.late_packets += 1
            elif repair.sent_at >= told.newest_sent_at:
                told.newest = repair
                told.newest_sent_at = repair.sent_at

    def _advance(self, count: int) -> None:
        """The oldest packets are acknowledged and forgotten."""
        self.base += count
        self.acked >>= count
        self.lost >>= count
        self.resent >>= count
        if self.base == self.next:
            self._flights.clear()
            self._starts.clear()
        else:
            done = bisect_right(self._starts, self.base) - 1
            if done:
                del self._flights[:done]
                del self._starts[:done]

    def _find_lost(self, told: Delivered, late_s: float) -> None:
        """What was sent before something that has arrived, and is either passed by enough packets or late enough."""
        late_at = told.newest_sent_at - late_s
        missing = 0
        reach = self.acked
        holes = (1 << reach.bit_length()) - 1 & ~(reach | self.lost | self.resent)
        if holes:
            for _ in range(self.duplicates_needed - 1):
                if not reach:
                    break
                reach ^= 1 << reach.bit_length() - 1
            if reach:
                missing = holes & (1 << reach.bit_length()) - 1
                holes ^= missing
            while holes:
                flight = self._flight_of(self.base + (holes & -holes).bit_length() - 1)
                if flight.sent_at > late_at:
                    break
                late = holes & (1 << flight.end - self.base) - 1
                missing |= late
                holes ^= late
        if self._repairs:
            for sequence, repair in self._repairs.items():  # in the order of their sending
                if repair.sent_at > late_at:
                    break
                missing |= 1 << sequence - self.base
        if missing:
            self._lose(told, missing)

    def _lose_unheard(self, missing: int) -> Delivered:
        """These are lost, though nothing new is acknowledged."""
        told = self._delivered
        told.prior_in_flight = self.in_flight
        told.acked_bytes = told.lost_bytes = told.lost_packets = told.late_packets = 0
        told.lost_flight = None
        told.probe_lost = told.probe_delivered = False
        self._lose(told, missing)
        return told

    def _lose(self, told: Delivered, missing: int) -> None:
        probe = self.probe
        if probe is not None and missing >> probe - self.base & 1:
            self.probe = None
            told.probe_lost = True
            size = len(self.payload(probe))
            self.lost |= 1 << probe - self.base
            self.in_flight -= size
            missing ^= 1 << probe - self.base
        if missing & self.resent:
            for sequence in [each for each in self._repairs if missing >> each - self.base & 1]:
                told.lost_flight = self._repairs.pop(sequence)
        size = self._bytes_of(missing)
        self.in_flight -= size
        self.lost_bytes += size
        self.lost |= missing
        told.lost_bytes = size
        told.lost_packets = missing.bit_count()
        first = missing & ~self.resent
        if first:
            flight = self._flight_of(self.base + first.bit_length() - 1)
            if told.lost_flight is None or flight.sent_at > told.lost_flight.sent_at:
                told.lost_flight = flight


DUPLICATES = 3  # BEP 29; so many packets have to arrive behind one that is missing
