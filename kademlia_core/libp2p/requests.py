"""What a node of the DHT asks beside the engine's `FindNode` and `Ping`, and how each is put on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.engine.requests import Request
from kademlia_core.libp2p.messages import Message, MessageType, PeerInfo, Record

if TYPE_CHECKING:
    from kademlia_core.key import Key
    from transfer.identity.peer_id import PeerId


@dataclass(frozen=True, slots=True)
class FindPeer(Request):
    """Where is this peer, and which do you know closest to it?"""

    peer_id: PeerId


@dataclass(frozen=True, slots=True)
class GetValue(Request):
    """What is kept under `key`?"""

    key: bytes


@dataclass(frozen=True, slots=True)
class PutValue(Request):
    """Keep this."""

    record: Record


@dataclass(frozen=True, slots=True)
class GetProviders(Request):
    """Who has the content whose multihash is `key`?"""

    key: bytes


@dataclass(frozen=True, slots=True)
class AddProvider(Request):
    """`provider`, which is this node itself, has the content whose multihash is `key`. It is not answered."""

    key: bytes
    provider: PeerInfo


@dataclass(frozen=True, slots=True)
class ProtocolPing(Request):
    """The PING of the protocol, which rust-libp2p does not answer: the engine's own `Ping` is another question."""


@dataclass(frozen=True, slots=True)
class KadAnswer:
    """An answer, and the key of the peer that the stream led to. There are no tokens: a dial proves who asks."""

    sender: Key
    message: Message
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A peer has reset the stream, or answered something else than was asked."""

    text: str
    code: int = 0


def message_of(request: Request) -> Message:
    """What goes out for a request of the dialect.

    Raises:
        TypeError: it is none of it.
    """
    match request:
        case FindPeer(peer_id):
            return Message(MessageType.FIND_NODE, peer_id.multihash)
        case GetValue(key):
            return Message(MessageType.GET_VALUE, key)
        case PutValue(record):
            return Message(MessageType.PUT_VALUE, record.key, record)
        case GetProviders(key):
            return Message(MessageType.GET_PROVIDERS, key)
        case AddProvider(key, provider):
            return Message(MessageType.ADD_PROVIDER, key, providers=(provider,))
        case ProtocolPing():
            return Message(MessageType.PING)
    raise TypeError(f"{type(request).__name__} is no request of this dialect")
