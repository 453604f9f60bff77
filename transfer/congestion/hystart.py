"""When slow start has gone far enough: HyStart++ (RFC 9406), which leaves it before the queue overflows. Pure."""

from __future__ import annotations

import math

from transfer.congestion.controller import Acknowledgement


class HyStart:
    """Watches the least round trip of each round of slow start; when it rises, growth slows down, then ends.

    The slower growth ("conservative slow start") lasts five rounds, and is left for slow start again if the round trip
    falls below what it was when that began: a rise that jitter made costs little. Growth is not capped by the number
    of packets that one acknowledgement covers (L of section 4.3): what is sent here leaves in runs anyway.

    Attributes:
        divisor: what growth by acknowledged bytes is divided by: 1, or 4 in conservative slow start.
        is_over: slow start has ended without a loss.
    """

    __slots__ = ("_baseline_s", "_least_s", "_previous_s", "_round_at", "_rounds", "_samples", "divisor", "is_over")

    def __init__(self) -> None:
        self.divisor = 1
        self.is_over = False
        self._round_at = -math.inf  # when the round began: it ends with the delivery of what was sent since
        self._least_s = self._previous_s = self._baseline_s = math.inf
        self._samples = 0
        self._rounds = 0  # of conservative slow start

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Each acknowledgement of slow start, before the window grows."""
        if ack.sent_at >= self._round_at:
            if self.divisor > 1:
                self._rounds += 1
                if self._rounds >= _CSS_ROUNDS:
                    self.is_over = True
            self._round_at = now
            self._previous_s, self._least_s = self._least_s, math.inf
            self._samples = 0
        if ack.rtt_s is None:
            return
        self._least_s = min(self._least_s, ack.rtt_s)
        self._samples += 1
        if self._samples < _SAMPLES:
            return
        if self.divisor > 1:
            if self._least_s < self._baseline_s:
                self.divisor = 1
                self._baseline_s = math.inf
        elif self._previous_s < math.inf:
            threshold_s = min(max(self._previous_s / 8, _MIN_THRESHOLD_S), _MAX_THRESHOLD_S)
            if self._least_s >= self._previous_s + threshold_s:
                self.divisor = _CSS_DIVISOR
                self._baseline_s = self._least_s
                self._rounds = 0


_MIN_THRESHOLD_S = 0.004  # section 4.3
_MAX_THRESHOLD_S = 0.016
_SAMPLES = 8
_CSS_DIVISOR = 4
_CSS_ROUNDS = 5
