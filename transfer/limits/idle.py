"""What is idle for too long is asked whether it is alive, and closed if it is not: the third layer of limits. Pure.

    active ──idle_s──► check due ──passed──► active
                           │
                           └──failed, or check_timeout_s──► close

What keeps its own rules is told so, and left alone: a BitTorrent connection is kept alive as BEP 3 has it, where two
minutes of silence are no fault.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleConfig:
    """Patience.

    Attributes:
        connection_s: without a sign of life of a connection before it is asked for one. None: for ever.
        stream_s: the same of a stream.
        check_timeout_s: the answer has so long.
    """

    connection_s: float | None = 30.0
    stream_s: float | None = 60.0
    check_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        times = (self.connection_s, self.stream_s, self.check_timeout_s)
        if any(time_s is not None and time_s <= 0 for time_s in times):
            raise ValueError("the times of an idle rule must be positive")


class IdleKind(Enum):
    """Whose patience counts."""

    CONNECTION = auto()
    STREAM = auto()
    OWN_RULES = auto()  # it looks after itself


class IdleAction(Enum):
    """What is due."""

    CHECK = auto()  # ask whether it is alive: `passed` or `failed` follows
    CLOSE = auto()  # it is dead, and forgotten here


class Due(NamedTuple, Generic[K]):
    """What is to be done with what."""

    key: K
    action: IdleAction


class IdleCore(Generic[K]):
    """Keeps the times of everything that is watched.

    Invariants:
        what was active within its patience is neither checked nor closed
        between a check and its outcome nothing else is asked of the same key
    """

    def __init__(self, config: IdleConfig | None = None) -> None:
        self._config = config or IdleConfig()
        self._watched: dict[K, _Watched] = {}
        self._timers: list[tuple[float, int, K]] = []  # one for each that is watched, and some that are out of date
        self._count = 0

    # Inputs

    def add(self, key: K, kind: IdleKind = IdleKind.CONNECTION, *, now: float) -> None:
        """Something is watched from now on."""
        config = self._config
        patience_s = {IdleKind.CONNECTION: config.connection_s, IdleKind.STREAM: config.stream_s}.get(kind)
        watched = self._watched[key] = _Watched(patience_s, now=now)
        if patience_s is not None:
            self._arm(key, watched, now + patience_s)

    def active(self, key: K, *, now: float) -> None:
        """A sign of life. Cost: a look-up and an assignment; call it for each message."""
        watched = self._watched.get(key)
        if watched is not None:
            watched.active_at = now

    def passed(self, key: K, *, now: float) -> None:
        """The check was answered: that is a sign of life."""
        watched = self._watched.get(key)
        if watched is not None and watched.check_until is not None:
            watched.check_until = None
            watched.active_at = now
            self._arm(key, watched, now + watched.patience_s)

    def failed(self, key: K, *, now: float) -> None:
        """The check came to nothing: it is to be closed, and `handle_timer` says so."""
        watched = self._watched.get(key)
        if watched is not None and watched.check_until is not None:
            watched.has_failed = True
            self._arm(key, watched, now)

    def remove(self, key: K) -> None:
        """It is gone. Harmless twice."""
        self._watched.pop(key, None)

    # Clock

    def handle_timer(self, *, now: float) -> list[Due[K]]:
        """What is due. Cost: O(log n) for each."""
        due: list[Due[K]] = []
        while self._timers and self._timers[0][0] <= now:
            _, number, key = heapq.heappop(self._timers)
            watched = self._watched.get(key)
            if watched is None or watched.timer != number:
                continue
            if watched.check_until is None:
                idle_at = watched.active_at + watched.patience_s
                if idle_at > now:
                    self._arm(key, watched, idle_at)
                    continue
                watched.check_until = now + self._config.check_timeout_s
                watched.checked_at = now
                self._arm(key, watched, watched.check_until)
                due.append(Due(key, IdleAction.CHECK))
            elif watched.active_at > watched.checked_at and not watched.has_failed:
                watched.check_until = None  # it spoke while it was asked: that will do
                self._arm(key, watched, watched.active_at + watched.patience_s)
            else:
                del self._watched[key]
                due.append(Due(key, IdleAction.CLOSE))
        return due

    def next_timer(self) -> float | None:
        """When to look again; it may be early."""
        while self._timers and self._is_stale(self._timers[0]):
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    # Views

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, key: K) -> bool:
        return key in self._watched

    def check_invariants(self) -> None:
        """Asserts that each that is watched has a timer, and that timers do not pile up."""
        live = {key for _, number, key in self._timers if (it := self._watched.get(key)) and it.timer == number}
        assert live == {key for key, it in self._watched.items() if it.is_timed}
        assert len(self._timers) <= 2 * len(live) + COMPACT_AT

    def _is_stale(self, timer: tuple[float, int, K]) -> bool:
        watched = self._watched.get(timer[2])
        return watched is None or watched.timer != timer[1]

    def _arm(self, key: K, watched: _Watched, at: float) -> None:
        self._count += 1
        watched.timer = self._count
        heapq.heappush(self._timers, (at, self._count, key))
        if len(self._timers) > 2 * len(self._watched) + COMPACT_AT:
            self._timers = [timer for timer in self._timers if not self._is_stale(timer)]
            heapq.heapify(self._timers)


class _Watched:
    __slots__ = ("active_at", "check_until", "checked_at", "has_failed", "is_timed", "patience_s", "timer")

    def __init__(self, patience_s: float | None, *, now: float) -> None:
        self.is_timed = patience_s is not None
        self.patience_s = patience_s or 0.0  # not used without a timer
        self.active_at = now
        self.check_until: float | None = None
        self.checked_at = now
        self.has_failed = False
        self.timer = 0


COMPACT_AT = 64
