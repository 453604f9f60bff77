"""Delivery rates of paths whose rate is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.rate_sample import Flight, RateSampler

PACKET = 1000


def test_a_steady_path_is_measured_exactly() -> None:
    """1,000 bytes leave every 10 ms, and are acknowledged 100 ms later."""
    sampler = RateSampler()
    flights: dict[int, Flight] = {}
    for step in range(60):
        now = step * 0.01
        if step >= 10:
            sample = sampler.on_ack(PACKET, flights[step - 10], min_rtt_s=0.1, now=now)
            if step >= 20:
                assert sample.rate == pytest.approx(100_000)
                assert sample.delivered_bytes == 10 * PACKET
                assert sample.prior_delivered == sample.delivered_total - 10 * PACKET
                assert sample.sent_in_flight == 10 * PACKET
        flights[step] = sampler.on_sent(PACKET, in_flight=min(step + 1, 10) * PACKET, now=now)


def test_acknowledgements_that_come_in_a_burst_do_not_make_a_path_fast() -> None:
    sampler = RateSampler()
    flights = [sampler.on_sent(PACKET, in_flight=(i + 1) * PACKET, now=i * 0.01) for i in range(20)]
    rates = [sampler.on_ack(PACKET, flight, min_rtt_s=0.05, now=0.3).rate for flight in flights]
    assert max(rates) <= 100_000 * 1.06  # 20 packets in 190 ms is what left


def test_an_interval_shorter_than_the_least_round_trip_says_nothing() -> None:
    sampler = RateSampler()
    flight = sampler.on_sent(PACKET, in_flight=PACKET, now=0.0)
    sample = sampler.on_ack(PACKET, flight, min_rtt_s=0.1, now=0.05)
    assert (sample.interval_s, sample.rate, sample.delivered_bytes) == (0.0, 0.0, PACKET)


def test_a_pause_is_no_slowness() -> None:
    sampler = RateSampler()
    first = sampler.on_sent(PACKET, in_flight=PACKET, now=0.0)
    sampler.on_ack(PACKET, first, min_rtt_s=0.1, now=0.1)
    second = sampler.on_sent(PACKET, in_flight=PACKET, now=100.0)
    assert sampler.on_ack(PACKET, second, min_rtt_s=0.1, now=100.1).rate == pytest.approx(10_000)


def test_what_leaves_while_there_is_too_little_to_send_is_marked_until_it_is_delivered() -> None:
    sampler = RateSampler()
    before = sampler.on_sent(PACKET, in_flight=PACKET, now=0.0)
    sampler.on_app_limited(in_flight=PACKET)
    limited = sampler.on_sent(PACKET, in_flight=2 * PACKET, now=0.01)
    assert not sampler.on_ack(PACKET, before, min_rtt_s=0.0, now=0.1).is_app_limited
    limits = [sampler.is_app_limited]
    assert sampler.on_ack(PACKET, limited, min_rtt_s=0.0, now=0.11).is_app_limited
    limits.append(sampler.is_app_limited)
    assert limits == [True, False]
    after = sampler.on_sent(PACKET, in_flight=PACKET, now=0.12)
    assert not sampler.on_ack(PACKET, after, min_rtt_s=0.0, now=0.22).is_app_limited


def test_losses_since_a_packet_was_sent_are_counted() -> None:
    sampler = RateSampler()
    sampler.on_lost(5 * PACKET)
    flight = sampler.on_sent(3 * PACKET, in_flight=3 * PACKET, now=0.0)
    sampler.on_lost(2 * PACKET)
    assert sampler.on_ack(PACKET, flight, min_rtt_s=0.0, now=0.1).lost_bytes == 2 * PACKET
    assert sampler.lost_bytes == 7 * PACKET


@given(st.lists(st.tuples(st.floats(0.0005, 0.02), st.integers(1, 8)), min_size=5, max_size=80), st.floats(0.01, 0.3))
def test_no_sample_is_faster_than_the_bottleneck(steps: list[tuple[float, int]], delay_s: float) -> None:
    """Whatever leaves when: a queue that lets one packet a millisecond through is never taken for a faster one."""
    sampler, rate = RateSampler(), PACKET / 0.001
    now, free_at, in_flight = 0.0, 0.0, 0
    arriving: list[tuple[float, Flight]] = []

    def deliver(until: float) -> None:
        nonlocal in_flight
        while arriving and arriving[0][0] <= until:
            at, flight = arriving.pop(0)
            in_flight -= PACKET
            # The packets of a batch are one flight: a packet more may be counted than was queued when it left.
            sample = sampler.on_ack(PACKET, flight, min_rtt_s=delay_s, now=at)
            assert sample.rate <= rate * (1 + PACKET / max(sample.delivered_bytes, 1)) * 1.001

    for gap_s, count in steps:
        now += gap_s
        deliver(now)
        in_flight += count * PACKET
        flight = sampler.on_sent(count * PACKET, in_flight=in_flight, now=now)
        for _ in range(count):
            free_at = max(free_at, now) + 0.001
            arriving.append((free_at + delay_s, flight))
    deliver(1e9)
    assert sampler.delivered_bytes == PACKET * sum(count for _, count in steps)


def test_a_sender_that_has_nothing_to_send_at_first_is_limited_from_the_start() -> None:
    sampler = RateSampler()
    sampler.on_app_limited(in_flight=0)
    assert sampler.is_app_limited
    assert sampler.on_sent(PACKET, in_flight=PACKET, now=0.0).is_app_limited
