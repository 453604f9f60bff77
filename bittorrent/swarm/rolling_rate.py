"""What was moved with a peer of late: the measure of tit for tat (BEP 3)."""

from __future__ import annotations

from collections import deque


class RollingRate:
    """The growth of a total over the last `window_s` seconds or a little longer, from looks at it now and then.

    A slow peer sends a block in many seconds, so a shorter memory would take it for one that gives nothing. And it
    is what came in the whole time that counts, not the pace while it came: a peer that has just come is not overrated.

    Invariants:
        the looks are in order of time, at most LOOKS + 2 of them
    """

    __slots__ = ("_looks", "_window_s")

    def __init__(self, *, window_s: float, now: float) -> None:
        self._window_s = window_s
        self._looks = deque([(now, 0)])

    def bytes_per_s(self, total: int, *, now: float) -> float:
        """The average, given the total now. To be called about once a second."""
        looks = self._looks
        if now - looks[-1][0] >= self._window_s / LOOKS:
            looks.append((now, total))
        while len(looks) > 1 and now - looks[1][0] >= self._window_s:
            looks.popleft()
        began_at, before = looks[0]
        return (total - before) / max(self._window_s, now - began_at)


LOOKS = 10
