"""The core of a stream: each rule of flow control and closing by itself, then random lives of it against a model."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from transfer.flow.byte_queue import ByteQueue
from transfer.flow.stream import Closing, Phase, StreamCore


def test_a_new_end_is_open_in_both_directions() -> None:
    core = StreamCore()
    assert core.admits_writing()
    assert core.is_reading
    assert not core.is_closing
    assert not core.is_finishing
    assert not core.has_sent_end
    assert not core.end_arrived
    assert not core.end_due()
    assert core.closing_due() is None


def test_the_marks_pause_above_and_resume_below() -> None:
    core = StreamCore()
    core.set_limits(100, 30)
    core.queue.put(bytes(100))
    assert not core.pause_due()
    core.queue.put(b"x")
    assert core.pause_due()
    assert not core.pause_due()
    core.queue.discard(70)
    assert not core.resume_due()
    core.queue.discard(1)
    assert core.resume_due()
    assert not core.resume_due()


def test_what_the_medium_holds_does_not_count() -> None:
    core = StreamCore(free_bytes=1000)
    core.set_limits(0, None)
    core.queue.put(bytes(1000))
    assert (core.size, core.pause_due()) == (0, False)
    core.close()
    assert core.closing_due() is Closing.HANG_UP


def test_our_end_comes_behind_what_was_written_and_once() -> None:
    core = StreamCore()
    core.queue.put(b"last words")
    core.write_eof()
    assert (core.closing_due(), core.is_finishing, core.has_sent_end) == (None, True, False)
    core.queue.discard(10)
    assert core.closing_due() is Closing.END
    assert (core.closing_due(), core.is_finishing, core.has_sent_end) == (None, False, True)
    assert core.phase is Phase.OPEN
    with pytest.raises(RuntimeError, match="write_eof"):
        core.admits_writing()


def test_an_end_that_waits_is_part_of_hanging_up() -> None:
    core = StreamCore()
    core.queue.put(b"x")
    core.write_eof()
    core.close()
    core.queue.clear()
    assert core.closing_due() is Closing.HANG_UP
    assert not core.has_sent_end


def test_closing_flushes_and_takes_nothing_more_in_either_direction() -> None:
    core = StreamCore()
    core.queue.put(b"x")
    core.close()
    assert core.phase is Phase.FLUSHING
    assert core.is_closing
    assert core.is_finishing
    assert not core.admits_writing()
    assert not core.is_reading
    assert not core.pause_reading()
    assert not core.resume_reading()
    core.receive_end()
    assert not core.end_due()
    core.write_eof()
    assert not core.wrote_end
    assert core.closing_due() is None
    core.queue.discard(1)
    assert core.closing_due() is Closing.HANG_UP
    assert core.closing_due() is None
    assert not core.is_broken


def test_who_was_paused_when_all_is_flushed_hears_that_it_drained() -> None:
    core = StreamCore()
    core.set_limits(0, None)
    core.queue.put(b"x")
    assert core.pause_due()
    core.close()
    core.queue.discard(1)
    assert core.closing_due() is Closing.HANG_UP
    assert core.resume_due()


def test_breaking_off_drops_what_waits_and_resumes_nobody() -> None:
    core = StreamCore()
    core.set_limits(0, None)
    core.queue.put(b"x")
    assert core.pause_due()
    assert core.abort()
    assert core.queue.size == 0
    assert not core.resume_due()
    assert core.closing_due() is None
    assert not core.abort()
    core.close()
    assert core.phase is Phase.ENDED


def test_a_flush_can_be_broken_off() -> None:
    core = StreamCore()
    core.queue.put(b"x")
    core.close()
    assert core.abort()
    assert core.is_broken


def test_their_end_waits_for_the_inbox_and_for_who_paused() -> None:
    core = StreamCore()
    core.inbox.put(b"last words")
    core.receive_end()
    assert not core.end_due()
    assert core.pause_reading()
    core.inbox.clear()
    assert not core.end_due()
    assert core.is_end_waiting
    assert core.resume_reading()
    assert core.end_due()
    assert not core.end_due()
    assert core.has_ended
    assert not core.is_end_waiting


def test_an_end_behind_lost_bytes_is_none() -> None:
    core = StreamCore()
    core.receive_end()
    core.lose_end()
    assert not core.end_due()


def test_reading_is_paused_and_resumed_once_at_a_time() -> None:
    core = StreamCore()
    assert not core.resume_reading()
    assert core.pause_reading()
    assert not core.pause_reading()
    assert core.resume_reading()
    assert core.is_reading


def test_two_ends_may_share_their_queues() -> None:
    there, back = ByteQueue(), ByteQueue()
    ours, theirs = StreamCore(queue=there, inbox=back), StreamCore(queue=back, inbox=there)
    ours.queue.put(b"x")
    assert theirs.inbox.take(1) == b"x"
    theirs.queue.put(b"y")
    assert ours.inbox.take(1) == b"y"


class Lives(RuleBasedStateMachine):
    """Drives a core as a transport does, in any order, and keeps the books on what it answered."""

    def __init__(self) -> None:
        super().__init__()
        self.core = StreamCore()
        self.core.set_limits(50, 20)
        self.written = self.left = self.arrived = self.read = 0
        self.told: list[str] = []
        self.wants_end = self.is_closed = self.is_aborted = self.has_end = False

    @rule(size=st.integers(1, 60))
    def write(self, size: int) -> None:
        if self.core.wrote_end:
            with pytest.raises(RuntimeError):
                self.core.admits_writing()
        elif self.core.admits_writing():
            assert not self.is_closed
            self.core.queue.put(bytes(size))
            self.written += size
            if self.core.pause_due():
                self.told.append("pause")

    @rule(size=st.integers(1, 60))
    def leave(self, size: int) -> None:
        size = min(size, self.core.queue.size)
        self.core.queue.discard(size)
        self.left += size
        self.finish()
        if self.core.resume_due():
            self.told.append("resume")

    @rule()
    def write_eof(self) -> None:
        self.wants_end = self.wants_end or not self.is_closed
        self.core.write_eof()
        self.finish()

    @rule()
    def close(self) -> None:
        self.is_closed = True
        self.core.close()
        self.finish()

    @rule()
    def abort(self) -> None:
        if self.core.abort():
            self.told.append("lost")
            self.is_closed = self.is_aborted = True

    @rule(high=st.integers(0, 100))
    def set_limits(self, high: int) -> None:
        self.core.set_limits(high, None)
        if self.core.pause_due():
            self.told.append("pause")

    @rule(pause=st.booleans())
    def read_or_not(self, pause: bool) -> None:
        if pause:
            self.core.pause_reading()
        else:
            self.core.resume_reading()
        self.hand_over()

    @rule(size=st.integers(1, 60))
    def arrive(self, size: int) -> None:
        if not self.has_end:
            self.core.inbox.put(bytes(size))
            self.arrived += size
            self.hand_over()

    @rule()
    def end_arrives(self) -> None:
        self.has_end = True
        self.core.receive_end()
        self.hand_over()

    def hand_over(self) -> None:
        if self.core.is_reading:
            self.read += len(self.core.inbox.take(1 << 20))
        if self.core.end_due():
            assert self.core.is_reading
            assert self.read == self.arrived
            self.told.append("eof")

    def finish(self) -> None:
        closing = self.core.closing_due()
        if closing is not None:
            assert self.left == self.written
            self.told.append("end" if closing is Closing.END else "lost")

    @invariant()
    def it_keeps_its_word(self) -> None:
        core = self.core
        core.check_invariants()
        pauses = [word for word in self.told if word in ("pause", "resume")]
        assert pauses == ["pause", "resume"] * (len(pauses) // 2) + ["pause"] * (len(pauses) % 2)
        assert core.is_writing_paused == bool(pauses and pauses[-1] == "pause")
        for word in ("end", "eof", "lost"):
            assert self.told.count(word) <= 1
        is_drained = self.left == self.written
        assert ("lost" in self.told) == (self.is_aborted or (self.is_closed and is_drained))
        if self.wants_end and is_drained and not self.is_closed:
            assert "end" in self.told
        if self.has_end and core.is_reading:
            assert "eof" in self.told
        assert core.size <= core.high or core.is_writing_paused


TestLives = Lives.TestCase
