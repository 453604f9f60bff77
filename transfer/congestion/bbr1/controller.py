"""BBR version 1: sends at the measured bandwidth whatever is lost, with two BDPs on their way at most. Pure.

Where version 3 (`bbr/`) listens to losses, this one does not: it holds its rate at 5 % random loss, and fills a shallow
buffer with losses for everybody. It is here to be compared, and for links whose losses mean nothing.
"""

from __future__ import annotations

import random
from enum import Enum
from math import inf
from typing import ClassVar

from transfer.congestion.bbr.probe_rtt import ProbeRtt
from transfer.congestion.bbr.recovery import Recovery
from transfer.congestion.bbr1.config import Bbr1Config
from transfer.congestion.controller import LEAST_INTERVAL_S, Acknowledgement, Loss, RateSample
from transfer.congestion.reno import initial_window
from transfer.congestion.rounds import AppLimited, RoundCounter
from transfer.congestion.windowed_filter import WindowedMax


class State(Enum):
    """What the sender is doing. The value is what `BbrV1.state` says."""

    STARTUP = "startup"
    DRAIN = "drain"
    PROBE_BW = "probe bw"
    PROBE_RTT = "probe rtt"


class BbrV1:
    """BBR version 1: Cardwell et al., ACM Queue 14(5), 2016; draft-cardwell-iccrg-bbr-congestion-control-00.

    Not in the draft and not here: the detector of policers and the aggregation estimate, which Linux added later.
    A repair conserves packets for its first round, and ends after a round without losses.

    Invariants:
        window is at least one packet; pacing_rate is positive and finite
        bandwidth is the largest sample of ten rounds, min_rtt the shortest round trip of ten seconds
    """

    name: ClassVar[str] = "bbr1"
    needs_rate: ClassVar[bool] = True

    def __init__(self, *, packet_bytes: int, rng: random.Random, config: Bbr1Config | None = None) -> None:
        if packet_bytes < 1:
            raise ValueError(f"a packet has at least one byte, not {packet_bytes}")
        self._config = config or Bbr1Config()
        self._rng = rng
        self._packet_bytes = packet_bytes
        self._state = State.STARTUP
        self._pacing_gain = self._cwnd_gain = self._config.high_gain
        self._window = self._initial_window = initial_window(packet_bytes)
        self._pacing_rate = self._config.high_gain * self._window / UNKNOWN_RTT_S
        self._rounds = RoundCounter()
        self._limited = AppLimited()
        # the model
        self._bandwidth = WindowedMax(self._config.bandwidth_rounds)
        self._min_rtt = inf
        self._min_rtt_at = inf  # of the first sample
        self._is_rtt_stale = False
        # is the pipe full?
        self._is_full = False
        self._full_bw = 0.0
        self._full_rounds = 0
        # the cycle of PROBE_BW
        self._phase = 0
        self._phase_at = 0.0
        # PROBE_RTT and idling
        self._probe_rtt = ProbeRtt(self._config.probe_rtt_s)
        self._is_idle_restart = False
        # repairs
        self._in_flight = 0
        self._lost = 0  # since the last acknowledgement
        self._recovery = Recovery()
        self._is_conserving = False

    # inputs

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        self._in_flight = in_flight
        if in_flight <= size and self._limited.is_marked(self._rounds.delivered):
            self._is_idle_restart = True
            if self._state is State.PROBE_BW:
                self._pace(1.0)

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        self._in_flight = ack.in_flight
        if ack.rate is not None:
            self._update_bandwidth(ack.rate)
        self._rounds.is_start = self._rounds.is_start and ack.rate is not None
        self._check_cycle(ack, now=now)
        if ack.rate is not None:
            self._check_full(ack.rate)
        self._check_drain(now=now)
        self._update_min_rtt(ack.rtt_s, now=now)
        self._check_probe_rtt(ack, now=now)
        self._pace(self._pacing_gain)
        self._set_window(ack)
        self._lost = 0

    def on_loss(self, loss: Loss, *, now: float) -> None:
        self._in_flight = loss.in_flight
        self._lost += loss.lost_bytes
        is_first = not self._recovery.is_active
        if is_first:
            self._save_window()
        self._recovery.on_loss(now=now)
        if is_first:
            self._is_conserving = True
            self._rounds.restart()
            self._window = loss.in_flight + self._packet_bytes

    def on_timeout(self, *, now: float) -> None:
        self._save_window()
        self._recovery.on_timeout(delivered=self._rounds.delivered, in_flight=self._in_flight, now=now)
        self._is_conserving = False
        self._window = self._packet_bytes
        self._in_flight = 0

    def on_spurious_loss(self, *, now: float) -> None:
        if self._recovery.is_active:
            self._recovery.end()
            self._restore_window()

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        self._in_flight = in_flight
        self._limited.mark(self._rounds.delivered, in_flight)

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        self._packet_bytes = packet_bytes
        self._window = max(self._window, packet_bytes)

    # views

    @property
    def window(self) -> int:
        return self._window

    @property
    def pacing_rate(self) -> float | None:
        return self._pacing_rate

    @property
    def state(self) -> str:
        return self._state.value

    @property
    def bandwidth(self) -> float:
        """The estimate, in bytes a second; 0 before the first sample."""
        return self._bandwidth.value

    @property
    def min_rtt(self) -> float:
        """The estimate, in seconds; infinite before the first sample."""
        return self._min_rtt

    @property
    def pacing_gain(self) -> float:
        return self._pacing_gain

    # the model

    def _is_limited(self, sample: RateSample) -> bool:
        return sample.is_app_limited or self._limited.is_marked(sample.prior_delivered)

    def _update_bandwidth(self, sample: RateSample) -> None:
        self._rounds.on_ack(sample)
        if sample.rate > 0 and (sample.rate >= self._bandwidth.value or not self._is_limited(sample)):
            self._bandwidth.update(sample.rate, self._rounds.count)

    def _update_min_rtt(self, rtt_s: float | None, *, now: float) -> None:
        self._is_rtt_stale = now > self._min_rtt_at + self._config.min_rtt_filter_s
        if rtt_s is None:
            return
        rtt_s = max(rtt_s, LEAST_INTERVAL_S)
        if self._min_rtt == inf:
            self._pacing_rate = self._config.high_gain * self._initial_window / rtt_s
        if rtt_s <= self._min_rtt or self._is_rtt_stale:
            self._min_rtt, self._min_rtt_at = rtt_s, now

    def _inflight(self, gain: float) -> float:
        """So many BDPs, and three times what leaves at once: in the sender, on its way, and with the receiver."""
        if self._min_rtt == inf:
            return self._initial_window
        return gain * self.bandwidth * self._min_rtt + 3 * self._send_quantum()

    def _send_quantum(self) -> int:
        if self._pacing_rate < SLOW_BYTES_PER_S:
            return self._packet_bytes
        if self._pacing_rate < MEDIUM_BYTES_PER_S:
            return 2 * self._packet_bytes
        return max(int(min(self._pacing_rate * QUANTUM_S, MAX_QUANTUM_BYTES)), 2 * self._packet_bytes)

    # states

    def _check_full(self, sample: RateSample) -> None:
        if self._is_full or not self._rounds.is_start or self._is_limited(sample):
            return
        if self.bandwidth >= self._full_bw * self._config.full_growth:
            self._full_bw = self.bandwidth
            self._full_rounds = 0
            return
        self._full_rounds += 1
        self._is_full = self._full_rounds >= self._config.full_rounds

    def _check_drain(self, *, now: float) -> None:
        if self._state is State.STARTUP and self._is_full:
            self._state = State.DRAIN
            self._pacing_gain = 1 / self._config.high_gain
            self._cwnd_gain = self._config.high_gain
        if self._state is State.DRAIN and self._in_flight <= self._inflight(1.0):
            self._enter_probe_bw(now=now)

    def _enter_probe_bw(self, *, now: float) -> None:
        """Begins anywhere in the cycle but where it is slower than the path, and takes the next phase from there."""
        self._state = State.PROBE_BW
        self._cwnd_gain = self._config.cwnd_gain
        cycle = self._config.cycle
        begins = [number for number, gain in enumerate(cycle) if gain >= 1]
        self._set_phase(self._rng.choice(begins), now=now)

    def _set_phase(self, phase: int, *, now: float) -> None:
        self._phase, self._phase_at = phase, now
        self._pacing_gain = self._config.cycle[phase]

    def _check_cycle(self, ack: Acknowledgement, *, now: float) -> None:
        if self._state is not State.PROBE_BW:
            return
        is_long = now - self._phase_at > self._min_rtt
        if self._pacing_gain > 1:  # until as much is on its way as was asked for, or it overflows
            is_over = is_long and (self._lost > 0 or ack.prior_in_flight >= self._inflight(self._pacing_gain))
        elif self._pacing_gain < 1:  # until the queue is gone
            is_over = is_long or ack.prior_in_flight <= self._inflight(1.0)
        else:
            is_over = is_long
        if is_over:
            self._set_phase((self._phase + 1) % len(self._config.cycle), now=now)

    def _check_probe_rtt(self, ack: Acknowledgement, *, now: float) -> None:
        if self._state is not State.PROBE_RTT and self._is_rtt_stale and not self._is_idle_restart:
            self._save_window()
            self._state = State.PROBE_RTT
            self._pacing_gain = self._cwnd_gain = 1.0
            self._probe_rtt.begin()
        if self._state is State.PROBE_RTT:
            self._stay_in_probe_rtt(now=now)
        if ack.rate is not None and ack.rate.delivered_bytes > 0:
            self._is_idle_restart = False

    def _stay_in_probe_rtt(self, *, now: float) -> None:
        self._limited.mark(self._rounds.delivered, self._in_flight)
        is_low = self._in_flight <= self._min_window
        if self._probe_rtt.on_ack(is_low=is_low, is_round_start=self._rounds.is_start, now=now):
            self._rounds.restart()
        if not self._probe_rtt.is_done(now=now):
            return
        self._min_rtt_at = now
        self._window = max(self._window, self._recovery.saved)
        if self._is_full:
            self._enter_probe_bw(now=now)
        else:
            self._state = State.STARTUP
            self._pacing_gain = self._cwnd_gain = self._config.high_gain

    # the answer

    @property
    def _min_window(self) -> int:
        return self._config.min_packets * self._packet_bytes

    def _pace(self, gain: float) -> None:
        rate = gain * self.bandwidth
        if rate > 0 and (self._is_full or rate > self._pacing_rate):
            self._pacing_rate = max(rate, self._config.min_packets_per_s * self._packet_bytes)

    def _set_window(self, ack: Acknowledgement) -> None:
        if self._lost:
            self._window = max(self._window - self._lost, self._packet_bytes)
        if self._is_conserving and self._rounds.is_start:
            self._is_conserving = False
        if self._recovery.on_ack(ack.sent_at, delivered=self._rounds.delivered):
            self._restore_window()
        if self._is_conserving:
            self._window = max(self._window, ack.in_flight + ack.acked_bytes)
        else:
            self._grow(ack.acked_bytes)
        if self._state is State.PROBE_RTT:
            self._window = min(self._window, self._min_window)

    def _grow(self, acked: int) -> None:
        target = self._inflight(self._cwnd_gain)
        if self._is_full:
            self._window = int(min(self._window + acked, target))
        elif self._window < target or self._rounds.delivered < self._initial_window:
            self._window += acked
        self._window = max(self._window, self._min_window)

    def _save_window(self) -> None:
        self._recovery.save(self._window, is_cut=self._state is State.PROBE_RTT)

    def _restore_window(self) -> None:
        self._window = max(self._window, self._recovery.saved)
        self._is_conserving = False


UNKNOWN_RTT_S = 0.001  # what a round trip is taken for before there was one
SLOW_BYTES_PER_S = 1.2e6 / 8  # below it one packet leaves at once, below the next two, above that a millisecond's worth
MEDIUM_BYTES_PER_S = 24e6 / 8
QUANTUM_S = 0.001
MAX_QUANTUM_BYTES = 65_536
