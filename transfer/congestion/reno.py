"""Reno and NewReno: slow start, avoidance, and one halving for one window of losses (RFC 5681, RFC 6582). Pure."""

from __future__ import annotations

import math
from typing import ClassVar

from transfer.congestion.controller import Acknowledgement, Loss


class Reno:
    """The window grows by what is acknowledged, above a threshold by a packet in a round trip, and halves on loss.

    Bytes are counted, not acknowledgements (RFC 3465), so a receiver that acknowledges every packet gains nothing, and
    one that acknowledges rarely loses nothing. Holes are known (SACK), so recovery is that of RFC 6675: the window is
    the threshold, what is taken for lost is not in flight, and the window does not grow before something is delivered
    that was sent after the loss was found.

    Invariants:
        window >= one packet; threshold >= two packets
    """

    name: ClassVar[str] = "reno"
    needs_rate: ClassVar[bool] = False
    pacing_rate: float | None = None

    def __init__(self, *, packet_bytes: int) -> None:
        self._packet_bytes = packet_bytes
        self.window = self._initial_window = initial_window(packet_bytes)
        self.threshold: float = math.inf  # ssthresh, "arbitrarily high" at first (RFC 5681, section 3.1)
        self._acked = 0  # since the window last grew by a packet
        self._in_flight = 0
        self._recovery_at = -math.inf  # what was sent until then belongs to the last answer
        self._is_recovering = False
        self._has_timed_out = False
        self._before = (self.window, self.threshold)  # the last answer
        self._last_sent_at = -math.inf
        self._idle_s = _IDLE_S

    @property
    def state(self) -> str:
        """One word for people."""
        if self._is_recovering:
            return "recovery"
        return "slow start" if self.window < self.threshold else "avoidance"

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        """Sent after a long silence: what the window was says little now (RFC 5681, section 4.1)."""
        if in_flight <= size and now - self._last_sent_at > self._idle_s:
            self.window = min(self.window, self._initial_window)
            self._is_recovering = False
        self._in_flight = in_flight
        self._last_sent_at = now

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Grows: in slow start by what was acknowledged, in avoidance by a packet for a window of it (section 3.1)."""
        self._in_flight = ack.in_flight
        self._has_timed_out = False
        self._idle_s = max(_IDLE_S, 4 * ack.smoothed_rtt_s)
        if ack.sent_at <= self._recovery_at:
            return
        self._is_recovering = False
        if ack.ce_bytes:  # RFC 3168, section 6.1.2: as if a packet had been lost
            self._halve(ack.prior_in_flight, now=now)
            return
        if not ack.is_window_limited:  # RFC 7661: what was not used proves nothing
            return
        acked = ack.acked_bytes
        if self.window < self.threshold:
            grown = int(min(self.window + acked, self.threshold))
            acked -= grown - self.window
            self.window = grown
            if self.window < self.threshold:
                return
        self._acked += acked
        while self._acked >= self.window:
            self._acked -= self.window
            self.window += self._packet_bytes

    def on_loss(self, loss: Loss, *, now: float) -> None:
        """Halves, once for all that was sent before the last answer (RFC 6582; RFC 5681, equation 4)."""
        self._in_flight = loss.in_flight
        if loss.sent_at > self._recovery_at:
            self._halve(loss.flight, now=now)

    def on_timeout(self, *, now: float) -> None:
        """One packet, then slow start to half of what was on its way; more time-outs keep that half (section 3.1)."""
        if not self._has_timed_out:
            self._before = (self.window, self.threshold)
            self.threshold = self._half_of(self._in_flight)
        self._has_timed_out = True
        self._is_recovering = False
        self.window = self._packet_bytes
        self._acked = 0
        self._recovery_at = now

    def on_spurious_loss(self, *, now: float) -> None:
        """Takes the last answer back (RFC 4015, section 3.2)."""
        self.window = max(self.window, self._before[0])
        self.threshold = max(self.threshold, self._before[1])
        self._recovery_at = -math.inf
        self._is_recovering = False

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        """Nothing to do: acknowledgements say whether the window was used."""

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """The window keeps its bytes, and holds a packet at least."""
        self._packet_bytes = packet_bytes
        self.window = max(self.window, packet_bytes)

    def _halve(self, in_flight: int, *, now: float) -> None:
        self._before = (self.window, self.threshold)
        self.threshold = self.window = self._half_of(in_flight)
        self._acked = 0
        self._recovery_at = now
        self._is_recovering = True

    def _half_of(self, in_flight: int) -> int:
        return max(min(in_flight, self.window) // 2, 2 * self._packet_bytes)


def initial_window(packet_bytes: int) -> int:
    """Ten packets, but no more than 14,600 bytes unless two packets are more (RFC 6928, section 2)."""
    return min(10 * packet_bytes, max(2 * packet_bytes, 14_600))


_IDLE_S = 1.0  # the least time-out of RFC 6298: a controller is not told the sender's own
