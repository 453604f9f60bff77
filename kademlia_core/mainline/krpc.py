"""KRPC, the wire form of mainline messages: one bencoded dictionary a datagram (BEP 5, with BEP 32's `nodes6`).

Strict where an answer depends on it (ids, targets, tokens, ports), tolerant where deployed nodes are sloppy: odd error
shapes, a broken tail behind whole nodes, peers of a wrong length among right ones, unknown keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kademlia_core.contact import Contact
from kademlia_core.key import Key
from kademlia_core.mainline.messages import (
    ERROR_GENERIC,
    ERROR_PROTOCOL,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Message,
    Ping,
    Query,
    Request,
    Response,
    UnknownRequest,
)
from kademlia_core.node import messages
from kademlia_core.node.messages import MessageError
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, Address
from transfer.wire import bencode

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_SIZE = 20
WANT_BY_FAMILY = {4: b"n4", 6: b"n6"}
METHODS_WITH_NODES = frozenset((b"find_node", b"get_peers"))
MAX_TRANSACTION_ID_BYTES = 128  # ours have 4, libtorrent's 2; the bound keeps echoes small
_LIMITS = bencode.BencodeLimits(size_bytes=65536, depth=12, tokens=8192)


class KrpcError(MessageError):
    """A datagram that is no valid message."""

    def __init__(self, reason: str, *, transaction_id: bytes | None = None, code: int = ERROR_PROTOCOL) -> None:
        super().__init__(f"invalid KRPC message: {reason}", reason, transaction_id=transaction_id, code=code)


def decode(data: bytes) -> Message:
    """The message that a datagram holds.

    Raises:
        KrpcError: anything else.
    """
    try:
        message = bencode.decode_dict(data, limits=_LIMITS)
    except bencode.BencodeError as error:
        raise KrpcError(str(error)) from None
    transaction_id = message.get(b"t")
    if not isinstance(transaction_id, bytes) or len(transaction_id) > MAX_TRANSACTION_ID_BYTES:
        raise KrpcError("no usable transaction id")
    kind, version = message.get(b"y"), _bytes_or(message.get(b"v"), b"")
    if kind == b"r":
        return _response(transaction_id, message, version)
    if kind == b"q":
        return _query(transaction_id, message, version)
    if kind == b"e":
        return _error(transaction_id, message.get(b"e"), version)
    raise KrpcError("neither query, response nor error")


def encode(message: messages.Message) -> bytes:
    """The datagram for a message: canonical bencoding."""
    envelope: dict[bytes, Any]
    match message:
        case Query():
            arguments: dict[bytes, Any] = {b"id": bytes(message.sender)}
            method = _put_request(message.request, arguments)
            if message.want and method in METHODS_WITH_NODES:
                arguments[b"want"] = [WANT_BY_FAMILY[family] for family in message.want]
            envelope = {b"a": arguments, b"q": method, b"y": b"q"}
            if message.is_read_only:
                envelope[b"ro"] = 1
        case messages.Response():
            envelope = {b"r": _response_values(message), b"y": b"r"}
            if message.external_address is not None:
                envelope[b"ip"] = message.external_address.compact()
        case ErrorReply():
            envelope = {b"e": [message.code, message.text], b"y": b"e"}
    envelope[b"t"] = message.transaction_id
    if message.version:
        envelope[b"v"] = message.version
    return bencode.encode(envelope)


def split_nodes(data: bytes, *, ipv6: bool) -> tuple[Contact, ...]:
    """The contacts of a `nodes` (26 bytes each) or `nodes6` (38 bytes each) string; a broken tail is ignored."""
    stride = KEY_SIZE + (COMPACT_IPV6_SIZE if ipv6 else COMPACT_IPV4_SIZE)
    return tuple(
        Contact(Key.from_bytes(data[at : at + KEY_SIZE]), Address.from_compact(data[at + KEY_SIZE : at + stride]))
        for at in range(0, len(data) - stride + 1, stride)
    )


def join_nodes(contacts: Iterable[Contact]) -> bytes:
    """The inverse of `split_nodes`; all of one address family, which the caller sees to."""
    return b"".join(bytes(contact.key) + contact.address.compact() for contact in contacts)


def _query(transaction_id: bytes, message: dict[bytes, Any], version: bytes) -> Query:
    method, arguments = message.get(b"q"), message.get(b"a")
    if not isinstance(method, bytes) or not isinstance(arguments, dict):
        raise KrpcError("a query needs a method and arguments", transaction_id=transaction_id)
    try:
        sender = _key(arguments, b"id")
        request = _request(method, arguments)
    except KrpcError as error:
        raise KrpcError(error.reason, transaction_id=transaction_id) from None
    return Query(transaction_id, sender, request, message.get(b"ro") == 1, version, _want(arguments.get(b"want")))


def _want(value: Any) -> tuple[int, ...]:
    """BEP 32's list of address families; what it does not know is ignored."""
    if not isinstance(value, list):
        return ()
    return tuple(family for family, name in WANT_BY_FAMILY.items() if name in value)


def _request(method: bytes, arguments: dict[bytes, Any]) -> Request:
    if method == b"ping":
        return Ping()
    if method == b"find_node":
        return FindNode(_key(arguments, b"target"))
    if method == b"get_peers":
        return GetPeers(_key(arguments, b"info_hash"))
    if method == b"announce_peer":
        return _announce_peer(arguments)
    for name in (b"target", b"info_hash"):
        if len(_bytes_or(arguments.get(name), b"")) == KEY_SIZE:
            return UnknownRequest(method, _key(arguments, name))
    return UnknownRequest(method, None)


def _announce_peer(arguments: dict[bytes, Any]) -> AnnouncePeer:
    info_hash, token, port = _key(arguments, b"info_hash"), arguments.get(b"token"), arguments.get(b"port", 0)
    implied_port = arguments.get(b"implied_port", 0) not in (0, b"")
    if not isinstance(token, bytes):
        raise KrpcError("an announce needs a token")
    if implied_port:  # the port is to be ignored, so its absence or nonsense does not matter
        port = port if isinstance(port, int) and 0 <= port <= 65535 else 0
    elif not isinstance(port, int) or not 0 < port <= 65535:
        raise KrpcError("an announce needs a port from 1 to 65535")
    return AnnouncePeer(info_hash, port, token, implied_port)


def _put_request(request: Request, arguments: dict[bytes, Any]) -> bytes:
    """Adds the arguments of a request and returns the name of its method."""
    match request:
        case Ping():
            return b"ping"
        case FindNode():
            arguments[b"target"] = bytes(request.target)
            return b"find_node"
        case GetPeers():
            arguments[b"info_hash"] = bytes(request.info_hash)
            return b"get_peers"
        case AnnouncePeer():
            arguments[b"info_hash"] = bytes(request.info_hash)
            arguments[b"port"] = request.port
            arguments[b"token"] = request.token
            if request.implied_port:
                arguments[b"implied_port"] = 1
            return b"announce_peer"
        case UnknownRequest():
            if request.target is not None:
                arguments[b"target"] = bytes(request.target)
            return request.method
    raise TypeError(f"{type(request).__name__} is no request of the mainline")


def _response(transaction_id: bytes, message: dict[bytes, Any], version: bytes) -> Response:
    values = message.get(b"r")
    if not isinstance(values, dict):
        raise KrpcError("a response without values")
    peers = values.get(b"values")
    token = values.get(b"token")
    seen_at = message.get(b"ip")
    return Response(
        transaction_id,
        _key(values, b"id"),
        nodes=split_nodes(_bytes_or(values.get(b"nodes"), b""), ipv6=False),
        nodes6=split_nodes(_bytes_or(values.get(b"nodes6"), b""), ipv6=True),
        peers=tuple(Address.from_compact(peer) for peer in peers if _is_compact(peer))
        if isinstance(peers, list)
        else (),
        token=token if isinstance(token, bytes) else None,
        external_address=Address.from_compact(seen_at) if isinstance(seen_at, bytes) and _is_compact(seen_at) else None,
        version=version,
    )


def _response_values(message: messages.Response) -> dict[bytes, Any]:
    values: dict[bytes, Any] = {b"id": bytes(message.sender)}
    if message.nodes:
        values[b"nodes"] = join_nodes(message.nodes)
    if message.nodes6:
        values[b"nodes6"] = join_nodes(message.nodes6)
    if isinstance(message, Response) and message.peers:
        values[b"values"] = [peer.compact() for peer in message.peers]
    if message.token is not None:
        values[b"token"] = message.token
    return values


def _error(transaction_id: bytes, value: Any, version: bytes) -> ErrorReply:
    """BEP 5 wants [code, text]; nodes in the wild also send either alone, or the two swapped."""
    parts = value if isinstance(value, list) else [value]
    code = next((part for part in parts if isinstance(part, int)), ERROR_GENERIC)
    text = next((part for part in parts if isinstance(part, bytes)), b"")
    return ErrorReply(transaction_id, code, text.decode("utf-8", "replace"), version)


def _key(values: dict[bytes, Any], name: bytes) -> Key:
    value = values.get(name)
    if not isinstance(value, bytes) or len(value) != KEY_SIZE:
        raise KrpcError(f"{name.decode()} is not {KEY_SIZE} bytes")
    return Key.from_bytes(value)


def _is_compact(value: object) -> bool:
    return isinstance(value, bytes) and len(value) in (COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE)


def _bytes_or(value: object, default: bytes) -> bytes:
    return value if isinstance(value, bytes) else default
