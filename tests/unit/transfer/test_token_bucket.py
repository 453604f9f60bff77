"""The token bucket against the arithmetic it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.token_bucket import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=3.0, now=10.0)
    assert [bucket.spend(now=10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.spend(now=10.25)
    assert bucket.spend(now=10.5)
    assert not bucket.spend(now=10.5)


def test_what_is_refused_costs_nothing() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=5.0, now=0.0)
    assert not bucket.spend(5.5, now=0.0)
    assert bucket.spend(5.0, now=0.0)


def test_rest_never_saves_more_than_a_burst() -> None:
    bucket = TokenBucket(rate_per_s=100.0, burst=3.0, now=0.0)
    assert bucket.spend(now=1e6)
    assert [bucket.spend(now=1e6) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_adds_nothing() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=1.0, now=10.0)
    assert bucket.spend(now=10.0)
    assert not bucket.spend(now=5.0)
    assert not bucket.spend(now=10.5)  # what passed before 10.0 is not counted twice
    assert bucket.spend(now=11.0)


def test_full_again_means_forgettable() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=4.0, now=0.0)
    assert bucket.is_full(now=0.0)
    bucket.spend(4.0, now=0.0)
    assert not bucket.is_full(now=1.75)
    assert bucket.is_full(now=2.0)


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, -1.0)])
def test_nothing_or_less_is_no_limit(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        TokenBucket(rate_per_s=rate, burst=burst, now=0.0)


@given(
    rate=st.integers(1, 50),
    burst=st.integers(1, 50),
    spends=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 20)), max_size=40),
)
def test_in_no_interval_more_than_burst_plus_rate(rate: int, burst: int, spends: list[tuple[int, int]]) -> None:
    """Times and amounts are whole numbers, so the model has no rounding: it may be compared exactly."""
    bucket = TokenBucket(rate_per_s=rate, burst=burst, now=0.0)
    now, tokens, taken = 0, burst, 0
    for wait_s, amount in spends:
        now += wait_s
        tokens = min(burst, tokens + wait_s * rate)
        allowed = amount <= tokens
        tokens -= amount if allowed else 0
        assert bucket.spend(amount, now=now) is allowed
        assert bucket.is_full(now=now) is (tokens >= burst)
        taken += amount if allowed else 0
        assert taken <= burst + rate * now
