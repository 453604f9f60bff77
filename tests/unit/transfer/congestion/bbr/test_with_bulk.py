"""Both versions of BBR under the real sender: acknowledgements of two packets, RACK, tail probes, time-outs, pacing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from transfer.simulation import LabChange, LabConfig, LabFlow, LabOutage, LabReport, Link, run_lab

RATE = 10e6 / 8
RTT_S = 0.04
BDP = int(RATE * RTT_S)
LINE = Link(rate_bytes_per_s=RATE, delay_s=RTT_S / 2, queue_bytes=2 * BDP)


def run(
    *names: str, line: Link = LINE, duration_s: float = 8.0, warm_up_s: float = 0.0, **options: object
) -> LabReport:
    flows = tuple(LabFlow(controller=name, start_s=0.2 * number) for number, name in enumerate(names))
    config = LabConfig(data=line, flows=flows, duration_s=duration_s, warm_up_s=warm_up_s)
    return run_lab(replace(config, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bbr", "bbr1"])
def test_one_flow_fills_the_line_and_keeps_the_queue_short(name: str) -> None:
    report = run(name, warm_up_s=1.0)
    assert report.flows[0].goodput_bytes_per_s > 0.95 * RATE
    assert report.queue_s[len(report.queue_s) // 2] < 0.25 * RTT_S
    assert report.dropped_packets < 100
    assert not report.flows[0].rtts_s[-1] > 4 * RTT_S


@pytest.mark.parametrize(("name", "loss", "least"), [("bbr1", 0.05, 0.93), ("bbr", 0.01, 0.75), ("bbr", 0.001, 0.85)])
def test_random_loss(name: str, loss: float, least: float) -> None:
    report = run(name, line=replace(LINE, loss=loss), warm_up_s=1.0)
    assert report.flows[0].goodput_bytes_per_s > least * (1 - loss) * RATE


def test_version_3_leaves_cubic_its_share_of_a_short_queue_and_version_1_does_not() -> None:
    shares = {}
    for name in ("bbr", "bbr1"):
        report = run("cubic", name, line=replace(LINE, queue_bytes=BDP), duration_s=16.0, warm_up_s=6.0)
        cubic, other = (flow.goodput_bytes_per_s for flow in report.flows)
        shares[name] = other / (cubic + other)
    assert 0.25 < shares["bbr"] < 0.8
    assert shares["bbr1"] > 0.8


def test_jitter_that_reorders_does_not_stop_version_3() -> None:
    report = run("bbr", line=replace(LINE, jitter_s=0.01), warm_up_s=1.0)
    assert report.flows[0].goodput_bytes_per_s > 0.85 * RATE


@pytest.mark.parametrize("name", ["bbr", "bbr1"])
def test_the_rate_comes_back_after_a_black_hole(name: str) -> None:
    report = run(name, duration_s=10.0, warm_up_s=6.5, outages=(LabOutage(at_s=2.0, duration_s=2.0),))
    assert report.flows[0].goodput_bytes_per_s > 0.85 * RATE


def test_a_longer_way_is_believed_after_ten_seconds() -> None:
    later = LabChange(at_s=2.0, data=replace(LINE, delay_s=0.1), acknowledgements=Link(delay_s=0.1))
    report = run("bbr", duration_s=20.0, warm_up_s=15.0, changes=(later,))
    assert report.flows[0].goodput_bytes_per_s > 0.85 * RATE
