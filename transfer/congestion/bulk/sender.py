"""The sender of a bulk flow: acknowledgements and timers in, batches of packets out. Pure."""

from __future__ import annotations

import math
from itertools import pairwise

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket, BulkStats
from transfer.congestion.bulk.scoreboard import Scoreboard
from transfer.congestion.bulk.undo import LossEpisode
from transfer.congestion.controller import Acknowledgement, CongestionController, Loss
from transfer.congestion.loss_detection import LossDetector, TailProbe
from transfer.congestion.pacer import Pacer
from transfer.congestion.rate_sample import Flight, RateSampler
from transfer.congestion.reno import initial_window
from transfer.congestion.rtt import RttEstimator


class BulkSender:
    """Sends so many packets, or packets for ever, as fast as its controller allows.

    Args:
        controller: made for packets of `config.payload_bytes`.
        packets: how many there are to be sent; None: no end. `offer` adds some.

    Attributes:
        rtt: the round trips so far.
        stats: what was sent, lost and delivered.

    Cost: some microseconds for an acknowledgement of two packets and the two that leave for it.
    """

    def __init__(
        self, controller: CongestionController, *, packets: int | None = None, config: BulkConfig | None = None
    ) -> None:
        self._config = config = config or BulkConfig()
        self._size = config.payload_bytes
        self.controller = controller
        self.rtt = RttEstimator(config.rtt)
        self.stats = BulkStats()
        self._offered: float = math.inf if packets is None else packets
        self._board = Scoreboard()
        self._detector = LossDetector(duplicates=config.duplicates)
        self._probe = TailProbe(max_ack_delay_s=config.ack_delay_s)
        self._probed: BulkPacket | None = None  # the first sending of what a probe repeats
        self._is_probe_due = False
        self._episode = LossEpisode()
        self._pacer = Pacer(packet_bytes=self._size, config=config.pacing)
        self._unpaced_bytes = initial_window(self._size)
        self._sampler = RateSampler() if controller.needs_rate else None
        self._ack = Acknowledgement(acked_bytes=0, in_flight=0, prior_in_flight=0, sent_at=0.0)
        self._prior_in_flight = 0  # before the acknowledgement or the timer that is looked at
        self._is_window_limited = False
        self._is_held_by_pacer = False
        self._rto_at = math.inf
        self._active_at = 0.0  # when something was last sent or delivered
        self._marked = self._duplicates = 0

    def offer(self, packets: int) -> None:
        """So many more packets are to be sent."""
        self._offered += packets

    def receive_acknowledgement(self, ack: BulkAck, *, now: float) -> None:
        """Takes one acknowledgement in. Afterwards `packets_to_send`."""
        board, detector, rtt, size = self._board, self._detector, self.rtt, self._size
        echo = ack.echo
        prior_in_flight = self._prior_in_flight = board.in_flight * size
        is_duplicate = ack.duplicates > self._duplicates
        if is_duplicate:
            self._duplicates = ack.duplicates
        found = board.acknowledge(ack, newest_order=detector.newest_order, is_duplicate=is_duplicate)
        rtt_s = now - echo.sent_at
        rtt.on_sample(rtt_s, now=now)
        self.stats.delivered += len(found)
        if board.late or board.repaired:
            self._judge_losses(now=now)
        elif board.is_reordered:
            detector.on_reordering()
        detector.on_delivered(echo.order, sent_at=echo.sent_at, now=now)
        if self._probe.order is not None and self._probe.on_delivered(echo.order):
            self._end_probe(was_needless=is_duplicate, now=now)
        if board.sacked or detector.next_at is not None or detector.is_recovering:
            self._find_lost(now=now)
        else:
            in_order = board.in_order
            while in_order and in_order[0].is_settled:
                in_order.popleft()
        if not found:
            return
        self._active_at = now
        self._rto_at = now + rtt.rto_s if board.in_flight or board.waiting else math.inf
        acked_bytes = len(found) * size
        told = self._ack
        told.acked_bytes = acked_bytes
        told.in_flight = board.in_flight * size
        told.prior_in_flight = prior_in_flight
        told.sent_at = echo.sent_at
        told.rtt_s = rtt_s
        told.smoothed_rtt_s = rtt.smoothed_s
        told.min_rtt_s = rtt.min_s
        told.delay_s = ack.delay_s
        if ack.marked != self._marked:
            told.ce_bytes = min(max(ack.marked - self._marked, 0) * size, acked_bytes)
            self._marked = max(self._marked, ack.marked)
        else:
            told.ce_bytes = 0
        told.is_window_limited = self._is_window_limited
        if self._sampler is not None and echo.flight is not None:
            told.rate = self._sampler.on_ack(acked_bytes, echo.flight, min_rtt_s=rtt.min_s, now=now)
        self.controller.on_ack(told, now=now)

    def packets_to_send(self, *, now: float) -> list[BulkPacket]:
        """What leaves now. Call it after every other call, and at the start."""
        controller, board, size = self.controller, self._board, self._size
        out: list[BulkPacket] = []
        if self._is_probe_due:
            self._send_probe(out, now=now)
        pacer = self._pacer
        rate = controller.pacing_rate
        is_window_paced = False
        if rate is None and (rate := self._rate_of_window()) is not None:
            is_window_paced = True
        if rate != pacer.rate:
            pacer.set_rate(rate, now=now)
        self._is_held_by_pacer = False
        while True:
            ready = self._ready()
            room = (controller.window - board.in_flight * size) // size
            if ready <= 0 or room <= 0:
                self._is_window_limited = ready > 0
                break
            count = ready if ready < room else room
            if rate is not None:
                allowed = -(-pacer.budget(now=now) // size)
                if allowed <= 0:
                    self._is_held_by_pacer = True
                    self._is_window_limited = is_window_paced  # the window is in use (RFC 9002, section 7.8)
                    break
                count = min(count, allowed)
            if not board.in_flight:
                count = 1  # a controller may have less of a window after idling: it is told first
            self._send(int(count), out, now=now)
        if ready <= 0 < room:
            if self._sampler is not None:
                self._sampler.on_app_limited(in_flight=board.in_flight * size)
            controller.on_app_limited(in_flight=board.in_flight * size, now=now)
        self._probe.arm(
            rtt=self.rtt,
            packets_in_flight=board.in_flight,
            is_recovering=board.waiting > 0 or self._detector.is_recovering,
            rto_at=self._rto_at,
            since=self._active_at,
        )
        return out

    def next_timer(self) -> float | None:
        """When `handle_timer` is due if nothing else happens; None: never. A driver may come earlier, for nothing."""
        at = self._rto_at
        detector_at, probe_at = self._detector.next_at, self._probe.at
        if detector_at is not None and detector_at < at:
            at = detector_at
        if probe_at is not None and probe_at < at:
            at = probe_at
        if self._is_held_by_pacer and self._pacer.next_at < at:
            at = self._pacer.next_at
        return at if at < math.inf else None

    def handle_timer(self, *, now: float) -> None:
        """Something may be due: losses, a probe, the time-out, a run that was held back. Then `packets_to_send`."""
        due = now + _ROUNDING_S
        self._prior_in_flight = self._board.in_flight * self._size
        if self._detector.next_at is not None and self._detector.next_at <= due:
            self._find_lost(now=now)
        if self._rto_at <= due:
            self._time_out(now=now)
        elif self._probe.at is not None and self._probe.at <= due:
            self._is_probe_due = True

    @property
    def is_done(self) -> bool:
        """Whether all that was offered is delivered."""
        return self._board.first >= self._offered

    @property
    def in_flight(self) -> int:
        """Bytes on their way, as the controller counts them."""
        return self._board.in_flight * self._size

    def check_invariants(self) -> None:
        """Raises AssertionError if an invariant of a part does not hold."""
        self._board.check_invariants(self._config)
        assert (self._board.in_flight + self._board.waiting == 0) or self._rto_at < math.inf

    def _rate_of_window(self) -> float | None:
        """At which a window leaves that its controller does not pace; an initial window may leave at once."""
        gain, window = self._config.window_pacing_gain, self.controller.window
        if gain is None or window <= self._unpaced_bytes or not self.rtt.smoothed_s:
            return None
        return gain * window / self.rtt.smoothed_s

    def _ready(self) -> float:
        board = self._board
        new = self._offered - board.next_number
        ahead = self._config.max_ahead_packets - (board.next_number - board.first)
        return board.waiting + (new if new < ahead else ahead)

    def _send(self, count: int, out: list[BulkPacket], *, now: float) -> None:
        board, size = self._board, self._size
        in_flight = (board.in_flight + count) * size
        flight: Flight | None = None
        if self._sampler is not None:
            flight = self._sampler.on_sent(count * size, in_flight=in_flight, now=now)
        self._active_at = now
        if self._rto_at == math.inf:
            self._rto_at = now + self.rtt.rto_s
        self.stats.sent += count
        self.stats.sent_again += min(count, board.waiting)
        out += board.send(count, now=now, flight=flight)
        self._pacer.on_sent(count * size, now=now)
        self.controller.on_sent(count * size, in_flight=in_flight, now=now)

    def _send_probe(self, out: list[BulkPacket], *, now: float) -> None:
        """One packet, whatever the window: a new one, else the last one again (RFC 8985, section 7.3)."""
        self._is_probe_due = False
        board, size = self._board, self._size
        if not board.in_flight or board.waiting:
            return
        self.stats.probes += 1
        self._probed = None
        if self._ready() > 0:
            self._send(1, out, now=now)
        else:
            in_flight = board.in_flight * size
            flight = self._sampler.on_sent(size, in_flight=in_flight, now=now) if self._sampler else None
            self._probed, again = board.send_last_again(now=now, flight=flight)
            out.append(again)
            self.stats.sent += 1
            self.stats.sent_again += 1
            self.controller.on_sent(size, in_flight=in_flight, now=now)
        self._probe.on_sent(board.next_order - 1)
        self._rto_at = now + self.rtt.rto_s

    def _end_probe(self, *, was_needless: bool, now: float) -> None:
        """The probe has arrived. If it repaired a loss, the controller has to know of it (RFC 8985, section 7.4.2)."""
        probed, self._probed = self._probed, None
        if probed is not None and not was_needless and self._board.first > probed.number:
            self.stats.lost += 1
            self._tell_lost([probed], now=now)

    def _judge_losses(self, *, now: float) -> None:
        """What of the answers to losses was right, by what has arrived now."""
        board = self._board
        if board.repaired:
            self._episode.on_repaired()
        if board.late:
            self.stats.needless += board.late
            self._detector.on_needless(newest_sent_order=board.next_order - 1)
            if self._episode.on_late(board.late):
                self.controller.on_spurious_loss(now=now)

    def _find_lost(self, *, now: float) -> None:
        board = self._board
        lost = self._detector.find_lost(board.in_order, sacked=board.sacked, rtt=self.rtt, now=now)
        if lost:
            board.lose(lost)
            self.stats.lost += len(lost)
            self._episode.on_lost(lost, newest_order=board.next_order - 1)
            self._tell_lost(lost, now=now)

    def _tell_lost(self, lost: list[BulkPacket], *, now: float) -> None:
        newest, size = lost[-1], self._size
        loss = Loss(lost_bytes=len(lost) * size, in_flight=self._board.in_flight * size, sent_at=newest.sent_at)
        loss.prior_in_flight = self._prior_in_flight
        loss.sent_in_flight = newest.sent_in_flight * size
        loss.ranges = 1 + sum(b.order != a.order + 1 for a, b in pairwise(lost))
        if self._sampler is not None and newest.flight is not None:
            self._sampler.on_lost(loss.lost_bytes)
            loss.lost_since_sent = self._sampler.lost_bytes - newest.flight.lost_bytes
            loss.is_app_limited = newest.flight.is_app_limited
        self.controller.on_loss(loss, now=now)

    def _time_out(self, *, now: float) -> None:
        if not self._board.in_flight:  # all that was sent is known to be lost, and the pacer holds it back
            self._rto_at = now + self.rtt.rto_s
            return
        self.stats.timeouts += 1
        self.rtt.on_timeout()
        self._probe.on_timeout()
        self._is_probe_due = False
        count = self._board.lose_all()
        self.stats.lost += count
        if self._sampler is not None:
            self._sampler.on_lost(count * self._size)
        self._episode.on_timeout(count, newest_order=self._board.next_order - 1)
        self._rto_at = now + self.rtt.rto_s
        self.controller.on_timeout(now=now)


_ROUNDING_S = 1e-6
