"""The answering side: what a mainline node says to each query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline.config import MAX_REPLY_BYTES
from kademlia_core.mainline.krpc import MAX_TRANSACTION_ID_BYTES
from kademlia_core.mainline.messages import (
    ERROR_METHOD_UNKNOWN,
    ERROR_PROTOCOL,
    ERROR_SERVER,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Ping,
    Query,
    Response,
    UnknownRequest,
)

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.mainline.peer_store import PeerStore
    from kademlia_core.mainline.tokens import TokenIssuer
    from kademlia_core.routing_table import RoutingTable
    from transfer.address import Address


class Responder:
    """Answers queries from the routing table and the peer store; it asks nothing itself.

    `get_peers` is answered with nodes even when there are peers, as libtorrent does against the letter of BEP 5:
    otherwise a lookup that meets one stale store ends there.
    """

    def __init__(
        self, table: RoutingTable, tokens: TokenIssuer, peers: PeerStore, *, is_ipv6: bool, version: bytes
    ) -> None:
        self._table = table
        self._tokens = tokens
        self._peers = peers
        self._is_ipv6 = is_ipv6
        self._version = version
        self._max_values = _max_values(table.config.bucket_size, is_ipv6=is_ipv6)

    def answer(self, query: Query, source: Address, *, now: float) -> Response | ErrorReply:
        """The reply for `source`, never longer than `MAX_REPLY_BYTES` on the wire."""
        request = query.request
        match request:
            case Ping():
                return self._response(query, source)
            case FindNode():
                return self._response(query, source, near=request.target)
            case GetPeers():
                return self._response(
                    query,
                    source,
                    near=request.info_hash,
                    peers=tuple(self._peers.sample(request.info_hash, self._max_values, now=now)),
                    token=self._tokens.issue(source.host, request.info_hash, now=now),
                )
            case AnnouncePeer():
                return self._announce(query, request, source, now=now)
            case UnknownRequest():
                if request.target is None:
                    return self._refuse(query, ERROR_METHOD_UNKNOWN, "Method Unknown")
                return self._response(query, source, near=request.target)

    def _announce(self, query: Query, request: AnnouncePeer, source: Address, *, now: float) -> Response | ErrorReply:
        if not self._tokens.is_valid(request.token, source.host, request.info_hash, now=now):
            return self._refuse(query, ERROR_PROTOCOL, "invalid token")
        peer = source if request.implied_port else source._replace(port=request.port)
        if not self._peers.add(request.info_hash, peer, now=now):
            return self._refuse(query, ERROR_SERVER, "too many announces from this address")
        return self._response(query, source)

    def _response(
        self,
        query: Query,
        source: Address,
        *,
        near: Key | None = None,
        peers: tuple[Address, ...] = (),
        token: bytes | None = None,
    ) -> Response:
        nodes: tuple[Contact, ...] = ()
        if near is not None:
            nodes = tuple(self._table.closest(near, self._table.config.bucket_size))
        return Response(
            query.transaction_id,
            self._table.own_key,
            nodes=() if self._is_ipv6 else nodes,
            nodes6=nodes if self._is_ipv6 else (),
            peers=peers,
            token=token,
            external_address=source,
            version=self._version,
        )

    def _refuse(self, query: Query, code: int, text: str) -> ErrorReply:
        return ErrorReply(query.transaction_id, code, text, self._version)


def _max_values(bucket_size: int, *, is_ipv6: bool) -> int:
    """How many peers fit beside everything else that a `get_peers` answer may hold."""
    peer_bytes, node_bytes = (21, 38) if is_ipv6 else (8, 26)  # a peer with its bencode length prefix
    fixed = 160 + MAX_TRANSACTION_ID_BYTES  # keys and names of the dictionaries, id, token, ip, version
    return max(1, (MAX_REPLY_BYTES - fixed - bucket_size * node_bytes) // peer_bytes)
