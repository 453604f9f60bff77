"""What is inside a KRPC response: nodes, peers and tokens of BEP 5, and what BEP 32, 33, 44 and 51 add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kademlia_core.key import Key
from kademlia_core.mainline.bloom import FILTER_SIZE, BloomFilter
from kademlia_core.mainline.config import MAX_SAMPLE_INTERVAL_S
from kademlia_core.mainline.items import MAX_VALUE_BYTES, PUBLIC_KEY_SIZE, SIGNATURE_SIZE
from kademlia_core.mainline.krpc_fields import (
    KEY_SIZE,
    addresses_of,
    bytes_of,
    integer_of,
    join_nodes,
    key_of,
    raw_value,
    split_nodes,
)
from kademlia_core.mainline.messages import Response, StoredItem
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.sampling import InfoHashSample

if TYPE_CHECKING:
    from transfer.address import Address


def decode_response(
    transaction_id: bytes,
    values: dict[bytes, Any],
    data: bytes,
    *,
    external_address: Address | None,
    version: bytes,
) -> Response:
    """The response with the values `values`.

    Args:
        data: the whole datagram, for the bytes of a value as they came.

    Raises:
        KrpcError: no sender.
    """
    return Response(
        transaction_id,
        key_of(values, b"id"),
        nodes=split_nodes(bytes_of(values, b"nodes") or b"", ipv6=False),
        nodes6=split_nodes(bytes_of(values, b"nodes6") or b"", ipv6=True),
        token=bytes_of(values, b"token"),
        external_address=external_address,
        version=version,
        peers=addresses_of(values, b"values"),
        filters=_filters(values) if b"BFsd" in values else None,
        item=_item(values, data) if b"seq" in values or b"v" in values else None,
        sample=_sample(values) if b"samples" in values else None,
    )


def encode_response(message: Response) -> dict[bytes, Any]:
    """The values of a response, except for the raw value of an item."""
    values: dict[bytes, Any] = {b"id": bytes(message.sender)}
    if message.nodes:
        values[b"nodes"] = join_nodes(message.nodes)
    if message.nodes6:
        values[b"nodes6"] = join_nodes(message.nodes6)
    if message.token is not None:
        values[b"token"] = message.token
    if message.peers:
        values[b"values"] = [peer.compact() for peer in message.peers]
    if message.filters is not None:
        values |= {b"BFsd": bytes(message.filters.seeds), b"BFpe": bytes(message.filters.downloaders)}
    if message.item is not None:
        values |= _item_values(message.item)
    if message.sample is not None:
        values |= {
            b"samples": b"".join(map(bytes, message.sample.info_hashes)),
            b"num": message.sample.stored_count,
            b"interval": message.sample.interval_s,
        }
    return values


def _filters(values: dict[bytes, Any]) -> SwarmFilters | None:
    seeds, downloaders = bytes_of(values, b"BFsd"), bytes_of(values, b"BFpe")
    if seeds is None or downloaders is None or not len(seeds) == len(downloaders) == FILTER_SIZE:
        return None
    return SwarmFilters(BloomFilter.from_bytes(seeds), BloomFilter.from_bytes(downloaders))


def _item(values: dict[bytes, Any], data: bytes) -> StoredItem | None:
    value = raw_value(data, b"r", values) if b"v" in values else None
    if value is not None and len(value) > MAX_VALUE_BYTES:
        return None
    public_key, signature, seq = bytes_of(values, b"k"), bytes_of(values, b"sig"), integer_of(values, b"seq")
    if value is None and seq is None:
        return None
    return StoredItem(
        value,
        seq,
        public_key if public_key is not None and len(public_key) == PUBLIC_KEY_SIZE else None,
        signature if signature is not None and len(signature) == SIGNATURE_SIZE else None,
    )


def _item_values(item: StoredItem) -> dict[bytes, Any]:
    values = {b"k": item.public_key, b"seq": item.seq, b"sig": item.signature}
    return {name: value for name, value in values.items() if value is not None}


def _sample(values: dict[bytes, Any]) -> InfoHashSample | None:
    """A node that says nothing about the interval is not to be asked again for the longest."""
    samples = bytes_of(values, b"samples")
    if samples is None:
        return None
    info_hashes = tuple(
        Key.from_bytes(samples[at : at + KEY_SIZE]) for at in range(0, len(samples) - KEY_SIZE + 1, KEY_SIZE)
    )
    count, interval_s = integer_of(values, b"num"), integer_of(values, b"interval")
    return InfoHashSample(
        info_hashes,
        count if count is not None and count >= 0 else len(info_hashes),
        max(0, min(MAX_SAMPLE_INTERVAL_S, interval_s)) if interval_s is not None else MAX_SAMPLE_INTERVAL_S,
    )
