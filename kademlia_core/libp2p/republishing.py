"""Keeping alive what this node provides and has put: again and again, a few at a time."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from transfer.limits.refusal import LimitReachedError, Refusal

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.libp2p.config import RepublishConfig

Subject: TypeAlias = tuple[str, bytes]
"""`("provide", key)` or `("value", key)`."""

PROVIDE, VALUE = "provide", "value"


class Republisher:
    """A clock for each key that is kept alive.

    Invariants: at most `max_keys` are kept alive, at most `max_at_once` are being published because they were due.
    """

    def __init__(self, config: RepublishConfig, *, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._due_at: dict[Subject, float] = {}
        self._values: dict[bytes, bytes] = {}
        self._heap: list[tuple[float, int, Subject]] = []  # with some that are stale
        self._numbers = count()
        self._running: dict[Subject, None] = {}

    def keep(self, subject: Subject, value: bytes = b"", *, now: float) -> None:
        """Something was published just now, and is to be published again in time.

        Raises:
            LimitReachedError: too much is kept alive.
        """
        if subject not in self._due_at and len(self._due_at) >= self._config.max_keys:
            raise LimitReachedError(
                Refusal(
                    limit="max_keys",
                    scope="the node",
                    what="keys kept alive; stop providing some, or raise it",
                    in_use=len(self._due_at),
                    most=self._config.max_keys,
                )
            )
        if subject[0] == VALUE:
            self._values[subject[1]] = value
        self._schedule(subject, now + self._interval_s(subject))

    def forget(self, subject: Subject) -> None:
        """It is no longer to be kept alive; nodes forget it in their own time."""
        self._due_at.pop(subject, None)
        self._running.pop(subject, None)
        self._values.pop(subject[1] if subject[0] == VALUE else b"", None)

    def take_due(self, *, now: float) -> list[Subject]:
        """What is to be published now; report each with `on_published`."""
        due: list[Subject] = []
        while self._heap and self._heap[0][0] <= now and len(self._running) < self._config.max_at_once:
            at, _, subject = heappop(self._heap)
            if self._due_at.get(subject) == at and subject not in self._running:
                self._running[subject] = None
                due.append(subject)
        return due

    def on_published(self, subject: Subject, *, is_taken: bool, now: float) -> None:
        """How it went: soon again if no node took it."""
        if self._running.pop(subject, self) is None and subject in self._due_at:
            self._schedule(subject, now + (self._interval_s(subject) if is_taken else self._config.retry_s))

    def value_of(self, key: bytes) -> bytes | None:
        """The value kept alive under a key."""
        return self._values.get(key)

    def next_timer(self) -> float | None:
        if len(self._running) >= self._config.max_at_once:
            return None
        while self._heap and self._due_at.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def provided(self) -> list[bytes]:
        """The contents that are kept alive."""
        return [key for kind, key in self._due_at if kind == PROVIDE]

    def __len__(self) -> int:
        return len(self._due_at)

    def __contains__(self, subject: Subject) -> bool:
        return subject in self._due_at

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self._due_at) <= self._config.max_keys
        assert len(self._running) <= self._config.max_at_once
        waiting = {subject: at for at, _, subject in self._heap if self._due_at.get(subject) == at}
        assert set(self._due_at) == set(waiting) | set(self._running)
        assert set(self._values) == {key for kind, key in self._due_at if kind == VALUE}

    def _interval_s(self, subject: Subject) -> float:
        config = self._config
        interval_s = config.provide_interval_s if subject[0] == PROVIDE else config.value_interval_s
        return interval_s * self._rng.uniform(0.95, 1.0)  # what came at the same time shall not stay together

    def _schedule(self, subject: Subject, at: float) -> None:
        self._due_at[subject] = at
        heappush(self._heap, (at, next(self._numbers), subject))
        if len(self._heap) > 2 * len(self._due_at) + HEAP_SLACK:
            self._heap = sorted(entry for entry in self._heap if self._due_at.get(entry[2]) == entry[0])


HEAP_SLACK = 64
