"""What a node remembers from one run to the next: its key and the contacts it knew, as one small file."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kademlia_core.contact import Contact
from kademlia_core.key import Key
from transfer.address import COMPACT_IPV4_SIZE, COMPACT_IPV6_SIZE, Address
from transfer.errors import DecodeError
from transfer.wire import bencode

if TYPE_CHECKING:
    from collections.abc import Iterable


class SnapshotError(DecodeError):
    """Bytes that are no snapshot, or one of a version that this library does not know."""


@dataclass(frozen=True, slots=True)
class NetworkSnapshot:
    """A node's place in the network of one address family: its key and its contacts, best first."""

    node_id: Key
    is_ipv6: bool
    contacts: tuple[Contact, ...]


def encode_snapshot(networks: Iterable[NetworkSnapshot]) -> bytes:
    """The file for a node's networks."""
    content = bencode.encode(
        [
            {
                b"bits": network.node_id.bits,
                b"family": 6 if network.is_ipv6 else 4,
                b"id": bytes(network.node_id),
                b"nodes": b"".join([contact.compact() for contact in network.contacts]),
            }
            for network in networks
        ]
    )
    return bencode.encode(
        {b"checksum": sha256(content).digest(), b"content": content, b"format": FORMAT, b"version": VERSION}
    )


def decode_snapshot(data: bytes) -> list[NetworkSnapshot]:
    """The inverse of `encode_snapshot`; at most `MAX_CONTACTS` contacts for each network.

    Raises:
        SnapshotError: anything else, even a single changed bit.
    """
    try:
        envelope = bencode.decode_dict(data, limits=_LIMITS)
        if envelope.get(b"format") != FORMAT:
            raise SnapshotError("this is no snapshot of a node")
        if envelope.get(b"version") != VERSION:
            raise SnapshotError(
                f"snapshot version {envelope.get(b'version')!r} is not known; this library reads {VERSION}"
            )
        content = envelope.get(b"content")
        if not isinstance(content, bytes) or sha256(content).digest() != envelope.get(b"checksum"):
            raise SnapshotError("the snapshot is damaged")
        networks = bencode.decode(content, limits=_LIMITS)
        if not isinstance(networks, list) or len(networks) > 2:
            raise SnapshotError("the snapshot does not list one or two networks")
        return [_network(network) for network in networks]
    except bencode.BencodeError as error:
        raise SnapshotError(f"the snapshot is damaged: {error}") from None


def _network(value: Any) -> NetworkSnapshot:
    bits, family, key, nodes = (
        (value.get(name) for name in (b"bits", b"family", b"id", b"nodes")) if isinstance(value, dict) else (None,) * 4
    )
    if not isinstance(bits, int) or not isinstance(key, bytes) or not isinstance(nodes, bytes) or family not in (4, 6):
        raise SnapshotError("the snapshot lacks a part")
    if not 0 < bits <= MAX_KEY_BITS or len(key) != (bits + 7) // 8:
        raise SnapshotError("the snapshot's key has an odd width")
    key_size = len(key)
    stride = key_size + (COMPACT_IPV6_SIZE if family == 6 else COMPACT_IPV4_SIZE)
    if len(nodes) % stride or len(nodes) > MAX_CONTACTS * stride:
        raise SnapshotError("the snapshot's contacts are cut off or too many")
    try:
        contacts = tuple(
            Contact(
                Key(int.from_bytes(nodes[at : at + key_size], "big"), bits),
                Address.from_compact(nodes[at + key_size : at + stride]),
            )
            for at in range(0, len(nodes), stride)
        )
        return NetworkSnapshot(Key(int.from_bytes(key, "big"), bits), family == 6, contacts)
    except DecodeError as error:
        raise SnapshotError(f"the snapshot holds {error}") from None


FORMAT = b"kademlia_core node"
VERSION = 1
MAX_CONTACTS = 2000
MAX_KEY_BITS = 512
_LIMITS = bencode.BencodeLimits(size_bytes=1 << 20, depth=4, tokens=64)
