"""LEDBAT: fills a path until packets wait for a target time, and makes room for all others (RFC 6817, BEP 29). Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.delay_history import DelayHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class LedbatConfig:
    """The constants. The defaults are those of uTP as it is deployed (BEP 29 and libutp); `of_rfc6817` has the RFC's.

    Attributes:
        target_s: how long packets may wait in the queue because of this flow (TARGET).
        gain_bytes: by how much the window grows in a round trip without a queue; None: one packet (GAIN of 1).
        base_minutes: how long the least delay is remembered (BASE_HISTORY).
        latest_samples: what a packet sees now is the least of so many samples (CURRENT_FILTER).
        initial_packets, least_packets: the window at first (INIT_CWND), and what it never falls below (MIN_CWND).
        slow_start_until: of the target, the queue that ends slow start; 0: there is none.
        loss_interval_s: a loss halves the window once in a round trip, and not again before so long.
    """

    target_s: float = 0.1
    gain_bytes: int | None = 3000
    base_minutes: int = 13
    latest_samples: int = 3
    initial_packets: int = 2
    least_packets: int = 1
    slow_start_until: float = 0.9
    loss_interval_s: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.target_s <= 0.1:
            raise ValueError("the target must be above 0 and, by RFC 6817, at most 100 ms")
        if self.gain_bytes is not None and self.gain_bytes < 1:
            raise ValueError("the gain must be at least one byte, or None")
        if not 1 <= self.least_packets <= self.initial_packets:
            raise ValueError("the window is at least one packet, and not smaller at first than it may become")
        if self.base_minutes < 1 or self.latest_samples < 1 or self.slow_start_until < 0 or self.loss_interval_s < 0:
            raise ValueError("base_minutes and latest_samples must be at least 1, and nothing negative")

    @classmethod
    def of_rfc6817(cls) -> LedbatConfig:
        """The constants of RFC 6817: one packet in a round trip, ten minutes, two packets at least."""
        return cls(gain_bytes=None, base_minutes=10, latest_samples=4, least_packets=2, loss_interval_s=0.0)


class Ledbat:
    """Grows as long as packets wait for less than the target, shrinks in proportion when they wait longer.

    The wait is that of the data's direction alone, as the receiver's clock saw it (`Acknowledgement.delay_s`). A
    protocol that does not tell it is answered by round trips instead. No packet waits longer than its round trip
    takes: a queue that seems longer is the clock's fault, and one that is much longer means that the clock was set
    to another time, so that history begins again.

    Attributes:
        queue_s: how long packets wait now, by its estimate.

    Invariants:
        window >= least_packets
    """

    name: ClassVar[str] = "ledbat"
    needs_rate: ClassVar[bool] = False
    pacing_rate: float | None = None

    def __init__(self, *, packet_bytes: int, config: LedbatConfig | None = None) -> None:
        self._config = config = config or LedbatConfig()
        self._packet_bytes = packet_bytes
        self._gain_bytes = config.gain_bytes if config.gain_bytes is not None else packet_bytes
        self._least_bytes = config.least_packets * packet_bytes
        self._initial_bytes = config.initial_packets * packet_bytes
        self.window = self._initial_bytes
        self._bytes = float(self.window)  # with its fraction
        self._is_starting = config.slow_start_until > 0
        self._threshold: float = math.inf  # where slow start ends, whatever the queue
        self._history = DelayHistory(minutes=config.base_minutes, latest=config.latest_samples)
        self._is_told_delays = False
        self.queue_s = 0.0
        self._halved_at = -math.inf
        self._recovery_at = -math.inf  # what was sent until then belongs to the last answer
        self._is_recovering = False
        self._before = self._bytes  # the last answer
        self._last_sent_at = -math.inf
        self._idle_s = _IDLE_S

    @property
    def state(self) -> str:
        """One word for people."""
        if self._is_recovering:
            return "recovery"
        if self._is_starting:
            return "slow start"
        return "yielding" if self.queue_s > self._config.target_s else "avoidance"

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        """Sent after a long silence: what the window was says little now, and slow start leads back to it."""
        if in_flight <= size and now - self._last_sent_at > self._idle_s and self._bytes > self._initial_bytes:
            if not self._is_starting:
                self._threshold = self._bytes
                self._is_starting = self._config.slow_start_until > 0
            self._set(float(self._initial_bytes))
        self._last_sent_at = now

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Grows or shrinks with the distance of the queue from the target (section 2.4.2)."""
        self._idle_s = max(_IDLE_S, 4 * ack.smoothed_rtt_s)
        queue_s = self._measure(ack, now=now)
        may_grow = ack.is_window_limited
        if ack.sent_at <= self._recovery_at:
            may_grow = may_grow and self._is_recovering  # not in the round trip behind a time-out
        else:
            self._is_recovering = False
            if ack.ce_bytes:
                self._halve(now=now)
                return
        window = self._bytes
        target_s = self._config.target_s
        if self._is_starting:
            if queue_s > self._config.slow_start_until * target_s:
                self._is_starting = False
                self._set(max(window / 2, self._least_bytes))  # half of it sent what waits now, a round trip ago
                return
            if may_grow:
                self._set(min(window + ack.acked_bytes, self._threshold))
                self._is_starting = self._bytes < self._threshold
            return
        flight = max(window, ack.prior_in_flight)  # more than the window just after it was halved
        share = ack.acked_bytes / flight if ack.acked_bytes < flight else 1.0
        change = self._gain_bytes * (1.0 - queue_s / target_s) * share
        if change < 0 or may_grow:
            self._set(max(window + change, self._least_bytes))

    def on_loss(self, loss: Loss, *, now: float) -> None:
        """Halves, once in a round trip and not more often than the configured interval allows (section 2.4.2)."""
        if loss.sent_at > self._recovery_at and now - self._halved_at >= self._config.loss_interval_s:
            self._halve(now=now)

    def on_timeout(self, *, now: float) -> None:
        """The least window there is, and slow start to half of what it was (section 2.4.2: one packet)."""
        self._before = max(self._bytes, self._before)
        self._threshold = max(self._bytes / 2, 2.0 * self._packet_bytes)
        self._is_starting = self._config.slow_start_until > 0
        self._recovery_at = now
        self._is_recovering = False
        self._set(float(self._least_bytes))

    def on_spurious_loss(self, *, now: float) -> None:
        """Takes the last answer back."""
        if self._before > self._bytes:
            self._is_starting = False
            self._set(self._before)
        self._recovery_at = self._halved_at = -math.inf
        self._is_recovering = False

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        """Nothing to do: acknowledgements say whether the window was used."""

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """The window keeps its bytes, and holds as many packets as it has to."""
        config = self._config
        self._packet_bytes = packet_bytes
        self._gain_bytes = config.gain_bytes if config.gain_bytes is not None else packet_bytes
        self._least_bytes = config.least_packets * packet_bytes
        self._initial_bytes = config.initial_packets * packet_bytes
        self._set(max(self._bytes, self._least_bytes))

    def _measure(self, ack: Acknowledgement, *, now: float) -> float:
        rtt_s, delay_s = ack.rtt_s, ack.delay_s
        history = self._history
        if delay_s is not None:
            if not self._is_told_delays:
                self._is_told_delays = True
                history = self._history = self._new_history()
        elif not self._is_told_delays:
            delay_s = rtt_s
        if delay_s is None:
            return self.queue_s
        queue_s = history.add(delay_s, now=now)
        if rtt_s is not None and queue_s > rtt_s:
            if queue_s > 2 * rtt_s + _STEP_S:
                history.restart(delay_s - max(rtt_s - ack.min_rtt_s, 0.0), now=now)
                queue_s = history.add(delay_s, now=now)
            queue_s = min(queue_s, rtt_s)
        self.queue_s = queue_s
        return queue_s

    def _new_history(self) -> DelayHistory:
        return DelayHistory(minutes=self._config.base_minutes, latest=self._config.latest_samples)

    def _halve(self, *, now: float) -> None:
        self._before = self._bytes
        self._is_starting = False
        self._halved_at = self._recovery_at = now
        self._is_recovering = True
        self._set(max(self._bytes / 2, self._least_bytes))

    def _set(self, window: float) -> None:
        self._bytes = window
        self.window = int(window)


_IDLE_S = 1.0  # the least time-out of RFC 6298: a controller is not told the sender's own
_STEP_S = 0.1
