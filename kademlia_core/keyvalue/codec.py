"""The wire form of a key-value network: one bencoded dictionary a datagram, in the manner of BEP 5's KRPC.

`n` names the network, so that networks with different names, and the mainline, do not take one another's datagrams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kademlia_core.contact import Contact
from kademlia_core.datagram.messages import ErrorReply, MessageError
from kademlia_core.engine.requests import FindNode, Ping, Request
from kademlia_core.key import Key
from kademlia_core.keyvalue.config import KEY_BITS, MAX_VALUE_BYTES
from kademlia_core.keyvalue.messages import (
    ERROR_METHOD_UNKNOWN,
    ERROR_PROTOCOL,
    ERROR_TOO_BIG,
    FindValue,
    Query,
    Response,
    Store,
)
from kademlia_core.keyvalue.records import Record
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, Address
from transfer.wire import bencode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.keyvalue.messages import Message


class CodecError(MessageError):
    """A datagram that is no valid message of this network."""

    def __init__(self, reason: str, *, transaction_id: bytes | None = None, code: int = ERROR_PROTOCOL) -> None:
        super().__init__(f"invalid message: {reason}", reason, transaction_id=transaction_id, code=code)


def decode(data: bytes, network: bytes) -> Message:
    """The message that a datagram holds.

    Raises:
        CodecError: anything else.
    """
    try:
        message = bencode.decode_dict(data, limits=_LIMITS)
    except bencode.BencodeError as error:
        raise CodecError(str(error)) from None
    if message.get(b"n") != network:
        raise CodecError("of another network")
    transaction_id = message.get(b"t")
    if not isinstance(transaction_id, bytes) or not 0 < len(transaction_id) <= MAX_TRANSACTION_ID_BYTES:
        raise CodecError("no usable transaction id")
    if isinstance(refusal := message.get(b"e"), list):
        if len(refusal) != 2 or not isinstance(refusal[0], int) or not isinstance(refusal[1], bytes):
            raise CodecError("an error needs a code and a text")
        return ErrorReply(transaction_id, refusal[0], refusal[1].decode("utf-8", "replace"))
    if isinstance(values := message.get(b"r"), dict):
        return _response(transaction_id, values)
    method, arguments = message.get(b"q"), message.get(b"a")
    if not isinstance(method, bytes) or not isinstance(arguments, dict):
        raise CodecError("neither query, response nor error")
    try:
        sender = _key(arguments, b"id")
        return Query(transaction_id, sender, _request(method, arguments), message.get(b"ro") == 1, _want(arguments))
    except CodecError as error_:
        raise CodecError(error_.reason, transaction_id=transaction_id, code=error_.code) from None


def encode(message: Message, network: bytes) -> bytes:
    """The datagram for a message: canonical bencoding."""
    envelope: dict[bytes, Any] = {b"n": network, b"t": message.transaction_id}
    match message:
        case Query():
            arguments: dict[bytes, Any] = {b"id": bytes(message.sender)}
            envelope[b"q"] = _put_request(message.request, arguments)
            envelope[b"a"] = arguments
            if message.want:
                arguments[b"want"] = list(message.want)
            if message.is_read_only:
                envelope[b"ro"] = 1
        case Response():
            envelope[b"r"] = _values(message)
        case ErrorReply():
            envelope[b"e"] = [message.code, message.text]
    return bencode.encode(envelope)


def _request(method: bytes, arguments: dict[bytes, Any]) -> Request:
    match method:
        case b"ping":
            return Ping()
        case b"find_node":
            return FindNode(_key(arguments, b"target"))
        case b"find_value":
            return FindValue(_key(arguments, b"target"))
        case b"store":
            return Store(_record(_key(arguments, b"target"), arguments), _bytes(arguments, b"token"))
    raise CodecError("method unknown", code=ERROR_METHOD_UNKNOWN)


def _put_request(request: Request, arguments: dict[bytes, Any]) -> bytes:
    """Adds the arguments of a request and returns the name of its method."""
    match request:
        case Ping():
            return b"ping"
        case FindNode():
            arguments[b"target"] = bytes(request.target)
            return b"find_node"
        case FindValue():
            arguments[b"target"] = bytes(request.key)
            return b"find_value"
        case Store():
            arguments[b"target"] = bytes(request.record.key)
            arguments[b"token"] = request.token
            _put_record(request.record, arguments)
            return b"store"
    raise TypeError(f"{type(request).__name__} is no request of a key-value network")


def _response(transaction_id: bytes, values: dict[bytes, Any]) -> Response:
    nodes, nodes6, token, seen_at = (values.get(name, b"") for name in (b"nodes", b"nodes6", b"token", b"ip"))
    if not all(isinstance(value, bytes) for value in (nodes, nodes6, token, seen_at)):
        raise CodecError("nodes, token and ip are strings")
    if seen_at and len(seen_at) not in (COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE):
        raise CodecError("ip is no endpoint")
    target = values.get(b"target")
    return Response(
        transaction_id,
        _key(values, b"id"),
        token or None,
        _split(nodes, COMPACT_IPV4_SIZE),
        _split(nodes6, COMPACT_IPV6_SIZE),
        Address.from_compact(seen_at) if seen_at else None,
        _record(_key(values, b"target"), values) if target is not None else None,
    )


def _values(message: Response) -> dict[bytes, Any]:
    values: dict[bytes, Any] = {b"id": bytes(message.sender)}
    if message.nodes:
        values[b"nodes"] = _join(message.nodes)
    if message.nodes6:
        values[b"nodes6"] = _join(message.nodes6)
    if message.token is not None:
        values[b"token"] = message.token
    if message.external_address is not None:
        values[b"ip"] = message.external_address.compact()
    if message.record is not None:
        values[b"target"] = bytes(message.record.key)
        _put_record(message.record, values)
    return values


def _record(key: Key, values: dict[bytes, Any]) -> Record:
    value, version, ttl_s = _bytes(values, b"v"), values.get(b"seq"), values.get(b"ttl")
    if len(value) > MAX_VALUE_BYTES:
        raise CodecError(f"a value has at most {MAX_VALUE_BYTES} bytes", code=ERROR_TOO_BIG)
    if not isinstance(version, int) or not 0 <= version < 1 << 64:
        raise CodecError("seq is not a number of 64 bits")
    if not isinstance(ttl_s, int) or not 0 <= ttl_s < 1 << 32:
        raise CodecError("ttl is not a number of seconds")
    return Record(key, value, version, ttl_s)


def _put_record(record: Record, values: dict[bytes, Any]) -> None:
    values[b"v"], values[b"seq"], values[b"ttl"] = record.value, record.version, record.ttl_s


def _split(data: bytes, address_size: int) -> tuple[Contact, ...]:
    stride = KEY_BITS // 8 + address_size
    if len(data) % stride:
        raise CodecError("the last node is cut off")
    return tuple(
        Contact(
            Key.from_bytes(data[at : at + KEY_BITS // 8]), Address.from_compact(data[at + KEY_BITS // 8 : at + stride])
        )
        for at in range(0, len(data), stride)
    )


def _join(contacts: Iterable[Contact]) -> bytes:
    return b"".join([contact.compact() for contact in contacts])


def _want(arguments: dict[bytes, Any]) -> tuple[int, ...]:
    want = arguments.get(b"want", [])
    if not isinstance(want, list):
        raise CodecError("want is a list")
    return tuple(family for family in (4, 6) if family in want)


def _key(values: dict[bytes, Any], name: bytes) -> Key:
    value = _bytes(values, name)
    if len(value) != KEY_BITS // 8:
        raise CodecError(f"{name.decode()} is not {KEY_BITS // 8} bytes")
    return Key.from_bytes(value)


def _bytes(values: dict[bytes, Any], name: bytes) -> bytes:
    value = values.get(name)
    if not isinstance(value, bytes):
        raise CodecError(f"{name.decode()} is not a string")
    return value


FIRST_BYTES = b"d"  # every message is a bencoded dictionary
MAX_TRANSACTION_ID_BYTES = 16
_LIMITS = bencode.BencodeLimits(size_bytes=4096, depth=4, tokens=128)
