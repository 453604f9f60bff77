"""When a bulk receiver acknowledges, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.congestion.bulk.packets import BulkConfig, BulkPacket
from transfer.congestion.bulk.receiver import BulkReceiver


def packet(number: int, *, order: int | None = None, sent_at: float = 0.0) -> BulkPacket:
    return BulkPacket(number, number if order is None else order, sent_at, False, None)


def test_every_second_packet_in_order_is_acknowledged() -> None:
    receiver = BulkReceiver()
    answers = [receiver.receive_packet(packet(n), now=n / 10) for n in range(4)]
    assert [answer and answer.next_number for answer in answers] == [None, 2, None, 4]
    assert receiver.next_timer() is None


def test_a_lone_packet_waits_for_the_delay() -> None:
    receiver = BulkReceiver(clock_offset_s=100.0)
    assert receiver.receive_packet(packet(0, sent_at=0.5), now=1.0) is None
    at = receiver.next_timer()
    assert at == pytest.approx(1.04)
    assert receiver.handle_timer(now=1.03) is None
    answer = receiver.handle_timer(now=1.04)
    assert answer is not None
    assert (answer.next_number, answer.ranges, answer.delay_s) == (1, (), 100.5)
    assert receiver.next_timer() is None
    assert receiver.handle_timer(now=2.0) is None


def test_what_is_out_of_order_is_acknowledged_at_once_and_the_last_range_comes_first() -> None:
    receiver = BulkReceiver()
    said = []
    for number in (0, 2, 3, 6, 8, 10, 4, 3, 1):
        answer = receiver.receive_packet(packet(number), now=0.0)
        said.append(answer and (answer.next_number, answer.ranges, answer.duplicates))
    assert said == [
        None,
        (1, ((2, 3),), 0),
        (1, ((2, 4),), 0),
        (1, ((6, 7), (2, 4)), 0),
        (1, ((8, 9), (6, 7), (2, 4)), 0),
        (1, ((10, 11), (8, 9), (6, 7)), 0),
        (1, ((2, 5), (10, 11), (8, 9)), 0),
        (1, ((2, 5), (10, 11), (8, 9)), 1),
        (5, ((10, 11), (8, 9)), 1),
    ]


def test_marks_are_counted_and_what_is_beyond_the_window_is_refused() -> None:
    receiver = BulkReceiver(BulkConfig(max_ahead_packets=10, ack_every=1))
    assert receiver.receive_packet(packet(10), now=0.0) is None
    answer = receiver.receive_packet(packet(0), now=0.0, is_marked=True)
    assert answer is not None
    assert (answer.marked, receiver.refused, receiver.received) == (1, 1, 1)


@given(st.lists(st.integers(0, 40), max_size=150), st.integers(1, 4))
def test_whatever_comes_the_receiver_tells_the_truth(numbers: list[int], sack_ranges: int) -> None:
    receiver = BulkReceiver(BulkConfig(sack_ranges=sack_ranges))
    there: set[int] = set()
    for number in numbers:
        answer = receiver.receive_packet(packet(number), now=0.0)
        is_new = number not in there
        there.add(number)
        receiver.check_invariants()
        assert receiver.received == len(there)
        if answer is None:
            assert is_new
            continue
        assert set(range(answer.next_number)) <= there
        assert answer.next_number not in there
        for start, end in answer.ranges:
            assert answer.next_number < start < end
            assert set(range(start, end)) <= there
        if is_new and number > answer.next_number:
            assert answer.ranges[0][0] <= number < answer.ranges[0][1]


@pytest.mark.parametrize(
    "settings",
    [{"payload_bytes": 0}, {"ack_every": 0}, {"duplicates": 0}, {"sack_ranges": 0}, {"max_ahead_packets": 0}],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        BulkConfig(**settings)


def test_beyond_a_hole_packets_may_be_acknowledged_together_but_holes_at_once() -> None:
    receiver = BulkReceiver(BulkConfig(ack_every=4, ack_every_beyond=4))
    said = []
    for number in (0, 2, 3, 4, 5, 6, 8, 9, 1, 10, 7):
        answer = receiver.receive_packet(packet(number), now=0.0)
        said.append(answer and (answer.next_number, answer.ranges))
    assert said == [
        None,
        (1, ((2, 3),)),  # a hole
        None,
        None,
        None,
        (1, ((2, 7),)),  # four more
        (1, ((8, 9), (2, 7))),  # another hole
        None,
        (7, ((8, 10),)),  # the first one is closed
        None,
        (11, ()),  # and the other
    ]
    assert receiver.next_timer() is None


def test_what_waits_beyond_a_hole_is_acknowledged_after_the_delay() -> None:
    receiver = BulkReceiver(BulkConfig(ack_every_beyond=8))
    assert receiver.receive_packet(packet(1), now=0.0) is not None
    assert receiver.receive_packet(packet(2), now=1.0) is None
    at = receiver.next_timer()
    assert at == pytest.approx(1.04)
    answer = receiver.handle_timer(now=1.04)
    assert answer is not None
    assert (answer.next_number, answer.ranges) == (0, ((1, 3),))
