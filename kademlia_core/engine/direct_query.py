"""A single query to a single endpoint, sent on command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.contact import Contact

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.endpoint import Endpoint
    from kademlia_core.engine.query_port import PendingQuery
    from kademlia_core.engine.requests import Answer, QueryError, Request


class DirectQuery:
    """What was asked of which node, and how it ended: with a `response`, an `error`, or neither after the time-out."""

    __slots__ = ("_on_finished", "contact", "endpoint", "error", "is_finished", "request", "response")

    def __init__(self, endpoint: Endpoint, request: Request, on_finished: Callable[[DirectQuery], None]) -> None:
        self.endpoint = endpoint
        self.request = request
        self.contact: Contact | None = None
        self.response: Answer | None = None
        self.error: QueryError | None = None
        self.is_finished = False
        self._on_finished = on_finished

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        self.contact = Contact(answer.sender, self.endpoint)
        self.response = answer
        self.finish()

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        self.error = error
        self.finish()

    def finish(self) -> None:
        self.is_finished = True
        self._on_finished(self)
