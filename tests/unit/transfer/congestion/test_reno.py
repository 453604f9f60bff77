"""Reno against RFC 5681 and RFC 6582."""

from __future__ import annotations

import math

from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.reno import Reno, initial_window

PACKET = 1000


def ack(packets: int, *, sent_at: float, in_flight: int = 0, limited: bool = True) -> Acknowledgement:
    return Acknowledgement(
        acked_bytes=packets * PACKET,
        in_flight=in_flight,
        prior_in_flight=in_flight + packets * PACKET,
        sent_at=sent_at,
        smoothed_rtt_s=0.1,
        is_window_limited=limited,
    )


def reno_with(packets: int) -> Reno:
    """In slow start, with that window."""
    reno = Reno(packet_bytes=PACKET)
    reno.on_ack(ack(packets - 10, sent_at=0.0), now=0.0)
    assert reno.window == packets * PACKET
    return reno


def a_round(reno: Reno, number: int, *, batch: int = 2) -> int:
    """All of a window is acknowledged, so many packets at a time; what the window is afterwards, in packets."""
    left = reno.window // PACKET
    while left > 0:
        reno.on_ack(ack(min(batch, left), sent_at=float(number)), now=number + 0.1)
        left -= batch
    return reno.window // PACKET


def test_initial_windows() -> None:
    assert [initial_window(size) for size in (500, 1460, 1500, 8000)] == [5000, 14_600, 14_600, 16_000]


def test_slow_start_doubles_and_avoidance_adds_one_packet_in_a_round() -> None:
    reno = Reno(packet_bytes=PACKET)
    assert (reno.window, reno.state, reno.threshold) == (10 * PACKET, "slow start", math.inf)
    assert [a_round(reno, i) for i in range(3)] == [20, 40, 80]
    reno.on_loss(Loss(lost_bytes=PACKET, in_flight=79 * PACKET, sent_at=3.0), now=3.1)
    assert (reno.window, reno.state) == (40 * PACKET, "recovery")
    assert [a_round(reno, i) for i in range(4, 8)] == [41, 42, 43, 44]
    assert reno.state == "avoidance"


def test_the_size_of_acknowledgements_does_not_matter() -> None:
    windows = []
    for batch in (1, 2, 16):
        reno = reno_with(32)
        reno.on_loss(Loss(lost_bytes=PACKET, in_flight=31 * PACKET, sent_at=0.0), now=0.1)
        windows.append([a_round(reno, i, batch=batch) for i in range(1, 6)])
    assert windows[0] == windows[1] == windows[2] == [17, 18, 19, 20, 21]


def test_one_window_of_losses_halves_once_and_what_was_sent_before_does_not_grow_it() -> None:
    reno = reno_with(40)
    reno.on_loss(Loss(lost_bytes=2 * PACKET, in_flight=38 * PACKET, sent_at=1.0), now=2.0)
    for _ in range(5):
        reno.on_loss(Loss(lost_bytes=PACKET, in_flight=20 * PACKET, sent_at=1.5), now=2.1)
        reno.on_ack(ack(4, sent_at=1.9), now=2.2)
    assert reno.window == 20 * PACKET
    reno.on_loss(Loss(lost_bytes=PACKET, in_flight=19 * PACKET, sent_at=2.05), now=2.3)
    assert reno.window == 10 * PACKET


def test_a_time_out_leaves_one_packet_and_slow_start_to_half() -> None:
    reno = reno_with(32)
    reno.on_sent(PACKET, in_flight=32 * PACKET, now=1.0)
    reno.on_timeout(now=2.0)
    assert (reno.window, reno.threshold, reno.state) == (PACKET, 16 * PACKET, "slow start")
    reno.on_sent(PACKET, in_flight=PACKET, now=2.0)
    reno.on_timeout(now=4.0)
    assert reno.threshold == 16 * PACKET  # the same packet again: section 3.1
    assert [a_round(reno, i, batch=1) for i in range(5, 11)] == [2, 4, 8, 16, 17, 18]


def test_no_threshold_is_below_two_packets() -> None:
    reno = Reno(packet_bytes=PACKET)
    for i in range(10):
        reno.on_loss(Loss(lost_bytes=PACKET, in_flight=0, sent_at=float(i)), now=i + 0.5)
    assert (reno.window, reno.threshold) == (2 * PACKET, 2 * PACKET)


def test_a_window_that_was_not_used_does_not_grow() -> None:
    reno = Reno(packet_bytes=PACKET)
    for i in range(20):
        reno.on_ack(ack(4, sent_at=float(i), limited=False), now=i + 0.1)
    assert reno.window == 10 * PACKET


def test_after_a_long_silence_the_window_is_the_initial_one_again() -> None:
    reno = Reno(packet_bytes=PACKET)
    reno.on_sent(PACKET, in_flight=PACKET, now=0.0)
    for i in range(3):
        a_round(reno, i)
    reno.on_sent(PACKET, in_flight=PACKET, now=0.9)
    assert reno.window == 80 * PACKET
    reno.on_sent(PACKET, in_flight=PACKET, now=2.5)
    assert reno.window == 10 * PACKET


def test_on_long_paths_a_silence_is_four_round_trips() -> None:
    reno = reno_with(40)
    slow = ack(1, sent_at=0.0)
    slow.smoothed_rtt_s = 2.0
    reno.on_ack(slow, now=2.0)
    reno.on_sent(PACKET, in_flight=2 * PACKET, now=3.0)
    reno.on_sent(PACKET, in_flight=PACKET, now=10.9)
    assert reno.window == 41 * PACKET
    reno.on_sent(PACKET, in_flight=PACKET, now=19.0)
    assert reno.window == 10 * PACKET


def test_larger_packets_fit_into_the_window() -> None:
    reno = Reno(packet_bytes=PACKET)
    reno.on_timeout(now=1.0)
    reno.on_packet_size(1400, now=1.1)
    assert reno.window == 1400


def test_an_answer_to_what_was_no_loss_is_taken_back() -> None:
    reno = Reno(packet_bytes=PACKET)
    a_round(reno, 0)
    reno.on_loss(Loss(lost_bytes=PACKET, in_flight=19 * PACKET, sent_at=1.0), now=1.1)
    reno.on_spurious_loss(now=1.2)
    assert (reno.window, reno.threshold, reno.state) == (20 * PACKET, math.inf, "slow start")
    reno.on_sent(PACKET, in_flight=20 * PACKET, now=1.3)
    for now in (2.3, 4.3):
        reno.on_timeout(now=now)
    reno.on_spurious_loss(now=4.4)
    assert (reno.window, reno.threshold) == (20 * PACKET, math.inf)
    assert a_round(reno, 5) == 40


def test_a_mark_halves_like_a_loss_and_once() -> None:
    reno = reno_with(20)
    marked = ack(2, sent_at=1.0, in_flight=18 * PACKET)
    marked.ce_bytes = PACKET
    reno.on_ack(marked, now=1.1)
    reno.on_ack(marked, now=1.2)
    assert reno.window == reno.threshold == 10 * PACKET
    reno.on_ack(marked, now=1.3)
    assert reno.window == 10 * PACKET
