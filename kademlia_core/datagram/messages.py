"""What every dialect's messages have in common: a transaction, and which node asks or answers.

No code changes a message. Queries and responses are not frozen only because it takes three times as long to fill what
is, and a busy node makes tens of thousands of them a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from transfer.errors import DecodeError

if TYPE_CHECKING:
    from kademlia_core.engine.requests import Request
    from kademlia_core.key import Key


@dataclass(slots=True)
class Query:
    """A node asks. Dialects derive from it to say more."""

    transaction_id: bytes
    sender: Key
    request: Request


@dataclass(slots=True)
class Response:
    """A node answers. Dialects derive from it to say more, and to name contacts.

    `token` is None when the responder will not store anything.
    """

    transaction_id: bytes
    sender: Key
    token: bytes | None = None

    def shortened(self) -> Response:
        """Without all that the node that asks can get on without."""
        return self


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A node refuses."""

    transaction_id: bytes
    code: int
    text: str


Message: TypeAlias = Query | Response | ErrorReply


class MessageError(DecodeError):
    """A datagram that is no valid message of the dialect. Each dialect's one error family derives from it.

    `transaction_id` and `code` are set when it is a query that deserves an error reply saying `reason`.
    """

    def __init__(self, text: str, reason: str, *, transaction_id: bytes | None = None, code: int = 0) -> None:
        super().__init__(text)
        self.reason = reason
        self.transaction_id = transaction_id
        self.code = code
