"""Round trips against the arithmetic of RFC 6298."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.rtt import RttConfig, RttEstimator

LINUX = RttConfig(min_rto_s=0.2, min_margin_s=0.2)


def test_before_the_first_sample_the_initial_time_out_holds() -> None:
    rtt = RttEstimator()
    assert (rtt.has_sample, rtt.rto_s, rtt.smoothed_s, rtt.min_s) == (False, 1.0, 0.0, 0.0)


def test_the_first_and_the_next_samples() -> None:
    rtt = RttEstimator(RttConfig(min_rto_s=0.001))
    rtt.on_sample(0.1, now=1.0)
    assert (rtt.smoothed_s, rtt.variation_s) == (0.1, 0.05)
    assert rtt.rto_s == pytest.approx(0.3)
    rtt.on_sample(0.2, now=1.1)
    assert rtt.variation_s == pytest.approx(0.75 * 0.05 + 0.25 * 0.1)
    assert rtt.smoothed_s == pytest.approx(0.875 * 0.1 + 0.125 * 0.2)
    assert rtt.rto_s == pytest.approx(rtt.smoothed_s + 4 * rtt.variation_s)
    assert (rtt.latest_s, rtt.min_s) == (0.2, 0.1)


def test_a_steady_path_ends_at_the_least_time_out() -> None:
    for config, expected in ((RttConfig(), 1.0), (RttConfig(min_rto_s=0.5), 0.5), (LINUX, 0.25)):
        rtt = RttEstimator(config)
        for i in range(200):
            rtt.on_sample(0.05, now=i / 20)
        assert rtt.rto_s == pytest.approx(expected)


def test_time_outs_double_up_to_a_bound_until_a_sample_comes() -> None:
    rtt = RttEstimator(RttConfig(min_rto_s=0.5))
    rtt.on_sample(0.1, now=0.0)
    seen = []
    for _ in range(9):
        rtt.on_timeout()
        seen.append(rtt.rto_s)
    assert seen == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    rtt.on_sample(0.1, now=9.0)
    assert rtt.rto_s == 0.5


def test_the_least_round_trip_is_forgotten_in_time_and_not_before() -> None:
    rtt = RttEstimator(RttConfig(min_window_s=10.0))
    rtt.on_sample(0.1, now=0.0)
    ages = {}
    for now in range(1, 20):
        rtt.on_sample(0.3, now=float(now))
        ages[now] = rtt.min_s
    assert [now for now, least in ages.items() if least == 0.1] == list(
        range(1, 12)
    )  # two halves of 5 s, by the second
    assert [now for now, least in ages.items() if least == 0.3] == list(range(12, 20))


@pytest.mark.parametrize(("silence_s", "least_s"), [(6.0, 0.1), (10.0, 0.1), (10.5, 0.3), (100.0, 0.3)])
def test_what_is_older_than_a_silence_is_forgotten(silence_s: float, least_s: float) -> None:
    rtt = RttEstimator(RttConfig(min_window_s=10.0))
    rtt.on_sample(0.1, now=0.0)
    rtt.on_sample(0.3, now=silence_s)
    assert rtt.min_s == least_s


@pytest.mark.parametrize("wrong", [-0.1, math.nan, math.inf])
def test_what_is_no_round_trip_is_ignored(wrong: float) -> None:
    rtt = RttEstimator()
    rtt.on_sample(wrong, now=0.0)
    assert not rtt.has_sample


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e3)), max_size=60))
def test_time_outs_stay_within_their_bounds(events: list[float | None]) -> None:
    rtt = RttEstimator(LINUX)
    for i, event in enumerate(events):
        if event is None:
            rtt.on_timeout()
        else:
            rtt.on_sample(event, now=float(i))
            assert rtt.min_s <= event
        assert (0.2 if rtt.has_sample else 1.0) <= rtt.rto_s <= 60.0
        assert math.isfinite(rtt.smoothed_s)
        assert rtt.variation_s >= 0


@pytest.mark.parametrize(
    "settings", [{"min_rto_s": 0.0}, {"min_rto_s": 61.0}, {"initial_rto_s": 0.0}, {"granularity_s": -1.0}]
)
def test_settings_without_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        RttConfig(**settings)
