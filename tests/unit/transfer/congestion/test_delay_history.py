"""Base delays and what packets see now."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.delay_history import DelayHistory


def test_the_least_of_the_last_samples_counts_above_the_least_of_all() -> None:
    history = DelayHistory(minutes=10, latest=3)
    seen = [history.add(delay, now=0.1 * i) for i, delay in enumerate([5.0, 5.3, 5.2, 5.4, 5.1, 4.9])]
    assert seen == pytest.approx([0.0, 0.0, 0.0, 0.2, 0.1, 0.0])
    assert history.base_s == 4.9


def test_a_base_is_forgotten_after_its_minutes() -> None:
    history = DelayHistory(minutes=3, latest=1)
    history.add(1.0, now=0.0)
    bases = {}
    for second in range(10, 300, 10):
        history.add(2.0, now=float(second))
        bases[second] = history.base_s
    assert {second for second, base in bases.items() if base == 1.0} == set(range(10, 180, 10))


def test_what_is_no_number_is_ignored() -> None:
    history = DelayHistory(minutes=3, latest=1)
    history.add(1.0, now=0.0)
    assert history.add(1.5, now=1.0) == 0.5
    assert [history.add(wrong, now=2.0) for wrong in (math.nan, math.inf, -math.inf)] == [0.5] * 3


def test_a_clock_that_was_set_begins_anew() -> None:
    history = DelayHistory(minutes=3, latest=3)
    history.add(1.0, now=0.0)
    history.restart(100.0, now=1.0)
    assert history.add(100.25, now=1.0) == 0.25


@pytest.mark.parametrize(("minutes", "latest"), [(0, 1), (1, 0)])
def test_something_is_kept(minutes: int, latest: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        DelayHistory(minutes=minutes, latest=latest)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=80),
    st.sampled_from([0.0, -7.0, 512.0]),
)
def test_the_offset_of_the_clock_does_not_matter(samples: list[tuple[float, float]], offset_s: float) -> None:
    plain, shifted = (DelayHistory(minutes=2, latest=3) for _ in range(2))
    now = 0.0
    for gap_s, delay_s in samples:
        now += gap_s
        queue_s = plain.add(delay_s, now=now)
        assert 0 <= queue_s <= 1
        assert shifted.add(delay_s + offset_s, now=now) == pytest.approx(queue_s, abs=1e-9)
