"""How the values of a multiaddr's protocols are written: as text, and as bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote_to_bytes

from transfer.identity.errors import IdentityError
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.errors import MultiaddrError
from transfer.wire.multibase import MultibaseError, decode_multibase, encode_multibase, from_base32, to_base32
from transfer.wire.varint import VarintError, decode_varint

VARIABLE = -1  # a length in front
MAX_VALUE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A kind of values.

    Attributes:
        size: bytes; `VARIABLE` when their number is in front of them.
        encode: from text; raises ValueError.
        decode: to text; raises ValueError.
    """

    size: int
    encode: Callable[[str], bytes]
    decode: Callable[[bytes], str]


def _encode_ip4(text: str) -> bytes:
    return IPv4Address(text).packed


def _decode_ip4(data: bytes) -> str:
    return str(IPv4Address(data))


def _encode_ip6(text: str) -> bytes:
    address = IPv6Address(text)
    if address.scope_id is not None:
        raise ValueError("a zone stands in front of the address: /ip6zone/eth0/ip6/fe80::1")
    return address.packed


def _decode_ip6(data: bytes) -> str:
    return str(IPv6Address(data))


def _encode_port(text: str) -> bytes:
    return _number(text, 65535).to_bytes(2, "big")


def _decode_port(data: bytes) -> str:
    return str(int.from_bytes(data, "big"))


def _encode_byte(text: str) -> bytes:
    return bytes((_number(text, 255),))


def _decode_byte(data: bytes) -> str:
    return str(data[0])


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > most:
        raise ValueError(f"{text!r} is no number from 0 to {most}")
    return int(text)


def _encode_text(text: str) -> bytes:
    return _checked(text).encode()


def _decode_text(data: bytes) -> str:
    return _checked(data.decode())


def _checked(text: str) -> str:
    if not text or "/" in text or not text.isprintable():
        raise ValueError("nothing there, or a slash in it, or what cannot be shown")
    return text


def _encode_quoted(text: str) -> bytes:
    if not text:
        raise ValueError("nothing there")
    return unquote_to_bytes(text)


def _decode_quoted(data: bytes) -> str:
    return quote(data.decode(), safe="")


def _encode_peer_id(text: str) -> bytes:
    return PeerId.parse(text).multihash


def _decode_peer_id(data: bytes) -> str:
    return str(PeerId(data))


def _encode_multihash(text: str) -> bytes:
    return _multihash(decode_multibase(text))


def _decode_multihash(data: bytes) -> str:
    return encode_multibase(_multihash(data), "base64url")


def _multihash(data: bytes) -> bytes:
    _, place = decode_varint(data)
    size, place = decode_varint(data, place)
    if len(data) - place != size:
        raise ValueError("not a multihash")
    return data


def _onion(size: int) -> ValueKind:
    """A service of Tor: its name in base32, a colon, and a port from 1 on."""

    def encode(text: str) -> bytes:
        name, _, port = text.partition(":")
        data = from_base32(name)
        if len(data) != size or _number(port, 65535) == 0:
            raise ValueError(f"an onion address has {size} bytes and a port")
        return data + _encode_port(port)

    def decode(data: bytes) -> str:
        if data[size:] == b"\0\0":
            raise ValueError("an onion address has a port")
        return f"{to_base32(data[:size])}:{_decode_port(data[size:])}"

    return ValueKind(size + 2, encode, decode)


def _encode_garlic32(text: str) -> bytes:
    return _garlic(from_base32(text))


def _decode_garlic32(data: bytes) -> str:
    return to_base32(_garlic(data))


def _garlic(data: bytes) -> bytes:
    if len(data) < 35 and len(data) != 32:
        raise ValueError("an I2P address in base32 has 32 bytes, or 35 and more")
    return data


def _encode_garlic64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, altchars=b"-~", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return _decoded_garlic64(data)


def _decode_garlic64(data: bytes) -> str:
    return base64.b64encode(_decoded_garlic64(data), altchars=b"-~").decode()


def _decoded_garlic64(data: bytes) -> bytes:
    if len(data) < 386:
        raise ValueError("an I2P address has 386 bytes at least")
    return data


NONE = ValueKind(0, lambda text: b"", lambda data: "")
IP4 = ValueKind(4, _encode_ip4, _decode_ip4)
IP6 = ValueKind(16, _encode_ip6, _decode_ip6)
PORT = ValueKind(2, _encode_port, _decode_port)
BYTE = ValueKind(1, _encode_byte, _decode_byte)
TEXT = ValueKind(VARIABLE, _encode_text, _decode_text)
QUOTED = ValueKind(VARIABLE, _encode_quoted, _decode_quoted)
PEER_ID = ValueKind(VARIABLE, _encode_peer_id, _decode_peer_id)
MULTIHASH = ValueKind(VARIABLE, _encode_multihash, _decode_multihash)
ONION, ONION3 = _onion(10), _onion(35)
GARLIC32 = ValueKind(VARIABLE, _encode_garlic32, _decode_garlic32)
GARLIC64 = ValueKind(VARIABLE, _encode_garlic64, _decode_garlic64)
ERRORS = (ValueError, IdentityError, MultibaseError, VarintError, MultiaddrError)
