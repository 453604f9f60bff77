"""Streams of two yamux sessions: windows, turns, ends."""

from __future__ import annotations

import random

import pytest

from tests.yamux_pair import QUIET, YamuxPair
from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.refusal import LimitReachedError
from transfer.limits.resources import Resource, ScopeLimits
from transfer.limits.streams import StreamLimitConfig, StreamLimits
from transfer.muxing.errors import MuxerClosedError, StreamResetError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import ACK, DATA, FIN, HEADER, INITIAL_WINDOW_BYTES, RST, SYN, WINDOW_UPDATE
from transfer.muxing.yamux.stream import YamuxStream

CONTENT = random.Random(3).randbytes(1 << 20)


def frames_of(data: bytes) -> list[tuple[int, int, int, int]]:
    """Type, flags, stream and length of each."""
    found, at = [], 0
    while at < len(data):
        _, kind, flags, number, value = HEADER.unpack_from(data, at)
        found.append((kind, flags, number, value))
        at += 12 + (value if kind == DATA else 0)
    return found


def ended(stream: YamuxStream) -> bool:
    """A function, so that type checkers know that it may change."""
    return stream.has_ended


def over(stream: YamuxStream) -> bool:
    """As `ended`."""
    return stream.is_over


def test_numbers_are_odd_for_the_side_that_dialled() -> None:
    pair = YamuxPair()
    assert [pair.dialler.open().number for _ in range(3)] == [1, 3, 5]
    assert [pair.listener.open().number for _ in range(3)] == [2, 4, 6]
    pair.run()
    assert [stream.number for stream in pair.listener.accepted] == [1, 3, 5]
    assert [stream.number for stream in pair.dialler.accepted] == [2, 4, 6]
    assert all(stream.is_acknowledged for stream in pair.dialler.session.table.streams.values())


def test_what_is_written_at_once_goes_with_the_first_frame() -> None:
    pair = YamuxPair()
    stream = pair.dialler.open()
    stream.write(b"early")
    pair.send(pair.dialler)
    assert frames_of(bytes(pair.dialler.on_way)) == [(DATA, SYN, 1, 5)]
    pair.run()
    assert pair.read(pair.listener.accepted[0]) == b"early"


def test_a_stream_that_is_reset_before_it_was_told_is_not_told() -> None:
    pair = YamuxPair()
    stream = pair.dialler.open()
    stream.write(b"never mind")
    stream.reset()
    assert pair.send(pair.dialler) == 0
    assert pair.dialler.session.stream_count == 0


def test_without_credit_a_writer_stops_at_the_window_to_the_byte() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(CONTENT)
    pair.run()
    assert theirs.inbox.size == INITIAL_WINDOW_BYTES
    assert ours.queue.size == len(CONTENT) - INITIAL_WINDOW_BYTES
    assert not pair.dialler.session.has_output


def test_credit_comes_when_half_of_the_window_is_read() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(CONTENT)
    pair.run()
    assert pair.read(theirs, INITIAL_WINDOW_BYTES // 2 - 1) == CONTENT[: INITIAL_WINDOW_BYTES // 2 - 1]
    assert pair.send(pair.listener) == 0
    pair.read(theirs, 1)
    pair.send(pair.listener)
    assert frames_of(bytes(pair.listener.on_way)) == [(WINDOW_UPDATE, 0, 1, INITIAL_WINDOW_BYTES // 2)]
    pair.run()
    assert theirs.inbox.size == INITIAL_WINDOW_BYTES


@pytest.mark.parametrize("cut", [1, 11, 12, 13, 65_519])
def test_bytes_arrive_however_they_are_cut(cut: int) -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    content = CONTENT[: 20_000 if cut < 100 else 1 << 20]
    ours.write(content)
    theirs.write(content)
    there = back = b""
    while len(there) < len(content) or len(back) < len(content):
        pair.run(cut)
        there += pair.read(theirs)
        back += pair.read(ours)
    assert there == content == back


def test_streams_with_data_take_turns() -> None:
    pair = YamuxPair(YamuxConfig(keep_alive_s=None, max_frame_bytes=1000, max_lone_frame_bytes=5000))
    streams = [pair.dialler.open() for _ in range(3)]
    pair.run()
    for stream in streams:
        stream.write(CONTENT[: {1: 7000, 3: 2500, 5: 10_000}[stream.number]])
    pair.send(pair.dialler)
    sent = [(number, size) for _, _, number, size in frames_of(bytes(pair.dialler.on_way))]
    assert sent[:6] == [(1, 1000), (3, 1000), (5, 1000), (1, 1000), (3, 1000), (5, 1000)]
    assert sent[6:9] == [(1, 1000), (3, 500), (5, 1000)]
    assert sent[-1] == (5, 4000)  # alone: a longer frame


def test_it_is_known_when_something_moved_on_a_stream() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    other = pair.dialler.open()
    assert ours.moved_at == theirs.moved_at == 0.0
    ours.write(CONTENT[:100])
    pair.dialler.session.probe(now=1.0)
    assert ours.moved_at == 0.0, "what waits has not moved"
    pair.dialler.on_way += b"".join(pair.dialler.session.data_to_send(now=2.0))
    assert (ours.moved_at, other.moved_at) == (2.0, 0.0)
    pair.now = 3.0
    pair.arrive(pair.dialler)
    assert theirs.moved_at == 3.0
    theirs.read(50, now=4.0)
    assert theirs.moved_at == 4.0
    pair.now = 9.0
    pair.run()
    assert (ours.moved_at, theirs.moved_at) == (2.0, 4.0), "an answered ping moves no stream"


def test_a_stream_that_is_not_read_stops_no_other() -> None:
    pair = YamuxPair()
    stuck, _ = pair.pair()
    ours, theirs = pair.pair()
    stuck.write(CONTENT)
    ours.write(CONTENT)
    received = b""
    while len(received) < len(CONTENT):
        pair.run()
        received += pair.read(theirs)
    assert received == CONTENT
    assert stuck.queue.size == len(CONTENT) - INITIAL_WINDOW_BYTES


def test_small_frames_that_nobody_reads_take_little_room() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    for at in range(5000):
        ours.write(CONTENT[at : at + 1])
        pair.send(pair.dialler)
    pair.run()
    assert theirs.inbox.size == 5000
    assert len(theirs.inbox.vectors(5000)) <= 10
    assert pair.read(theirs) == CONTENT[:5000]


def test_each_direction_ends_by_itself() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(b"question")
    ours.end()
    ours.end()
    pair.run()
    assert pair.read(theirs) == b"question"
    assert theirs.has_ended
    assert not over(ours)
    with pytest.raises(RuntimeError):
        ours.write(b"more")
    theirs.write(CONTENT)
    theirs.end()
    answer = b""
    while not ended(ours):
        pair.run()
        answer += pair.read(ours)
    assert answer == CONTENT
    assert ours.is_over
    assert theirs.is_over
    assert pair.dialler.session.stream_count == pair.listener.session.stream_count == 0


def test_the_end_comes_behind_what_waits_for_the_window() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(CONTENT)
    ours.end()
    pair.run()
    assert not ended(theirs)
    received = b""
    while not ended(theirs):
        received += pair.read(theirs)
        pair.run()
    assert received + pair.read(theirs) == CONTENT


def test_an_end_that_comes_with_data_is_behind_it() -> None:
    pair = YamuxPair()
    _, theirs = pair.pair()
    frame = HEADER.pack(0, DATA, FIN, 1, 5) + b"12345"
    pair.dialler.on_way += frame[:14]
    pair.arrive(pair.dialler)
    assert pair.read(theirs) == b"12"
    assert not ended(theirs)
    pair.dialler.on_way += frame[14:]
    pair.arrive(pair.dialler)
    assert pair.read(theirs) == b"345"
    assert theirs.has_ended


def test_a_reset_drops_what_waits_and_leaves_what_has_arrived() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(CONTENT)
    pair.run()
    ours.reset()
    ours.reset()
    pair.run()
    assert theirs.is_over
    assert isinstance(theirs.error, StreamResetError)
    assert pair.read(theirs) == CONTENT[:INITIAL_WINDOW_BYTES]
    assert pair.dialler.session.stream_count == pair.listener.session.stream_count == 0
    assert not pair.listener.session.has_output  # nobody answers a reset


def test_data_that_crosses_a_reset_is_ignored() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(CONTENT[:50_000])
    pair.send(pair.dialler)
    pair.arrive(pair.dialler, 10_000)
    theirs.reset()
    pair.run()
    assert ours.is_over
    other, its_end = pair.pair()
    other.write(b"goes on")
    pair.run()
    assert pair.read(its_end) == b"goes on"


def test_a_code_beside_a_reset_is_told_and_does_no_harm() -> None:
    pair = YamuxPair()
    ours, _ = pair.pair()
    pair.listener.on_way += HEADER.pack(0, WINDOW_UPDATE, RST, 1, 0x1234)
    pair.arrive(pair.listener)
    assert ours.error is not None
    assert ours.error.code == 0x1234
    assert str(ours.error) == "the other side has reset stream 1 (code 4660)"


def test_a_reset_may_come_with_data() -> None:
    pair = YamuxPair()
    ours, _ = pair.pair()
    pair.listener.on_way += HEADER.pack(0, DATA, RST, 1, 4) + b"gone"
    pair.arrive(pair.listener)
    assert ours.is_over
    assert ours.inbox.size == 0
    assert pair.dialler.session.error is None


def test_a_closed_stream_is_reset_when_more_comes() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(b"the last")
    ours.close(now=0.0)
    pair.run()
    assert pair.read(theirs) == b"the last"
    assert theirs.has_ended
    theirs.write(b"is anybody there?")
    pair.run()
    assert theirs.is_over
    assert theirs.error is not None
    assert ours.is_over


def test_a_stream_that_the_other_side_never_closes_is_reset_in_the_end() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.close(now=5.0)
    pair.run()
    session = pair.dialler.session
    assert session.next_timer() == 65.0
    session.handle_timer(now=64.9)
    assert not over(ours)
    session.handle_timer(now=65.0)
    pair.run()
    assert theirs.error is not None
    assert session.next_timer() is None


def test_closing_with_unread_bytes_resets() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    theirs.write(b"never read")
    pair.run()
    ours.close(now=0.0)
    pair.run()
    assert theirs.error is not None


def test_streams_beyond_the_limits_are_reset_and_do_no_harm() -> None:
    scope = Scope(ScopeKind.CONNECTION, "connection")
    pair = YamuxPair(limits=StreamLimits(scope, StreamLimitConfig(max_inbound=2, max_outbound=1)))
    ours = [pair.dialler.open() for _ in range(3)]
    ours[2].write(CONTENT[:1000])
    pair.run()
    assert [stream.is_over for stream in ours] == [False, False, True]
    assert ours[2].error is not None
    assert pair.listener.session.stats().refused == 1
    pair.listener.open()
    with pytest.raises(LimitReachedError, match="max_outbound_streams"):
        pair.listener.open()
    ours[0].reset()
    pair.run()
    again = pair.dialler.open()
    pair.run()
    assert again.is_acknowledged
    assert scope.used(Resource.STREAMS_IN) == 2


def test_streams_that_nobody_accepts_are_bounded() -> None:
    pair = YamuxPair(YamuxConfig(keep_alive_s=None, accept_backlog=3))
    ours = [pair.dialler.open() for _ in range(5)]
    pair.send(pair.dialler)
    pair.listener.session.receive_data(bytes(pair.dialler.on_way), now=0.0)
    pair.dialler.on_way.clear()
    waiting = pair.listener.session.take_opened()
    pair.run()
    assert [stream.is_over for stream in ours] == [False, False, False, True, True]
    assert not any(stream.is_acknowledged for stream in ours)
    waiting[0].accept()
    pair.run()
    assert ours[0].is_acknowledged


def test_unacknowledged_streams_of_ours_are_bounded() -> None:
    pair = YamuxPair(YamuxConfig(keep_alive_s=None, max_unacknowledged=2))
    pair.dialler.open()
    pair.dialler.open()
    with pytest.raises(LimitReachedError, match="max_unacknowledged"):
        pair.dialler.open()
    pair.run()
    pair.dialler.open()


def test_a_window_that_grows_beyond_numbers_is_as_large_as_may_be() -> None:
    pair = YamuxPair()
    ours, _ = pair.pair()
    for _ in range(3):
        pair.listener.on_way += HEADER.pack(0, WINDOW_UPDATE, 0, 1, 0xFFFFFFFF)
    pair.arrive(pair.listener)
    assert ours.send_window == 0xFFFFFFFF
    assert pair.dialler.session.error is None


def test_the_window_grows_for_a_reader_that_keeps_up_and_only_so_far() -> None:
    scope = Scope(ScopeKind.CONNECTION, "connection", ScopeLimits(memory=10 << 20))
    config = YamuxConfig(max_stream_window_bytes=1 << 20, max_session_window_bytes=1_500_000)
    pair = YamuxPair(config, limits=StreamLimits(scope))
    pair.run()
    pair.now = 0.1
    for stream in (pair.dialler.open(), pair.dialler.open(), pair.dialler.open()):
        stream.write(CONTENT * 4)
    pair.listener.session.windows.rtt_s = 0.1
    streams = pair.listener.accepted
    received = [b"", b"", b""]
    while any(len(each) < 4 * len(CONTENT) for each in received):
        pair.now += 0.01
        pair.run()
        for at, stream in enumerate(streams):
            received[at] += pair.read(stream)
    assert received == [CONTENT * 4] * 3
    assert 768 << 10 < sum(stream.window for stream in streams) <= 1_500_000
    assert pair.listener.session.stats().window_bytes == sum(stream.window for stream in streams)
    assert scope.used(Resource.MEMORY) == sum(stream.window for stream in streams) - (768 << 10)
    for stream in pair.dialler.session.table.streams.copy().values():
        stream.reset()
    pair.run()
    assert scope.is_empty
    assert pair.listener.session.stats().window_bytes == 0


def test_the_window_does_not_grow_for_a_reader_that_is_slow_or_when_memory_is_short() -> None:
    scope = Scope(ScopeKind.CONNECTION, "connection", ScopeLimits(memory=100_000))
    for pause_s, limits in ((1.0, None), (0.01, StreamLimits(scope))):
        pair = YamuxPair(QUIET, limits=limits)
        scope.set_limits(ScopeLimits(memory=100_000))
        ours, theirs = pair.pair()
        pair.listener.session.windows.rtt_s = 0.1
        ours.write(CONTENT)
        received = b""
        while len(received) < len(CONTENT):
            pair.now += pause_s
            pair.run()
            received += pair.read(theirs)
        assert theirs.window == INITIAL_WINDOW_BYTES


def test_closing_waits_for_streams_and_then_says_so() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    pair.dialler.session.close()
    pair.dialler.session.close()
    with pytest.raises(MuxerClosedError):
        pair.dialler.open()
    refused = pair.listener.open()
    pair.run()
    assert refused.is_over
    ours.write(b"bye")
    ours.end()
    theirs.end()
    assert [pair.dialler.session.is_closed] == [False]
    pair.run()
    assert pair.read(theirs) == b"bye"
    assert pair.dialler.session.is_closed
    assert pair.dialler.session.error is None
    with pytest.raises(MuxerClosedError, match="takes no more streams"):
        pair.listener.open()
    assert frames_of(bytes(pair.dialler.on_way)) == []


def test_aborting_ends_all_streams_on_both_sides() -> None:
    pair = YamuxPair()
    ours, theirs = pair.pair()
    ours.write(b"lost")
    pair.dialler.session.abort()
    pair.dialler.session.abort()
    assert ours.error is not None
    assert ours.is_over
    pair.run()
    assert not theirs.is_over  # until the connection below has ended
    pair.listener.session.receive_eof(ConnectionResetError("gone"))
    assert theirs.error is not None
    assert str(theirs.error) == "the connection that carries the stream has ended: gone"
    with pytest.raises(MuxerClosedError):
        pair.listener.open()


def test_an_acknowledgement_comes_once_and_alone() -> None:
    pair = YamuxPair()
    pair.dialler.open()
    pair.send(pair.dialler)
    pair.arrive(pair.dialler)
    pair.listener.accepted[0].accept()
    pair.send(pair.listener)
    assert frames_of(bytes(pair.listener.on_way)) == [(WINDOW_UPDATE, ACK, 1, 0)]
