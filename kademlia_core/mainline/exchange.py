"""One query being answered: what the parts that answer have in common, and how much room an answer has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kademlia_core.distance import nearest
from kademlia_core.mainline.config import MAX_REPLY_BYTES
from kademlia_core.mainline.messages import ErrorReply, Response

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.datagram.dialect import NodeView
    from kademlia_core.key import Key
    from kademlia_core.mainline.messages import Query, StoredItem
    from kademlia_core.mainline.peer_store import SwarmFilters
    from kademlia_core.mainline.sampling import InfoHashSample
    from transfer.address import Address

Nodes: TypeAlias = "tuple[tuple[Contact, ...], tuple[Contact, ...]]"


@dataclass(slots=True)
class Exchange:
    """A query, whence it came, and the node that is to answer it.

    An answer fits `MAX_REPLY_BYTES` (BEP 32): code that adds something asks `room_bytes` first and leaves out what is
    least needed, the nodes of the other address family before those of one's own.
    """

    query: Query
    source: Address
    view: NodeView
    version: bytes

    def nodes_near(self, target: Key, *, room_bytes: int = MAX_REPLY_BYTES) -> Nodes:
        """The IPv4 and the IPv6 contacts to name, in no order; the farthest are left out for want of room."""
        nodes, nodes6 = self.view.nodes_for(target, self.query.want)
        if self.view.is_ipv6:
            nodes6 = _closest(nodes6, target, _nodes_in(room_bytes, NODE6_BYTES))
            room_bytes -= _size(nodes6, NODE6_BYTES)
            return _closest(nodes, target, _nodes_in(room_bytes, NODE_BYTES)), nodes6
        nodes = _closest(nodes, target, _nodes_in(room_bytes, NODE_BYTES))
        room_bytes -= _size(nodes, NODE_BYTES)
        return nodes, _closest(nodes6, target, _nodes_in(room_bytes, NODE6_BYTES))

    def room_bytes(self, nodes: Nodes = ((), ())) -> int:
        """What is left of the datagram for anything but the sender, a token and `nodes`."""
        fixed = FIXED_BYTES + len(self.query.transaction_id) + len(self.version)
        return MAX_REPLY_BYTES - fixed - _size(nodes[0], NODE_BYTES) - _size(nodes[1], NODE6_BYTES)

    def token_for(self, target: Key, *, now: float) -> bytes:
        return self.view.tokens.issue(self.source.host, target, now=now)

    def is_authorized(self, token: bytes, target: Key, *, now: float) -> bool:
        """Whether the sender got `token` from this node for `target`; it has then proved to be where it says."""
        if not self.view.tokens.is_valid(token, self.source.host, target, now=now):
            return False
        self.view.prove(self.source, now=now)
        return True

    def respond(
        self,
        nodes: Nodes = ((), ()),
        *,
        token: bytes | None = None,
        peers: tuple[Address, ...] = (),
        filters: SwarmFilters | None = None,
        item: StoredItem | None = None,
        sample: InfoHashSample | None = None,
    ) -> Response:
        return Response(
            self.query.transaction_id,
            self.view.node_id,
            nodes=nodes[0],
            nodes6=nodes[1],
            token=token,
            external_address=self.source,
            version=self.version,
            peers=peers,
            filters=filters,
            item=item,
            sample=sample,
        )

    def refuse(self, code: int, text: str) -> ErrorReply:
        return ErrorReply(self.query.transaction_id, code, text, self.version)


def _closest(nodes: tuple[Contact, ...], target: Key, count: int) -> tuple[Contact, ...]:
    return nodes if len(nodes) <= count else tuple(nearest(nodes, target, count))


def _size(nodes: tuple[Contact, ...], node_bytes: int) -> int:
    return NODES_NAME_BYTES + node_bytes * len(nodes) if nodes else 0


def _nodes_in(room_bytes: int, node_bytes: int) -> int:
    return max(0, room_bytes - NODES_NAME_BYTES) // node_bytes


NODE_BYTES, NODE6_BYTES = 26, 38
NODES_NAME_BYTES = len(b"6:nodes6304:")
FIXED_BYTES = len(
    b"d2:ip18:" + bytes(18) + b"1:rd2:id20:" + bytes(20) + b"5:token8:" + bytes(8) + b"e1:t128:1:v4:1:y1:re"
)
