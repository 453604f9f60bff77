"""What BBR believes of the path: how fast it delivers, how long it is, and how unevenly acknowledgements come. Pure."""

from __future__ import annotations

from math import inf

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.controller import RateSample
from transfer.congestion.reno import initial_window
from transfer.congestion.windowed_filter import WindowedMax


class PathModel:
    """Estimates in bytes, seconds and bytes a second (draft-ietf-ccwg-bbr, "Updating Network Path Model Parameters").

    Attributes:
        max_bw: the fastest delivery in this cycle of probing and the one before; 0 before the first sample.
        bw: max_bw, or less while a short-term limit holds.
        min_rtt: the shortest round trip of 10 s; infinite before the first sample.
        extra_acked: bytes that come acknowledged at once beyond what max_bw explains.
    """

    __slots__ = (
        "_acked_since",
        "_aggregation",
        "_bandwidth",
        "_config",
        "_cycle",
        "_since",
        "bw",
        "extra_acked",
        "max_bw",
        "min_rtt",
    )

    def __init__(self, config: BbrConfig) -> None:
        self._config = config
        self.max_bw = self.bw = 0.0
        self.min_rtt = inf
        self.extra_acked = 0
        self._bandwidth = WindowedMax(config.max_bw_cycles)
        self._cycle = 0
        self._aggregation = WindowedMax(config.extra_acked_rounds)
        self._since = 0.0
        self._acked_since = 0

    def update_bandwidth(self, sample: RateSample, *, is_app_limited: bool) -> None:
        """A sample that says too little counts when it is faster all the same."""
        rate = sample.rate
        if rate > 0 and (rate >= self.max_bw or not is_app_limited):
            self.max_bw = self._bandwidth.update(rate, self._cycle)

    def end_cycle(self) -> None:
        """A look for bandwidth is over: what was measured two looks ago is forgotten with the next sample."""
        self._cycle += 1

    def update_aggregation(self, acked: int, window: int, *, rounds: int, is_full: bool, now: float) -> None:
        """How much more has come than `bw` explains since the last time that less came.

        Until the pipe is full one round counts and not ten: bandwidth still grows, and all that it grows by looks like
        aggregation.
        """
        expected = self.bw * (now - self._since)
        if self._acked_since <= expected:
            self.restart_aggregation(now=now)
            expected = 0.0
        self._acked_since += acked
        extra = min(self._acked_since - expected, window)
        self._aggregation.length = self._config.extra_acked_rounds if is_full else 1
        self.extra_acked = int(self._aggregation.update(extra, rounds))

    def restart_aggregation(self, *, now: float) -> None:
        self._since = now
        self._acked_since = 0

    def bdp(self, gain: float, *, packet_bytes: int) -> float:
        """So many times what the path holds when nobody queues; the initial window before it was measured."""
        if self.min_rtt == inf:
            return initial_window(packet_bytes)
        return gain * self.bw * self.min_rtt
