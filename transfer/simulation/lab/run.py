"""A run of the lab: one heap of what happens next, until the time is over or every transfer is done."""

from __future__ import annotations

import heapq
import random
from array import array
from collections.abc import Callable
from typing import Any, TypeAlias

from transfer.simulation.lab.config import LabChange, LabConfig, LabOutage
from transfer.simulation.lab.flow import Flow
from transfer.simulation.lab.line import Line
from transfer.simulation.lab.report import LabReport
from transfer.simulation.link import Link

Entry: TypeAlias = tuple[int, int, Callable[[Any], None], Any, "Line | None", int]


def run_lab(config: LabConfig, *, progress: Callable[[float], None] | None = None) -> LabReport:
    """Runs one experiment in virtual time.

    Args:
        progress: told the virtual time, in seconds, a hundred times in a run.

    Raises:
        UnknownControllerError: a flow names a controller that there is none of.

    Cost: about 20 us for each packet that is sent.
    """
    return Lab(config, progress).run()


class Lab:
    """Lines, flows, and the heap of what happens next.

    Invariants:
        now_us never decreases
        every packet that was offered to a line was dropped, lost, delivered or is under way
    """

    def __init__(self, config: LabConfig, progress: Callable[[float], None] | None = None) -> None:
        self.config = config
        self.now_us = 0
        self.warm_us = round(config.warm_up_s * 1e6)
        self.under_way = self.copied = 0  # packets of data
        self.digest = 0
        self.events = 0
        rng = random.Random(f"lab {config.seed}")
        self.data = Line(config.data, rng, config.mark_bytes)
        back = config.acknowledgements or Link(delay_s=config.data.delay_s)
        self.acknowledgements = Line(back, rng)
        self._heap: list[Entry] = []
        self._sequence = 0
        self._progress = progress
        self._queue_us = array("q")
        self._queue: list[tuple[float, float]] = []
        self.flows = [Flow(self, index, flow, random.Random(rng.random())) for index, flow in enumerate(config.flows)]
        self._unfinished = sum(1 for flow in config.flows if flow.transfers)
        self._ends_early = self._unfinished == len(config.flows)
        self._is_over = False

    # What happens next.

    def schedule(
        self, at_us: int, call: Callable[[Any], None], what: Any, line: Line | None = None, leaves_us: int = 0
    ) -> None:
        """Calls `call(what)` at that time. A packet names its line, and when it leaves the queue there."""
        self._sequence = sequence = self._sequence + 1
        heapq.heappush(self._heap, (at_us, sequence, call, what, line, leaves_us))

    def run(self) -> LabReport:
        config = self.config
        end_us = round(config.duration_s * 1e6)
        for flow in self.flows:
            self.schedule(round(flow.config.start_s * 1e6), flow.start, None)
        for change in config.changes:
            self.schedule(round(change.at_s * 1e6), self._change, change)
        for outage in config.outages:
            self.schedule(round(outage.at_s * 1e6), self._begin_outage, outage)
        self.schedule(self.warm_us, self._begin_measuring, None)
        self.schedule(0, self._sample, round(config.sample_s * 1e6))
        self.schedule(0, self._note_course, round(config.course_s * 1e6))
        if self._progress is not None:
            self.schedule(0, self._tell, end_us // 100 or 1)
        heappop, events = heapq.heappop, 0
        while self._heap and not self._is_over:
            at_us, _, call, what, _, _ = heappop(self._heap)
            if at_us > end_us:
                self.now_us = end_us
                break
            self.now_us = at_us
            events += 1
            call(what)
        self.events = events
        return self._report()

    def finish(self) -> None:
        """A flow with an end has come to it."""
        self._unfinished -= 1
        if self._ends_early and self._unfinished == 0:
            self._is_over = True

    def check_invariants(self) -> None:
        data = self.data
        arrived = sum(flow.arrived for flow in self.flows)
        assert data.offered + self.copied == data.dropped + data.lost + arrived + self.under_way
        assert data.offered == sum(flow.sent for flow in self.flows)
        for flow in self.flows:
            flow.check_invariants()

    # Lines.

    def _change(self, change: LabChange) -> None:
        for line, link in ((self.data, change.data), (self.acknowledgements, change.acknowledgements)):
            if link is not None:
                self._move(line, line.change(link, self.now_us))

    def _begin_outage(self, outage: LabOutage) -> None:
        until_us = round((outage.at_s + outage.duration_s) * 1e6)
        for line in (self.data, self.acknowledgements):
            if outage.keeps:
                self._move(line, line.hold(until_us, self.now_us))
            else:
                line.is_cut = True
        if not outage.keeps:
            self.schedule(until_us, self._end_outage, None)

    def _end_outage(self, _: None) -> None:
        self.data.is_cut = self.acknowledgements.is_cut = False

    def _move(self, line: Line, moved: Callable[[int], int] | None) -> None:
        """What waits in a queue leaves at another time, and arrives earlier or later by as much."""
        if moved is None:
            return
        heap: list[Entry] = []
        for at_us, sequence, call, what, of_line, leaves_us in self._heap:
            if of_line is line and leaves_us > self.now_us:
                at_us += moved(leaves_us) - leaves_us
                leaves_us = moved(leaves_us)
            heap.append((at_us, sequence, call, what, of_line, leaves_us))
        heapq.heapify(heap)
        self._heap[:] = heap

    # Looking.

    def _sample(self, interval_us: int) -> None:
        now_us, data = self.now_us, self.data
        if now_us >= self.warm_us:
            self._queue_us.append(data.backlog_us(now_us))
        self._queue.append((now_us / 1e6, data.backlog_bytes(now_us)))
        self.schedule(now_us + interval_us, self._sample, interval_us)

    def _note_course(self, interval_us: int) -> None:
        for flow in self.flows:
            flow.sample()
        self.schedule(self.now_us + interval_us, self._note_course, interval_us)

    def _begin_measuring(self, _: None) -> None:
        for flow in self.flows:
            flow.begin_measuring()

    def _tell(self, interval_us: int) -> None:
        assert self._progress is not None
        self._progress(self.now_us / 1e6)
        self.schedule(self.now_us + interval_us, self._tell, interval_us)

    def _report(self) -> LabReport:
        data = self.data
        return LabReport(
            flows=tuple(flow.report() for flow in self.flows),
            ended_s=self.now_us / 1e6,
            queue_s=[wait_us / 1e6 for wait_us in sorted(self._queue_us)],
            queue=self._queue,
            dropped_packets=data.dropped,
            lost_packets=data.lost,
            marked_packets=data.marked,
            events=self.events,
            digest=f"{self.digest:016x}",
        )
