"""Latency models, session lengths and churn."""

from __future__ import annotations

import asyncio
import math
import random
import statistics

import pytest

from transfer.simulation import Link, Simulation, run
from transfer.simulation.workloads import (
    SESSIONS_DEBIAN,
    SESSIONS_FLATOUT,
    SESSIONS_RED_HAT,
    Churn,
    FixedLatency,
    LogNormalLatency,
    MatrixLatency,
    Weibull,
)

RNG = random.Random(1)


def test_log_normal_latency_is_a_property_of_the_pair() -> None:
    model = LogNormalLatency(median_s=0.06, sigma=0.5)
    delays = [model.delay_s(a, b, RNG) for a in range(100) for b in range(a)]
    assert delays == [model.delay_s(b, a, RNG) for a in range(100) for b in range(a)]
    assert statistics.median(delays) == pytest.approx(0.06, rel=0.03)
    assert statistics.stdev(map(math.log, delays)) == pytest.approx(0.5, rel=0.03)
    other = LogNormalLatency(median_s=0.06, sigma=0.5, seed=1)
    assert model.delay_s(1, 2, RNG) != other.delay_s(1, 2, RNG)


def test_drawn_matrices_are_metric_and_repeatable() -> None:
    model = MatrixLatency.drawn(12, seed=3)
    assert model.one_way_s == MatrixLatency.drawn(12, seed=3).one_way_s
    assert model.one_way_s != MatrixLatency.drawn(12, seed=4).one_way_s
    for a in range(12):
        for b in range(12):
            assert model.delay_s(a, b, RNG) == model.delay_s(b + 12, a, RNG)
            assert 0.01 <= model.delay_s(a, b, RNG) <= 0.15
            assert all(
                model.delay_s(a, b, RNG) <= model.delay_s(a, c, RNG) + model.delay_s(c, b, RNG) for c in range(12)
            )


@pytest.mark.parametrize("sessions", [SESSIONS_RED_HAT, SESSIONS_DEBIAN, SESSIONS_FLATOUT])
def test_sessions_follow_their_distribution(sessions: Weibull) -> None:
    rng = random.Random(2)
    drawn = sorted(sessions.draw_s(rng) for _ in range(20_000))
    assert drawn[int(20_000 * 0.632)] == pytest.approx(sessions.scale_s, rel=0.08)
    assert drawn[10_000] == pytest.approx(sessions.scale_s * 0.693147 ** (1 / sessions.shape), rel=0.1)


def test_the_mean_of_a_weibull() -> None:
    assert Weibull(1.0, 50.0).mean_s == pytest.approx(50.0)
    assert Weibull(0.5, 10.0).mean_s == pytest.approx(20.0)


def test_churn_alternates_and_is_ordered() -> None:
    changes = list(Churn(sessions=SESSIONS_RED_HAT).changes(50, 36_000, random.Random(3)))
    assert changes == list(Churn(sessions=SESSIONS_RED_HAT).changes(50, 36_000, random.Random(3)))
    assert changes == sorted(changes)
    assert len(changes) > 100
    is_up = dict.fromkeys(range(50), True)
    for change in changes:
        assert 0 < change.at_s < 36_000
        assert is_up[change.host] is not change.comes_up
        is_up[change.host] = change.comes_up


def test_a_model_is_a_link_delay() -> None:
    async def scenario(simulation: Simulation) -> float:
        simulation.network.host(["10.0.0.1"])
        with simulation.host("10.0.0.2"), pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("10.0.0.1", 80)
        return simulation.now

    assert run(scenario, link=Link(delay_s=FixedLatency(0.25))).result == 0.5
    assert run(scenario, link=Link(delay_s=MatrixLatency([[0, 3], [1, 0]]))).result == 4.0


def test_impossible_workloads_are_refused() -> None:
    for make in (
        lambda: LogNormalLatency(median_s=0),
        lambda: Weibull(0, 1),
        lambda: MatrixLatency([]),
        lambda: MatrixLatency([[0, 1]]),
        lambda: MatrixLatency([[-1]]),
    ):
        with pytest.raises(ValueError, match="must"):
            make()
