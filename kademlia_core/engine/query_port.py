"""The engine's port to the side that speaks: queries, what becomes of them, and the contacts that answers name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.engine.requests import Answer, QueryError, Request


class QueryPort(Protocol):
    """Carries the queries of an engine.

    Each that was taken ends with one call of the engine, soon or late: `receive_answer`, `receive_refusal` or
    `receive_silence`, never from within `ask`.
    """

    def ask(
        self, endpoint: Endpoint, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> PendingQuery | None:
        """Sends a query; None when too many are on their way and none was sent."""
        ...

    def contacts_in(self, answer: Answer, teller: Endpoint, *, now: float) -> tuple[Contact, ...]:
        """The contacts that an answer from `teller` names, as far as this node can use and should believe them."""
        ...


class PendingQuery:
    """One query on its way.

    Args:
        contact: None when the key behind `endpoint` is not known yet.
        asker: is told how it ended.

    `sent_bytes` is its size, `answer_bytes` the size of what answered it, both for statistics; 0 where not counted.
    """

    __slots__ = ("answer_bytes", "asker", "contact", "endpoint", "request", "sent_bytes")

    def __init__(self, endpoint: Endpoint, request: Request, asker: Asker, contact: Contact | None = None) -> None:
        self.endpoint = endpoint
        self.request = request
        self.asker = asker
        self.contact = contact
        self.sent_bytes = 0
        self.answer_bytes = 0


class Asker(Protocol):
    """An object that is told how a query ended; exactly one of the two is called, once."""

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None: ...

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        """Silence, an answer of another node, or a refusal: then `error` says why."""
        ...
