"""Round trips: smoothed, varied, least, and the retransmission time-out made of them (RFC 6298). Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RttConfig:
    """What a protocol says of its time-outs. The defaults are those of RFC 6298.

    Attributes:
        initial_rto_s: before the first sample (section 2.1).
        min_rto_s: no time-out is shorter (2.4). uTP: 0.5; Linux has 0.2 here and in `min_margin_s`.
        max_rto_s: no time-out is longer, however often it was doubled (2.5).
        granularity_s: of the clock (G of 2.2).
        min_margin_s: what a time-out is above the smoothed round trip at least.
        min_window_s: `min_s` forgets what is older than this, and nothing that is younger than half of it.
    """

    initial_rto_s: float = 1.0
    min_rto_s: float = 1.0
    max_rto_s: float = 60.0
    granularity_s: float = 0.001
    min_margin_s: float = 0.0
    min_window_s: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.min_rto_s <= self.max_rto_s or not 0 < self.initial_rto_s <= self.max_rto_s:
            raise ValueError("0 < min_rto_s <= max_rto_s and 0 < initial_rto_s <= max_rto_s must hold")
        if self.granularity_s < 0 or self.min_margin_s < 0 or self.min_window_s <= 0:
            raise ValueError("granularity_s and min_margin_s must not be negative, min_window_s must be positive")


class RttEstimator:
    """One path's round trips, of packets that were sent once or whose answer says which sending it is for.

    Attributes:
        smoothed_s, variation_s, latest_s, min_s: 0 before the first sample. `min_s` is of the last `min_window_s`.
        has_sample: whether there was one.

    Invariants:
        min_rto_s <= rto_s <= max_rto_s, but for initial_rto_s before the first sample
    """

    __slots__ = (
        "_backoff",
        "_config",
        "_min_since",
        "_new_min_s",
        "_old_min_s",
        "has_sample",
        "latest_s",
        "min_s",
        "rto_s",
        "smoothed_s",
        "variation_s",
    )

    def __init__(self, config: RttConfig | None = None) -> None:
        self._config = config or RttConfig()
        self._backoff = 1.0
        self.has_sample = False
        self.smoothed_s = self.variation_s = self.latest_s = self.min_s = 0.0
        self.rto_s = self._config.initial_rto_s
        self._min_since = -math.inf
        self._old_min_s = self._new_min_s = math.inf

    def on_sample(self, rtt_s: float, *, now: float) -> None:
        """Takes one round trip in, and forgets earlier time-outs. What is negative or no number is ignored."""
        if not 0.0 <= rtt_s < math.inf:
            return
        if self.has_sample:  # section 2.3: alpha = 1/8, beta = 1/4, the variation first
            difference = self.smoothed_s - rtt_s
            self.variation_s += ((difference if difference >= 0 else -difference) - self.variation_s) * 0.25
            self.smoothed_s -= difference * 0.125
        else:  # section 2.2
            self.has_sample = True
            self.smoothed_s = rtt_s
            self.variation_s = rtt_s / 2
        self.latest_s = rtt_s
        self._backoff = 1.0
        if now - self._min_since > self._config.min_window_s / 2:  # of two halves, the younger one and the one before
            self._old_min_s = self._new_min_s if now - self._min_since <= self._config.min_window_s else math.inf
            self._new_min_s = rtt_s
            self._min_since = now
        elif rtt_s < self._new_min_s:
            self._new_min_s = rtt_s
        self.min_s = self._new_min_s if self._new_min_s < self._old_min_s else self._old_min_s
        self._set_rto()

    def on_timeout(self) -> None:
        """A retransmission time-out has passed: the next one takes twice as long (section 5.5)."""
        if self.rto_s < self._config.max_rto_s:
            self._backoff *= 2
        self._set_rto()

    def _set_rto(self) -> None:
        config = self._config
        if self.has_sample:
            margin = 4 * self.variation_s  # K of section 2
            margin = max(margin, config.granularity_s, config.min_margin_s)
            rto = max(self.smoothed_s + margin, config.min_rto_s)
        else:
            rto = config.initial_rto_s
        rto *= self._backoff
        self.rto_s = rto if rto < config.max_rto_s else config.max_rto_s
