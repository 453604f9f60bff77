"""The scoreboard of a bulk flow: what one acknowledgement tells of packets that were taken for lost."""

from __future__ import annotations

import pytest

from transfer.congestion.bulk.packets import BulkAck, BulkConfig, BulkPacket
from transfer.congestion.bulk.scoreboard import Scoreboard


def acknowledge(
    board: Scoreboard, echo: BulkPacket, next_number: int, *ranges: tuple[int, int], is_duplicate: bool = False
) -> list[int]:
    ack = BulkAck(next_number, ranges, echo, 0.0, 0, 0)
    found = board.acknowledge(ack, newest_order=-1, is_duplicate=is_duplicate)
    board.check_invariants(BulkConfig())
    return [packet.number for packet in found]


def with_a_hole() -> tuple[Scoreboard, list[BulkPacket]]:
    """Six packets are sent, and the first of them is taken for lost."""
    board = Scoreboard()
    sent = board.send(6, now=0.0, flight=None)
    assert acknowledge(board, sent[3], 0, (1, 4)) == [1, 2, 3]
    sent[0].is_settled = True  # as the detector marks it
    board.lose([sent[0]])
    board.check_invariants(BulkConfig())
    assert (board.in_flight, board.waiting, board.sacked) == (2, 1, 3)
    return board, sent


def test_what_arrives_before_it_is_sent_again_was_late() -> None:
    board, sent = with_a_hole()
    assert acknowledge(board, sent[0], 4) == [0]
    assert (board.late, board.repaired, board.waiting, board.sacked, board.in_flight) == (1, 0, 0, 0, 2)
    assert [packet.number for packet in board.send(1, now=1.0, flight=None)] == [6]


@pytest.mark.parametrize(
    ("echoed", "is_duplicate", "late", "repaired"), [("old", False, 1, 0), ("new", False, 0, 1), ("new", True, 1, 0)]
)
def test_the_echo_tells_which_sending_arrived(echoed: str, is_duplicate: bool, late: int, repaired: int) -> None:
    """A duplicate: the first sending's own acknowledgement was lost, and the second one found it there."""
    board, sent = with_a_hole()
    (again,) = board.send(1, now=1.0, flight=None)
    assert (again.number, again.order, again.is_again) == (0, 6, True)
    echo = {"old": sent[0], "new": again}[echoed]
    assert acknowledge(board, echo, 4, is_duplicate=is_duplicate) == [0]
    assert (board.late, board.repaired) == (late, repaired)


def test_an_acknowledgement_that_was_overtaken_tells_nothing_new() -> None:
    board, sent = with_a_hole()
    acknowledge(board, sent[5], 6)
    assert acknowledge(board, sent[3], 0, (1, 4)) == []
    assert (board.first, board.in_flight, board.sacked) == (6, 0, 0)


def test_after_a_time_out_packets_leave_by_their_numbers() -> None:
    board, sent = with_a_hole()
    assert board.lose_all() == 2
    assert [packet.number for packet in board.send(9, now=2.0, flight=None)] == [0, 4, 5, 6, 7, 8, 9, 10, 11]
    board.check_invariants(BulkConfig())
    assert acknowledge(board, sent[5], 6) == [0, 4, 5]
    assert board.late == 3


def test_a_probe_takes_the_place_of_the_last_packet() -> None:
    board = Scoreboard()
    sent = board.send(3, now=0.0, flight=None)
    before, probe = board.send_last_again(now=1.0, flight=None)
    assert (before, probe.number, board.in_flight) == (sent[2], 2, 3)
    board.check_invariants(BulkConfig())
    assert acknowledge(board, probe, 3) == [0, 1, 2]
    assert (board.late, board.repaired) == (0, 0)  # it had not been taken for lost
