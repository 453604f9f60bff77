"""The mainline as a dialect: KRPC on the wire, and what a node says to each query from its stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import KEY_BITS, MAX_REPLY_BYTES
from kademlia_core.mainline.krpc import MAX_TRANSACTION_ID_BYTES
from kademlia_core.mainline.messages import (
    ERROR_METHOD_UNKNOWN,
    ERROR_PROTOCOL,
    ERROR_SERVER,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Message,
    Ping,
    Query,
    Response,
    UnknownRequest,
)
from kademlia_core.mainline.peer_store import PeerStore
from kademlia_core.node.node_id import is_valid_for, node_id_for

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.mainline.config import MainlineConfig
    from kademlia_core.node import messages
    from kademlia_core.node.dialect import NodeView
    from transfer.address import Address


class MainlineDialect:
    """BEP 5 and its extensions. Answers come from the routing table and the stores and fit `MAX_REPLY_BYTES`.

    `get_peers` is answered with nodes even when there are peers, as libtorrent does against the letter of BEP 5:
    otherwise a lookup that meets one stale store ends there.
    """

    key_bits = KEY_BITS
    max_answer_contacts = 8  # BEP 5's k: also with larger buckets an answer stays within one datagram

    def __init__(self, config: MainlineConfig, *, rng: Random) -> None:
        self.peers = PeerStore(config.peer_store, rng=rng)
        self._version = config.version

    def decode(self, data: bytes) -> Message:
        """Raises:
        KrpcError: no valid message.
        """
        return krpc.decode(data)

    def encode(self, message: messages.Message) -> bytes:
        return krpc.encode(message)

    def answer(self, query: Query, source: Address, view: NodeView, *, now: float) -> Response | ErrorReply:
        request = query.request
        match request:
            case Ping():
                return self._response(query, source, view)
            case FindNode():
                return self._response(query, source, view, near=request.target)
            case GetPeers():
                room = _max_values(query, is_ipv6=view.is_ipv6)
                return self._response(
                    query,
                    source,
                    view,
                    near=request.info_hash,
                    peers=tuple(self.peers.sample(request.info_hash, room, now=now)),
                    token=view.tokens.issue(source.host, request.info_hash, now=now),
                )
            case AnnouncePeer():
                return self._announce(query, request, source, view, now=now)
            case UnknownRequest() if request.target is not None:
                return self._response(query, source, view, near=request.target)
        return self._refuse(query, ERROR_METHOD_UNKNOWN, "Method Unknown")

    def node_id_for(self, host: str, rng: Random) -> Key | None:
        """BEP 42's key for an address."""
        return node_id_for(host, rng)

    def is_trusted(self, contact: Contact) -> bool:
        """BEP 42: the key proves that its holder has the address, at least."""
        return is_valid_for(contact.key, contact.address.host)

    def moved(self, own_key: Key) -> None:
        """Peers are kept whatever our key is."""

    def expire(self, *, now: float) -> None:
        self.peers.expire(now=now)

    def check_invariants(self) -> None:
        """Asserts what the stores promise."""
        self.peers.check_invariants()

    def _announce(
        self, query: Query, request: AnnouncePeer, source: Address, view: NodeView, *, now: float
    ) -> Response | ErrorReply:
        if not view.tokens.is_valid(request.token, source.host, request.info_hash, now=now):
            return self._refuse(query, ERROR_PROTOCOL, "invalid token")
        view.prove(source, now=now)
        peer = source if request.implied_port else source._replace(port=request.port)
        if not self.peers.add(request.info_hash, peer, now=now):
            return self._refuse(query, ERROR_SERVER, "too many announces from this address")
        return self._response(query, source, view)

    def _response(
        self,
        query: Query,
        source: Address,
        view: NodeView,
        *,
        near: Key | None = None,
        peers: tuple[Address, ...] = (),
        token: bytes | None = None,
    ) -> Response:
        nodes, nodes6 = view.nodes_for(near, query) if near is not None else ((), ())
        return Response(
            query.transaction_id,
            view.node_id,
            nodes=nodes,
            nodes6=nodes6,
            peers=peers,
            token=token,
            external_address=source,
            version=self._version,
        )

    def _refuse(self, query: Query, code: int, text: str) -> ErrorReply:
        return ErrorReply(query.transaction_id, code, text, self._version)


def _max_values(query: Query, *, is_ipv6: bool) -> int:
    """How many peers fit beside everything else that a `get_peers` answer may hold."""
    families = query.want or ((6,) if is_ipv6 else (4,))
    nodes_bytes = MainlineDialect.max_answer_contacts * sum(38 if family == 6 else 26 for family in families)
    fixed = 160 + MAX_TRANSACTION_ID_BYTES  # keys and names of the dictionaries, id, token, ip, version
    peer_bytes = 21 if is_ipv6 else 8  # with the length prefix of bencode
    return max(1, (MAX_REPLY_BYTES - fixed - nodes_bytes) // peer_bytes)
