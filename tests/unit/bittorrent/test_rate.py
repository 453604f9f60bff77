"""The rate meter: exact over whole windows, bounded in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.rate import RateMeter


def test_nothing_yet() -> None:
    assert RateMeter().rate_bytes_per_s(now=5.0) == 0.0


def test_a_steady_flow_has_its_rate() -> None:
    meter = RateMeter(window_s=5.0, slot_s=0.25)
    for tick in range(80):
        meter.add(250, now=tick * 0.25)
    assert meter.rate_bytes_per_s(now=79 * 0.25) == pytest.approx(1000, rel=0.06)


def test_a_young_flow_is_averaged_over_its_life_but_no_less_than_a_second() -> None:
    meter = RateMeter(window_s=5.0)
    meter.add(1000, now=100.0)
    assert meter.rate_bytes_per_s(now=100.0) == 1000
    assert meter.rate_bytes_per_s(now=100.5) == 1000
    assert meter.rate_bytes_per_s(now=102.0) == 500
    assert meter.rate_bytes_per_s(now=105.0) == 200


def test_what_is_older_than_the_window_is_forgotten() -> None:
    meter = RateMeter(window_s=5.0)
    meter.add(1000, now=0.0)
    assert meter.rate_bytes_per_s(now=5.0) == 200
    assert meter.rate_bytes_per_s(now=5.01) == 0
    meter.add(500, now=1000.0)
    assert meter.rate_bytes_per_s(now=1000.0) == 100


def test_a_clock_that_steps_back_loses_nothing() -> None:
    meter = RateMeter(window_s=5.0)
    meter.add(100, now=10.0)
    meter.add(100, now=9.0)
    assert meter.rate_bytes_per_s(now=10.0) == 200


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1000)), max_size=60))
def test_against_a_list_of_everything(moves: list[tuple[int, int]]) -> None:
    """With slots as fine as the clock, the meter is the plain sum over the window."""
    meter = RateMeter(window_s=4.0, slot_s=0.5)
    everything: list[tuple[float, int]] = []
    now = 50.0
    for wait, size in moves:
        now += wait * 0.5
        meter.add(size, now=now)
        everything.append((now, size))
        total = sum(bytes_ for at, bytes_ in everything if now - at <= 4.0)
        elapsed = min(4.0, max(1.0, now - everything[0][0]))
        assert meter.rate_bytes_per_s(now=now) == total / elapsed
        assert len(meter._slots) <= 9  # the memory promised: window / slot + 1


def test_memory_does_not_grow_with_traffic() -> None:
    meter = RateMeter(window_s=5.0, slot_s=0.25)
    for tick in range(20_000):
        meter.add(1, now=tick * 0.001)
    assert len(meter._slots) <= 21
