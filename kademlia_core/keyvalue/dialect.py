"""Key-value as a dialect: its datagrams, and the records that a node keeps for its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.datagram.messages import ErrorReply
from kademlia_core.engine.requests import FindNode, Ping
from kademlia_core.keyvalue import codec
from kademlia_core.keyvalue.config import KEY_BITS
from kademlia_core.keyvalue.messages import (
    ERROR_METHOD_UNKNOWN,
    ERROR_PROTOCOL,
    ERROR_REFUSED,
    FindValue,
    Query,
    Response,
    Store,
)

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.datagram.dialect import NodeView
    from kademlia_core.datagram.messages import MessageError
    from kademlia_core.engine.requests import Request
    from kademlia_core.key import Key
    from kademlia_core.keyvalue.config import KeyValueConfig
    from kademlia_core.keyvalue.messages import Message
    from kademlia_core.keyvalue.records import Record, RecordStore
    from transfer.address import Address


class KeyValueDialect:
    """PING, FIND_NODE, FIND_VALUE and STORE.

    Deviations from the paper: an answer to FIND_VALUE names nodes beside the value, so that a lookup can go on and
    compare versions; STORE needs a token, so that no node can fill stores under another's address; a record has a
    version, so that a value can be replaced.
    """

    key_bits = KEY_BITS
    max_answer_contacts = 8

    def __init__(self, config: KeyValueConfig, records: RecordStore) -> None:
        self.records = records
        self._network = config.network
        self._is_read_only = config.is_read_only

    def decode(self, data: bytes) -> Message:
        """The message that a datagram holds.

        Raises:
            CodecError: no valid message of this network.
        """
        return codec.decode(data, self._network)

    def encode(self, message: Message) -> bytes:
        return codec.encode(message, self._network)

    def query(self, transaction_id: bytes, request: Request, view: NodeView) -> Query:
        return Query(transaction_id, view.node_id, request, self._is_read_only, view.families.spoken)

    def is_contact(self, query: Query) -> bool:
        return not query.is_read_only

    def answer(self, query: Query, source: Address, view: NodeView, *, now: float) -> Response | ErrorReply | None:
        if self._is_read_only:
            return None
        request = query.request
        match request:
            case Ping():
                return self._response(query, source, view)
            case FindNode():
                return self._response(query, source, view, near=request.target)
            case FindValue():
                return self._response(
                    query,
                    source,
                    view,
                    near=request.key,
                    token=view.tokens.issue(source.host, request.key, now=now),
                    record=self.records.get(request.key, now=now),
                )
            case Store():
                if not view.tokens.is_valid(request.token, source.host, request.record.key, now=now):
                    return ErrorReply(query.transaction_id, ERROR_PROTOCOL, "invalid token")
                view.prove(source, now=now)
                if not self.records.put(request.record, host=source.host, now=now):
                    return ErrorReply(query.transaction_id, ERROR_REFUSED, "a newer value is kept, or there is no room")
                return self._response(query, source, view)
        return ErrorReply(query.transaction_id, ERROR_METHOD_UNKNOWN, "method unknown")

    def quick_answer(self, data: bytes, source: Address, view: NodeView, *, now: float) -> tuple[Key, bytes] | None:
        """There is none: a private network has no floods to endure."""
        return None

    def refuse(self, error: MessageError) -> ErrorReply | None:
        if self._is_read_only or error.transaction_id is None:
            return None
        return ErrorReply(error.transaction_id, error.code, error.reason)

    def contacts_in(self, response: Response, teller: Address, view: NodeView, *, now: float) -> tuple[Contact, ...]:
        return view.families.usable(response.nodes, response.nodes6, teller, now=now)

    def receive_response(self, response: Response, source: Address, view: NodeView, *, now: float) -> Key | None:
        """Any key will do, wherever this node is."""
        return None

    def is_trusted(self, contact: Contact) -> bool:
        """Whether a contact is trusted: every node is that knows the network's name."""
        return True

    def expire(self, *, now: float) -> None:
        self.records.expire(now=now)

    def check_invariants(self) -> None:
        """Asserts what the store promises."""
        self.records.check_invariants()

    def _response(
        self,
        query: Query,
        source: Address,
        view: NodeView,
        *,
        near: Key | None = None,
        token: bytes | None = None,
        record: Record | None = None,
    ) -> Response:
        nodes, nodes6 = view.nodes_for(near, query.want) if near is not None else ((), ())
        return Response(query.transaction_id, view.node_id, token, nodes, nodes6, source, record)
