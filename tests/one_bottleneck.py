"""One bottleneck and flows that send through it: the least that shows what a controller does, with every knob in reach.

A queue that drops its tail, a rate that may change, random loss, marks, acknowledgements that come in bursts, a token
bucket in place of the queue, and applications with little to send. Packets stay in order and are of one size, so a
packet is lost when three after it are acknowledged. For the real sender, see `transfer.congestion.bulk`.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from transfer.congestion.controller import Acknowledgement, CongestionController, Loss
from transfer.congestion.pacer import Pacer
from transfer.congestion.rate_sample import Flight, RateSampler

PACKET = 1250  # 10 kbit, so that 10 Mbit/s are 1000 packets a second
DUPLICATES = 3
ACK_DELAY_S = 0.0


def mbit(rate: float) -> float:
    """Bytes a second."""
    return rate * 125_000


@dataclass(slots=True)
class Packet:
    order: int
    flight: Flight
    is_marked: bool = False


@dataclass(slots=True)
class Path:
    """What lies between. All of it may be changed while packets are on their way; those that are keep their time."""

    rate: float  # bytes a second
    rtt_s: float  # both ways together, without queue
    buffer_bytes: float = 1e9  # beside the packet that is being sent
    loss: float = 0.0
    mark_above_s: float | None = None  # of queueing
    burst_s: float = 0.0  # acknowledgements come at multiples of this
    bucket_bytes: float | None = None  # a policer: so much at once, `rate` on average, and no queue
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    busy_until: float = 0.0
    dropped: int = 0
    _tokens: float = 0.0
    _tokens_at: float = 0.0

    def send(self, packet: Packet, now: float) -> float | None:
        """When its acknowledgement arrives; None: never."""
        if self.bucket_bytes is not None:
            self._tokens = min(self.bucket_bytes, self._tokens + (now - self._tokens_at) * self.rate)
            self._tokens_at = now
            if self._tokens < PACKET:
                self.dropped += 1
                return None
            self._tokens -= PACKET
            return now + self.rtt_s
        begins = max(now, self.busy_until)
        if (begins - now) * self.rate > self.buffer_bytes:
            self.dropped += 1
            return None
        if self.mark_above_s is not None and begins - now > self.mark_above_s:
            packet.is_marked = True
        self.busy_until = begins + PACKET / self.rate
        if self.loss and self.rng.random() < self.loss:
            self.dropped += 1
            return None
        arrives = self.busy_until + self.rtt_s
        if self.burst_s:
            arrives = (arrives // self.burst_s + 1) * self.burst_s
        return arrives

    def queue_s(self, now: float) -> float:
        return max(self.busy_until - now, 0.0)


class Flow:
    """A sender and its receiver. `supply` is what the application gives, in bytes a second; None: without end."""

    def __init__(self, world: World, path: Path, controller: CongestionController) -> None:
        self.world, self.path, self.controller = world, path, controller
        self.sampler = RateSampler()
        self.pacer = Pacer(packet_bytes=PACKET)
        self.supply: float | None = None
        self.is_paused = False
        self.in_flight = 0
        self.delivered = 0
        self.lost = 0
        self.timeouts = 0
        self.smoothed_rtt = 0.0
        self.min_rtt = 0.0
        self.rtts: list[tuple[float, float]] = []
        self.watch: Callable[[Flow, float], None] = lambda flow, now: None
        self._order = 0
        self._on_way: deque[Packet] = deque()
        self._wake_at: float | None = None
        self._supplied_at: float | None = None
        self._supplied = 0.0
        self._heard_at = 0.0
        self._timer_at: float | None = None
        self._is_window_limited = True
        self._arriving: list[Packet] = []

    def start(self, at: float = 0.0) -> None:
        self.world.at(at, self._send)

    def _available(self, now: float) -> bool:
        if self.is_paused:
            return False
        if self.supply is None:
            return True
        if self._supplied_at is None:
            self._supplied_at = now
        self._supplied = min(self._supplied + (now - self._supplied_at) * self.supply, 2.0 * PACKET)
        self._supplied_at = now
        return self._supplied >= PACKET

    def _send(self, now: float) -> None:
        controller, pacer = self.controller, self.pacer
        pacer.set_rate(controller.pacing_rate, now=now)
        budget = pacer.budget(now=now)
        packets: list[Packet] = []
        size = 0
        while size < budget:
            if self.in_flight + size + PACKET > controller.window:
                self._is_window_limited = True
                break
            if not self._available(now):
                self.sampler.on_app_limited(in_flight=self.in_flight + size)
                controller.on_app_limited(in_flight=self.in_flight + size, now=now)
                break
            self._supplied -= PACKET if self.supply is not None else 0
            size += PACKET
            self._order += 1
            packets.append(Packet(self._order, None))  # type: ignore[arg-type]
        if packets:
            if self.in_flight == 0:
                self._heard_at = now
            self.in_flight += size
            controller.on_sent(size, in_flight=self.in_flight, now=now)
            flight = self.sampler.on_sent(size, in_flight=self.in_flight, now=now)
            pacer.on_sent(size, now=now)
            for packet in packets:
                packet.flight = flight
                self._on_way.append(packet)
                arrives = self.path.send(packet, now)
                if arrives is not None:
                    self.world.at(arrives, self._receive, packet)
            self._arm_timer()
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self.in_flight + PACKET > self.controller.window:
            return  # an acknowledgement wakes it
        wake = max(self.pacer.next_at, now)
        if self.is_paused:
            return
        if self.supply is not None and self._supplied < PACKET:
            wake = max(wake, now + (PACKET - self._supplied) / self.supply)
        wake = max(wake, now + 1e-6)
        if self._wake_at is None or self._wake_at > wake or self._wake_at <= now:
            self._wake_at = wake
            self.world.at(wake, self._woken)

    def _woken(self, now: float) -> None:
        if self._wake_at is not None and now + 1e-9 >= self._wake_at:
            self._wake_at = None
            self._send(now)

    def resume(self, now: float) -> None:
        self.is_paused = False
        self._send(now)

    def _rto(self) -> float:
        return max(1.0, 3 * self.smoothed_rtt)

    def _receive(self, now: float, packet: Packet) -> None:
        if not self._arriving:
            self.world.at(now + ACK_DELAY_S, self._acknowledge)  # after all that arrive at this moment
        self._arriving.append(packet)

    def _acknowledge(self, now: float) -> None:
        arrived, self._arriving = self._arriving, []
        newest = arrived[-1]
        prior = self.in_flight
        on_way = self._on_way
        got = {packet.order for packet in arrived}
        acked, marked, lost = 0, 0, []
        kept: list[Packet] = []
        while on_way and on_way[0].order <= newest.order:
            packet = on_way.popleft()
            if packet.order in got:
                acked += PACKET
                marked += PACKET if packet.is_marked else 0
            elif newest.order - packet.order >= DUPLICATES:
                lost.append(packet)
            else:
                kept.append(packet)
        on_way.extendleft(reversed(kept))
        self._heard_at = now
        self.in_flight -= len(lost) * PACKET
        if lost:
            self._lose(lost, now)
        self.in_flight -= acked
        if acked == 0:
            self._send(now)
            return
        self.delivered += acked
        rtt = now - newest.flight.sent_at
        self.rtts.append((now, rtt))
        self.smoothed_rtt = rtt if not self.smoothed_rtt else self.smoothed_rtt * 7 / 8 + rtt / 8
        self.min_rtt = min(self.min_rtt or rtt, rtt)
        sample = self.sampler.on_ack(acked, newest.flight, min_rtt_s=self.min_rtt, now=now)
        self.controller.on_ack(
            Acknowledgement(
                acked_bytes=acked,
                in_flight=self.in_flight,
                prior_in_flight=prior,
                sent_at=newest.flight.sent_at,
                rtt_s=rtt,
                smoothed_rtt_s=self.smoothed_rtt,
                min_rtt_s=self.min_rtt,
                ce_bytes=marked,
                is_window_limited=self._is_window_limited,
                rate=sample,
            ),
            now=now,
        )
        self._is_window_limited = False
        self.watch(self, now)
        self._send(now)

    def _lose(self, lost: list[Packet], now: float) -> None:
        size = len(lost) * PACKET
        self.lost += size
        self.sampler.on_lost(size)
        newest = lost[-1].flight
        orders = [packet.order for packet in lost]
        loss = Loss(
            lost_bytes=size,
            in_flight=self.in_flight,
            sent_at=newest.sent_at,
            sent_in_flight=newest.in_flight,
            lost_since_sent=self.sampler.lost_bytes - newest.lost_bytes,
            ranges=1 + sum(later - earlier > 1 for earlier, later in itertools.pairwise(orders)),
            is_app_limited=newest.is_app_limited,
        )
        self.controller.on_loss(loss, now=now)

    def _arm_timer(self) -> None:
        if self._timer_at is None:
            self._timer_at = self._heard_at + self._rto()
            self.world.at(self._timer_at, self._check_timeout)

    def _check_timeout(self, now: float) -> None:
        self._timer_at = None
        if not self.in_flight:
            return
        if now + 1e-9 < self._heard_at + self._rto():
            self._arm_timer()
            return
        self.timeouts += 1
        self.lost += self.in_flight
        self.sampler.on_lost(self.in_flight)
        self._on_way.clear()
        self.in_flight = 0
        self._heard_at = now
        self.controller.on_timeout(now=now)
        self._send(now)


class World:
    """Virtual time. Nothing is random but the path."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._number = 0

    def at(self, time: float, call: Callable[..., None], *arguments: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, call, arguments))

    def run(self, until: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Runs to that time, or until `stop`. Returns whether it stopped."""
        while self._events and self._events[0][0] <= until:
            time, _, call, arguments = heapq.heappop(self._events)
            self.now = max(self.now, time)
            call(self.now, *arguments)
            if stop():
                return True
        self.now = until
        return False
