"""Two yamux sessions in any order of events: each stream delivers what was written, whole until somebody breaks it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.machine import is_long
from tests.yamux_pair import Side, YamuxPair
from transfer.limits.refusal import LimitReachedError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.stream import YamuxStream

PATTERN = bytes(range(251)) * 50_000
CONFIG = YamuxConfig(
    keep_alive_s=None,
    max_frame_bytes=10_000,
    max_lone_frame_bytes=30_000,
    max_unacknowledged=5,
    accept_backlog=4,
    max_stream_window_bytes=1 << 20,
    max_session_window_bytes=2 << 20,
)
sizes = st.integers(0, 30) | st.integers(0, 20_000) | st.sampled_from([100_000, 300_000])
places = st.integers(0, 7)
sides = st.booleans()


@dataclass
class End:
    """One end of a stream, and what the model knows.

    Attributes:
        sent, received: bytes written here, and read here.
        has_said_end: nothing is written here any more.
        is_broken: somebody has reset the stream, or closed this end, so that the other's bytes may be lost.
    """

    stream: YamuxStream
    seed: int
    sent: int = 0
    received: bytearray = field(default_factory=bytearray)
    has_said_end: bool = False
    is_broken: bool = False

    def content(self, start: int, size: int) -> bytes:
        at = (self.seed + start) % 251
        return PATTERN[at : at + size]


class TwoSessions(RuleBasedStateMachine):
    """Opens, writes, reads, ends, closes, resets and moves bytes."""

    @initialize(rtt_s=st.none() | st.just(1.0))
    def start(self, rtt_s: float | None) -> None:
        self.pair = YamuxPair(CONFIG)
        self.pair.dialler.session.windows.rtt_s = rtt_s
        self.pair.listener.session.windows.rtt_s = rtt_s
        self.ends: dict[tuple[bool, int], End] = {}  # by side and number

    def side(self, is_dialler: bool) -> Side:
        return self.pair.dialler if is_dialler else self.pair.listener

    def choose(self, at: int) -> tuple[tuple[bool, int], End]:
        keys = list(self.ends)
        key = keys[at % len(keys)]
        return key, self.ends[key]

    def other(self, key: tuple[bool, int]) -> End | None:
        return self.ends.get((not key[0], key[1]))

    def note_accepted(self) -> None:
        for is_dialler in (True, False):
            for stream in self.side(is_dialler).accepted:
                key = (is_dialler, stream.number)
                if key not in self.ends:
                    self.ends[key] = End(stream, stream.number * 2 + is_dialler)

    @precondition(lambda self: len(self.ends) < 7)
    @rule(is_dialler=sides)
    def open(self, is_dialler: bool) -> None:
        try:
            stream = self.side(is_dialler).open()
        except LimitReachedError:
            assert self.side(is_dialler).session.table.unacknowledged == CONFIG.max_unacknowledged
            return
        self.ends[is_dialler, stream.number] = End(stream, stream.number * 2 + is_dialler)

    @precondition(lambda self: self.ends)
    @rule(at=places, size=sizes)
    def write_some(self, at: int, size: int) -> None:
        self.write(at, size)

    def write(self, at: int, size: int) -> None:
        _, end = self.choose(at)
        if end.has_said_end or end.stream.is_over:
            return
        end.stream.write(end.content(end.sent, size))
        end.sent += size

    @precondition(lambda self: self.ends)
    @rule(at=places)
    def write_more_than_a_window(self, at: int) -> None:
        self.write(at, 400_000)

    @precondition(lambda self: self.ends)
    @rule(at=places, most=sizes)
    def read(self, at: int, most: int) -> None:
        _, end = self.choose(at)
        end.received += end.stream.read(most, now=self.pair.now)

    @precondition(lambda self: self.ends)
    @rule(at=places)
    def end(self, at: int) -> None:
        _, end = self.choose(at)
        end.stream.end()
        end.has_said_end = True

    @precondition(lambda self: self.ends)
    @rule(at=places)
    def end_both(self, at: int) -> None:
        key, _ = self.choose(at)
        for end in (self.ends[key], self.other(key)):
            if end is not None:
                end.stream.end()
                end.has_said_end = True

    @precondition(lambda self: len(self.ends) > 3)
    @rule(at=places, is_reset=sides)
    def leave(self, at: int, is_reset: bool) -> None:
        key, end = self.choose(at)
        if is_reset:
            end.stream.reset()
        else:
            end.stream.close(now=self.pair.now)
        end.has_said_end = True
        for each in (end, self.other(key)):
            if each is not None:
                each.is_broken = True

    @rule(cut=sizes)
    def move_everything(self, cut: int) -> None:
        self.pair.run(max(cut, 50))
        self.note_accepted()

    @rule(is_dialler=sides, most=sizes)
    def send(self, is_dialler: bool, most: int) -> None:
        self.pair.send(self.side(is_dialler), most)

    @rule(is_dialler=sides, most=sizes, passed_s=st.sampled_from([0.0, 0.1, 10.0]))
    def arrive(self, is_dialler: bool, most: int, passed_s: float) -> None:
        self.pair.now += passed_s
        self.pair.arrive(self.side(is_dialler), most)
        self.note_accepted()

    @invariant()
    def nothing_is_mixed_up_and_memory_is_bounded(self) -> None:
        self.pair.check_invariants()
        for side in (self.pair.dialler, self.pair.listener):
            assert side.session.error is None
            stats = side.session.stats()
            assert stats.unread_bytes <= stats.window_bytes
            assert stats.window_bytes <= max(CONFIG.max_session_window_bytes, side.session.stream_count << 18)
        for key, end in self.ends.items():
            other = self.other(key)
            if other is not None:
                assert len(end.received) <= other.sent
                assert end.received == other.content(0, len(end.received))

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        progress = True
        while progress:
            progress = False
            self.pair.run()
            self.note_accepted()
            for end in self.ends.values():
                data = end.stream.read(1 << 30, now=self.pair.now)
                end.received += data
                progress = progress or bool(data)
        assert self.pair.send(self.pair.dialler) == self.pair.send(self.pair.listener) == 0
        for key, end in self.ends.items():
            other = self.other(key)
            if other is None or end.is_broken or other.is_broken:
                continue
            assert end.stream.error is None
            assert len(end.received) == other.sent
            assert end.stream.has_ended == other.has_said_end
            assert end.stream.is_over == (end.has_said_end and other.has_said_end)
        self.nothing_is_mixed_up_and_memory_is_bounded()


TestTwoSessions = TwoSessions.TestCase
TestTwoSessions.settings = settings(max_examples=500 if is_long() else 30, stateful_step_count=50, deadline=None)
