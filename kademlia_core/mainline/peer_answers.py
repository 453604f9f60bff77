"""What a node says about the peers that were announced to it (BEP 5 and 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline.bloom import FILTER_SIZE
from kademlia_core.mainline.messages import ERROR_PROTOCOL, ERROR_SERVER

if TYPE_CHECKING:
    from kademlia_core.mainline.exchange import Exchange
    from kademlia_core.mainline.messages import AnnouncePeer, ErrorReply, GetPeers, Response
    from kademlia_core.mainline.peer_store import PeerStore


class PeerAnswers:
    """Answers `get_peers` and `announce_peer` from a store.

    `get_peers` is answered with nodes even when there are peers, as libtorrent does against the letter of BEP 5:
    otherwise a lookup that meets one stale store ends there.
    """

    def __init__(self, store: PeerStore) -> None:
        self._store = store

    def get_peers(self, exchange: Exchange, request: GetPeers, *, now: float) -> Response:
        info_hash = request.info_hash
        is_ipv6 = exchange.view.is_ipv6
        filters = self._store.filters(info_hash, now=now) if request.wants_filters else None
        filters_bytes = 0 if filters is None else FILTERS_BYTES
        nodes = exchange.nodes_near(info_hash, room_bytes=exchange.room_bytes() - filters_bytes)
        if filters is not None and nodes[is_ipv6]:  # BEP 33: only the mandatory nodes, so that some peers fit
            nodes = ((), nodes[1]) if is_ipv6 else (nodes[0], ())
        room_bytes = exchange.room_bytes(nodes) - filters_bytes - VALUES_NAME_BYTES
        peers = self._store.sample(
            info_hash,
            max(0, room_bytes // (PEER6_BYTES if is_ipv6 else PEER_BYTES)),
            only_downloaders=request.no_seeds,
            now=now,
        )
        return exchange.respond(
            nodes, token=exchange.token_for(info_hash, now=now), peers=tuple(peers), filters=filters
        )

    def announce(self, exchange: Exchange, request: AnnouncePeer, *, now: float) -> Response | ErrorReply:
        if not exchange.is_authorized(request.token, request.info_hash, now=now):
            return exchange.refuse(ERROR_PROTOCOL, "invalid token")
        source = exchange.source
        peer = source if request.implied_port else source._replace(port=request.port)
        if not self._store.add(request.info_hash, peer, is_seed=request.is_seed, now=now):
            return exchange.refuse(ERROR_SERVER, "too many announces from this address")
        return exchange.respond()


PEER_BYTES, PEER6_BYTES = 8, 21  # with the length prefix of bencode
VALUES_NAME_BYTES = len(b"6:valuesle")
FILTERS_BYTES = 2 * (len(b"4:BFsd256:") + FILTER_SIZE)
