"""Limits within limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.rate_limiter import RateLimiter

INF = float("inf")


def test_without_a_limit_anything_goes() -> None:
    limiter = RateLimiter()
    limiter.spend(1e12, now=0.0)
    assert limiter.allowance(now=0.0) == INF
    assert limiter.wait_s(1e12, now=0.0) == 0.0
    assert not limiter.is_limited


def test_a_debt_is_paid_off_first_and_one_second_is_saved_up() -> None:
    limiter = RateLimiter(rate_bytes_per_s=100)
    assert limiter.allowance(now=0.0) == 0.0
    assert limiter.allowance(now=0.5) == 50.0
    limiter.spend(150, now=0.5)
    assert limiter.allowance(now=1.0) == -50.0
    assert limiter.wait_s(20, now=1.0) == pytest.approx(0.7)
    assert limiter.wait_s(10**9, now=1.0) == pytest.approx(1.5)
    assert limiter.allowance(now=100.0) == 100.0


def test_the_tightest_limit_on_the_way_up_counts() -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    one, two = RateLimiter(rate_bytes_per_s=80, parent=session), RateLimiter(parent=session)
    assert one.allowance(now=0.0) == two.allowance(now=0.0) == 0.0
    assert (one.allowance(now=1.0), two.allowance(now=1.0)) == (80.0, 100.0)
    two.spend(90, now=1.0)
    assert (one.allowance(now=1.0), two.allowance(now=1.0)) == (10.0, 10.0)
    assert one.wait_s(80, now=1.0) == pytest.approx(0.7)
    assert two.is_limited
    session.set_rate(None)
    assert (one.is_limited, two.is_limited) == (True, False)


@pytest.mark.parametrize("rate", [0, -1.0])
def test_a_limit_of_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        RateLimiter(rate_bytes_per_s=rate)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 500)), max_size=50))
def test_the_average_holds_whatever_is_moved_when_it_may(steps: list[tuple[float, int]]) -> None:
    limiter = RateLimiter(rate_bytes_per_s=100)
    now, moved, most = 0.0, 0, 0
    limiter.allowance(now=now)
    for pause, size in steps:
        now += pause
        if limiter.allowance(now=now) > 0:
            limiter.spend(size, now=now)
            moved, most = moved + size, max(most, size)
    assert moved <= 100 * now + most + 1e-6
