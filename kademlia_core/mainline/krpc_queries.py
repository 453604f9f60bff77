"""What is inside a KRPC query: the methods of BEP 5, 33, 44 and 51, and BEP 32's `want`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.krpc_fields import (
    KEY_SIZE,
    KrpcError,
    bytes_of,
    integer_of,
    is_set,
    key_of,
    raw_value,
)
from kademlia_core.mainline.messages import (
    AnnouncePeer,
    FindNode,
    GetItem,
    GetPeers,
    Ping,
    PutItem,
    Request,
    SampleInfoHashes,
    UnknownRequest,
)
from transfer.wire import bencode

if TYPE_CHECKING:
    from collections.abc import Callable

WANT_BY_FAMILY = {4: b"n4", 6: b"n6"}
METHODS_WITHOUT_NODES = frozenset((b"ping", b"announce_peer", b"put"))


def decode_request(method: bytes, arguments: dict[bytes, Any], data: bytes) -> Request:
    """The request of a query.

    Args:
        data: the whole datagram, for the bytes of a value as they came.

    Raises:
        KrpcError: arguments are missing or wrong; its code says what to answer.
    """
    decoder = _DECODERS.get(method)
    if decoder is not None:
        return decoder(arguments, data)
    for name in (b"target", b"info_hash"):
        if len(bytes_of(arguments, name) or b"") == KEY_SIZE:
            return UnknownRequest(method, key_of(arguments, name))
    return UnknownRequest(method, None)


def encode_request(request: Request) -> tuple[bytes, dict[bytes, Any]]:
    """The name of the method and its arguments, except for `id`, `want`, and the raw value of an item.

    Raises:
        TypeError: `request` is none of the mainline.
    """
    match request:
        case Ping():
            return b"ping", {}
        case FindNode():
            return b"find_node", {b"target": bytes(request.target)}
        case GetPeers():
            return b"get_peers", _get_peers_arguments(request)
        case AnnouncePeer():
            return b"announce_peer", _announce_arguments(request)
        case GetItem():
            target = bytes(request.target)
            return b"get", {b"target": target} if request.seq is None else {b"target": target, b"seq": request.seq}
        case PutItem():
            return b"put", _put_arguments(request)
        case SampleInfoHashes():
            return b"sample_infohashes", {b"target": bytes(request.target)}
        case UnknownRequest():
            return request.method, {} if request.target is None else {b"target": bytes(request.target)}
    raise TypeError(f"{type(request).__name__} is no request of the mainline")


def decode_want(method: bytes, arguments: dict[bytes, Any]) -> tuple[int, ...]:
    """BEP 32's list of address families; what it does not know, and where no nodes are answered, is ignored."""
    names = arguments.get(b"want")
    if not isinstance(names, list) or method in METHODS_WITHOUT_NODES:
        return ()
    return tuple(family for family, name in WANT_BY_FAMILY.items() if name in names)


def encode_want(method: bytes, families: tuple[int, ...]) -> dict[bytes, Any]:
    """The argument that asks for nodes of both families; none where no nodes are answered."""
    return {b"want": [WANT_BY_FAMILY[family] for family in families]} if method not in METHODS_WITHOUT_NODES else {}


def _get_peers(arguments: dict[bytes, Any], data: bytes) -> GetPeers:
    return GetPeers(key_of(arguments, b"info_hash"), is_set(arguments, b"noseed"), is_set(arguments, b"scrape"))


def _get_peers_arguments(request: GetPeers) -> dict[bytes, Any]:
    arguments: dict[bytes, Any] = {b"info_hash": bytes(request.info_hash)}
    if request.no_seeds:
        arguments[b"noseed"] = 1
    if request.wants_filters:
        arguments[b"scrape"] = 1
    return arguments


def _announce_peer(arguments: dict[bytes, Any], data: bytes) -> AnnouncePeer:
    info_hash, token, port = key_of(arguments, b"info_hash"), bytes_of(arguments, b"token"), arguments.get(b"port", 0)
    implied_port = is_set(arguments, b"implied_port")
    if token is None:
        raise KrpcError("an announce needs a token")
    if implied_port:  # the port is to be ignored, so its absence or nonsense does not matter
        port = port if isinstance(port, int) and 0 <= port <= 65535 else 0
    elif not isinstance(port, int) or not 0 < port <= 65535:
        raise KrpcError("an announce needs a port from 1 to 65535")
    return AnnouncePeer(info_hash, port, token, implied_port, is_set(arguments, b"seed"))


def _announce_arguments(request: AnnouncePeer) -> dict[bytes, Any]:
    arguments: dict[bytes, Any] = {
        b"info_hash": bytes(request.info_hash),
        b"port": request.port,
        b"token": request.token,
    }
    if request.implied_port:
        arguments[b"implied_port"] = 1
    if request.is_seed:
        arguments[b"seed"] = 1
    return arguments


def _get_item(arguments: dict[bytes, Any], data: bytes) -> GetItem:
    return GetItem(key_of(arguments, b"target"), integer_of(arguments, b"seq"))


def _put_item(arguments: dict[bytes, Any], data: bytes) -> PutItem:
    token, cas = bytes_of(arguments, b"token"), arguments.get(b"cas")
    if token is None or b"v" not in arguments:
        raise KrpcError("a put needs a token and a value")
    value = raw_value(data, b"a", arguments)
    try:
        if any(name in arguments for name in (b"k", b"seq", b"sig")):
            if cas is not None and not isinstance(cas, int):
                raise KrpcError("cas is not a number")
            item: ImmutableItem | MutableItem = _mutable_item(arguments, value)
        else:
            item, cas = ImmutableItem(value), None
    except ItemError as error:
        raise KrpcError(str(error), code=error.code) from None
    if value != bencode.encode(arguments[b"v"]):  # BEP 44: such a value must not be stored
        raise KrpcError("the value is not canonical bencode")
    return PutItem(item, token, cas)


def _mutable_item(arguments: dict[bytes, Any], value: bytes) -> MutableItem:
    public_key, signature, seq = bytes_of(arguments, b"k"), bytes_of(arguments, b"sig"), integer_of(arguments, b"seq")
    salt = arguments.get(b"salt", b"")
    if public_key is None or signature is None or seq is None or not isinstance(salt, bytes):
        raise KrpcError("a mutable item needs k, seq and sig, and a salt that is a string if any")
    return MutableItem(public_key, seq, value, signature, salt)


def _put_arguments(request: PutItem) -> dict[bytes, Any]:
    arguments: dict[bytes, Any] = {b"token": request.token}
    item = request.item
    if isinstance(item, MutableItem):
        arguments |= {b"k": item.public_key, b"seq": item.seq, b"sig": item.signature}
        if item.salt:
            arguments[b"salt"] = item.salt
        if request.cas is not None:
            arguments[b"cas"] = request.cas
    return arguments


_DECODERS: dict[bytes, Callable[[dict[bytes, Any], bytes], Request]] = {
    b"ping": lambda arguments, data: Ping(),
    b"find_node": lambda arguments, data: FindNode(key_of(arguments, b"target")),
    b"get_peers": _get_peers,
    b"announce_peer": _announce_peer,
    b"get": _get_item,
    b"put": _put_item,
    b"sample_infohashes": lambda arguments, data: SampleInfoHashes(key_of(arguments, b"target")),
}
