"""Virtual time: what is ready runs in the order it became ready; when nothing is, the clock jumps to the next timer."""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections import deque
from collections.abc import Callable
from typing import Protocol

from transfer.simulation.errors import LivelockError, TimeLimitError


class Event(Protocol):
    """What can be scheduled: asyncio's handles are, and so is everything that is under way on the network."""

    def _run(self) -> object: ...

    _cancelled: bool


class Scheduler:
    """The clock, the queue of what is ready and the heap of what has a time; integer microseconds throughout.

    Two events of the same microsecond run in the order in which they were scheduled.

    Args:
        on_idle: called when nothing is ready and nothing is scheduled; it must raise or make something ready.
        max_virtual_us: the clock never passes this.
        max_steps_per_instant: events at one and the same time before the program counts as livelocked.

    Invariants:
        now_us never decreases, and no event runs before its time
    """

    __slots__ = (
        "_cancelled_timers",
        "_collect_at",
        "_heap",
        "_max_steps_per_instant",
        "_max_virtual_us",
        "_on_idle",
        "_steps_now",
        "_young_collections",
        "events",
        "failure",
        "now_us",
        "ready",
        "sequence",
        "stopping",
        "watch",
    )

    def __init__(
        self, on_idle: Callable[[], None], *, max_virtual_us: int, max_steps_per_instant: int = 1_000_000
    ) -> None:
        self.now_us = 0
        self.sequence = 0
        self.events = 0
        self.stopping = False
        self.watch: Callable[[], None] | None = None  # called before each round, when something is blocked
        self.failure: BaseException | None = None
        self.ready: deque[Event] = deque()
        self._heap: list[tuple[int, int, Event]] = []
        self._cancelled_timers = 0
        self._on_idle = on_idle
        self._max_virtual_us = max_virtual_us
        self._max_steps_per_instant = max_steps_per_instant
        self._steps_now = 0
        self._collect_at = EVENTS_PER_COLLECTION
        self._young_collections = 0

    def schedule(self, at_us: int, event: Event) -> None:
        """Runs `event` at `at_us`, or now when that has passed."""
        self.sequence = sequence = self.sequence + 1
        heapq.heappush(self._heap, (at_us, sequence, event))

    def run(self) -> None:
        """Runs until `stopping` is set; what is ready at that moment still runs."""
        ready = self.ready
        popleft = ready.popleft
        while True:
            if self.watch is not None:
                self.watch()
                if self.failure is not None:
                    raise self.failure
            if not ready and not self.stopping:
                self._advance()
            heap = self._heap
            while heap and heap[0][0] <= self.now_us:
                ready.append(heapq.heappop(heap)[2])
            count = len(ready)
            try:
                for _ in range(count):
                    event = popleft()
                    if not event._cancelled:
                        event._run()
            except IndexError as error:  # of `popleft`: `run_until` took some of them; or an event's own
                if error.__traceback__ and error.__traceback__.tb_next:
                    raise
            self.events += count
            self._steps_now += count
            if self._steps_now > self._max_steps_per_instant:
                self._report_livelock()
            if self.stopping:
                break

    def run_until(self, is_done: Callable[[], bool]) -> None:
        """Runs one event after the other until `is_done`, from within an event that waits for it.

        The loop further out has counted what is ready, and will find less.
        """
        ready = self.ready
        while not is_done():
            if not ready:
                self._advance()
            heap = self._heap
            while heap and heap[0][0] <= self.now_us:
                ready.append(heapq.heappop(heap)[2])
            event = ready.popleft()
            if not event._cancelled:
                event._run()
            self.events += 1
            self._steps_now += 1
            if self._steps_now > self._max_steps_per_instant:
                self._report_livelock()

    def note_cancelled(self) -> None:
        """A timer was cancelled; when they are most of a large heap, they are thrown out."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 100 and self._cancelled_timers * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2]._cancelled]
            heapq.heapify(self._heap)
            self._cancelled_timers = 0

    def pass_time(self, span_us: int) -> None:
        """The program blocks the loop for so long: timers that fall into it are late, as they would be."""
        if span_us > 0:
            self.now_us += span_us
            self._steps_now = 0

    def allow_more_time(self, span_s: float) -> None:
        """Moves the limit to at least so far from now."""
        self._max_virtual_us = max(self._max_virtual_us, self.now_us + round(span_s * 2e6))

    def remove(self, unwanted: Callable[[asyncio.TimerHandle], bool]) -> None:
        """Cancels every timer of the program that `unwanted` picks."""
        for _, _, event in list(self._heap):
            if isinstance(event, asyncio.TimerHandle) and not event.cancelled() and unwanted(event):
                event.cancel()

    def clear(self) -> None:
        self.ready.clear()
        self._heap.clear()

    def _advance(self) -> None:
        heap = self._heap
        while heap and heap[0][2]._cancelled:
            heapq.heappop(heap)
        if not heap:
            self._on_idle()
            return
        if self.events >= self._collect_at:
            self._collect_garbage()
        at_us = heap[0][0]
        if at_us > self.now_us:
            if at_us > self._max_virtual_us:
                raise TimeLimitError(f"the scenario did not end within {self._max_virtual_us / 1e6:g} virtual seconds")
            self.now_us = at_us
            self._steps_now = 0

    def _collect_garbage(self) -> None:
        """At fixed numbers of events: what finalizers do is then the same in every run of one seed."""
        self._collect_at = self.events + EVENTS_PER_COLLECTION
        self._young_collections += 1
        gc.collect(2 if self._young_collections % YOUNG_COLLECTIONS_PER_FULL == 0 else 1)

    def _report_livelock(self) -> None:
        steps, self._steps_now = self._steps_now, 0
        next_ones = "\n".join(f"  {event!r}" for event, _ in zip(self.ready, range(10), strict=False))
        raise LivelockError(
            f"{steps} callbacks ran while virtual time stood still at {self.now_us / 1e6:.6f} s; next would be:\n"
            f"{next_ones}"
        )


EVENTS_PER_COLLECTION = 50_000
YOUNG_COLLECTIONS_PER_FULL = 40
