"""The messages of `/ipfs/kad/1.0.0`, as bytes and back (libp2p specifications, kad-dht, "RPC messages").

What peers differ in is read leniently: a peer with an id or an address that makes no sense is left out and the others
count, unknown fields are passed over (go-libp2p adds field 10, rust-libp2p two fields to records), and a type that is
not there is PUT_VALUE, as everybody leaves out a zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

from kademlia_core.libp2p.errors import KadMessageError
from transfer.identity.errors import IdentityError
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.wire import protobuf
from transfer.wire.varint import VarintError, decode_varint, encode_varint

MAX_MESSAGE_BYTES = 4 << 20  # what go-libp2p and js-libp2p take
MAX_FIELDS = 8192
MAX_ADDRESSES = 64  # read of one peer


class MessageType(IntEnum):
    """What a message asks, or answers."""

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


class ConnectionType(IntEnum):
    """How the teller stands with a peer it names."""

    NOT_CONNECTED = 0
    CONNECTED = 1
    CAN_CONNECT = 2
    CANNOT_CONNECT = 3


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer and where it may be reached.

    Attributes:
        peer_id: its id.
        addresses: as the teller gave them; without the peer's id at their end.
        connection: whether the teller is connected to it.
        signed_record: the peer's own signed envelope, which py-libp2p adds; empty if there is none.
    """

    peer_id: PeerId
    addresses: tuple[Multiaddr, ...] = ()
    connection: ConnectionType = ConnectionType.NOT_CONNECTED
    signed_record: bytes = b""


@dataclass(frozen=True, slots=True)
class Record:
    """A value under its key.

    Attributes:
        key: binary, `/namespace/` and then whatever the namespace says.
        value: the bytes.
        time_received: when the teller got it (RFC 3339); empty when it does not say.
    """

    key: bytes
    value: bytes
    time_received: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer; which of the fields count depends on `type`."""

    type: MessageType
    key: bytes = b""
    record: Record | None = None
    closer: tuple[PeerInfo, ...] = ()
    providers: tuple[PeerInfo, ...] = ()
    sender_record: bytes = b""


def decode(data: bytes, *, max_bytes: int = MAX_MESSAGE_BYTES, with_peers: bool = True) -> Message:
    """The message that some bytes hold.

    Args:
        with_peers: whether the peers that it names are of interest, which take nearly all of the time.

    Raises:
        KadMessageError: they hold none.
    """
    if len(data) > max_bytes:
        raise KadMessageError(f"a message of {len(data)} bytes is longer than {max_bytes}")
    try:
        if len(data) > SMALL_BYTES:  # millions of empty peers would take a hundred times the memory of their bytes
            _check_fields(data)
        found = protobuf.decode(_MESSAGE, data, max_bytes=max_bytes)
    except (protobuf.ProtobufError, VarintError) as error:
        raise KadMessageError(f"that is no message of the DHT: {error}") from None
    if found.type not in _KINDS:
        raise KadMessageError(f"messages of type {found.type} are not known here")
    return Message(
        MessageType(found.type),
        found.key,
        _record(found.record) if found.HasField("record") else None,
        _peers(found.closerPeers) if with_peers else (),
        _peers(found.providerPeers) if with_peers else (),
        found.senderRecord,
    )


def encode(message: Message) -> bytes:
    """The bytes of a message, of equal ones the same."""
    fields: dict[str, Any] = {"type": int(message.type)} if message.type else {}
    if message.key:
        fields["key"] = message.key
    if message.record is not None:
        fields["record"] = _written_record(message.record)
    parts = [protobuf.encode(_MESSAGE(**fields))]
    # The same peers are named over and over: each is written once, and the fields that follow are put together here.
    for tag, peers in ((CLOSER_TAG, message.closer), (PROVIDER_TAG, message.providers)):
        for peer in peers:
            written = _written_peer(peer)
            parts += (tag, encode_varint(len(written)), written)
    if message.sender_record:
        parts += (SENDER_TAG, encode_varint(len(message.sender_record)), message.sender_record)
    return b"".join(parts)


def _check_fields(data: bytes) -> None:
    """Counts the fields of a message without reading them.

    Raises:
        KadMessageError: they are too many, or none.
        VarintError: a number in them is none.
    """
    place = fields = 0
    while place < len(data):
        fields += 1
        if fields > MAX_FIELDS:
            raise KadMessageError(f"a message has at most {MAX_FIELDS} fields")
        tag, place = decode_varint(data, place)
        if tag & 7 == 0:
            _, place = decode_varint(data, place)
        elif tag & 7 == 2:
            size, place = decode_varint(data, place)
            place += size
        elif tag & 7 in (1, 5):
            place += 8 if tag & 7 == 1 else 4
        else:
            raise KadMessageError("that is no message of the DHT: it has a field of no kind")


def _record(found: Any) -> Record:
    return Record(found.key, found.value, found.timeReceived.decode(errors="replace"))


def _peers(found: Any) -> tuple[PeerInfo, ...]:
    peers: dict[PeerId, PeerInfo] = {}
    for each in found:
        try:
            peer_id = _peer_id(each.id)
        except IdentityError:
            continue
        if peer_id not in peers:
            kind = each.connection if each.connection in _CONNECTIONS else 0
            peers[peer_id] = PeerInfo(
                peer_id, _addresses(each.addrs, peer_id), ConnectionType(kind), bytes(each.signedRecord)
            )
    return tuple(peers.values())


def _addresses(found: Any, peer_id: PeerId) -> tuple[Multiaddr, ...]:
    addresses: dict[Multiaddr, None] = {}
    for data in found[:MAX_ADDRESSES]:
        try:
            address = way_to(_multiaddr(data), peer_id)
        except MultiaddrError:
            continue
        if address is not None:
            addresses[address] = None
    return tuple(addresses)


def way_to(address: Multiaddr, peer_id: PeerId) -> Multiaddr | None:
    """An address without the id at its end, which js-libp2p adds; None when it leads to another peer, or nowhere."""
    named = address.peer_id
    if named is None:
        return address
    return address.without_peer_id if named == peer_id else None


def _written_record(record: Record) -> Any:
    written = _RECORD(key=record.key, value=record.value)
    if record.time_received:
        written.timeReceived = record.time_received.encode()
    return written


@lru_cache(maxsize=4096)
def _written_peer(peer: PeerInfo) -> bytes:
    written = _PEER(id=peer.peer_id.multihash, addrs=[bytes(address) for address in peer.addresses])
    if peer.connection:
        written.connection = int(peer.connection)
    if peer.signed_record:
        written.signedRecord = peer.signed_record
    return protobuf.encode(written)


_peer_id = lru_cache(maxsize=4096)(PeerId)
_multiaddr = lru_cache(maxsize=4096)(Multiaddr)
SMALL_BYTES = 64 << 10
CLOSER_TAG, PROVIDER_TAG, SENDER_TAG = b"\x42", b"\x4a", b"\x5a"  # fields 8, 9 and 11, bytes with a length
_KINDS, _CONNECTIONS = frozenset(map(int, MessageType)), frozenset(map(int, ConnectionType))
# A text on the wire is read as bytes: one that is not UTF-8 must not void the message.
_TYPES = protobuf.message_types(
    "kad.libp2p.dht",
    Record={"key": (1, "optional bytes"), "value": (2, "optional bytes"), "timeReceived": (5, "optional bytes")},
    Peer={
        "id": (1, "optional bytes"),
        "addrs": (2, "repeated bytes"),
        "connection": (3, "optional int32"),
        "signedRecord": (4, "optional bytes"),
    },
    Message={
        "type": (1, "optional int32"),
        "key": (2, "optional bytes"),
        "record": (3, "optional Record"),
        "closerPeers": (8, "repeated Peer"),
        "providerPeers": (9, "repeated Peer"),
        "senderRecord": (11, "optional bytes"),
    },
)
_RECORD, _PEER, _MESSAGE = _TYPES["Record"], _TYPES["Peer"], _TYPES["Message"]
