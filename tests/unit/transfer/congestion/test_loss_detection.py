"""RACK and the tail probe, by RFC 8985, on sendings that are listed here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import pytest

from transfer.congestion.loss_detection import LossDetector, TailProbe
from transfer.congestion.rtt import RttConfig, RttEstimator

RTT_S = 0.1


@dataclass
class Sending:
    order: int
    sent_at: float
    is_settled: bool = False


def measured(rtt_s: float = RTT_S) -> RttEstimator:
    rtt = RttEstimator(RttConfig(min_rto_s=0.2))
    rtt.on_sample(rtt_s, now=0.0)
    return rtt


def sendings(count: int, *, gap_s: float = 0.01, first: int = 0) -> deque[Sending]:
    return deque(Sending(order, order * gap_s) for order in range(first, first + count))


def deliver(detector: LossDetector, sent: deque[Sending], order: int, *, now: float) -> None:
    sending = next(each for each in sent if each.order == order)
    sending.is_settled = True
    detector.on_delivered(order, sent_at=sending.sent_at, now=now)


def orders(lost: list[Sending]) -> list[int]:
    return [sending.order for sending in lost]


def test_a_hole_is_lost_after_three_packets_past_it() -> None:
    detector, sent, rtt = LossDetector(), sendings(10), measured()
    for sacked, order in enumerate((1, 2), start=1):
        deliver(detector, sent, order, now=order * 0.01 + RTT_S)
        assert detector.find_lost(sent, sacked=sacked, rtt=rtt, now=order * 0.01 + RTT_S) == []
        assert detector.next_at == pytest.approx(order * 0.01 + RTT_S + RTT_S / 4)
    deliver(detector, sent, 3, now=0.13)
    assert orders(detector.find_lost(sent, sacked=3, rtt=rtt, now=0.13)) == [0]
    assert detector.is_recovering
    assert detector.next_at is None
    assert [sending.order for sending in sent] == [4, 5, 6, 7, 8, 9]


def test_a_hole_at_the_end_is_lost_when_a_quarter_of_a_round_trip_has_passed() -> None:
    detector, sent, rtt = LossDetector(), sendings(2), measured()
    deliver(detector, sent, 1, now=0.11)
    assert detector.find_lost(sent, sacked=1, rtt=rtt, now=0.11) == []
    at = detector.next_at
    assert at is not None
    assert at == pytest.approx(0.135)
    assert detector.find_lost(sent, sacked=1, rtt=rtt, now=0.12) == []
    assert orders(detector.find_lost(sent, sacked=1, rtt=rtt, now=at)) == [0]


def test_what_was_sent_after_the_newest_delivered_is_not_lost_however_late() -> None:
    detector, sent, rtt = LossDetector(), sendings(3), measured()
    deliver(detector, sent, 0, now=0.1)
    assert detector.find_lost(sent, sacked=0, rtt=rtt, now=50.0) == []
    assert detector.next_at is None


def test_packets_that_left_at_one_moment_are_told_apart_by_their_order() -> None:
    detector, sent, rtt = LossDetector(), sendings(6, gap_s=0.0), measured()
    for order in (2, 3, 4):
        deliver(detector, sent, order, now=0.1)
    assert orders(detector.find_lost(sent, sacked=3, rtt=rtt, now=0.1)) == [0, 1]


def test_a_lost_retransmission_is_found() -> None:
    detector, sent, rtt = LossDetector(), sendings(4), measured()
    for order in (1, 2, 3):
        deliver(detector, sent, order, now=0.1 + order * 0.01)
    assert orders(detector.find_lost(sent, sacked=3, rtt=rtt, now=0.13)) == [0]
    sent.extend([Sending(4, 0.13), Sending(5, 0.14)])  # 4 is packet 0 again
    deliver(detector, sent, 5, now=0.24)
    assert orders(detector.find_lost(sent, sacked=4, rtt=rtt, now=0.24)) == [4]


def test_after_reordering_only_time_counts() -> None:
    detector, sent, rtt = LossDetector(), sendings(10, gap_s=0.001), measured()
    detector.on_reordering()
    for order in range(1, 9):
        deliver(detector, sent, order, now=0.108)
    assert detector.find_lost(sent, sacked=8, rtt=rtt, now=0.108) == []
    assert detector.window_s(sacked=8, rtt=rtt) == pytest.approx(RTT_S / 4)


def test_needless_retransmissions_widen_the_window_once_in_a_round_trip_and_for_sixteen_recoveries() -> None:
    detector, rtt = LossDetector(), measured()
    for _ in range(5):
        detector.on_needless(newest_sent_order=100)
    assert detector.window_s(sacked=0, rtt=rtt) == pytest.approx(2 * RTT_S / 4)
    detector.on_delivered(100, sent_at=1.0, now=1.1)
    detector.on_needless(newest_sent_order=200)
    assert detector.window_s(sacked=0, rtt=rtt) == pytest.approx(3 * RTT_S / 4)
    for _ in range(2):
        detector.on_delivered(detector.newest_order + 200, sent_at=1.0, now=1.1)
        detector.on_needless(newest_sent_order=detector.newest_order + 100)
    assert detector.window_s(sacked=0, rtt=rtt) == RTT_S  # never more than a smoothed round trip
    order = 1000
    for _ in range(16):
        assert detector.window_s(sacked=0, rtt=rtt) == RTT_S
        sent = deque([Sending(order, 0.0), Sending(order + 1, 5.0)])
        deliver(detector, sent, order + 1, now=5.1)
        assert orders(detector.find_lost(sent, sacked=1, rtt=rtt, now=9.0)) == [order]
        detector.find_lost(sent, sacked=0, rtt=rtt, now=9.0)
        order += 10
    assert detector.window_s(sacked=0, rtt=rtt) == pytest.approx(RTT_S / 4)


def test_a_probe_follows_two_round_trips_of_silence() -> None:
    probe, rtt = TailProbe(), measured()
    probe.arm(rtt=rtt, packets_in_flight=5, is_recovering=False, rto_at=9.0, since=1.0)
    assert probe.at == pytest.approx(1.2)
    probe.arm(rtt=rtt, packets_in_flight=1, is_recovering=False, rto_at=9.0, since=1.0)
    assert probe.at == pytest.approx(1.4)  # a lone packet's acknowledgement may be delayed
    probe.arm(rtt=RttEstimator(), packets_in_flight=5, is_recovering=False, rto_at=9.0, since=1.0)
    assert probe.at == pytest.approx(2.0)


@pytest.mark.parametrize(("in_flight", "recovering", "rto_at"), [(0, False, 9.0), (5, True, 9.0), (5, False, 1.15)])
def test_there_is_no_probe_when_nothing_waits_or_something_else_will_tell(
    in_flight: int, recovering: bool, rto_at: float
) -> None:
    probe = TailProbe()
    probe.arm(rtt=measured(), packets_in_flight=in_flight, is_recovering=recovering, rto_at=rto_at, since=1.0)
    assert probe.at is None


def test_one_probe_at_a_time() -> None:
    probe, rtt = TailProbe(), measured()
    probe.on_sent(7)
    probe.arm(rtt=rtt, packets_in_flight=5, is_recovering=False, rto_at=9.0, since=1.0)
    assert probe.at is None
    assert not probe.on_delivered(6)
    assert probe.on_delivered(7)
    probe.arm(rtt=rtt, packets_in_flight=5, is_recovering=False, rto_at=9.0, since=1.0)
    assert probe.at == pytest.approx(1.2)


def test_a_recovery_lasts_until_all_that_was_sent_before_the_loss_was_found_is_settled() -> None:
    detector, sent, rtt = LossDetector(), sendings(6), measured()
    for order in (1, 2, 3):
        deliver(detector, sent, order, now=0.13)
    assert orders(detector.find_lost(sent, sacked=3, rtt=rtt, now=0.13)) == [0]
    sent.append(Sending(6, 0.13))
    deliver(detector, sent, 4, now=0.14)
    detector.find_lost(sent, sacked=0, rtt=rtt, now=0.14)
    assert detector.is_recovering  # 5 is on its way
    deliver(detector, sent, 5, now=0.15)
    detector.find_lost(sent, sacked=0, rtt=rtt, now=0.15)
    assert not detector.is_recovering
