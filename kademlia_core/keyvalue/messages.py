"""The messages of a key-value network beside those that every dialect has (the Kademlia paper, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kademlia_core.datagram import messages
from kademlia_core.datagram.messages import ErrorReply
from kademlia_core.engine.requests import Request

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.keyvalue.records import Record
    from transfer.address import Address


@dataclass(frozen=True, slots=True)
class FindValue(Request):
    """What is kept under `key`, and which nodes do you know closest to it?"""

    key: Key


@dataclass(frozen=True, slots=True)
class Store(Request):
    """Keep this. `token` is from the receiver's answer to `FindValue`: the sender's address is its own."""

    record: Record
    token: bytes


@dataclass(slots=True)
class Query(messages.Query):
    """A query in a key-value network.

    A node that `is_read_only` does not answer queries and must not enter a table. `want` names the address families
    (4, 6) of the nodes wished for in the answer; empty means the family of the datagram.
    """

    is_read_only: bool = False
    want: tuple[int, ...] = ()


@dataclass(slots=True)
class Response(messages.Response):
    """An answer in a key-value network.

    `nodes` and `nodes6` are IPv4 and IPv6 contacts. `external_address` is where the responder saw the query come from.
    `record` is there when a value was asked for and is kept.
    """

    nodes: tuple[Contact, ...] = ()
    nodes6: tuple[Contact, ...] = ()
    external_address: Address | None = None
    record: Record | None = None

    def shortened(self) -> Response:
        """Nodes and token, with which the node that asks gets on."""
        return Response(self.transaction_id, self.sender, self.token, self.nodes, self.nodes6, self.external_address)


Message: TypeAlias = Query | Response | ErrorReply


ERROR_METHOD_UNKNOWN = 204
ERROR_PROTOCOL = 203
ERROR_TOO_BIG = 205
ERROR_REFUSED = 202
