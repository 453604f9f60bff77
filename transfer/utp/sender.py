"""When which packets leave: the sending half, its congestion controller, its timers, the search for the path's MTU."""

from __future__ import annotations

from transfer.congestion.controller import CongestionController
from transfer.congestion.rate_sample import Flight as RateTag
from transfer.congestion.rtt import RttConfig, RttEstimator
from transfer.datagrams.runs import Buffer
from transfer.utp.config import UtpConfig
from transfer.utp.delay import OneWayDelay
from transfer.utp.flights import Delivered
from transfer.utp.outgoing import Outgoing
from transfer.utp.packet import HEADER_BYTES, MAX_RUN, MIN_PADDING_BYTES
from transfer.utp.path_mtu import PathMtu
from transfer.utp.sending import DUPLICATES, SendingHalf
from transfer.utp.steering import Steering
from transfer.utp.values import Burst, UtpStats


class Sender:
    """Takes what is written, and decides after each acknowledgement and each timer what leaves.

    Sizes are of payloads: that is what uTP's windows count.

    Args:
        first_sequence: of the first packet of the stream.
        controller: decides how much may be on its way, and how fast it leaves.

    Attributes:
        half: what is on its way.
        peer_window: what the other side has room for, as it last said.
        timeouts: retransmission time-outs in a row.
        is_stuck: the other side acknowledges nothing, and no more is to be expected of it.

    Invariants:
        a timer is armed while something is on its way or waits for the other side's window
    """

    __slots__ = (
        "_config",
        "_credit",
        "_delay",
        "_duplicates",
        "_ends",
        "_heard_at",
        "_is_app_limited",
        "_is_paced",
        "_is_window_limited",
        "_mtu",
        "_outgoing",
        "_persist_at",
        "_persists",
        "_progress_at",
        "_rto_at",
        "_rtt",
        "_steering",
        "_tail_at",
        "half",
        "is_stuck",
        "peer_window",
        "timeouts",
        "total_timeouts",
    )

    def __init__(
        self, config: UtpConfig, *, first_sequence: int, controller: CongestionController, is_ipv6: bool, now: float
    ) -> None:
        self._config = config
        self._outgoing = Outgoing()
        self._mtu = PathMtu(config, is_ipv6=is_ipv6)
        self._rtt = RttEstimator(
            RttConfig(initial_rto_s=config.initial_rto_s, min_rto_s=config.min_rto_s, max_rto_s=config.max_rto_s)
        )
        self._delay = OneWayDelay()
        self._ends = False
        self._duplicates = 0
        self._credit = 0  # bytes that may be sent again beyond the window
        self._is_window_limited = self._is_app_limited = self._is_paced = False
        self._rto_at: float | None = None
        self._tail_at: float | None = None
        self._persist_at: float | None = None
        self._persists = False  # a packet may leave though the other side has no room
        self._progress_at = self._heard_at = now
        self.half = SendingHalf(first_sequence)
        self.peer_window = 0
        self.timeouts = self.total_timeouts = 0
        self.is_stuck = False
        packet_bytes = self._mtu.datagram_bytes - HEADER_BYTES
        self._steering = Steering(controller, self.half, packet_bytes=packet_bytes, now=now)

    # Commands.

    def put(self, data: Buffer) -> None:
        """Adds bytes, which must not change, behind what was written."""
        self._outgoing.put(data)

    def end(self) -> None:
        """Nothing more will be written: a FIN follows."""
        self._ends = True

    # Inputs.

    def on_ack(
        self,
        acked: int,
        sack: int,
        described: int = 0,
        *,
        window: int,
        difference_us: int,
        is_bare: bool,
        now: float,
    ) -> None:
        """What a packet says of ours.

        Args:
            acked: unwrapped, from `half.base - 1` to `half.next - 1`.
            sack: bit i says that `acked + 2 + i` has arrived.
            described: of how many packets it tells; 0 without one.
            difference_us: as the packet has it.
            is_bare: it has no payload, so it may be a duplicate that says that something is missing.
        """
        half, rtt = self.half, self._rtt
        if window >= self._mtu.datagram_bytes > self.peer_window and half.span == 1 and not half.acked | half.lost:
            half.on_not_sent([half.base])  # there was no room for it, and now there is
        self.peer_window = window
        self._heard_at = now
        delay_s = self._delay.on_difference(difference_us, round_trip_s=rtt.smoothed_s + 4 * rtt.variation_s)
        if half.base == half.next:
            return
        late_s = max(rtt.smoothed_s / 4, LEAST_LATE_S)
        if half.duplicates_needed > DUPLICATES:  # packets overtake one another on this path
            late_s *= 4
        told = half.on_ack(acked, sack, now=now, late_s=late_s, least_rtt_s=rtt.min_s / 2)
        if told is not None:
            self._duplicates = 0
            self._note_delivered(told, delay_s, now=now)
        elif is_bare and acked == half.base - 1 and not sack:
            self._duplicates += 1
            if self._duplicates == half.duplicates_needed and half.span > self._duplicates:
                self._note_lost(half.lose_oldest(), now=now)
        if described and not sack and half.base < half.next:
            # Something has arrived, and the hole before it is longer than what is described.
            slow_s = rtt.smoothed_s + 4 * rtt.variation_s + late_s
            self._note_lost(half.lose_passed(acked + 2 + described, sent_until=now - slow_s), now=now)
        # What arrives has left the network, and makes room for as much and one more (RFC 6937). The window alone would
        # not do: what has arrived and is not described counts as on its way.
        self._credit = self._mtu.datagram_bytes + (told.acked_bytes if told is not None else 0) if half.lost else 0

    def handle_timer(self, *, now: float) -> None:
        """Looks at what is due."""
        if self._rto_at is not None and now >= self._rto_at:
            self._time_out(now=now)
        elif self._tail_at is not None and now >= self._tail_at:
            self._tail_at = None
            last = self.half.last_unacked()
            if self.half.lost:
                self._credit = self._mtu.datagram_bytes
            elif last is not None:
                self.half.on_not_sent([last])  # sent again, it makes the other side say what is missing
        if self._persist_at is not None and now >= self._persist_at:
            self._persist_at = None
            self._persists = True
            self._check_progress(now=now)

    def next_timer(self) -> float | None:
        """When `handle_timer`, or `next_burst` if it waits for the pacer, is due."""
        due = self._rto_at
        for other in (self._tail_at, self._persist_at, self._steering.pacer.next_at if self._is_paced else None):
            if other is not None and (due is None or other < due):
                due = other
        return due

    # Outputs.

    def next_burst(self, *, now: float) -> Burst | None:
        """What is to leave now, and counts as sent when this returns; None if that is nothing."""
        half, steering = self.half, self._steering
        window = steering.controller.window
        self._is_paced = False
        allowed = window - half.in_flight
        if steering.controller.pacing_rate is not None or steering.pacer.rate is not None:
            budget = steering.budget(now=now)
            if not budget:
                self._is_paced = bool(half.lost or self._outgoing.size)
                return None
            allowed = min(allowed, max(budget, self._mtu.datagram_bytes))
        if half.lost:
            return self._again(allowed, now=now)
        if self._outgoing.size:
            return self._new(allowed, now=now)
        if self._ends and half.fin is None:
            half.fin = half.next
            return self._sent([b""], now=now, is_fin=True)
        if not self._is_app_limited and half.in_flight < window:
            self._is_app_limited = True
            self._is_window_limited = False
            steering.on_app_limited(now=now)
        return None

    def on_not_sent(self, burst: Burst, count: int) -> None:
        """The socket did not take the last `count` packets of a burst: they wait to be sent again."""
        first = burst.first_sequence
        sequences = burst.sequences or range(first, first + len(burst.payloads))
        self.half.on_not_sent(list(sequences[-count:]))

    # Views.

    @property
    def room(self) -> int:
        """How many bytes more may be put."""
        config = self._config
        most = max(
            config.send_buffer_min_bytes, min(2 * self._steering.controller.window, config.send_buffer_max_bytes)
        )
        return most - self._outgoing.size - self.half.in_flight

    @property
    def is_done(self) -> bool:
        """Everything that was put has been acknowledged; the FIN, too, if there is one."""
        return (
            not self._outgoing.size
            and self.half.base == self.half.next
            and (not self._ends or self.half.fin is not None)
        )

    @property
    def only_fin_is_missing(self) -> bool:
        """Everything has been acknowledged but the FIN, which has left."""
        return self.half.fin is not None and self.half.base >= self.half.fin

    @property
    def has_ended(self) -> bool:
        """`end` was called."""
        return self._ends

    def stats(self) -> UtpStats:
        """What it has come to."""
        half, rtt, steering = self.half, self._rtt, self._steering
        controller = steering.controller
        return UtpStats(
            congestion=controller.name,
            congestion_state=controller.state,
            window_bytes=controller.window,
            in_flight_bytes=half.in_flight,
            peer_window_bytes=self.peer_window,
            pacing_rate=controller.pacing_rate,
            rtt_s=rtt.smoothed_s if rtt.has_sample else None,
            min_rtt_s=rtt.min_s if rtt.has_sample else None,
            rto_s=self._rto_s,
            datagram_bytes=self._mtu.datagram_bytes,
            delivered_bytes=half.delivered_bytes,
            lost_bytes=half.lost_bytes,
            delivery_rate=steering.delivery_rate,
            resent_packets=half.resent_packets,
            resent_bytes=half.resent_bytes,
            timeouts=self.total_timeouts,
        )

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes that were put and are not known to have arrived."""
        return self._outgoing.size + self.half.in_flight

    def check_invariants(self) -> None:
        self.half.check_invariants()
        self._mtu.check_invariants()
        assert self._rto_at is not None or self.half.base == self.half.next
        assert self.half.span <= self._config.max_packets_in_flight + 1

    @property
    def _rto_s(self) -> float:
        """The time-out doubles each time, and is what it was as soon as something new is acknowledged.

        Until there is a new sample, RFC 6298 would keep it; on a path that loses much there are hardly any.
        """
        return min(self._rtt.rto_s * (1 << min(self.timeouts, 10)), self._config.max_rto_s)

    # What leaves.

    def _again(self, allowed: int, *, now: float) -> Burst | None:
        half = self.half
        sequences = half.lost_sequences(MAX_RUN)
        size = len(half.payload(sequences[0]))
        allowed = max(allowed, self._credit)
        if allowed < size:
            if half.in_flight:
                self._is_window_limited = True
                return None
            allowed = size
        if size:
            del sequences[allowed // size :]
            self._credit = max(self._credit - size * len(sequences), 0)
        payloads = [half.payload(sequence) for sequence in sequences]
        if half.probe in sequences:  # it leaves without its padding now, so that its arrival says nothing
            half.probe = None
            self._mtu.on_lost(now=now)
        half.on_resent(sequences, now=now, tag=self._note_sent(sum(map(len, payloads)), now=now))
        return Burst(
            payloads,
            sequences[0],
            sequences,
            is_fin=sequences[0] == half.fin,
            may_fragment=size + HEADER_BYTES > self._mtu.datagram_bytes or self.timeouts > 0,
        )

    def _new(self, allowed: int, *, now: float) -> Burst | None:
        half, outgoing = self.half, self._outgoing
        room = self.peer_window - half.in_flight
        size = self._mtu.datagram_bytes - HEADER_BYTES
        padding = self._mtu.next_probe(now=now) - HEADER_BYTES - size
        most = self._config.max_packets_in_flight - half.span
        if padding >= MIN_PADDING_BYTES and size <= min(room, outgoing.size, allowed) and most > 0:
            self._mtu.on_sent(HEADER_BYTES + size + padding)
            half.probe = half.next
            return self._sent(outgoing.take(size, 1), now=now, padding=padding)
        next_size = min(size, outgoing.size)
        count = min(min(allowed, room) // next_size, MAX_RUN, MAX_RUN_BYTES // (size + HEADER_BYTES), most)
        if count <= 0:
            if most <= 0:
                return None
            if room < next_size:
                self._is_window_limited = False
                if not self._persists:
                    if not half.span and self._persist_at is None:
                        self._persist_at = now + self._rto_s
                        self._progress_at = now
                    return None
            elif half.in_flight:
                self._is_window_limited = True
                return None
            count = 1  # of a window that is smaller than a packet, or to find out whether the other side has room again
        self._persists = False
        return self._sent(outgoing.take(size, count), now=now)

    def _sent(self, payloads: list[Buffer], *, now: float, is_fin: bool = False, padding: int = 0) -> Burst:
        half = self.half
        if half.base == half.next:
            self._progress_at = now
        size = len(payloads[0]) * (len(payloads) - 1) + len(payloads[-1])
        flight = half.on_sent(payloads, size, now=now, tag=self._note_sent(size, now=now))
        return Burst(payloads, flight.start, is_fin=is_fin, padding=padding)

    def _note_sent(self, size: int, *, now: float) -> RateTag | None:
        """So many bytes are about to leave."""
        self._is_app_limited = False
        if self._rto_at is None:
            self._rto_at = now + self._rto_s
        self._arm_tail(now=now)
        return self._steering.on_sent(size, now=now) if size else None

    # What is heard.

    def _note_delivered(self, told: Delivered, delay_s: float | None, *, now: float) -> None:
        half, rtt = self.half, self._rtt
        self._progress_at = now
        self.timeouts = 0
        if told.rtt_s is not None:
            rtt.on_sample(told.rtt_s, now=now)
        if told.probe_delivered:
            self._mtu.on_delivered(now=now)
            self._set_packet_size(now=now)
        if told.probe_lost:
            self._mtu.on_lost(now=now)
        if told.late_packets:
            half.duplicates_needed = min(2 * half.duplicates_needed, MOST_DUPLICATES)
        is_limited = self._is_window_limited
        self._steering.on_delivered(told, rtt, delay_s=delay_s, is_window_limited=is_limited, now=now)
        if half.base == half.next:
            self._rto_at = self._tail_at = None
        else:
            self._rto_at = now + self._rto_s
            self._arm_tail(now=now)

    def _note_lost(self, lost: Delivered | None, *, now: float) -> None:
        """What was found to be lost though nothing new is acknowledged."""
        if lost is not None:
            if lost.probe_lost:
                self._mtu.on_lost(now=now)
            self._steering.on_lost(lost, now=now)

    def _time_out(self, *, now: float) -> None:
        self._check_progress(now=now)
        half = self.half
        is_probe_alone = half.probe is not None and half.span == 1
        if half.probe is not None:
            self._mtu.on_lost(now=now)
        lost_bytes = half.in_flight
        half.on_timeout()
        self.timeouts += 1
        self.total_timeouts += 1
        self._rto_at = now + self._rto_s
        self._tail_at = None
        is_news = self.peer_window >= self._mtu.datagram_bytes and not is_probe_alone
        self._steering.on_timeout(lost_bytes if is_news else 0, now=now)
        if self.timeouts == BLACK_HOLE_TIMEOUTS:
            self._mtu.on_black_hole(now=now)
            self._set_packet_size(now=now)

    def _check_progress(self, *, now: float) -> None:
        config, stalled_s = self._config, now - self._progress_at
        is_silent = now - self._heard_at >= config.silence_timeout_s and stalled_s >= config.silence_timeout_s
        self.is_stuck = is_silent or stalled_s >= config.stall_timeout_s

    def _set_packet_size(self, *, now: float) -> None:
        self._steering.set_packet_size(self._mtu.datagram_bytes - HEADER_BYTES, now=now)

    def _arm_tail(self, *, now: float) -> None:
        """The last packets of all have none behind them that would tell that they are lost (RFC 8985, section 7)."""
        rtt = self._rtt
        if not rtt.has_sample or self.timeouts:
            self._tail_at = None
            return
        held_s = LEAST_TAIL_S if self.half.span > AT_ONCE else MOST_HELD_S
        self._tail_at = now + max(2 * rtt.smoothed_s, held_s)


LEAST_LATE_S = 0.001
LEAST_TAIL_S = 0.01
MOST_HELD_S = 0.1  # others may hold an acknowledgement back for so long: libutp's 100 ms …
AT_ONCE = 2  # … but not when more packets than these have come
MOST_DUPLICATES = 192  # three whole runs
MAX_RUN_BYTES = 65_507  # what the kernel cuts at once
BLACK_HOLE_TIMEOUTS = 3
