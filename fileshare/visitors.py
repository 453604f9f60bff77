"""Which clients may stay connected to an HTTP server: deadlines for half requests, and room for clients that ask.

Pure: the shell is `fileshare.http_door`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorConfig:
    """Bounds and times of an HTTP server.

    Attributes:
        max_connections: at a time.
        max_connections_per_host: of them, from one address.
        head_timeout_s: for a request to arrive, from its first byte, or from the start of the connection.
        idle_timeout_s: a connection without a request is kept for so long.
        patience_s: a client that takes nothing of what is sent for so long gives way when the server is full.
        stall_timeout_s: the same when it is not: a film may be paused for a while.
    """

    max_connections: int = 64
    max_connections_per_host: int = 32
    head_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    patience_s: float = 30.0
    stall_timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        if min(self.max_connections, self.max_connections_per_host) < 1:
            raise ValueError("max_connections and max_connections_per_host must be at least 1")
        if min(self.head_timeout_s, self.idle_timeout_s, self.patience_s, self.stall_timeout_s) <= 0:
            raise ValueError("the times of an HTTP server must be positive")


class Visitors:
    """The connections of one server, by numbers that the caller gives them.

    Invariants:
        never more than `max_connections`, nor than `max_connections_per_host` from one host
    """

    def __init__(self, config: VisitorConfig) -> None:
        self._config = config
        self._visits: dict[int, _Visit] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def arrived(self, number: int, host: bytes, *, now: float) -> tuple[bool, int | None]:
        """A client connects from `host`, an IPv4 address or a /64 of IPv6.

        Returns whether that is fine, and which connection has to leave for it, which the caller ends.

        A client that asks for nothing leaves first, the one that has waited longest; then one that takes nothing.
        """
        victim = None
        from_host = [key for key, visit in self._visits.items() if visit.host == host]
        if len(from_host) >= self._config.max_connections_per_host:
            victim = self._least_useful(from_host, now=now)
        elif len(self._visits) >= self._config.max_connections:
            victim = self._least_useful(list(self._visits), now=now)
        else:
            self._visits[number] = _Visit(host, now=now)
            return True, None
        if victim is None:
            return False, None
        del self._visits[victim]
        self._visits[number] = _Visit(host, now=now)
        return True, victim

    def left(self, number: int) -> None:
        """A connection is gone."""
        self._visits.pop(number, None)

    def sent(self, number: int, *, now: float) -> None:
        """Bytes came: the first of a request set its deadline."""
        visit = self._visits.get(number)
        if visit is not None and visit.state is _State.IDLE:
            visit.change(_State.ASKING, now=now)

    def asked(self, number: int, *, now: float) -> None:
        """A whole request is here, and is being answered."""
        visit = self._visits.get(number)
        if visit is not None:
            visit.change(_State.SERVED, now=now)

    def answered(self, number: int, *, now: float) -> None:
        """The answer is complete."""
        visit = self._visits.get(number)
        if visit is not None:
            visit.change(_State.IDLE, now=now)

    def stalled(self, number: int, *, now: float) -> None:
        """What was written is not taken."""
        visit = self._visits.get(number)
        if visit is not None:
            visit.stalled_at = now

    def took(self, number: int) -> None:
        """It is, again."""
        visit = self._visits.get(number)
        if visit is not None:
            visit.stalled_at = None

    def overdue(self, *, now: float) -> list[int]:
        """The connections that have to leave now, and are forgotten: the caller ends them."""
        gone = [number for number, visit in self._visits.items() if self._deadline(visit) <= now]
        for number in gone:
            del self._visits[number]
        return gone

    def next_timer(self) -> float | None:
        """When a connection is overdue at the earliest; None while none can be."""
        return min((due for visit in self._visits.values() if (due := self._deadline(visit)) < _NEVER), default=None)

    def check_invariants(self) -> None:
        assert len(self._visits) <= self._config.max_connections
        hosts = [visit.host for visit in self._visits.values()]
        assert all(hosts.count(host) <= self._config.max_connections_per_host for host in hosts)

    def _deadline(self, visit: _Visit) -> float:
        config = self._config
        stalled = visit.stalled_at + config.stall_timeout_s if visit.stalled_at is not None else _NEVER
        match visit.state:
            case _State.ASKING:
                return min(stalled, visit.since + config.head_timeout_s)
            case _State.IDLE:
                return min(stalled, visit.since + config.idle_timeout_s)
        return stalled

    def _least_useful(self, numbers: list[int], *, now: float) -> int | None:
        idle = [number for number in numbers if self._visits[number].state is not _State.SERVED]
        if idle:
            return min(idle, key=lambda number: self._visits[number].since)
        since = {
            number: at
            for number in numbers
            if (at := self._visits[number].stalled_at) is not None and now - at >= self._config.patience_s
        }
        return min(since, key=lambda number: since[number], default=None)


class _State(Enum):
    ASKING = auto()  # a request is on its way
    SERVED = auto()
    IDLE = auto()  # between two requests


class _Visit:
    __slots__ = ("host", "since", "stalled_at", "state")

    def __init__(self, host: bytes, *, now: float) -> None:
        self.host = host
        self.state = _State.ASKING
        self.since = now
        self.stalled_at: float | None = None

    def change(self, state: _State, *, now: float) -> None:
        self.state = state
        self.since = now


_NEVER = float("inf")
