"""The state machine of BBR version 3: it looks at each acknowledgement and loss, and moves by `table.py`. Pure.

The order of what is done on an acknowledgement is the draft's ("Per-ACK Steps"), and matters.
"""

from __future__ import annotations

import random

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.bbr.cycle import AckPhase, ProbeCycle
from transfer.congestion.bbr.full_pipe import FullPipe
from transfer.congestion.bbr.long_term import LongTerm
from transfer.congestion.bbr.min_rtt import MinRtt
from transfer.congestion.bbr.model import PathModel
from transfer.congestion.bbr.probe_rtt import ProbeRtt
from transfer.congestion.bbr.recovery import Recovery
from transfer.congestion.bbr.sending import Sending
from transfer.congestion.bbr.short_term import ShortTerm
from transfer.congestion.bbr.table import CONTROL, CYCLE, PROBING, TABLE, Cap, Event, State
from transfer.congestion.bbr.undo import Undo
from transfer.congestion.controller import Acknowledgement, Loss, RateSample
from transfer.congestion.rounds import AppLimited, RoundCounter


class Machine:
    """All parts of one flow, and its state.

    Invariants:
        the state moves along `TABLE` only
        max_bw, bw, min_rtt and the limits are never negative, and bw is at most max_bw
        a window that ProbeRTT cut is the saved one again when it has ended
    """

    def __init__(self, config: BbrConfig, *, packet_bytes: int, rng: random.Random) -> None:
        self.config = config
        self.state = State.STARTUP
        self.control = CONTROL[self.state]
        self.sending = Sending(config, packet_bytes=packet_bytes, startup_gain=self.control.pacing_gain)
        self.rounds = RoundCounter()
        self.limited = AppLimited()
        self.model = PathModel(config)
        self.min_rtt = MinRtt(config)
        self.pipe = FullPipe(config)
        self.short = ShortTerm(config)
        self.long = LongTerm(config)
        self.cycle = ProbeCycle(config, rng)
        self.probe_rtt = ProbeRtt(config.probe_rtt_duration_s)
        self.recovery = Recovery()
        self.undo = Undo()
        self.is_idle_restart = False
        self._drain_began_in = 0

    # inputs

    def on_ack(self, ack: Acknowledgement, sample: RateSample, *, rtt_s: float | None, now: float) -> None:
        is_limited = sample.is_app_limited or self.limited.is_marked(sample.prior_delivered)
        self.short.on_ack(sample, acked=ack.acked_bytes, marked=ack.ce_bytes)
        self.rounds.on_ack(sample)
        self.sending.note_limited(ack.is_window_limited, is_round_start=self.rounds.is_start)
        self.model.update_bandwidth(sample, is_app_limited=is_limited)
        if self.short.is_round_end:
            window, is_probing = self.sending.window, self.state in PROBING
            self.short.adapt(max_bw=self.model.max_bw, window=window, is_probing=is_probing)
        self.model.update_aggregation(
            ack.acked_bytes, self.sending.window, rounds=self.rounds.count, is_full=self.pipe.was_full, now=now
        )
        if not is_limited:
            self.pipe.on_ack(sample.rate, is_round_start=self.rounds.is_start)
        self._check_startup(sample, now=now)
        self._check_drain(ack.in_flight, now=now)
        self._update_cycle(ack, sample, is_limited=is_limited, now=now)
        self.min_rtt.update(rtt_s, now=now)
        self.model.min_rtt = self.min_rtt.value
        self._check_probe_rtt(ack.in_flight, now=now)
        if sample.delivered_bytes > 0:
            self.is_idle_restart = False
        self.short.end_ack(sample)
        self.model.bw = min(self.model.max_bw, self.short.bw)

    def on_loss(self, loss: Loss, *, now: float) -> None:
        if self.short.note_loss(loss.ranges):
            self._save()
        self.recovery.on_loss(now=now)
        if self.cycle.is_probe_sample and self.long.is_too_high(loss.lost_since_sent, loss.sent_in_flight):
            self._yield(self.long.in_flight_at(loss), is_limited=loss.is_app_limited, now=now)

    def on_timeout(self, *, in_flight: int, now: float) -> None:
        """All that was on its way is lost: more than any threshold allows."""
        if not self.recovery.is_after_timeout:
            self._save()
        self.short.note_loss(1)
        self.recovery.on_timeout(delivered=self.rounds.delivered, in_flight=in_flight, now=now)
        if self.cycle.is_probe_sample:
            self._yield(in_flight, is_limited=self.limited.is_marked(self.rounds.delivered), now=now)

    def on_spurious_loss(self, *, now: float) -> None:
        self.recovery.end()
        self.sending.window = max(self.sending.window, self.recovery.saved)
        self.short.has_loss = False
        self.pipe.restart()
        state = self.undo.restore(self.short, self.long)
        if state is State.STARTUP:
            self.pipe.was_full = False
        if state is not None and self.state not in (state, State.PROBE_RTT):
            self._move(Event.STARTUP_UNDONE if state is State.STARTUP else Event.PROBE_UNDONE, now=now)

    def on_idle_restart(self, *, now: float) -> None:
        """Something is about to be sent, while nothing was on its way because there was nothing to send."""
        self.is_idle_restart = True
        self.model.restart_aggregation(now=now)
        if self.state in CYCLE:
            self.sending.pace(1.0, self.model.bw, is_full=self.pipe.was_full)
        elif self.state is State.PROBE_RTT and self.probe_rtt.is_done(now=now, is_idle=True):
            self._end_probe_rtt(now=now)

    # views

    def target(self) -> float:
        """What is wanted on its way: the path's BDP, unless losses cut the window."""
        return min(self.model.bdp(1.0, packet_bytes=self.sending.packet_bytes), self.sending.window)

    def inflight(self, gain: float, extra: int = 0) -> float:
        """So many BDPs, but enough for what leaves at once, for delayed acknowledgements, and in UP for a bit more."""
        sending = self.sending
        wanted = max(self.model.bdp(gain, packet_bytes=sending.packet_bytes) + extra, sending.quantum, sending.min_pipe)
        return wanted + 2 * sending.packet_bytes if self.state is State.UP else wanted

    def window_cap(self) -> float:
        cap = self.control.cap
        limit = self.short.inflight
        if cap is Cap.LONGTERM:
            limit = min(limit, self.long.inflight)
        elif cap is Cap.HEADROOM:
            limit = min(limit, self.long.with_headroom(self.sending.packet_bytes))
        return min(limit, self._probe_rtt_window()) if self.state is State.PROBE_RTT else limit

    def _probe_rtt_window(self) -> float:
        half = self.model.bdp(_HALF, packet_bytes=self.sending.packet_bytes)
        return max(half, self.sending.min_pipe)

    # states

    def _move(self, event: Event, *, now: float, rate: float = 0.0) -> None:
        self.state = TABLE[self.state][event]
        self.control = CONTROL[self.state]
        if self.state is State.DRAIN:
            self._drain_began_in = self.rounds.count
        elif self.state is State.DOWN or event is Event.RTT_MEASURED:
            self.short.forget_signals()
            self.long.stop_raising()
            self.cycle.restart(now=now)
            self.rounds.restart()
        elif self.state is State.REFILL:
            self.short.forget_limits()
            self.long.restart()
            self.cycle.was_careful = False
            self.cycle.phase = AckPhase.REFILLING
            self.rounds.restart()
        elif self.state is State.UP:
            self.cycle.phase = AckPhase.STARTING
            self.rounds.restart()
            self.pipe.restart(rate)
            self.long.steepen(self.sending.window, self.sending.packet_bytes)
        elif self.state is State.PROBE_RTT:
            self.probe_rtt.begin()
            self.cycle.phase = AckPhase.STOPPING
            self.rounds.restart()

    def _check_startup(self, sample: RateSample, *, now: float) -> None:
        if self.state is not State.STARTUP:
            return
        short = self.short
        is_lossy = short.loss_ranges >= self.config.startup_full_loss_ranges and self.recovery.is_active
        is_lossy = is_lossy and self.long.is_too_high(sample.lost_bytes, sample.sent_in_flight)
        is_marked = short.marked_rounds >= self.config.ecn_startup_rounds
        if short.is_round_end and (is_lossy or is_marked):
            self.undo.state = State.STARTUP
            self.pipe.found()
            bdp = self.model.bdp(1.0, packet_bytes=self.sending.packet_bytes)
            self.long.inflight = int(max(bdp, short.inflight_latest))
        if self.pipe.was_full:
            self._move(Event.PIPE_FILLED, now=now)

    def _check_drain(self, in_flight: int, *, now: float) -> None:
        if self.state is State.DRAIN and (
            in_flight <= self.inflight(1.0) or self.rounds.count > self._drain_began_in + self.config.drain_rounds
        ):
            self._move(Event.DRAINED, now=now)

    def _update_cycle(self, ack: Acknowledgement, sample: RateSample, *, is_limited: bool, now: float) -> None:
        if not self.pipe.was_full or self._adapt_long_term(ack, sample, is_limited=is_limited, now=now):
            return
        if self.state in (State.DOWN, State.CRUISE):
            if self.cycle.is_due(self.target() / self.sending.packet_bytes, now=now):
                self._move(Event.PROBE_DUE, now=now)
            elif self.state is State.DOWN and self._has_room(ack.in_flight):
                self._move(Event.ROOM_LEFT, now=now)
        elif self.state is State.REFILL and self.rounds.is_start:
            self.cycle.is_probe_sample = True
            self._move(Event.REFILLED, now=now, rate=sample.rate)
        elif self.state is State.UP:
            self._check_up(ack, sample, now=now)

    def _has_room(self, in_flight: int) -> bool:
        return in_flight <= min(self.long.with_headroom(self.sending.packet_bytes), self.inflight(1.0))

    def _check_up(self, ack: Acknowledgement, sample: RateSample, *, now: float) -> None:
        """Ends a look for bandwidth that found what there is, or that got to where the last one lost too much.

        The draft compares C.inflight, which the acknowledgement in hand has just lowered, with a limit that the window
        keeps it below: it would never reach it. So what was on its way before is compared, as `tcp_bbr` does, and a
        limit is reached when no whole packet fits below it.
        """
        event = Event.BANDWIDTH_FOUND if self.pipe.is_full else None
        if self.cycle.was_too_high and ack.prior_in_flight + self.sending.packet_bytes > self.long.inflight:
            self.cycle.was_careful = True
            event = Event.LIMIT_REACHED
        elif self._is_held_by_limit():
            self.pipe.restart(sample.rate)
            event = None
        if event is not None:
            self.cycle.was_too_high = False  # nothing is lost yet
            self._move(event, now=now)

    def _is_held_by_limit(self) -> bool:
        return self.sending.was_limited and self.sending.window >= self.long.inflight

    def _adapt_long_term(self, ack: Acknowledgement, sample: RateSample, *, is_limited: bool, now: float) -> bool:
        """Learns from what is acknowledged of a look for bandwidth. Returns whether the state has changed by that."""
        cycle, in_cycle = self.cycle, self.state in CYCLE
        if self.rounds.is_start and cycle.on_round() and in_cycle:
            if not is_limited:
                self.model.end_cycle()
            if cycle.was_careful and not cycle.was_too_high and self.state in (State.DOWN, State.CRUISE):
                self._move(Event.PROBE_SAFE, now=now)
                return True
        is_marked = self.short.is_round_end and self.short.marked_part >= self.config.ecn_threshold
        if is_marked and cycle.is_probe_sample:
            self._yield(sample.sent_in_flight, is_limited=is_limited, now=now)
            return True
        if not self.long.is_too_high(sample.lost_bytes, sample.sent_in_flight):
            self.long.inflight = max(self.long.inflight, sample.sent_in_flight)
            if self.state is State.UP and self._is_held_by_limit():
                self.long.raise_by(
                    ack.acked_bytes,
                    self.sending.window,
                    is_round_start=self.rounds.is_start,
                    packet_bytes=self.sending.packet_bytes,
                )
        return False

    def _yield(self, in_flight: int, *, is_limited: bool, now: float) -> None:
        """So much was too much. Answers once to each look for bandwidth, and by no more than CUBIC would."""
        self.cycle.was_too_high = True
        self.cycle.is_probe_sample = False
        if not is_limited:
            self.long.inflight = int(max(in_flight, self.target() * self.config.beta))
        if self.state is State.UP:
            self.undo.state = State.UP
            self._move(Event.LOST_TOO_MUCH, now=now)

    def _check_probe_rtt(self, in_flight: int, *, now: float) -> None:
        if self.state is not State.PROBE_RTT:
            if not self.min_rtt.is_due or self.is_idle_restart:
                return
            self.recovery.save(self.sending.window)
            self._move(Event.RTT_STALE, now=now)
        self.limited.mark(self.rounds.delivered, in_flight)
        is_low = in_flight <= self._probe_rtt_window()
        if self.probe_rtt.on_ack(is_low=is_low, is_round_start=self.rounds.is_start, now=now):
            self.rounds.restart()
        elif self.probe_rtt.is_done(now=now):
            self._end_probe_rtt(now=now)

    def _end_probe_rtt(self, *, now: float) -> None:
        self.min_rtt.postpone(now=now)
        self.sending.window = max(self.sending.window, self.recovery.saved)
        self.short.forget_limits()
        self._move(Event.RTT_MEASURED if self.pipe.was_full else Event.RTT_MEASURED_EARLY, now=now)

    def _save(self) -> None:
        self.recovery.save(self.sending.window, is_cut=self.state is State.PROBE_RTT)
        self.undo.save(self.short, self.long)


_HALF = CONTROL[State.PROBE_RTT].cwnd_gain  # looked up once: every acknowledgement in PROBE_RTT needs it
