"""How long packets wait in queues: the latest delays against the least of the last minutes (RFC 6817). Pure."""

from __future__ import annotations

import math
from collections import deque


class DelayHistory:
    """One minimum for each minute is the base; the least of the last few samples is what packets see now.

    The clock that measures may differ from ours by any constant: only differences count.

    Attributes:
        base_s: the least delay of the last minutes; infinite before the first sample.
        queue_s: how much the latest delays are above it; 0 before the first sample.

    Invariants:
        queue_s >= 0
    """

    __slots__ = ("_latest", "_minute_at", "_minutes", "_minutes_kept", "base_s", "queue_s")

    def __init__(self, *, minutes: int, latest: int) -> None:
        if minutes < 1 or latest < 1:
            raise ValueError("at least one minute and one sample are to be kept")
        self._minutes_kept = minutes
        self._minutes: deque[tuple[float, float]] = deque()  # when each began, and its least delay
        self._minute_at = -math.inf
        self._latest: deque[float] = deque(maxlen=latest)
        self.base_s = math.inf
        self.queue_s = 0.0

    def add(self, delay_s: float, *, now: float) -> float:
        """Takes a sample in and returns `queue_s`. What is no number is ignored."""
        if not -math.inf < delay_s < math.inf:
            return self.queue_s
        minutes = self._minutes
        if now - self._minute_at >= _MINUTE_S:
            self._minute_at = now
            minutes.append((now, delay_s))
            while minutes[0][0] <= now - self._minutes_kept * _MINUTE_S:
                minutes.popleft()
            self.base_s = min(least for _, least in minutes)
        elif delay_s < minutes[-1][1]:
            minutes[-1] = (minutes[-1][0], delay_s)
            if delay_s < self.base_s:
                self.base_s = delay_s
        latest = self._latest
        latest.append(delay_s)
        self.queue_s = max(min(latest) - self.base_s, 0.0)  # samples may be older than a base that replaced a lower one
        return self.queue_s

    def restart(self, base_s: float, *, now: float) -> None:
        """The measuring clock was set to another time: all that is kept is this base."""
        self._minutes.clear()
        self._minutes.append((now, base_s))
        self._minute_at = now
        self._latest.clear()
        self.base_s = base_s
        self.queue_s = 0.0


_MINUTE_S = 60.0
