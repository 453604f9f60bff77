"""A bottleneck in virtual time, for tests: bulk flows share one transmitter with a drop-tail queue."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket
from transfer.congestion.bulk.receiver import BulkReceiver
from transfer.congestion.bulk.sender import BulkSender
from transfer.congestion.controller import CongestionController


@dataclass
class Path:
    """What a packet meets: `faults` says what becomes of the n-th data packet: a delay on top, or None for lost."""

    rate: float = 1.25e6  # bytes a second
    delay_s: float = 0.05  # one way
    queue_bytes: int = 125_000
    loss: float = 0.0
    ack_loss: float = 0.0
    jitter_s: float = 0.0
    mark_above_s: float | None = None  # of queueing: "congestion experienced"
    stands_still: tuple[float, float] = (0.0, 0.0)  # what would arrive between these arrives at the end
    faults: dict[int, float | None] = field(default_factory=dict)


@dataclass
class Flow:
    """One sender and its receiver."""

    sender: BulkSender
    receiver: BulkReceiver
    starts_at: float = 0.0
    done_at: float | None = None
    scheduled: float | None = None
    receiver_scheduled: float | None = None


class Dumbbell:
    """Runs flows over one path."""

    def __init__(self, path: Path, *, seed: int = 1, check: bool = False) -> None:
        self.path = path
        self.now = 0.0
        self.flows: list[Flow] = []
        self.queue_s: list[tuple[float, float]] = []  # when, and how long a packet waits that arrives then
        self.dropped = 0
        self.log: list[tuple[float, str, int]] = []
        self._rng = random.Random(seed)
        self._check = check
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._events = 0
        self._count = 0
        self._free_at = 0.0

    def add(
        self,
        controller: CongestionController,
        *,
        packets: int | None = None,
        config: BulkConfig | None = None,
        starts_at: float = 0.0,
        clock_offset_s: float = 0.0,
    ) -> Flow:
        """A flow that begins then."""
        config = config or BulkConfig()
        sender = BulkSender(controller, packets=packets, config=config)
        flow = Flow(sender, BulkReceiver(config, clock_offset_s=clock_offset_s), starts_at)
        self.flows.append(flow)
        self.at(starts_at, lambda: self.serve(flow))
        return flow

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Does something at a time."""
        self._events += 1
        heapq.heappush(self._heap, (when, self._events, what))

    def run(self, until: float) -> None:
        """Until then, or until nothing is left to happen."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = until

    def serve(self, flow: Flow) -> None:
        """Carries what leaves the sender, and sets its timer."""
        sender, now = flow.sender, self.now
        for packet in sender.packets_to_send(now=now):
            self._carry(flow, packet)
        if self._check:
            sender.check_invariants()
            flow.receiver.check_invariants()
        if flow.done_at is None and sender.is_done:
            flow.done_at = now
        self.set_timer(flow)

    def set_timer(self, flow: Flow) -> None:
        """Calls the sender when it wants to be; timers that moved on fire for nothing."""
        timer, now = flow.sender.next_timer(), self.now
        if timer is not None and (flow.scheduled is None or timer < flow.scheduled):
            flow.scheduled = timer
            self.at(max(timer, now), lambda: self._fire(flow, timer))

    def _fire(self, flow: Flow, timer: float) -> None:
        if flow.scheduled == timer:
            flow.scheduled = None
            flow.sender.handle_timer(now=self.now)
            self.serve(flow)

    def _carry(self, flow: Flow, packet: BulkPacket) -> None:
        path, now = self.path, self.now
        fault = path.faults.get(self._count, 0.0)
        self._count += 1
        wait_s = max(self._free_at - now, 0.0)
        self.queue_s.append((now, wait_s))
        size = _PACKET_BYTES
        if wait_s * path.rate + size > path.queue_bytes:
            self.dropped += 1
            return
        self._free_at = now + wait_s + size / path.rate
        if fault is None or self._rng.random() < path.loss:
            return
        marked = path.mark_above_s is not None and wait_s > path.mark_above_s
        extra_s = fault + self._rng.random() * path.jitter_s
        arrives_at = self._free_at + path.delay_s + extra_s
        begin, end = path.stands_still
        self.at(end if begin < arrives_at < end else arrives_at, lambda: self._arrive(flow, packet, marked))

    def _arrive(self, flow: Flow, packet: BulkPacket, marked: bool) -> None:
        self._answer(flow, flow.receiver.receive_packet(packet, now=self.now, is_marked=marked))
        timer = flow.receiver.next_timer()
        if timer is not None and flow.receiver_scheduled is None:
            flow.receiver_scheduled = timer
            self.at(timer, lambda: self._hurry(flow))

    def _hurry(self, flow: Flow) -> None:
        flow.receiver_scheduled = None
        self._answer(flow, flow.receiver.handle_timer(now=self.now))
        timer = flow.receiver.next_timer()
        if timer is not None:
            flow.receiver_scheduled = timer
            self.at(timer, lambda: self._hurry(flow))

    def _answer(self, flow: Flow, ack: BulkAck | None) -> None:
        if ack is not None and not self._rng.random() < self.path.ack_loss:
            self.at(self.now + self.path.delay_s, lambda: self._tell(flow, ack))

    def _tell(self, flow: Flow, ack: BulkAck) -> None:
        flow.sender.receive_acknowledgement(ack, now=self.now)
        self.serve(flow)


_PACKET_BYTES = BulkConfig().packet_bytes
