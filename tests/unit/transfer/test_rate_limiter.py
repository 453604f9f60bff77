"""Limits within limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.rate_limiter import ASKS_FOR_S, RateLimiter

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
    one, two = RateLimiter(rate_bytes_per_s=80, parent=session), RateLimiter(rate_bytes_per_s=300, parent=session)
    assert one.allowance(now=0.0) == 0.0
    assert one.allowance(now=1.0) == 80.0
    assert two.is_limited
    assert two.allowance(now=10.0) == 0.0
    assert two.allowance(now=12.0) == 100.0
    two.spend(100, now=12.0)
    assert two.wait_s(300, now=12.0) == pytest.approx(1.0), "no more than 100 can be saved up"
    session.set_rate(None)
    assert two.allowance(now=13.0) == 300.0
    two.set_rate(None)
    assert (one.is_limited, two.is_limited) == (True, False)


def test_those_who_ask_get_equal_parts_and_what_others_leave() -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    one, two = RateLimiter(parent=session), RateLimiter(parent=session)
    assert one.allowance(now=0.0) == two.allowance(now=0.0) == 0.0
    assert (one.allowance(now=1.0), two.allowance(now=1.0)) == (50.0, 50.0)
    two.spend(90, now=1.0)
    assert (one.allowance(now=1.0), two.allowance(now=1.0)) == (10.0, -40.0)
    assert two.wait_s(20, now=1.0) == pytest.approx(60 / 50)
    assert two.allowance(now=2.0) == 10.0
    assert two.allowance(now=3.0) == 60.0 + 50.0 - 10.0, "one asks no more: the other has everything"


@given(
    st.lists(st.tuples(st.floats(0.0, 0.3), st.integers(0, 2), st.integers(0, 500)), max_size=100),
    st.sampled_from([None, 70.0]),
)
def test_the_average_holds_however_many_share_a_limit(steps: list[tuple[float, int, int]], own: float | None) -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    limiters = [
        RateLimiter(parent=session),
        RateLimiter(parent=session),
        RateLimiter(rate_bytes_per_s=own, parent=session),
    ]
    now, moved, most = 0.0, 0, 0
    session.allowance(now=now)
    for pause, who, size in steps:
        now += pause
        if limiters[who].allowance(now=now) > 0:
            limiters[who].spend(size, now=now)
            moved, most = moved + size, max(most, size)
    assert moved <= 100 * now + most + 1e-6


@pytest.mark.parametrize("greed", [1, 20])
def test_whoever_asks_more_often_gets_no_more(greed: int) -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    limiters = [RateLimiter(parent=session) for _ in range(4)]
    moved = [0, 0, 0, 0]
    for step in range(100_000):
        now = step / 1000
        for who, limiter in enumerate(limiters):
            every = (5 * greed, 5, 700, 900)[who]  # the last two ask about once a second
            if step % every == 0:
                while (who != 3 or moved[3] < 500) and limiter.allowance(now=now) > 0:
                    limiter.spend(1, now=now)
                    moved[who] += 1
    assert sum(moved) == pytest.approx(100 * 100, rel=0.03), "nothing is left unused"
    assert moved[3] == 500
    assert [count / (10_000 - 500) for count in moved[:3]] == [pytest.approx(1 / 3, rel=0.15)] * 3


def test_who_is_gone_is_forgotten() -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    for number in range(100):
        RateLimiter(parent=session).allowance(now=number * 1.0)
    assert len(session._claims) <= 3


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


def test_one_byte_per_second_is_a_limit() -> None:
    assert RateLimiter(rate_bytes_per_s=1).is_limited
    assert RateLimiter(rate_bytes_per_s=0.5).rate_bytes_per_s == 0.5


def test_those_who_asked_within_the_last_one_and_a_half_seconds_share() -> None:
    session = RateLimiter(rate_bytes_per_s=100)
    one, two = RateLimiter(parent=session), RateLimiter(parent=session)
    began = 4096.0  # a loop's clock does not begin at 0
    assert one.allowance(now=began) == two.allowance(now=began) == 0.0
    assert two.allowance(now=began + 1.0) == 50.0
    assert two.allowance(now=began + ASKS_FOR_S) == 75.0, "half of what came in: one still counts"
    assert two.allowance(now=began + ASKS_FOR_S + 0.25) == 100.0, "now one does not"
