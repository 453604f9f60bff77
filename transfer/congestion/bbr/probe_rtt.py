"""How long the pipe is kept half empty to see how long it is. Pure."""

from __future__ import annotations


class ProbeRtt:
    """The clock of PROBE_RTT: it starts when so little is on its way as was asked for, and runs 200 ms and a round."""

    __slots__ = ("_duration_s", "_has_round", "_until")

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self.begin()

    def begin(self) -> None:
        self._until: float | None = None
        self._has_round = False

    def on_ack(self, *, is_low: bool, is_round_start: bool, now: float) -> bool:
        """Returns whether a round has to be begun: the clock has just started."""
        if self._until is None:
            if is_low:
                self._until = now + self._duration_s
            return is_low
        self._has_round = self._has_round or is_round_start
        return False

    def is_done(self, *, now: float, is_idle: bool = False) -> bool:
        """Whether it has lasted long enough. A sender that was idle meanwhile (`is_idle`) needs no round."""
        return self._until is not None and now > self._until and (self._has_round or is_idle)
