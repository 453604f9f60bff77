"""What a node says about the items that were put to it (BEP 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import MutableItem
from kademlia_core.mainline.messages import ERROR_PROTOCOL, StoredItem

if TYPE_CHECKING:
    from kademlia_core.mainline.exchange import Exchange
    from kademlia_core.mainline.item_store import ItemStore
    from kademlia_core.mainline.messages import ErrorReply, GetItem, PutItem, Response


class ItemAnswers:
    """Answers `get` and `put` from a store.

    An item comes with as many nodes as fit beside it. The longest leave room for none, and do not fit
    `MAX_REPLY_BYTES` even alone: up to 1,250 bytes are sent rather than nothing, with a transaction id of usual length.
    libtorrent sends all nodes besides, up to 1,460 bytes.
    """

    def __init__(self, store: ItemStore) -> None:
        self._store = store

    def get(self, exchange: Exchange, request: GetItem, *, now: float) -> Response:
        target = request.target
        item = self._stored(request, now=now)
        room_bytes = exchange.room_bytes() - (_size(item) if item is not None else 0)
        nodes = exchange.nodes_near(target, room_bytes=room_bytes)
        return exchange.respond(nodes, token=exchange.token_for(target, now=now), item=item)

    def put(self, exchange: Exchange, request: PutItem, *, now: float) -> Response | ErrorReply:
        if not exchange.is_authorized(request.token, request.item.target, now=now):
            return exchange.refuse(ERROR_PROTOCOL, "invalid token")
        try:
            self._store.put(request.item, cas=request.cas, source=exchange.source.host, now=now)
        except ItemError as error:
            return exchange.refuse(error.code, str(error))
        return exchange.respond()

    def _stored(self, request: GetItem, *, now: float) -> StoredItem | None:
        item = self._store.get(request.target, now=now)
        if item is None:
            return None
        if not isinstance(item, MutableItem):
            return StoredItem(item.value)
        if request.seq is not None and item.seq <= request.seq:
            return StoredItem(seq=item.seq)
        return StoredItem(item.value, item.seq, item.public_key, item.signature)


def _size(item: StoredItem) -> int:
    """How much of a datagram an item takes."""
    return len(item.value or b"") + ITEM_NAMES_BYTES


ITEM_NAMES_BYTES = len(b"1:k32:" + bytes(32) + b"3:seqi9223372036854775807e" + b"3:sig64:" + bytes(64) + b"1:v")
