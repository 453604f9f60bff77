"""Two uTP endpoints and the way between them, in virtual time: no sockets, no event loop."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from typing import Any

from transfer.utp.config import UtpConfig
from transfer.utp.connection import UtpConnection
from transfer.utp.endpoint import UtpEndpoint
from transfer.utp.packet import Packet, decode
from transfer.utp.values import Ending, State

LEFT, RIGHT = ("left", 1), ("right", 2)


class Side:
    """One endpoint, and what its connections have brought so far.

    Attributes:
        received: of each connection, in order.
        reads: whether what arrives is read at once.
    """

    def __init__(self, way: Way, name: tuple[str, int], config: UtpConfig, rng: random.Random) -> None:
        self.name = name
        self.core = UtpEndpoint(config, rng=rng)
        self.received: dict[UtpConnection, bytearray] = {}
        self.accepted: list[UtpConnection] = []
        self.reads = True
        self.waiting: dict[UtpConnection, bytearray] = {}
        self.wants_end: set[UtpConnection] = set()
        self._way = way
        self._timers: dict[UtpConnection, float] = {}

    def connect(self, target: tuple[str, int]) -> UtpConnection:
        connection = self.core.connect(target, is_ipv6=False, now=self._way.now)
        assert connection is not None
        self.received[connection] = bytearray()
        self.flush(connection)
        return connection

    def write(self, connection: UtpConnection, data: bytes) -> None:
        self.waiting.setdefault(connection, bytearray()).extend(data)
        self.flush(connection)

    def end(self, connection: UtpConnection) -> None:
        self.wants_end.add(connection)
        self.flush(connection)

    def receive(self, data: bytes, source: tuple[str, int], segment_bytes: int | None = None) -> None:
        core = self.core
        core.receive(data, source, segment_bytes or len(data), now=self._way.now)
        for connection in core.accepted:
            self.received[connection] = bytearray()
            self.accepted.append(connection)
        core.accepted.clear()
        for datagram, to in core.replies:
            self._way.send(datagram, self.name, to)  # type: ignore[arg-type]
        core.replies.clear()
        touched = list(core.touched)
        core.touched.clear()
        for connection in touched:
            self.read(connection)
            self.flush(connection)

    def read(self, connection: UtpConnection) -> None:
        if self.reads:
            chunks = connection.receiving.take_chunks()
            self.received[connection] += b"".join(chunks)
            connection.consume(sum(map(len, chunks)))

    def flush(self, connection: UtpConnection) -> None:
        way = self._way
        waiting = self.waiting.get(connection)
        if waiting and connection.state is not State.CLOSED:
            size = max(0, min(connection.sender.room, len(waiting)))
            connection.write(bytes(waiting[:size]))
            del waiting[:size]
        if not waiting and connection in self.wants_end:
            connection.end()
        while (run := connection.next_run(now=way.now)) is not None:
            data = b"".join(run.buffers)
            for start in range(0, len(data), run.segment_bytes):
                way.send(data[start : start + run.segment_bytes], self.name, connection.address)  # type: ignore[arg-type]
        if connection.state is State.CLOSED:
            self.core.forget(connection)
            self._timers.pop(connection, None)
            return
        due = connection.next_timer()
        if due is not None:
            self._timers[connection] = due
            way.call_at(max(due, way.now), lambda: self._fire(connection))

    def _fire(self, connection: UtpConnection) -> None:
        due = self._timers.get(connection)
        if due is not None and due <= self._way.now:
            connection.handle_timer(now=self._way.now)
            self.flush(connection)


class Way:
    """What lies between the two sides.

    Args:
        fate: asked about each datagram: after how many seconds each copy of it arrives.
    """

    def __init__(
        self,
        *,
        config: UtpConfig | None = None,
        right_config: UtpConfig | None = None,
        fate: Callable[[bytes, random.Random], list[float]] = lambda data, rng: [0.01],
        seed: int = 1,
    ) -> None:
        self.now = 1000.0
        self.rng = random.Random(seed)
        self.fate = fate
        self.left = Side(self, LEFT, config or UtpConfig(), random.Random(seed + 1))
        self.right = Side(self, RIGHT, right_config or config or UtpConfig(), random.Random(seed + 2))
        self.right.core.is_listening = True
        self.sent: list[tuple[float, tuple[str, int], Packet]] = []
        self.keeps = False
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def call_at(self, when: float, what: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (when, self._number, what))

    def send(self, data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        if self.keeps:
            packet = decode(data)
            assert packet is not None
            self.sent.append((self.now, source, packet))
        side = self.left if target == LEFT else self.right
        for delay in self.fate(data, self.rng):
            self.call_at(self.now + delay, lambda: side.receive(data, source))

    def run(self, seconds: float, until: Callable[[], Any] = lambda: False) -> bool:
        """Lets time pass; True as soon as `until` is true."""
        end = self.now + seconds
        while not until():
            if not self._events or self._events[0][0] > end:
                self.now = end
                return bool(until())
            self.now, _, what = heapq.heappop(self._events)
            what()
        return True

    def pair(self) -> tuple[UtpConnection, UtpConnection]:
        """A connection from left to right, and its other end."""
        ours = self.left.connect(RIGHT)
        assert self.run(60, lambda: self.right.accepted), "no connection"
        return ours, self.right.accepted[-1]


__all__ = ["LEFT", "RIGHT", "Ending", "Side", "State", "UtpConfig", "Way"]
