"""HyStart++ against RFC 9406, on round trips that are listed."""

from __future__ import annotations

from transfer.congestion.controller import Acknowledgement
from transfer.congestion.hystart import HyStart


def a_round(hystart: HyStart, number: int, rtt_s: float, *, samples: int = 10) -> int:
    """So many acknowledgements of one round; what growth is divided by after it."""
    for i in range(samples):
        told = Acknowledgement(
            acked_bytes=2000, in_flight=0, prior_in_flight=2000, sent_at=float(number), rtt_s=rtt_s + i * 1e-4
        )
        hystart.on_ack(told, now=number + 0.1 + i * 1e-3)
    return hystart.divisor


def test_steady_round_trips_never_end_slow_start() -> None:
    hystart = HyStart()
    assert hystart.divisor == 1
    assert [a_round(hystart, n, 0.1) for n in range(30)] == [1] * 30
    assert not hystart.is_over


def test_a_rise_slows_growth_and_five_rounds_later_ends_it() -> None:
    hystart = HyStart()
    a_round(hystart, 0, 0.1)
    assert a_round(hystart, 1, 0.111) == 1  # an eighth of 100 ms is the least rise
    assert a_round(hystart, 2, 0.125) == 4
    over = []
    for n in range(3, 9):
        a_round(hystart, n, 0.13)
        over.append(hystart.is_over)
    assert over == [False] * 4 + [True] * 2


def test_the_least_rise_is_between_4_and_16_ms() -> None:
    for rtt_s, rise_s, divisor in [(0.01, 0.0035, 1), (0.01, 0.0045, 4), (0.5, 0.015, 1), (0.5, 0.017, 4)]:
        hystart = HyStart()
        a_round(hystart, 0, rtt_s)
        assert a_round(hystart, 1, rtt_s + rise_s) == divisor


def test_a_rise_that_was_jitter_lets_slow_start_go_on() -> None:
    hystart = HyStart()
    a_round(hystart, 0, 0.1)
    assert a_round(hystart, 1, 0.12) == 4
    assert a_round(hystart, 2, 0.1) == 1
    assert a_round(hystart, 3, 0.1) == 1
    assert not hystart.is_over


def test_fewer_than_eight_samples_say_nothing() -> None:
    hystart = HyStart()
    a_round(hystart, 0, 0.1)
    assert a_round(hystart, 1, 0.2, samples=7) == 1
