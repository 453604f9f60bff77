"""Whose answer a datagram is, when many questions go out from one socket that strangers know."""

from __future__ import annotations

import struct
from random import Random

import pytest

from bittorrent.tracker.udp import UdpConfig, UdpScrape
from bittorrent.tracker.udp_exchange import ANSWER_FIRST_BYTES
from bittorrent.tracker.udp_questions import UdpQuestions
from transfer.address import Address

TRACKER, OTHER = Address("192.0.2.1", 6969), Address("192.0.2.1", 6970)


def question(seed: int) -> tuple[UdpScrape, bytes]:
    """An exchange that has asked for a connection id, and its transaction id."""
    exchange = UdpScrape([bytes(20)], rng=Random(seed), now=0.0, config=UdpConfig())
    (datagram,) = exchange.datagrams_to_send()
    return exchange, datagram[12:16]


def connect(transaction_id: bytes) -> bytes:
    return bytes(4) + transaction_id + b"\x01" * 8


def test_an_answer_needs_the_endpoint_and_the_transaction_id() -> None:
    questions = UdpQuestions()
    (one, one_id), (two, two_id) = question(1), question(2)
    questions.add(one, TRACKER)
    questions.add(two, TRACKER)
    assert questions.answered_by(connect(one_id), TRACKER) is one
    assert questions.answered_by(connect(two_id), TRACKER) is two
    assert questions.answered_by(connect(one_id), OTHER) is None, "another port is another sender"
    assert questions.answered_by(connect(one_id), Address("192.0.2.2", 6969)) is None
    wrong = bytes(byte ^ 1 for byte in one_id)
    assert questions.answered_by(connect(wrong), TRACKER) is None
    assert len(questions) == 2


@pytest.mark.parametrize("action", range(6))
def test_an_answer_has_an_action_that_trackers_know(action: int) -> None:
    exchange, transaction_id = question(1)
    head = struct.pack(">I", action) + transaction_id
    assert exchange.awaits(head) is (action <= 3)
    assert not exchange.awaits(head[:7])
    assert not exchange.awaits(b"\1" + head[1:])
    assert head.startswith(ANSWER_FIRST_BYTES)


def test_a_krpc_message_is_never_an_answer() -> None:
    """Even one whose bytes stand where the transaction id is."""
    questions = UdpQuestions()
    exchange, transaction_id = question(1)
    questions.add(exchange, TRACKER)
    assert questions.answered_by(b"d1:t" + transaction_id + b"1:y1:re", TRACKER) is None


def test_the_transaction_id_of_the_next_step_takes_the_place_of_the_last() -> None:
    questions = UdpQuestions()
    exchange, first_id = question(1)
    questions.add(exchange, TRACKER)
    exchange.receive_datagram(connect(first_id), now=0.0)
    (datagram,) = exchange.datagrams_to_send()
    second_id = datagram[12:16]
    assert questions.answered_by(b"\0\0\0\2" + second_id, TRACKER) is exchange
    assert questions.answered_by(b"\0\0\0\2" + first_id, TRACKER) is None
    exchange.receive_datagram(b"\0\0\0\2" + second_id + bytes(12), now=0.0)
    assert exchange.is_closed
    assert questions.answered_by(b"\0\0\0\2" + second_id, TRACKER) is None, "it is over"


def test_what_is_removed_is_forgotten() -> None:
    questions = UdpQuestions()
    (one, one_id), (two, two_id) = question(1), question(2)
    for exchange in (one, two):
        questions.add(exchange, TRACKER)
    for _ in range(2):
        questions.remove(one, TRACKER)
    assert questions.answered_by(connect(one_id), TRACKER) is None
    assert questions.answered_by(connect(two_id), TRACKER) is two
    questions.remove(two, TRACKER)
    questions.remove(two, OTHER)
    assert len(questions) == 0
    assert questions._asked == {}
