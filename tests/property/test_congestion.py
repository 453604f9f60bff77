"""Every congestion controller there is, told whatever a sender may tell: its invariants hold."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transfer.congestion.dumbbell import Dumbbell, Path
from transfer.congestion.controller import Acknowledgement, CongestionController, Loss
from transfer.congestion.rate_sample import Flight, RateSampler
from transfer.congestion.registry import controller_names, make_controller

MOST_PACKETS = 50


@dataclass
class Step:
    """What happens next to a sender: how long after the last step, and a number of packets it is about."""

    kind: str
    gap_s: float
    packets: int
    rtt_s: float
    delay_s: float | None
    is_limited: bool
    is_marked: bool


KINDS = ["sent"] * 3 + ["ack"] * 4 + ["loss", "timeout", "spurious", "app limited", "size", "silence"]
STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(KINDS),
        gap_s=st.floats(0.0, 0.2),
        packets=st.integers(1, MOST_PACKETS),
        rtt_s=st.sampled_from([0.0, 1e-6, 0.001, 0.05, 0.1, 0.3, 5.0]),
        delay_s=st.sampled_from([None, -1e6, -0.05, 0.0, 0.01, 0.1, 0.4, 1e6]),
        is_limited=st.booleans(),
        is_marked=st.sampled_from([False, False, False, True]),
    ),
    max_size=120,
)


class AnySender:
    """Tells a controller of steps in an order that can happen: nothing is acknowledged that is not on its way."""

    def __init__(self, controller: CongestionController, packet_bytes: int) -> None:
        self.controller = controller
        self.packet_bytes = packet_bytes
        self.now = 1.0
        self.in_flight = 0
        self.flights: list[tuple[int, Flight]] = []
        self.sampler = RateSampler()
        self.smoothed_s = self.min_s = 0.0
        self.windows: list[int] = []

    def step(self, step: Step) -> None:
        self.now += 70.0 if step.kind == "silence" else step.gap_s
        size = step.packets * self.packet_bytes
        if step.kind == "sent":
            self._send(size)
        elif step.kind == "ack" and self.flights:
            self._acknowledge(step, size)
        elif step.kind == "loss" and self.flights:
            self._lose(step, size)
        elif step.kind == "timeout":
            self.sampler.on_lost(self.in_flight)
            self.in_flight = 0
            self.flights.clear()
            self.controller.on_timeout(now=self.now)
        elif step.kind == "spurious":
            self.controller.on_spurious_loss(now=self.now)
        elif step.kind == "app limited":
            self.sampler.on_app_limited(in_flight=self.in_flight)
            self.controller.on_app_limited(in_flight=self.in_flight, now=self.now)
        elif step.kind == "size":
            self.packet_bytes = 500 + 20 * step.packets
            self.controller.on_packet_size(self.packet_bytes, now=self.now)
        self.check()

    def check(self) -> None:
        window, rate = self.controller.window, self.controller.pacing_rate
        assert isinstance(window, int)
        assert window >= self.packet_bytes, self.controller.state
        assert rate is None or 0 < rate < math.inf
        assert self.controller.state
        self.windows.append(window)

    def _send(self, size: int) -> None:
        self.in_flight += size
        self.flights.append((size, self.sampler.on_sent(size, in_flight=self.in_flight, now=self.now)))
        self.controller.on_sent(size, in_flight=self.in_flight, now=self.now)

    def _take(self, size: int) -> tuple[int, Flight]:
        taken = 0
        flight = self.flights[0][1]
        while self.flights and taken < size:
            available, flight = self.flights.pop(0)
            used = min(available, size - taken)
            taken += used
            if used < available:
                self.flights.insert(0, (available - used, flight))
        self.in_flight -= taken
        return taken, flight

    def _acknowledge(self, step: Step, size: int) -> None:
        prior = self.in_flight
        taken, flight = self._take(size)
        self.now = max(self.now, flight.sent_at + step.rtt_s)
        self.smoothed_s = step.rtt_s if not self.smoothed_s else 0.875 * self.smoothed_s + 0.125 * step.rtt_s
        self.min_s = step.rtt_s if not self.min_s else min(self.min_s, step.rtt_s)
        told = Acknowledgement(
            acked_bytes=taken,
            in_flight=self.in_flight,
            prior_in_flight=prior,
            sent_at=flight.sent_at,
            rtt_s=step.rtt_s,
            smoothed_rtt_s=self.smoothed_s,
            min_rtt_s=self.min_s,
            delay_s=step.delay_s,
            ce_bytes=taken if step.is_marked else 0,
            is_window_limited=step.is_limited,
            rate=self.sampler.on_ack(taken, flight, min_rtt_s=self.min_s, now=self.now),
        )
        before = self.controller.window
        self.controller.on_ack(told, now=self.now)
        if self.controller.name in ("reno", "cubic", "ledbat", "ledbat++"):
            # RFC 5681, 6817, 9438: never by more than what was acknowledged, and not at all when not needed.
            allowed = max(taken, self.packet_bytes) if step.is_limited and not step.is_marked else 0
            assert self.controller.window <= max(before + allowed, 2 * self.packet_bytes) + 1

    def _lose(self, step: Step, size: int) -> None:
        taken, flight = self._take(size)
        self.sampler.on_lost(taken)
        before = self.controller.window
        self.controller.on_loss(
            Loss(
                lost_bytes=taken,
                in_flight=self.in_flight,
                sent_at=flight.sent_at,
                sent_in_flight=flight.in_flight,
                lost_since_sent=self.sampler.lost_bytes - flight.lost_bytes,
                is_app_limited=flight.is_app_limited,
            ),
            now=self.now,
        )
        if self.controller.name in ("reno", "cubic", "ledbat", "ledbat++"):
            assert self.controller.window <= max(before, 2 * self.packet_bytes)


@pytest.mark.parametrize("name", controller_names())
@settings(max_examples=60)
@given(steps=STEPS, seed=st.integers(0, 5), packet_bytes=st.sampled_from([500, 1200, 1448]))
def test_whatever_happens_the_invariants_hold_and_equal_seeds_give_equal_windows(
    name: str, steps: list[Step], seed: int, packet_bytes: int
) -> None:
    senders = [
        AnySender(make_controller(name, packet_bytes=packet_bytes, rng=random.Random(seed)), packet_bytes)
        for _ in range(2)
    ]
    for sender in senders:
        sender.check()
        for step in steps:
            sender.step(step)
    assert senders[0].windows == senders[1].windows
    assert senders[0].controller.pacing_rate == senders[1].controller.pacing_rate


@pytest.mark.parametrize("name", controller_names())
@settings(max_examples=6)
@given(
    rate=st.sampled_from([30_000.0, 500_000.0, 2.5e6]),
    delay_s=st.sampled_from([0.0005, 0.02, 0.15]),
    buffer=st.sampled_from([0.3, 1.0, 5.0]),
    loss=st.sampled_from([0.0, 0.01, 0.2]),
    jitter_s=st.sampled_from([0.0, 0.005]),
    offset_s=st.sampled_from([-1e5, 0.0, 4e9]),
)
def test_a_transfer_comes_to_its_end_on_any_path(
    name: str, rate: float, delay_s: float, buffer: float, loss: float, jitter_s: float, offset_s: float
) -> None:
    queue_bytes = max(int(rate * 2 * delay_s * buffer), 4500)
    path = Path(rate=rate, delay_s=delay_s, queue_bytes=queue_bytes, loss=loss, jitter_s=jitter_s, ack_loss=loss / 2)
    done = []
    for _ in range(2):
        net = Dumbbell(path, seed=3, check=True)
        controller = make_controller(name, packet_bytes=1448, rng=random.Random(2))
        flow = net.add(controller, packets=300, clock_offset_s=offset_s)
        net.run(4000.0)
        assert flow.done_at is not None
        assert flow.receiver.received == 300
        done.append((flow.done_at, controller.window, flow.sender.stats))
    assert done[0] == done[1]
