"""A yamux session and what the other side may do to it."""

from __future__ import annotations

import random

import pytest

from tests.yamux_pair import QUIET, YamuxPair
from transfer.errors import RemoteProtocolError
from transfer.muxing.errors import FloodError, FrameError, KeepAliveError, MuxerError, WindowExceededError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import DATA, GO_AWAY, HEADER, PING, RST, SYN, WINDOW_UPDATE, go_away, ping
from transfer.muxing.yamux.session import YamuxSession


def listener(config: YamuxConfig = QUIET) -> YamuxSession:
    return YamuxSession(is_initiator=False, config=config, now=0.0)


def output(session: YamuxSession) -> bytes:
    return b"".join(session.data_to_send())


OPEN = HEADER.pack(0, WINDOW_UPDATE, SYN, 1, 0)


@pytest.mark.parametrize(
    ("frames", "family", "text"),
    [
        (HEADER.pack(1, DATA, 0, 1, 0), FrameError, "version 1"),
        (HEADER.pack(0, 4, 0, 1, 0), FrameError, "type 4"),
        (HEADER.pack(0, WINDOW_UPDATE, SYN, 2, 0), FrameError, "number 2, which is ours"),
        (HEADER.pack(0, WINDOW_UPDATE, SYN, 0, 0), FrameError, "number 0, which is ours"),
        (HEADER.pack(0, DATA, 0, 0, 3), FrameError, "stream 0"),
        (HEADER.pack(0, WINDOW_UPDATE, 0, 0, 3), FrameError, "stream 0"),
        (OPEN + OPEN, FrameError, "stream 1, which is open"),
        (OPEN + HEADER.pack(0, DATA, 0, 1, 262_145), WindowExceededError, "262145 bytes"),
        (HEADER.pack(0, DATA, SYN, 1, 1 << 31), WindowExceededError, "2147483648 bytes"),
        (HEADER.pack(0, DATA, 0, 7, (16 << 20) + 1), FrameError, "stream 7, which is not there"),
        (b"GET / HTTP/1.1\r\n\r\n", FrameError, "version 71"),
    ],
)
def test_a_broken_rule_ends_the_session_by_name(frames: bytes, family: type[MuxerError], text: str) -> None:
    session = listener()
    session.receive_data(frames, now=0.0)
    assert type(session.error) is family
    assert isinstance(session.error, RemoteProtocolError)
    assert text in str(session.error)
    assert session.is_closed
    assert output(session) == go_away(1)
    assert not session.has_output
    session.receive_data(frames, now=0.0)
    session.receive_eof()
    session.check_invariants()


def test_an_error_ends_all_streams_with_its_reason() -> None:
    pair = YamuxPair()
    ours, _ = pair.pair()
    ours.write(b"lost")
    pair.dialler.session.receive_data(b"\xff" * 12, now=0.0)
    assert ours.error is not None
    assert "version 255" in str(ours.error)
    assert pair.dialler.session.stream_count == 0
    assert output(pair.dialler.session) == go_away(1)


def test_data_behind_the_end_resets_its_stream_alone() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.end()
    pair.run()
    pair.dialler.on_way += HEADER.pack(0, DATA, 0, 1, 5) + b"12345"
    pair.run()
    assert theirs.error is not None
    assert "behind its end" in str(theirs.error)
    assert ours.is_over
    assert pair.listener.session.error is None


def test_frames_for_streams_that_are_not_there_are_skipped() -> None:
    session = listener()
    late = HEADER.pack(0, DATA, 0, 9, 300_000) + bytes(300_000)
    late += HEADER.pack(0, WINDOW_UPDATE, 0, 9, 5) + HEADER.pack(0, WINDOW_UPDATE, RST, 9, 0) + ping(5)
    for at in range(0, len(late), 1000):
        session.receive_data(late[at : at + 1000], now=0.0)
    assert output(session) == ping(5, is_answer=True)
    assert session.stats().idle_frames == 4


@pytest.mark.parametrize(
    "frame",
    [
        ping(1, is_answer=True),
        HEADER.pack(0, PING, 0, 0, 1),
        HEADER.pack(0, DATA, 0, 9, 0),
        HEADER.pack(0, WINDOW_UPDATE, 0, 9, 9),
        HEADER.pack(0, WINDOW_UPDATE, RST, 9, 9),
        HEADER.pack(0, GO_AWAY, 0, 0, 0),
        OPEN + HEADER.pack(0, WINDOW_UPDATE, RST, 1, 0),
        HEADER.pack(0, DATA, 0, 3, 0),
    ],
)
def test_floods_of_what_moves_nothing_are_ended(frame: bytes) -> None:
    session = listener(YamuxConfig(keep_alive_s=None, max_idle_frames=100, idle_frames_per_s=10))
    session.receive_data(HEADER.pack(0, WINDOW_UPDATE, SYN, 3, 0), now=0.0)
    for _ in range(100):
        session.receive_data(frame, now=0.0)
        output(session)
    assert [session.error] == [None]
    session.receive_data(frame * 10, now=1.0)
    assert [session.error] == [None]
    session.receive_data(frame, now=1.0)
    assert isinstance(session.error, FloodError)
    assert session.stream_count == 0
    assert session.is_closed


def test_pings_that_nobody_reads_the_answers_of_are_a_flood() -> None:
    session = listener(YamuxConfig(keep_alive_s=None, max_answers_waiting=5))
    for value in range(5):
        session.receive_data(ping(value), now=0.0)
    assert [session.error] == [None]
    session.receive_data(ping(5), now=0.0)
    assert isinstance(session.error, FloodError)


def test_streams_that_nobody_reads_the_refusals_of_are_a_flood() -> None:
    session = listener(YamuxConfig(keep_alive_s=None, max_answers_waiting=5, accept_backlog=1))
    for number in range(1, 2 * 200, 2):
        session.receive_data(HEADER.pack(0, WINDOW_UPDATE, SYN, number, 0), now=0.0)
    assert isinstance(session.error, FloodError)
    assert session.stats().refused == 7  # one was taken, its reset might have had to wait as well


def test_pings_are_answered_on_any_stream() -> None:
    session = listener()
    session.receive_data(HEADER.pack(0, PING, SYN, 5, 77), now=0.0)
    assert output(session) == ping(77, is_answer=True)


def test_the_round_trip_is_measured_at_once_and_again() -> None:
    session = YamuxSession(is_initiator=True, now=10.0)
    assert output(session) == ping(0)
    session.receive_data(ping(9, is_answer=True), now=10.1)
    assert session.rtt_s is None
    session.receive_data(ping(0, is_answer=True), now=10.2)
    assert session.rtt_s == pytest.approx(0.2)
    assert session.next_timer() == 40.0
    session.handle_timer(now=40.0)
    assert output(session) == ping(1)
    session.receive_data(ping(1, is_answer=True), now=40.4)
    assert session.rtt_s == pytest.approx(0.3)
    assert session.windows.rtt_s == session.rtt_s


def test_silence_ends_the_session_and_anything_that_comes_keeps_it() -> None:
    session = YamuxSession(is_initiator=True, now=0.0)
    output(session)
    for at in (9.0, 18.0, 27.0):
        assert (session.next_timer() or 0.0) <= at + 1.0
        session.receive_data(HEADER.pack(0, WINDOW_UPDATE, SYN, int(at) * 2 + 2, 0), now=at)
        session.handle_timer(now=session.next_timer() or 0.0)
        assert [session.error] == [None]
    assert session.next_timer() == 37.0
    session.handle_timer(now=37.0)
    assert isinstance(session.error, KeepAliveError)
    assert isinstance(session.error, TimeoutError)
    assert session.next_timer() is None
    assert output(session) == go_away(0)


def test_a_timer_that_is_late_itself_ends_nothing_at_once() -> None:
    """This program stood still: what has come in the meantime was not looked at."""
    session = YamuxSession(is_initiator=True, now=0.0)
    output(session)
    session.handle_timer(now=100.0)
    assert [session.error] == [None]
    assert session.next_timer() == 110.0
    session.handle_timer(now=110.0)
    assert isinstance(session.error, KeepAliveError)


def test_without_keep_alive_nothing_is_asked() -> None:
    session = listener()
    assert not session.has_output
    assert session.next_timer() is None


def test_who_wants_to_know_may_ask_at_any_time_and_decides_what_silence_means() -> None:
    session = listener()
    session.probe(now=100.0)
    session.probe(now=101.0)
    assert output(session) == ping(0), "one ping is on its way at a time"
    assert session.next_timer() is None
    session.handle_timer(now=1e6)
    assert not session.is_closed
    assert session.heard_at == 0.0
    session.receive_data(ping(0, is_answer=True), now=130.0)
    assert (session.heard_at, session.rtt_s) == (130.0, 30.0)
    session.probe(now=200.0)
    assert output(session) == ping(1)
    session.abort()
    output(session)
    session.probe(now=201.0)
    assert not session.has_output


def test_with_keep_alive_a_ping_that_somebody_wanted_counts_as_the_next_one() -> None:
    session = listener(YamuxConfig(keep_alive_s=30.0, keep_alive_timeout_s=10.0))
    output(session)
    session.receive_data(ping(0, is_answer=True), now=0.1)
    session.probe(now=20.0)
    assert output(session) == ping(1)
    assert session.next_timer() == 30.0, "when it is given up"
    session.receive_data(ping(1, is_answer=True), now=20.1)
    assert session.next_timer() == 50.0
    session.probe(now=40.0)
    session.handle_timer(now=50.0)
    assert isinstance(session.error, KeepAliveError)


def test_garbage_of_any_kind_raises_nothing() -> None:
    rng = random.Random(7)
    for _ in range(300):
        session = listener()
        for _ in range(20):
            size = rng.randrange(4)
            frame = HEADER.pack(0, rng.randrange(5), rng.randrange(16), rng.randrange(6), size) + bytes(size)
            session.receive_data(frame[: rng.randrange(1, len(frame) + 5)], now=0.0)
        session.check_invariants()


@pytest.mark.parametrize(
    "values",
    [
        {"max_stream_window_bytes": 1000},
        {"max_stream_window_bytes": 1 << 33},
        {"max_frame_bytes": 0},
        {"max_frame_bytes": 300_000},
        {"accept_backlog": 0},
        {"keep_alive_s": 0},
        {"close_timeout_s": -1},
        {"max_session_window_bytes": -1},
    ],
)
def test_bounds_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        YamuxConfig(**values)  # type: ignore[arg-type]
