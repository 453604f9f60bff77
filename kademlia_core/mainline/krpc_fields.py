"""The fields that KRPC messages are made of, and the one error for whatever is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kademlia_core.contact import Contact
from kademlia_core.datagram.messages import MessageError
from kademlia_core.key import Key
from kademlia_core.mainline.messages import ERROR_PROTOCOL
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, Address
from transfer.wire import bencode

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_SIZE = 20
from_compact = Contact.from_compact
LIMITS = bencode.BencodeLimits(size_bytes=65536, tokens=8192)


class KrpcError(MessageError):
    """A datagram that is no valid message."""

    def __init__(self, reason: str, *, transaction_id: bytes | None = None, code: int = ERROR_PROTOCOL) -> None:
        super().__init__(f"invalid KRPC message: {reason}", reason, transaction_id=transaction_id, code=code)


def key_of(values: dict[bytes, Any], name: bytes) -> Key:
    """The key that `values` has under `name`.

    Raises:
        KrpcError: no such key, or not 20 bytes.
    """
    value = values.get(name)
    if not isinstance(value, bytes) or len(value) != KEY_SIZE:
        raise KrpcError(f"{name.decode()} is not {KEY_SIZE} bytes")
    return Key.from_bytes(value)


def bytes_of(values: dict[bytes, Any], name: bytes) -> bytes | None:
    """A string, or None for anything else."""
    value = values.get(name)
    return value if isinstance(value, bytes) else None


def integer_of(values: dict[bytes, Any], name: bytes) -> int | None:
    """An integer, or None for anything else."""
    value = values.get(name)
    return value if isinstance(value, int) else None


def is_set(values: dict[bytes, Any], name: bytes) -> bool:
    """Whether a flag is there and not zero."""
    return values.get(name, 0) not in (0, b"")


def addresses_of(values: dict[bytes, Any], name: bytes) -> tuple[Address, ...]:
    """The compact endpoints in a list; entries that are none are left out."""
    entries = values.get(name)
    return tuple(map(Address.from_compact, filter(is_compact, entries))) if isinstance(entries, list) else ()


def is_compact(value: object) -> bool:
    return isinstance(value, bytes) and len(value) in (COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE)


def split_nodes(data: bytes, *, ipv6: bool) -> tuple[Contact, ...]:
    """The contacts of a `nodes` (26 bytes each) or `nodes6` (38 bytes each) string; a broken tail is ignored."""
    if not data:
        return ()
    stride = KEY_SIZE + (COMPACT_IPV6_SIZE if ipv6 else COMPACT_IPV4_SIZE)
    return tuple([from_compact(data[at : at + stride], KEY_SIZE) for at in range(0, len(data) - stride + 1, stride)])


def join_nodes(contacts: Iterable[Contact]) -> bytes:
    """The inverse of `split_nodes`; all of one address family, which the caller sees to."""
    return b"".join([contact.compact() for contact in contacts])


def raw_value(data: bytes, name: bytes, values: dict[bytes, Any]) -> bytes:
    """The bytes of the value `v` as they came.

    Args:
        data: the whole message.
        name: where it has the dictionary that `v` is in.
        values: that dictionary, decoded.

    Raises:
        BencodeError: `data` is no such message.
    """
    body = bencode.encode(values)
    if _BEFORE_BODY.fullmatch(data, 0, max(0, data.find(b"1:%s%s" % (name, body)))):
        return bencode.encode(values[b"v"])  # what is written alike was written alike all through: a scan saved
    start, end = bencode.spans(data, limits=LIMITS)[name]
    inner = data[start:end]
    start, end = bencode.spans(inner, limits=LIMITS)[b"v"]
    return inner[start:end]


_BEFORE_BODY = re.compile(rb"d(?:2:ip(?:6:.{6}|18:.{18}))?", re.DOTALL)
