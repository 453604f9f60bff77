"""The largest of what was measured lately, "lately" being counted in rounds, cycles, anything that only grows. Pure."""

from __future__ import annotations

from collections import deque


class WindowedMax:
    """The largest sample of the last `length` ticks, the current one included. Exact, in at most `length` entries.

    Invariants:
        samples that are kept get older and larger towards the front; of one tick there is one at most
    """

    __slots__ = ("_kept", "length", "value")

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"a window of {length} ticks holds nothing")
        self.length = length
        self.value = 0.0
        self._kept: deque[tuple[int, float]] = deque()

    def update(self, sample: float, tick: int) -> float:
        """Takes a sample and returns the new maximum. Ticks never go back. What is too old is forgotten only now.

        So a window that gets no samples keeps its maximum: silence says nothing about a path.
        """
        kept = self._kept
        while kept and kept[-1][1] <= sample:
            kept.pop()
        if not kept or kept[-1][0] != tick:
            kept.append((tick, sample))
        while kept[0][0] <= tick - self.length:
            kept.popleft()
        self.value = kept[0][1]
        return self.value

    def check_invariants(self) -> None:
        ticks = [tick for tick, _ in self._kept]
        samples = [sample for _, sample in self._kept]
        assert ticks == sorted(set(ticks)), ticks
        assert samples == sorted(set(samples), reverse=True), samples
        assert len(ticks) <= self.length, ticks
