"""A single query to a single address, sent on command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.contact import Contact

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.node.messages import ErrorReply, Request, Response
    from kademlia_core.node.transactions import Transaction
    from transfer.address import Address


class DirectQuery:
    """What was asked of whom, and how it ended: with a `response`, an `error`, or neither after the time-out."""

    __slots__ = ("_on_finished", "address", "contact", "error", "is_finished", "request", "response")

    def __init__(self, address: Address, request: Request, on_finished: Callable[[DirectQuery], None]) -> None:
        self.address = address
        self.request = request
        self.contact: Contact | None = None
        self.response: Response | None = None
        self.error: ErrorReply | None = None
        self.is_finished = False
        self._on_finished = on_finished

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        self.contact = Contact(response.sender, self.address)
        self.response = response
        self.finish()

    def on_failure(self, transaction: Transaction, *, error: ErrorReply | None = None, now: float) -> None:
        self.error = error
        self.finish()

    def finish(self) -> None:
        self.is_finished = True
        self._on_finished(self)
