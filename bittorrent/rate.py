"""How fast bytes flow, averaged over a sliding window."""

from __future__ import annotations

from collections import deque


class RateMeter:
    """Bytes per second over the last `window_s` seconds, in slots of `slot_s`; memory does not grow with traffic.

    Invariants:
        the slots are in order of time, at most window_s / slot_s + 1 of them; total is their sum
    """

    __slots__ = ("_slot_s", "_slots", "_started", "_total", "_window_s")

    def __init__(self, *, window_s: float = 5.0, slot_s: float = 0.25) -> None:
        self._window_s = window_s
        self._slot_s = slot_s
        self._slots: deque[list[float]] = deque()  # [when the slot began, bytes]
        self._total = 0.0
        self._started: float | None = None

    def add(self, size: int, *, now: float) -> None:
        """`size` bytes moved at `now`."""
        if self._started is None:
            self._started = now
        if self._slots and now - self._slots[-1][0] < self._slot_s:
            self._slots[-1][1] += size
        else:
            self._slots.append([now, size])
            self._forget(now=now)
        self._total += size

    def rate_bytes_per_s(self, *, now: float) -> float:
        """The average; before a whole window has passed, over the time since the first byte (at least one second)."""
        self._forget(now=now)
        if self._started is None or not self._slots:
            return 0.0
        return self._total / min(self._window_s, max(1.0, now - self._started))

    def _forget(self, *, now: float) -> None:
        while self._slots and now - self._slots[0][0] > self._window_s:
            self._total -= self._slots.popleft()[1]
