"""KRPC, the wire form of mainline messages: one bencoded dictionary a datagram (BEP 5).

Strict where an answer depends on it (ids, targets, tokens, ports, items), tolerant where deployed nodes are sloppy: odd
error shapes, a broken tail behind whole nodes, peers of a wrong length among right ones, unknown keys.
"""

from __future__ import annotations

from typing import Any

from kademlia_core.mainline.krpc_fields import (
    LIMITS,
    KrpcError,
    bytes_of,
    is_compact,
    is_set,
    join_nodes,
    key_of,
    split_nodes,
)
from kademlia_core.mainline.krpc_queries import decode_request, decode_want, encode_request, encode_want
from kademlia_core.mainline.krpc_responses import decode_response, encode_response
from kademlia_core.mainline.messages import ERROR_GENERIC, ErrorReply, Message, PutItem, Query, Response
from transfer.address import Address
from transfer.wire import bencode

__all__ = ["FIRST_BYTES", "MAX_TRANSACTION_ID_BYTES", "KrpcError", "decode", "encode", "join_nodes", "split_nodes"]

FIRST_BYTES = b"d"  # every message is a bencoded dictionary
MAX_TRANSACTION_ID_BYTES = 128  # ours have 4, libtorrent's 2; the bound keeps echoes small


def decode(data: bytes) -> Message:
    """The message that a datagram holds.

    Raises:
        KrpcError: anything else.
    """
    try:
        message = bencode.decode_dict(data, limits=LIMITS)
    except bencode.BencodeError as error:
        raise KrpcError(str(error)) from None
    transaction_id = bytes_of(message, b"t")
    if transaction_id is None or len(transaction_id) > MAX_TRANSACTION_ID_BYTES:
        raise KrpcError("no usable transaction id")
    kind = message.get(b"y")
    if kind == b"r":
        return _response(transaction_id, message, data)
    if kind == b"q":
        return _query(transaction_id, message, data)
    if kind == b"e":
        return _error(transaction_id, message)
    raise KrpcError("neither query, response nor error")


def encode(message: Message) -> bytes:
    """The datagram for a message: canonical bencoding, around the raw bytes of a value."""
    envelope: dict[bytes, Any] = {b"t": message.transaction_id}
    if message.version:
        envelope[b"v"] = message.version
    match message:
        case Query(request=request):
            method, body = encode_request(request)
            body[b"id"] = bytes(message.sender)
            if message.want:
                body |= encode_want(method, message.want)
            if message.is_read_only:
                envelope[b"ro"] = 1
            envelope |= {b"y": b"q", b"q": method}
            return _enclose(envelope, b"a", body, request.item.value if isinstance(request, PutItem) else None)
        case Response():
            if message.external_address is not None:
                envelope[b"ip"] = message.external_address.compact()
            envelope[b"y"] = b"r"
            item = message.item
            return _enclose(envelope, b"r", encode_response(message), item.value if item is not None else None)
        case ErrorReply():
            envelope |= {b"y": b"e", b"e": [message.code, message.text]}
            return bencode.encode(envelope)


def _enclose(envelope: dict[bytes, Any], name: bytes, body: dict[bytes, Any], raw: bytes | None) -> bytes:
    """The whole message, `body` being under `name` with `raw` as its value `v`."""
    if raw is None:
        envelope[name] = body
        return bencode.encode(envelope)
    values = {key: bencode.encode(value) for key, value in body.items()}
    outer = {key: bencode.encode(value) for key, value in envelope.items()}
    return bencode.join({**outer, name: bencode.join({**values, b"v": raw})})


def _query(transaction_id: bytes, message: dict[bytes, Any], data: bytes) -> Query:
    method, arguments = message.get(b"q"), message.get(b"a")
    if not isinstance(method, bytes) or not isinstance(arguments, dict):
        raise KrpcError("a query needs a method and arguments", transaction_id=transaction_id)
    try:
        sender = key_of(arguments, b"id")
        request = decode_request(method, arguments, data)
    except KrpcError as error:
        raise KrpcError(error.reason, transaction_id=transaction_id, code=error.code) from None
    version = bytes_of(message, b"v") or b""
    return Query(transaction_id, sender, request, is_set(message, b"ro"), version, decode_want(method, arguments))


def _response(transaction_id: bytes, message: dict[bytes, Any], data: bytes) -> Response:
    values = message.get(b"r")
    if not isinstance(values, dict):
        raise KrpcError("a response without values")
    seen_at = message.get(b"ip")
    return decode_response(
        transaction_id,
        values,
        data,
        external_address=Address.from_compact(seen_at) if isinstance(seen_at, bytes) and is_compact(seen_at) else None,
        version=bytes_of(message, b"v") or b"",
    )


def _error(transaction_id: bytes, message: dict[bytes, Any]) -> ErrorReply:
    """BEP 5 wants [code, text]; nodes in the wild also send either alone, or the two swapped."""
    value = message.get(b"e")
    parts = value if isinstance(value, list) else [value]
    code = next((part for part in parts if isinstance(part, int)), ERROR_GENERIC)
    text = next((part for part in parts if isinstance(part, bytes)), b"")
    return ErrorReply(transaction_id, code, text.decode("utf-8", "replace"), bytes_of(message, b"v") or b"")
