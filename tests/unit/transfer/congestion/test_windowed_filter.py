"""The windowed maximum against the slow obvious one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.windowed_filter import WindowedMax


@given(
    length=st.integers(1, 12),
    steps=st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e9)), min_size=1, max_size=60),
)
def test_it_is_the_largest_of_the_last_ticks(length: int, steps: list[tuple[int, float]]) -> None:
    window, tick = WindowedMax(length), 0
    seen: list[tuple[int, float]] = []
    for passed, sample in steps:
        tick += passed
        seen.append((tick, sample))
        assert window.update(sample, tick) == max(value for at, value in seen if at > tick - length)
        assert window.value == window.update(sample, tick)  # taking it twice changes nothing
        window.check_invariants()


def test_silence_forgets_nothing_and_the_next_sample_does() -> None:
    window = WindowedMax(2)
    window.update(9.0, 1)
    assert window.value == 9.0
    assert window.update(3.0, 2) == 9.0
    assert window.update(4.0, 3) == 4.0


def test_a_shorter_window_forgets_at_once() -> None:
    window = WindowedMax(10)
    window.update(9.0, 1)
    window.length = 1
    assert window.update(1.0, 2) == 1.0


def test_a_window_holds_something() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        WindowedMax(0)
