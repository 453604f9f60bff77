"""uTP under any loss, duplication, reordering and delay: exactly what was written arrives, and nothing stays."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.utp_pair import RIGHT, Ending, Side, Way
from transfer.utp.config import UtpConfig
from transfer.utp.connection import UtpConnection

sides = st.sampled_from(["left", "right"])
picks = st.lists(st.integers(0, 200), min_size=1, max_size=8)


class Slow(Way):
    """A way on which every datagram waits until it is told what becomes of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.waiting: list[tuple[bytes, tuple[str, int], tuple[str, int]]] = []
        self.is_open = False

    def send(self, data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        if self.is_open:
            super().send(data, source, target)
        else:
            self.waiting.append((data, source, target))

    def deliver(self, data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        (self.right if target == RIGHT else self.left).receive(data, source)

    def deliver_run(self, at: int) -> None:
        """From there on as many datagrams as a kernel would glue together: all of one size but the last."""
        data, source, target = self.waiting.pop(at)
        size = len(data)
        parts = [data]
        while at < len(self.waiting):
            following, other, _ = self.waiting[at]
            if other != source or len(following) > size:
                break
            parts.append(following)
            del self.waiting[at]
            if len(following) < size:
                break
        (self.right if target == RIGHT else self.left).receive(b"".join(parts), source, size)

    def open(self) -> None:
        self.is_open = True
        waiting, self.waiting = self.waiting, []
        for data, source, target in waiting:
            super().send(data, source, target)


class Conversation(RuleBasedStateMachine):
    @initialize(
        seed=st.integers(0, 1 << 16),
        controller=st.sampled_from(["reno", "cubic", "bbr"]),
        buffer_bytes=st.sampled_from([16 << 10, 64 << 10, 2 << 20]),
        datagram_bytes=st.sampled_from([548, 700, 1472]),
        in_flight=st.sampled_from([16, 2000]),
    )
    def connect(self, seed: int, controller: str, buffer_bytes: int, datagram_bytes: int, in_flight: int) -> None:
        config = UtpConfig(
            congestion=controller,
            receive_buffer_bytes=buffer_bytes,
            max_datagram_bytes=datagram_bytes,
            max_packets_in_flight=in_flight,
            silence_timeout_s=1e7,
            stall_timeout_s=1e7,
            idle_timeout_s=1e7,
            linger_s=1e6,
            half_open_s=1e6,
        )
        self.way = Slow(config=config, seed=seed)
        self.content = random.Random(seed)
        self.written = {"left": bytearray(), "right": bytearray()}
        self.ended: set[str] = set()
        self.ours = self.way.left.connect(RIGHT)

    def side(self, name: str) -> tuple[Side, UtpConnection | None]:
        if name == "left":
            return self.way.left, self.ours
        accepted = self.way.right.accepted
        return self.way.right, accepted[0] if accepted else None

    @rule(name=sides, size=st.integers(1, 60_000) | st.integers(1, 40))
    def write(self, name: str, size: int) -> None:
        side, connection = self.side(name)
        if connection is not None and name not in self.ended and len(self.written[name]) < 400_000:
            data = self.content.randbytes(size)
            self.written[name] += data
            side.write(connection, data)

    @rule(name=sides)
    def end(self, name: str) -> None:
        side, connection = self.side(name)
        if connection is not None and name not in self.ended:
            self.ended.add(name)
            side.end(connection)

    @rule(name=sides, reads=st.booleans())
    def pause_or_resume(self, name: str, reads: bool) -> None:
        side, connection = self.side(name)
        side.reads = reads
        if connection is not None:
            side.read(connection)
            side.flush(connection)

    @rule(picks=picks)
    def deliver(self, picks: list[int]) -> None:
        for pick in picks:
            if self.way.waiting:
                self.way.deliver(*self.way.waiting.pop(pick % len(self.way.waiting)))

    @rule(pick=st.integers(0, 200))
    def deliver_glued(self, pick: int) -> None:
        if self.way.waiting:
            self.way.deliver_run(pick % len(self.way.waiting))

    @rule(count=st.integers(1, 40))
    def deliver_in_order(self, count: int) -> None:
        for _ in range(count):
            if self.way.waiting:
                self.way.deliver(*self.way.waiting.pop(0))

    @rule(picks=picks)
    def duplicate(self, picks: list[int]) -> None:
        for pick in picks:
            if self.way.waiting:
                self.way.deliver(*self.way.waiting[pick % len(self.way.waiting)])

    @rule(picks=picks)
    def lose(self, picks: list[int]) -> None:
        for pick in picks:
            if self.way.waiting:
                del self.way.waiting[pick % len(self.way.waiting)]

    @rule()
    def lose_all(self) -> None:
        self.way.waiting.clear()

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.6, 4.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.way.run(seconds)

    @invariant()
    def what_has_arrived_is_what_was_written(self) -> None:
        if not hasattr(self, "way"):
            return
        for name, other in (("left", "right"), ("right", "left")):
            side, connection = self.side(other)
            if connection is not None:
                received = side.received[connection]
                assert self.written[name].startswith(received)
        self.way.left.core.check_invariants()
        self.way.right.core.check_invariants()
        assert len(self.way.right.accepted) <= 1

    def teardown(self) -> None:
        if not hasattr(self, "way"):
            return
        way = self.way
        way.open()
        assert way.run(100, lambda: way.right.accepted or self.ours.ending), "no connection"
        if not way.right.accepted:  # every SYN was lost
            assert self.ours.ending is Ending.TIMED_OUT
            return
        way.left.reads = way.right.reads = True
        for name in ("left", "right"):
            side, connection = self.side(name)
            assert connection is not None
            side.read(connection)
            side.end(connection)
        theirs = way.right.accepted[0]
        assert way.run(600, lambda: self.ours.receiving.has_ended and theirs.receiving.has_ended), "not all arrives"
        assert way.right.received[theirs] == self.written["left"]
        assert way.left.received[self.ours] == self.written["right"]
        for side, connection in ((way.left, self.ours), (way.right, theirs)):
            connection.close(now=way.now)
            side.flush(connection)
        assert way.run(100, lambda: not len(way.left.core) and not len(way.right.core)), "something is left"
        assert self.ours.ending is theirs.ending is Ending.CLEAN


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
