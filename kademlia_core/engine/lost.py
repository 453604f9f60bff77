"""Nodes that were in the table and fell silent: the way back when a network that broke apart is whole again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kademlia_core.engine.requests import Ping

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.endpoint import Endpoint
    from kademlia_core.engine.config import EngineConfig
    from kademlia_core.engine.query_port import PendingQuery, QueryPort
    from kademlia_core.engine.requests import Answer, QueryError


class ReturnWatcher(Protocol):
    """An object that is told when lost nodes are back."""

    def on_return(self, count: int, *, now: float) -> None: ...


class LostContacts:
    """Pings one of the lost every `lost_interval_s`, and the next at once whenever one answers.

    Nodes die all the time, and most are lost for good: that the first to be asked is back means little, and the next
    one's silence ends it. Behind a partition all are back, and a few seconds are enough to find them.

    Invariants: at most `max_lost` endpoints, from which a random one makes room: those lost long ago count as much as
    those lost now. At most one ping is on its way.
    """

    def __init__(self, *, network: QueryPort, watcher: ReturnWatcher, config: EngineConfig, rng: Random) -> None:
        self._network = network
        self._watcher = watcher
        self._config = config
        self._rng = rng
        self._lost: dict[Endpoint, None] = {}  # the one asked longest ago comes first
        self._due_at: float | None = None
        self._is_asking = False
        self._returned = 0  # in a row

    def add(self, endpoint: Endpoint, *, now: float) -> None:
        """A node of the table has left so many queries unanswered that it is bad."""
        if endpoint in self._lost:
            return
        if len(self._lost) >= self._config.max_lost:
            del self._lost[self._rng.choice(list(self._lost))]
        self._lost[endpoint] = None
        if self._due_at is None:
            self._due_at = now + self._config.lost_interval_s

    def discard(self, endpoint: Endpoint) -> None:
        """A node that is there has answered something."""
        self._lost.pop(endpoint, None)

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        self._returned += 1
        self._is_asking = False
        self.discard(query.endpoint)
        if not self._ask_next(now=now):
            self._report(now=now)

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        self._is_asking = False
        self._report(now=now)

    def handle_timer(self, *, now: float) -> None:
        if self._due_at is not None and now >= self._due_at:
            self._due_at = now + self._config.lost_interval_s if self._lost else None
            self._ask_next(now=now)

    def next_timer(self) -> float | None:
        return self._due_at

    def __len__(self) -> int:
        return len(self._lost)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self._lost) <= self._config.max_lost

    def _ask_next(self, *, now: float) -> bool:
        """Whether a node is asked now."""
        if self._is_asking or not self._lost:
            return self._is_asking
        endpoint = next(iter(self._lost))
        del self._lost[endpoint]
        self._lost[endpoint] = None
        self._is_asking = self._network.ask(endpoint, Ping(), self, now=now) is not None
        return self._is_asking

    def _report(self, *, now: float) -> None:
        if self._returned:
            count, self._returned = self._returned, 0
            self._watcher.on_return(count, now=now)
