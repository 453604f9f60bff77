"""Published figures on small lines: what each controller is known for must show in seconds of a run.

The full sizes are `python -m benchmarks congestion`.
"""

from __future__ import annotations

import pytest

from tests.unit.transfer.simulation.lab.watched import flows, link
from transfer.simulation import LabChange, LabConfig, LabReport, run_lab


def one(name: str, loss: float) -> float:
    """Goodput of one flow on 20 Mbit/s and 40 ms, as a share of what gets through."""
    config = LabConfig(data=link(20.0, loss=loss), flows=flows(name), duration_s=8.0, warm_up_s=2.0)
    return run_lab(config).goodput_bytes_per_s / (2.5e6 * (1 - loss))


def together(*names: str, bdp: float = 1.0, seconds: float = 20.0) -> LabReport:
    return run_lab(
        LabConfig(data=link(5.0, 40.0, bdp), flows=flows(*names, every_s=1.0), duration_s=seconds, warm_up_s=8.0)
    )


def test_random_loss_stops_loss_based_controllers_and_not_bbr() -> None:
    """Cardwell et al. 2016, figure 8."""
    assert one("bbr1", 0.05) > 0.95
    assert one("bbr1", 0.1) > 0.9
    assert 0.1 < one("reno", 0.01) < 0.25  # 1.22 packets / (RTT sqrt(p)) are 18 %
    assert 0.1 < one("cubic", 0.01) < 0.25


def test_bbr_3_gives_way_to_loss_above_its_threshold() -> None:
    """draft-ietf-ccwg-bbr: LossThresh is 2 %."""
    assert one("bbr", 0.002) > 0.9
    assert one("bbr", 0.08) < 0.6


def test_bbr_1_falls_off_its_cliff() -> None:
    """Cao et al. 2019: at p* = 1 - 1/1.25 = 20 %."""
    assert one("bbr1", 0.15) > 0.75
    assert one("bbr1", 0.3) < 0.3


@pytest.mark.parametrize("name", ["bbr1", "bbr"])
def test_a_deep_buffer_stays_empty_with_bbr(name: str) -> None:
    """Google's nsperf `bufferbloat`: two flows."""
    shallow, deep = together(name, name, bdp=2.0), together(name, name, bdp=20.0)
    assert deep.rtt_s(0.5) < 1.5 * shallow.rtt_s(0.5)
    assert deep.rtt_s(0.5) < 0.13  # a full buffer would be 0.84 s


def test_a_deep_buffer_is_filled_by_cubic() -> None:
    deep = together("cubic", "cubic", bdp=10.0)
    assert deep.rtt_s(0.5) > 0.5 * 11 * 0.04


def test_a_deep_buffer_is_filled_to_its_target_by_ledbat() -> None:
    report = together("ledbat", bdp=20.0)
    assert 0.08 < report.queueing_s(0.5) < 0.118
    assert report.goodput_bytes_per_s > 0.99 * 0.625e6


def test_bbr_1_takes_most_of_a_shallow_buffer_and_its_part_of_a_deep_one() -> None:
    shallow, deep = together("cubic", "bbr1", bdp=0.5), together("cubic", "bbr1", bdp=12.0, seconds=40.0)
    assert shallow.flows[1].goodput_bytes_per_s > 2 * shallow.flows[0].goodput_bytes_per_s
    assert 0.67 < deep.flows[1].goodput_bytes_per_s / deep.flows[0].goodput_bytes_per_s < 1.5


def test_ledbats_queue_grows_to_its_target_when_the_rate_falls() -> None:
    slower = LabChange(at_s=15.0, data=link(4.0, 40.0, 20.0))
    config = LabConfig(data=link(10.0, 40.0, 8.0), flows=flows("ledbat"), duration_s=30.0, changes=(slower,))
    report = run_lab(config)
    late_ms = sorted(size * 8 / 4e3 for at_s, size in report.queue if at_s > 24)
    assert 80 < late_ms[len(late_ms) // 2] < 118
    assert report.dropped_packets == 0


def test_two_of_one_kind_share_evenly() -> None:
    for name in ("reno", "cubic", "bbr1", "bbr"):
        assert together(name, name, bdp=2.0, seconds=30.0).jain > 0.85, name


def test_marks_keep_the_queue_of_bbr_3_short() -> None:
    """It answers to "congestion experienced"; without marks it would fill what the buffer has."""
    plain = LabConfig(data=link(20.0, 10.0, 10.0), flows=flows("reno", "reno"), duration_s=8.0, warm_up_s=2.0)
    marked = LabConfig(
        data=link(20.0, 10.0, 10.0), flows=flows("bbr", "bbr"), duration_s=8.0, warm_up_s=2.0, mark_bytes=9000
    )
    assert run_lab(marked).queueing_s(0.5) < 0.25 * run_lab(plain).queueing_s(0.5)
