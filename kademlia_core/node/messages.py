"""What every dialect's messages have in common: who asks, who answers, and the nodes named in an answer.

Nobody changes a message. Queries and responses are not frozen only because it takes three times as long to fill what
is, and a busy node makes tens of thousands of them a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from transfer.errors import DecodeError

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from transfer.address import Address


class Request:
    """What one node asks of another. Each dialect has its own, beside `Ping` and `FindNode`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Ping(Request):
    """Are you there, and who are you?"""


@dataclass(frozen=True, slots=True)
class FindNode(Request):
    """Which nodes do you know closest to `target`?"""

    target: Key


@dataclass(slots=True)
class Query:
    """Somebody asks.

    `is_read_only` nodes (BEP 43) do not answer queries and must not enter a table. `want` names the address families
    (4, 6) of the nodes wished for in the answer; empty means the family of the datagram (BEP 32).
    """

    transaction_id: bytes
    sender: Key
    request: Request
    is_read_only: bool = False
    version: bytes = b""
    want: tuple[int, ...] = ()


@dataclass(slots=True)
class Response:
    """Somebody answers. What a query did not ask for is empty; dialects derive from it to say more.

    `nodes` and `nodes6` are IPv4 and IPv6 contacts. `token` is None when the responder will not store anything.
    `external_address` is where the responder saw the query come from.
    """

    transaction_id: bytes
    sender: Key
    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    token: bytes | None = None
    external_address: Address | None = None
    version: bytes = b""

    def shortened(self) -> Response:
        """Without all that a dialect has added: nodes and token, with which whoever asks gets on."""
        return Response(
            self.transaction_id,
            self.sender,
            self.nodes,
            self.nodes6,
            self.token,
            self.external_address,
            self.version,
        )


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """Somebody refuses."""

    transaction_id: bytes
    code: int
    text: str
    version: bytes = b""


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
