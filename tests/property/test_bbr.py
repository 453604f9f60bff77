"""BBR, versions 1 and 3, told of anything in any order: invariants hold, and a good path is used again afterwards."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.one_bottleneck import PACKET, Flow, Path, World, mbit
from transfer.congestion.bbr import Bbr
from transfer.congestion.bbr1 import BbrV1
from transfer.congestion.controller import Acknowledgement, CongestionController, Loss, RateSample

Make = Callable[[], CongestionController]
MAKE: dict[str, Make] = {
    "bbr": lambda: Bbr(packet_bytes=PACKET, rng=random.Random(1)),
    "bbr1": lambda: BbrV1(packet_bytes=PACKET, rng=random.Random(1)),
}


@dataclass(slots=True)
class Told:
    """What a sender would know, whatever it tells."""

    now: float = 0.0
    delivered: int = 0
    in_flight: int = 0


packets = st.integers(1, 200)
rtts = st.one_of(st.none(), st.floats(0.0, 5.0))
parts = st.floats(0, 1)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[object, ...]]:
    event = st.one_of(
        st.tuples(st.just("sent"), packets),
        st.tuples(st.just("ack"), packets, rtts, parts, parts, st.floats(0, 10.0), st.booleans(), st.booleans()),
        st.tuples(st.just("ack"), packets, rtts, parts, parts, st.floats(0, 10.0), st.booleans(), st.booleans()),
        st.tuples(st.just("loss"), packets, parts, st.integers(1, 20), st.booleans()),
        st.tuples(st.just("timeout")),
        st.tuples(st.just("spurious")),
        st.tuples(st.just("idle")),
        st.tuples(st.just("wait"), st.sampled_from([0.001, 0.03, 0.2, 1.0, 6.0, 60.0])),
    )
    return draw(st.lists(event, max_size=60))


def tell(controller: CongestionController, told: Told, event: tuple[object, ...]) -> None:
    """One event. Sizes are in packets, times in seconds."""
    match event:
        case ("sent", int(count)):
            told.in_flight += count * PACKET
            controller.on_sent(count * PACKET, in_flight=told.in_flight, now=told.now)
        case ("ack", int(count), rtt, float(prior), float(marked), float(interval), bool(limited), bool(has_rate)):
            acked = min(count * PACKET, told.in_flight)
            if acked == 0:
                return
            before = told.in_flight
            told.in_flight -= acked
            told.delivered += acked
            prior_delivered = int(prior * (told.delivered - acked))
            sample = RateSample(
                delivered_bytes=told.delivered - prior_delivered,
                interval_s=interval,
                lost_bytes=int(marked * before),
                sent_in_flight=before,
                prior_delivered=prior_delivered,
                delivered_total=told.delivered,
                is_app_limited=limited,
            )
            ack = Acknowledgement(
                acked_bytes=acked,
                in_flight=told.in_flight,
                prior_in_flight=before,
                sent_at=told.now - (rtt if isinstance(rtt, float) else 0.5),
                rtt_s=rtt if isinstance(rtt, float) else None,
                ce_bytes=int(marked * acked),
                is_window_limited=limited,
                rate=sample if has_rate else None,
            )
            controller.on_ack(ack, now=told.now)
        case ("loss", int(count), float(part), int(ranges), bool(limited)):
            lost = min(count * PACKET, told.in_flight)
            if lost == 0:
                return
            before = told.in_flight
            told.in_flight -= lost
            loss = Loss(
                lost_bytes=lost,
                in_flight=told.in_flight,
                sent_at=told.now - part,
                sent_in_flight=before,
                lost_since_sent=lost + int(part * before),
                ranges=ranges,
                is_app_limited=limited,
            )
            controller.on_loss(loss, now=told.now)
        case ("timeout",):
            told.in_flight = 0
            controller.on_timeout(now=told.now)
        case ("spurious",):
            controller.on_spurious_loss(now=told.now)
        case ("idle",):
            controller.on_app_limited(in_flight=told.in_flight, now=told.now)
        case ("wait", float(seconds)):
            told.now += seconds
        case _:
            raise AssertionError(event)


def check(controller: CongestionController) -> None:
    assert controller.window >= PACKET
    rate = controller.pacing_rate
    assert rate is not None
    assert 0 < rate < math.inf
    if isinstance(controller, Bbr):
        model, machine = controller.machine.model, controller.machine
        assert 0 <= model.bw <= model.max_bw < math.inf
        assert model.min_rtt > 0
        assert model.extra_acked >= 0
        assert machine.short.bw >= 0 <= machine.short.inflight
        assert machine.long.with_headroom(PACKET) <= max(machine.long.inflight, 4 * PACKET)
        model._bandwidth.check_invariants()
        model._aggregation.check_invariants()


@pytest.mark.parametrize("name", MAKE)
@settings(max_examples=50)
@example(history=[("sent", 1), ("ack", 1, None, 0.0, 0.0, 5e-324, False, True)])
@example(history=[("sent", 1), ("ack", 1, 5e-324, 0.0, 0.0, 0.0, False, True)])
@given(history=histories())
def test_invariants_hold_whatever_it_is_told(name: str, history: list[tuple[object, ...]]) -> None:
    controller, told = MAKE[name](), Told()
    for event in history:
        tell(controller, told, event)
        check(controller)


@pytest.mark.parametrize("name", MAKE)
@settings(max_examples=5, deadline=None)
@given(history=histories())
def test_it_is_never_stuck(name: str, history: list[tuple[object, ...]]) -> None:
    """After any history the path is quiet: 30 s later nearly all of it is used."""
    controller, told = MAKE[name](), Told()
    for event in history:
        tell(controller, told, event)
    if told.in_flight:  # what was on its way is settled before another path is taken
        tell(controller, told, ("timeout",))
    path = Path(mbit(1), 0.06)
    path.buffer_bytes = 4 * path.rate * path.rtt_s
    world = World()
    world.now = told.now
    flow = Flow(world, path, controller)
    flow.sampler.delivered_bytes = told.delivered
    flow.start(at=told.now)
    world.run(told.now + 30)
    had = flow.delivered
    world.run(told.now + 40)
    assert flow.delivered - had > 0.85 * path.rate * 10, controller.state
