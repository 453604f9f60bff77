"""Figures of the lab's reports."""

from __future__ import annotations

import pytest

from transfer.simulation.lab.report import FlowReport, FlowSample, jain, percentile


def report(delivered: list[tuple[float, int]]) -> FlowReport:
    return FlowReport(
        label="one",
        controller="reno",
        start_s=0.0,
        goodput_bytes_per_s=0.0,
        delivered_bytes=delivered[-1][1],
        completed_s=(),
        sent_packets=10,
        retransmitted_packets=2,
        lost_packets=2,
        rtts_s=[0.1, 0.2, 0.3],
        samples=[
            FlowSample(
                at_s=at_s,
                delivered_bytes=size,
                window_bytes=1,
                pacing_bytes_per_s=None,
                in_flight_bytes=0,
                state="avoidance",
            )
            for at_s, size in delivered
        ],
    )


def test_jain() -> None:
    assert jain([3.0, 3.0, 3.0]) == 1.0
    assert jain([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert jain([1.0, 2.0]) == pytest.approx(0.9)
    assert jain([0.0, 0.0]) == 1.0


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.8, 4), (0.81, 5), (1.0, 5)])
def test_percentile(share: float, value: int) -> None:
    assert percentile([1, 2, 3, 4, 5], share) == value
    assert percentile([], share) == 0


def test_rates_over_time() -> None:
    one = report([(0.0, 0), (0.5, 100), (1.0, 300), (1.5, 300), (2.0, 500)])
    assert one.rates(1.0) == [(0.5, 300.0), (1.5, 200.0)]
    assert one.delivered_by(1.2) == 300
    assert one.delivered_by(-1.0) == 0
    assert one.retransmitted_share == 0.2
    assert one.rtt_s(0.5) == 0.2
