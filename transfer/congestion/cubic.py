"""CUBIC: the window follows a cubic of the time since the last loss, whatever the round trip (RFC 9438). Pure."""

from __future__ import annotations

import math
from typing import ClassVar

from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.hystart import HyStart
from transfer.congestion.reno import initial_window

C = 0.4  # packets per second cubed (section 5)
BETA = 0.7  # what a loss leaves of the window (section 4.6)
ALPHA = 3 * (1 - BETA) / (1 + BETA)  # Reno's growth that gives Reno's average with that decrease (section 4.3)


class Cubic:
    """After a loss the window rises fast towards where it was lost, lingers there, and then looks for more.

    Where Reno would be faster, which is on short or slow paths, it follows an estimate of Reno's window. Slow start
    ends by HyStart++ or a loss. Marks (ECN) are answered like losses.

    Invariants:
        window >= one packet; the threshold is two packets or more
    """

    name: ClassVar[str] = "cubic"
    needs_rate: ClassVar[bool] = False
    pacing_rate: float | None = None

    def __init__(self, *, packet_bytes: int, fast_convergence: bool = True) -> None:
        self._packet_bytes = packet_bytes
        self.window = self._initial_window = initial_window(packet_bytes)
        self._packets = self.window / packet_bytes  # cwnd: the window with its fraction
        self._threshold: float = math.inf  # ssthresh, in packets
        self._fast_convergence = fast_convergence
        self._hystart: HyStart | None = HyStart()
        self._w_max = 0.0  # the window at the last loss; 0: growth begins from where the window is
        self._prior = math.inf  # cwnd_prior: the window when the threshold was last set
        self._epoch_at: float | None = None  # when this avoidance began; time without need of the window is left out
        self._k = self._origin = self._estimate = 0.0  # K, W_max of this epoch, W_est
        self._in_flight = 0
        self._recovery_at = -math.inf  # what was sent until then belongs to the last answer
        self._is_recovering = False
        self._has_timed_out = False
        self._last_ack_at = self._last_sent_at = -math.inf
        self._idle_s = _IDLE_S
        self._before = (self._packets, self._threshold, self._w_max, self._prior)

    @property
    def state(self) -> str:
        """One word for people."""
        if self._is_recovering:
            return "recovery"
        if self._packets < self._threshold:
            return "slow start" if self._hystart is None or self._hystart.divisor == 1 else "conservative slow start"
        return "avoidance"

    @property
    def threshold(self) -> float:
        """Bytes of window below which slow start goes on."""
        return self._threshold * self._packet_bytes

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        """Sent after a long silence: what the window was says little now (RFC 5681, section 4.1)."""
        if in_flight <= size and now - self._last_sent_at > self._idle_s and self.window > self._initial_window:
            self._epoch_at = None
            self._is_recovering = False
            self._set(self._initial_window / self._packet_bytes)
        self._in_flight = in_flight
        self._last_sent_at = now

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Grows, by slow start below the threshold and by the cubic above it (sections 4.2 to 4.5)."""
        self._in_flight = ack.in_flight
        self._has_timed_out = False
        self._idle_s = max(_IDLE_S, 4 * ack.smoothed_rtt_s)
        before, self._last_ack_at = self._last_ack_at, now
        if ack.sent_at <= self._recovery_at:
            return
        self._is_recovering = False
        if ack.ce_bytes:
            self._reduce(ack.prior_in_flight, now=now)
            return
        if not ack.is_window_limited:  # section 4.2.1: neither the window grows, nor does time pass for it
            if self._epoch_at is not None:
                self._epoch_at += now - before
            return
        acked = ack.acked_bytes / self._packet_bytes
        if self._packets < self._threshold:
            self._slow_start(acked, ack, now=now)
        else:
            self._avoid(acked, ack.smoothed_rtt_s, now=now)

    def on_loss(self, loss: Loss, *, now: float) -> None:
        """To 0.7 of what was on its way, once for all that was sent before the last answer (section 4.6)."""
        self._in_flight = loss.in_flight
        if loss.sent_at > self._recovery_at:
            self._reduce(loss.flight, now=now)

    def on_timeout(self, *, now: float) -> None:
        """One packet, slow start to 0.7 of what was on its way, then the cubic from where that ends (section 4.8)."""
        if not self._has_timed_out:
            self._remember()
            self._threshold = self._reduced(self._in_flight)
            self._prior = self._packets
        self._has_timed_out = True
        self._is_recovering = False
        self._w_max = 0.0
        self._epoch_at = None
        self._hystart = None
        self._recovery_at = now
        self._set(1.0)

    def on_spurious_loss(self, *, now: float) -> None:
        """Takes the last answer back (section 4.9)."""
        packets, threshold, w_max, prior = self._before
        if packets > self._packets:
            self._threshold, self._w_max, self._prior = threshold, w_max, prior
            self._epoch_at = None
            self._set(packets)
        self._recovery_at = -math.inf
        self._is_recovering = False

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        """Nothing to do: acknowledgements say whether the window was used."""

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """The window and its history keep their bytes; the window holds a packet at least."""
        ratio = self._packet_bytes / packet_bytes
        self._packet_bytes = packet_bytes
        self._threshold = max(self._threshold * ratio, 2.0)
        self._w_max *= ratio
        self._prior *= ratio
        self._before = (self._packets, self._threshold, self._w_max, self._prior)
        self._epoch_at = None
        self._set(max(self._packets * ratio, 1.0))

    def _slow_start(self, acked: float, ack: Acknowledgement, *, now: float) -> None:
        hystart = self._hystart
        if hystart is not None:
            hystart.on_ack(ack, now=now)
            if hystart.is_over:
                self._threshold = self._prior = self._packets
                self._hystart = None
                return
            acked /= hystart.divisor
        self._set(min(self._packets + acked, self._threshold))

    def _avoid(self, acked: float, rtt_s: float, *, now: float) -> None:
        packets = self._packets
        if self._epoch_at is None:
            self._epoch_at = now
            self._estimate = packets
            self._origin = max(self._w_max, packets)
            self._k = ((self._origin - packets) / C) ** (1 / 3)  # equation 2
        t = now - self._epoch_at - self._k
        self._estimate += (ALPHA if self._estimate < self._prior else 1.0) * acked / packets  # equation 4
        if self._origin + C * t * t * t < self._estimate:  # section 4.3
            self._set(max(packets, self._estimate))
            return
        t += rtt_s
        target = min(self._origin + C * t * t * t, 1.5 * packets)  # equation 1, section 4.2
        if target > packets:
            self._set(packets + min(acked / packets, 1.0) * (target - packets))

    def _reduce(self, in_flight: int, *, now: float) -> None:
        self._remember()
        packets = self._packets
        self._w_max = packets  # section 4.7: a flow that lost earlier than last time leaves room for newcomers
        if self._fast_convergence and packets < self._before[2]:
            self._w_max = packets * (1 + BETA) / 2
        self._prior = packets
        self._threshold = self._reduced(in_flight)
        self._hystart = None
        self._epoch_at = None
        self._recovery_at = now
        self._is_recovering = True
        self._set(self._threshold)

    def _reduced(self, in_flight: int) -> float:
        return max(min(in_flight / self._packet_bytes, self._packets) * BETA, 2.0)

    def _remember(self) -> None:
        self._before = (self._packets, self._threshold, self._w_max, self._prior)

    def _set(self, packets: float) -> None:
        self._packets = packets
        self.window = int(packets * self._packet_bytes + _ROUNDING)


_IDLE_S = 1.0  # the least time-out of RFC 6298: a controller is not told the sender's own
_ROUNDING = 1e-6  # a packet is a packet, though its fraction lacks the last bit
