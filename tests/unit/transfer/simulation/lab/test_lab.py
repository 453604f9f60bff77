"""The lab itself: packets are neither made nor lost, lines keep their rate and order, runs repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transfer.simulation.lab.watched import WatchedLab, flows, link
from transfer.congestion.bulk.packets import BulkConfig
from transfer.congestion.registry import UnknownControllerError, controller_names
from transfer.simulation import LabChange, LabConfig, LabFlow, LabOutage, Link, run_lab

PACKET = BulkConfig().packet_bytes
links = st.builds(
    link,
    st.floats(0.1, 8.0),
    st.floats(0.0, 150.0),
    st.floats(0.0, 4.0),
    loss=st.sampled_from([0.0, 0.01, 0.3]),
    loss_every=st.sampled_from([0, 7]),
    jitter_ms=st.sampled_from([0.0, 10.0]),
    keeps_order=st.booleans(),
)
anyones = st.lists(
    st.builds(
        LabFlow,
        controller=st.sampled_from(controller_names()),
        start_s=st.floats(0.0, 1.0),
        transfers=st.sampled_from([(), (1,), (50_000, 3000)]),
        extra_delay_s=st.sampled_from([0.0, 0.02]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25, deadline=None)
@given(data=links, back=links | st.none(), who=anyones, other=links, outage=st.booleans(), keeps=st.booleans())
def test_no_packet_is_made_or_lost_unseen(
    data: Link, back: Link | None, who: list[LabFlow], other: Link, outage: bool, keeps: bool
) -> None:
    config = LabConfig(
        data=data,
        acknowledgements=back,
        flows=tuple(who),
        duration_s=2.5,
        mark_bytes=6000,
        changes=(LabChange(at_s=1.0, data=other, acknowledgements=other),),
        outages=(LabOutage(at_s=0.5, duration_s=0.8, keeps=keeps),) if outage else (),
    )
    lab = WatchedLab(config)
    report = lab.run()
    lab.check_invariants()
    times_us = [at_us for at_us, _ in lab.arrived]
    assert times_us == sorted(times_us)
    for flow in report.flows:
        assert flow.delivered_bytes <= flow.sent_packets * PACKET
        assert flow.lost_packets + flow.delivered_bytes // PACKET <= flow.sent_packets
    assert run_lab(config).digest == report.digest


@pytest.mark.parametrize("name", controller_names())
def test_packets_come_in_the_order_in_which_they_left(name: str) -> None:
    lab = WatchedLab(LabConfig(data=link(jitter_ms=15.0), flows=flows(name), duration_s=4.0))
    lab.run()
    orders = [packet.order for _, packet in lab.arrived]  # type: ignore[attr-defined]
    assert len(orders) > 100
    assert orders == sorted(orders)


def test_jitter_may_reorder() -> None:
    lab = WatchedLab(LabConfig(data=link(jitter_ms=15.0, keeps_order=False), flows=flows("reno"), duration_s=4.0))
    lab.run()
    orders = [packet.order for _, packet in lab.arrived]  # type: ignore[attr-defined]
    assert orders != sorted(orders)


@pytest.mark.parametrize("mbit_s", [0.3, 17.3, 100.0])
def test_a_line_never_sends_faster_than_its_rate(mbit_s: float) -> None:
    lab = WatchedLab(LabConfig(data=link(mbit_s, bdp=2.0), flows=flows("reno", "reno"), duration_s=1.5))
    lab.run()
    packet_us = PACKET * 8 / mbit_s
    left_us = lab.left_us
    assert left_us == sorted(left_us)
    for first in range(0, len(left_us), 50):
        for last in (first + 1, first + 10, len(left_us) - 1):
            if first < last < len(left_us):
                assert left_us[last] - left_us[first] >= (last - first) * packet_us - 2


def test_a_full_line_delivers_its_rate() -> None:
    report = run_lab(LabConfig(data=link(10.0, bdp=1.5), flows=flows("reno"), duration_s=20.0, warm_up_s=5.0))
    assert 0.99 < report.goodput_bytes_per_s / 1.25e6 < 1.0001
    assert report.queueing_s(1.0) <= 0.06


def test_one_seed_one_run() -> None:
    config = LabConfig(data=link(loss=0.01, jitter_ms=5), flows=flows("bbr", "reno"), duration_s=3.0, seed=7)
    first, again, other = run_lab(config), run_lab(config), run_lab(replace(config, seed=8))
    assert first == again
    assert first.digest != other.digest


def test_a_black_hole_swallows_and_the_flow_recovers() -> None:
    config = LabConfig(
        data=link(), flows=flows("reno"), duration_s=10.0, outages=(LabOutage(at_s=2.0, duration_s=1.0),)
    )
    lab = WatchedLab(config)
    report = lab.run()
    assert not [at_us for at_us, _ in lab.arrived if 2_100_000 < at_us < 3_000_000]  # 40 ms of queue are still served
    assert report.lost_packets > 0
    assert report.flows[0].delivered_bytes > 6_000_000


def test_what_is_kept_in_an_outage_comes_afterwards() -> None:
    outage = LabOutage(at_s=2.0, duration_s=0.15, keeps=True)
    lab = WatchedLab(LabConfig(data=link(bdp=6.0), flows=flows("reno"), duration_s=2.5, outages=(outage,)))
    report = lab.run()
    gap = [at_us for at_us, _ in lab.arrived if 2_021_000 < at_us < 2_170_000]
    assert gap == []
    assert [at_us for at_us, _ in lab.arrived if 2_170_000 <= at_us < 2_180_000]
    assert report.lost_packets == 0
    lab.check_invariants()


def test_another_rate_holds_at_once_also_for_what_waits() -> None:
    slow = LabChange(at_s=3.0, data=link(2.0, bdp=10.0))
    lab = WatchedLab(LabConfig(data=link(10.0, bdp=2.0), flows=flows("reno"), duration_s=5.0, changes=(slow,)))
    lab.run()
    before = [at_us for at_us, _ in lab.arrived if 2_000_000 < at_us < 3_000_000]
    after = [at_us for at_us, _ in lab.arrived if 3_021_000 < at_us < 4_021_000]
    assert len(before) == pytest.approx(833, abs=12)
    assert len(after) == pytest.approx(167, abs=2)


def test_transfers_come_one_after_the_other_and_end_the_run() -> None:
    flow = LabFlow(controller="reno", transfers=(500_000, 1, 500_000), start_s=0.5)
    report = run_lab(LabConfig(data=link(), flows=(flow,), duration_s=60.0))
    first_s, second_s, third_s = report.flows[0].completed_s
    assert first_s > 0.5 + 500_000 / 1.25e6
    assert second_s == pytest.approx(first_s + 0.04, abs=0.003)  # asked for, sent and received
    assert third_s == report.ended_s
    assert third_s < 3


def test_a_flow_that_stops_leaves_the_line_to_the_other() -> None:
    stopping = LabFlow(controller="reno", stop_s=5.0)
    config = LabConfig(data=link(), flows=(stopping, *flows("reno")), duration_s=12.0, warm_up_s=7.0)
    report = run_lab(config)
    assert report.flows[0].goodput_bytes_per_s == 0
    assert report.flows[1].goodput_bytes_per_s > 0.95 * 1.25e6


def test_acknowledgements_can_be_what_is_scarce() -> None:
    narrow = Link(delay_s=0.02, rate_bytes_per_s=5_000, queue_bytes=3000)
    report = run_lab(LabConfig(data=link(), acknowledgements=narrow, flows=flows("reno"), duration_s=10.0))
    assert report.goodput_bytes_per_s < 0.9 * 1.25e6
    assert report.rtt_s(0.5) > 0.3


def test_marks_where_the_queue_is_long() -> None:
    report = run_lab(LabConfig(data=link(bdp=4.0), flows=flows("reno"), duration_s=5.0, mark_bytes=50_000))
    assert report.marked_packets > 10
    assert run_lab(LabConfig(data=link(), flows=flows("reno"), duration_s=5.0)).marked_packets == 0


def test_progress_is_told_a_hundred_times() -> None:
    told: list[float] = []
    run_lab(LabConfig(data=link(1.0), flows=flows("reno"), duration_s=3.0), progress=told.append)
    assert len(told) == 101
    assert told[:2] == [0.0, 0.03]
    assert told[-1] == 3.0


def test_the_delay_of_one_flow_is_its_own() -> None:
    far = LabFlow(controller="reno", extra_delay_s=0.1)
    report = run_lab(LabConfig(data=link(100.0, 20.0), flows=(*flows("reno"), far), duration_s=1.0))
    assert report.flows[0].rtt_s(0.0) == pytest.approx(0.02, abs=0.001)
    assert report.flows[1].rtt_s(0.0) == pytest.approx(0.22, abs=0.001)


@pytest.mark.parametrize(
    "options",
    [
        {"flows": ()},
        {"duration_s": 0},
        {"warm_up_s": 20.0},
        {"bulk": BulkConfig(ack_bytes=20)},
        {"sample_s": 0.0},
        {"course_s": 0.0},
    ],
)
def test_impossible_experiments_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|need"):
        LabConfig(**{"data": link(), "flows": flows("reno"), **options})


@pytest.mark.parametrize(
    "options", [{"start_s": -1.0}, {"extra_delay_s": -1.0}, {"stop_s": 0.0}, {"transfers": (5, 0)}]
)
def test_impossible_flows_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        LabFlow(controller="reno", **options)


def test_an_unknown_controller_is_named() -> None:
    with pytest.raises(UnknownControllerError, match="'vegas'"):
        run_lab(LabConfig(data=link(), flows=flows("vegas")))
