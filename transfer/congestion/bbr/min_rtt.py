"""The shortest round trip, and when it is time to empty the pipe to see it again. Pure."""

from __future__ import annotations

from math import inf

from transfer.congestion.bbr.config import BbrConfig


class MinRtt:
    """Two windows in one (draft-ietf-ccwg-bbr, UpdateMinRTT): 5 s decide when to look, 10 s what is believed.

    Attributes:
        value: the shortest of `min_rtt_filter_s`; infinite before the first sample.
        is_due: none was as short as the shortest of `probe_rtt_interval_s` for so long.
    """

    __slots__ = ("_config", "_recent", "_recent_at", "_value_at", "is_due", "value")

    def __init__(self, config: BbrConfig) -> None:
        self._config = config
        self.value = self._recent = inf
        self._value_at = self._recent_at = inf  # of the first sample
        self.is_due = False

    def update(self, rtt_s: float | None, *, now: float) -> None:
        self.is_due = now > self._recent_at + self._config.probe_rtt_interval_s
        if rtt_s is not None and (rtt_s < self._recent or self.is_due):
            self._recent, self._recent_at = rtt_s, now
        if self._recent < self.value or now > self._value_at + self._config.min_rtt_filter_s:
            self.value, self._value_at = self._recent, self._recent_at

    def postpone(self, *, now: float) -> None:
        """The pipe was emptied: that is due again after a whole interval, whatever was measured."""
        self._recent_at = now
