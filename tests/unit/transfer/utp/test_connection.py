"""Two connections over a way in virtual time: how they begin, carry bytes, and end."""

from __future__ import annotations

import random

import pytest

from tests.utp_pair import LEFT, RIGHT, Ending, State, UtpConfig, Way
from transfer.utp.packet import DATA, STATE, SYN

CONTENT = random.Random(1).randbytes(300_000)


def lossy(share: float) -> Way:
    return Way(fate=lambda _, rng: [] if rng.random() < share else [0.01])


def test_the_first_packets_are_those_of_deployed_clients() -> None:
    way = Way()
    way.keeps = True
    ours, theirs = way.pair()
    way.right.write(theirs, b"hello")
    way.run(0.03)
    (_, _, syn), (_, _, answer), (_, _, confirmation), (_, _, data) = way.sent[:4]
    assert (syn.kind, syn.window, syn.difference_us, syn.acked) == (SYN, 0, 0, 0)
    assert (answer.kind, answer.connection_id, answer.acked) == (STATE, syn.connection_id, syn.sequence)
    assert (confirmation.kind, confirmation.connection_id) == (STATE, syn.connection_id + 1 & 0xFFFF)
    assert confirmation.acked == answer.sequence - 1 & 0xFFFF, "an answer to a SYN consumes no number"
    assert confirmation.sequence == syn.sequence + 1 & 0xFFFF
    assert (data.kind, data.sequence, data.connection_id) == (DATA, answer.sequence, syn.connection_id)
    assert abs(confirmation.difference_us - 10_000) < 2 > abs(data.difference_us - 10_000)
    assert ours.send_id == theirs.receive_id
    assert ours.receive_id == theirs.send_id


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_bytes_arrive_both_ways_and_both_directions_end(share: float) -> None:
    way = lossy(share)
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT)
    way.right.write(theirs, CONTENT[::-1])
    way.left.end(ours)
    way.right.end(theirs)
    assert way.run(600, lambda: ours.receiving.has_ended and theirs.receiving.has_ended)
    assert way.right.received[theirs] == CONTENT
    assert way.left.received[ours] == CONTENT[::-1]
    ours.close(now=way.now)
    theirs.close(now=way.now)
    way.left.flush(ours)
    way.right.flush(theirs)
    assert way.run(600, lambda: not len(way.left.core) and not len(way.right.core))
    assert ours.ending is theirs.ending is Ending.CLEAN


def test_sequence_numbers_wrap_around() -> None:
    way = Way(config=UtpConfig(max_datagram_bytes=548))
    every = [way.left.connect(RIGHT) for _ in range(300)]
    ours = max(every, key=lambda each: each.sender.half.base)
    assert ours.sender.half.base > 65_200
    assert way.run(60, lambda: any(each.receive_id == ours.send_id for each in way.right.accepted))
    theirs = next(each for each in way.right.accepted if each.receive_id == ours.send_id)
    way.left.write(ours, CONTENT)
    assert way.run(60, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert way.right.received[theirs] == CONTENT
    assert theirs.receiving.expected > 65_536


def test_timestamps_wrap_around() -> None:
    way = Way()
    way.now = 4294.9  # 32 bits of microseconds end a tenth of a second later
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT)
    assert way.run(60, lambda: len(way.right.received[theirs]) == len(CONTENT))
    way.run(1)
    way.left.write(ours, CONTENT)
    assert way.run(60, lambda: len(way.right.received[theirs]) == 2 * len(CONTENT))
    assert way.now > 4295
    assert ours.stats().timeouts == 0


def test_a_reader_that_does_not_read_closes_the_window_and_says_when_it_opens() -> None:
    way = Way(config=UtpConfig(receive_buffer_bytes=50_000))
    ours, theirs = way.pair()
    way.right.reads = False
    way.left.write(ours, CONTENT)
    way.run(100)
    assert theirs.receiving.unread_bytes <= 50_000
    assert ours.sender.peer_window == 0
    assert ours.state is State.CONNECTED
    way.right.reads = True
    way.right.read(theirs)
    way.right.flush(theirs)
    assert way.run(5, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert way.right.received[theirs] == CONTENT


def test_a_window_that_stays_closed_ends_the_connection() -> None:
    way = Way(config=UtpConfig(receive_buffer_bytes=20_000, stall_timeout_s=100))
    ours, theirs = way.pair()
    way.right.reads = False
    way.keeps = True
    way.left.write(ours, CONTENT)
    assert way.run(300, lambda: ours.state is State.CLOSED)
    assert ours.ending is Ending.TIMED_OUT
    assert len([1 for _, source, packet in way.sent if source == LEFT and packet.kind == DATA]) < 60, "probes are few"
    assert way.run(1, lambda: theirs.state is State.CLOSED), "the other side is told"


def test_a_peer_that_vanishes_is_an_error_while_something_is_on_its_way() -> None:
    way = Way(config=UtpConfig(silence_timeout_s=30))
    ours, _ = way.pair()
    way.fate = lambda _, __: []
    way.left.write(ours, b"is anybody there?")
    assert way.run(60, lambda: ours.state is State.CLOSED)
    assert ours.ending is Ending.TIMED_OUT


def test_an_idle_connection_stays_alive_by_itself_and_dies_without_its_peer() -> None:
    way = Way(config=UtpConfig(idle_timeout_s=100))
    ours, theirs = way.pair()
    way.run(1000)
    assert ours.state is theirs.state is State.CONNECTED
    way.fate = lambda _, __: []
    assert way.run(200, lambda: ours.state is theirs.state is State.CLOSED)
    assert ours.ending is theirs.ending is Ending.TIMED_OUT


def test_nobody_listening_refuses_and_silence_times_out() -> None:
    way = Way()
    way.right.core.is_listening = False
    refused = way.left.connect(RIGHT)
    assert way.run(1, lambda: refused.state is State.CLOSED)
    assert refused.ending is Ending.REFUSED
    way.fate = lambda _, __: []
    way.keeps = True
    silent = way.left.connect(RIGHT)
    assert way.run(30, lambda: silent.state is State.CLOSED)
    assert silent.ending is Ending.TIMED_OUT
    syns = [(when, packet) for when, _, packet in way.sent if packet.kind == SYN]
    assert [round(when - syns[0][0]) for when, _ in syns] == [0, 3, 9]
    assert len({packet.sequence for _, packet in syns}) == 1


def test_an_abort_resets_the_other_side() -> None:
    way = Way()
    ours, theirs = way.pair()
    ours.abort()
    way.left.flush(ours)
    way.run(1)
    assert theirs.ending is Ending.RESET
    assert not len(way.left.core)
    assert not len(way.right.core)


def test_closing_with_unread_bytes_resets_the_other_side_behind_ours() -> None:
    way = Way()
    ours, theirs = way.pair()
    way.right.reads = False
    way.left.write(ours, b"a long question")
    way.run(1)
    way.right.write(theirs, b"no")
    theirs.close(now=way.now)
    way.right.flush(theirs)
    way.run(1)
    assert way.left.received[ours] == b"no"
    assert ours.ending is Ending.RESET


def test_a_lost_answer_to_a_syn_is_the_same_again() -> None:
    way = Way()
    way.keeps = True
    way.fate = lambda data, _: [] if data[0] == 0x21 else [0.01]
    ours = way.left.connect(RIGHT)
    way.run(4)
    way.fate = lambda _, __: [0.01]
    assert way.run(10, lambda: way.right.accepted)
    answers = [packet for _, source, packet in way.sent if source == RIGHT and packet.kind == STATE]
    assert len(answers) >= 2
    assert len({packet.sequence for packet in answers}) == 1
    assert ours.state is State.CONNECTED


def test_a_lost_confirmation_comes_again() -> None:
    way = Way()
    dropped: list[bytes] = []

    def fate(data: bytes, _: random.Random) -> list[float]:
        if data[0] == 0x21 and not way.right.accepted and len(dropped) < 2:
            dropped.append(data)
            return [0.01] if len(dropped) == 1 else []
        return [0.01]

    way.fate = fate
    way.left.connect(RIGHT)
    assert way.run(2, lambda: way.right.accepted)
    assert len(dropped) == 2


def test_a_fin_whose_acknowledgement_is_lost_is_acknowledged_again() -> None:
    way = Way()
    ours, theirs = way.pair()
    way.left.write(ours, b"last words")
    way.run(1)
    dropped: list[bytes] = []

    def fate(data: bytes, _: random.Random) -> list[float]:
        if data[0] == 0x21 and len(dropped) < 2:
            dropped.append(data)
            return []
        return [0.01]

    way.fate = fate
    ours.close(now=way.now)
    way.left.flush(ours)
    assert way.run(10, lambda: ours.is_flushed)
    assert len(dropped) == 2
    assert theirs.receiving.has_ended


def test_the_last_side_to_end_needs_no_answer_from_one_that_has_gone() -> None:
    way = Way()
    ours, theirs = way.pair()
    for side, connection in ((way.left, ours), (way.right, theirs)):
        connection.close(now=way.now)
        side.flush(connection)
        way.run(0.05)
    assert theirs.state is State.CLOSED, "whoever acknowledged its FIN had been told of its own"
    assert ours.state is State.CONNECTED, "the first side to end may have to repeat itself"
    assert way.run(25, lambda: ours.state is State.CLOSED)
    assert ours.ending is theirs.ending is Ending.CLEAN


def test_a_program_that_went_without_a_word_is_an_error_unless_all_was_said() -> None:
    for has_said_all in (False, True):
        way = Way()
        ours, theirs = way.pair()
        if has_said_all:
            theirs.close(now=way.now)
            way.right.flush(theirs)
            way.run(0.05)
        way.fate = lambda _, __: []
        ours.close(now=way.now)
        way.left.flush(ours)
        ours.refuse()
        assert ours.ending is (Ending.CLEAN if has_said_all else Ending.RESET)
