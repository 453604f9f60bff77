"""What peers tell each other of themselves: `/ipfs/id/1.0.0` and `/ipfs/id/push/1.0.0` (specs/identify).

A peer may spread it over several messages, which are merged; some write the signed record apart because of its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from transfer.host.delimited import DelimitedError, DelimitedReader, delimited
from transfer.host.errors import IdentifyError
from transfer.host.peer_record import PeerRecord
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PublicKey
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.wire import protobuf
from transfer.wire.varint import encode_varint

T = TypeVar("T")
ID_PROTOCOL = "/ipfs/id/1.0.0"
PUSH_PROTOCOL = "/ipfs/id/push/1.0.0"
MAX_MESSAGE_BYTES = 8 << 10  # as go-libp2p and js-libp2p take it
MAX_MESSAGES = 10  # likewise
MAX_SENT_BYTES = 4 << 10  # rust-libp2p takes no more
MAX_PROTOCOLS = 1024  # as go-libp2p remembers
MAX_ADDRESSES = 256
MAX_TEXT = 256  # characters of a name or version that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What a peer says. None: it did not say; the record is verified, and that of the peer itself.

    Attributes:
        addresses: where it listens, without its id; those that make no sense are left out.
        protocols: what it speaks.
        observed: where it sees us.
        protocol_version, agent: its network and its program.
        record: its addresses, signed.
        record_bytes: the same as it travels, to be handed on.
    """

    public_key: PublicKey | None = None
    addresses: tuple[Multiaddr, ...] | None = None
    protocols: tuple[str, ...] | None = None
    observed: Multiaddr | None = None
    protocol_version: str | None = None
    agent: str | None = None
    record: PeerRecord | None = None
    record_bytes: bytes = b""

    def to_messages(self) -> Iterator[bytes]:
        """As they travel: one if that is short enough, or else the record in one of its own.

        Addresses and protocols that do not fit are left out, the last ones first.
        """
        addresses, protocols = self.addresses or (), self.protocols or ()
        record = self.record_bytes
        head = self._encode((), (), b"")
        whole = self._encode(addresses, protocols, record)
        if len(whole) <= MAX_SENT_BYTES:
            yield delimited(whole)
            return
        room = MAX_SENT_BYTES - len(head)
        protocols, room = _fitting(protocols, [len(each.encode()) for each in protocols], room)
        addresses, _ = _fitting(addresses, [len(bytes(each)) for each in addresses], room)
        yield delimited(self._encode(addresses, protocols, b""))
        if record and len(record) <= MAX_SENT_BYTES - 8:
            yield delimited(protobuf.encode(_IDENTIFY(signedPeerRecord=record)))

    def _encode(self, addresses: Sequence[Multiaddr], protocols: Sequence[str], record: bytes) -> bytes:
        message = _IDENTIFY(
            listenAddrs=[bytes(address) for address in addresses], protocols=[each.encode() for each in protocols]
        )
        if self.public_key is not None:
            message.publicKey = self.public_key.to_bytes()
        if self.observed is not None:
            message.observedAddr = bytes(self.observed)
        if self.protocol_version is not None:
            message.protocolVersion = self.protocol_version.encode()
        if self.agent is not None:
            message.agentVersion = self.agent.encode()
        if record:
            message.signedPeerRecord = record
        return protobuf.encode(message)

    def merged(self, newer: Identification) -> Identification:
        """With what another message says, which stands above what this one does."""
        said = {name: value for name in _FIELDS if (value := getattr(newer, name))}
        return replace(self, **said)


class IdentifyReader:
    """Reads what a peer says on one stream, whose end is the end of it.

    Args:
        key: of the peer, as the connection has proved it. What it says of another one is refused.
    """

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._reader = DelimitedReader(max_bytes=MAX_MESSAGE_BYTES)
        self._messages = 0
        self._found = Identification()

    def receive(self, data: bytes) -> None:
        """More of what comes.

        Raises:
            IdentifyError: too long, too much, no message, or not true.
        """
        self._reader.feed(data)
        try:
            while (message := self._reader.next_message()) is not None:
                self._messages += 1
                if self._messages > MAX_MESSAGES:
                    raise IdentifyError(f"{self._key.peer_id} tells of itself in more than {MAX_MESSAGES} messages")
                self._found = self._found.merged(decode_identification(message, self._key))
        except DelimitedError as error:
            raise IdentifyError(f"what {self._key.peer_id} tells of itself cannot be read: {error}") from None

    def finish(self) -> Identification:
        """All that it has said.

        Raises:
            IdentifyError: nothing, or only a part.
        """
        if not self._messages or not self._reader.is_empty:
            raise IdentifyError(f"{self._key.peer_id} has broken off when it was to tell of itself")
        return self._found


def decode_identification(data: bytes, key: PublicKey) -> Identification:
    """What one message says.

    Raises:
        IdentifyError: it is none, or is of another peer than `key`.
    """
    peer_id = key.peer_id
    try:
        found = protobuf.decode(_IDENTIFY, data, max_bytes=MAX_MESSAGE_BYTES)
        said = PublicKey.from_bytes(found.publicKey) if found.publicKey else None
        record = PeerRecord.open(found.signedPeerRecord) if found.signedPeerRecord else None
    except (protobuf.ProtobufError, IdentityError) as error:
        raise IdentifyError(f"what {peer_id} tells of itself cannot be used: {error}") from None
    if said is not None and said != key:
        raise IdentifyError(f"{peer_id} says that its key is that of {said.peer_id}")
    if record is not None and record.peer_id != peer_id:
        raise IdentifyError(f"{peer_id} shows the record of {record.peer_id} as its own")
    if len(found.protocols) > MAX_PROTOCOLS or len(found.listenAddrs) > MAX_ADDRESSES:
        raise IdentifyError(f"{peer_id} names {len(found.protocols)} protocols and {len(found.listenAddrs)} addresses")
    addresses = dict.fromkeys(
        own for each in found.listenAddrs if (address := _address(each)) and (own := address.without_peer_id)
    )
    observed = _address(found.observedAddr) if found.observedAddr else None
    return Identification(
        public_key=said,
        addresses=tuple(addresses) or None,
        protocols=tuple(dict.fromkeys(text for each in found.protocols if (text := _protocol(each)))) or None,
        observed=None if observed is None else observed.without_peer_id,
        protocol_version=_text(found.protocolVersion),
        agent=_text(found.agentVersion),
        record=record,
        record_bytes=found.signedPeerRecord,
    )


def _address(data: bytes) -> Multiaddr | None:
    try:
        return Multiaddr(data)
    except MultiaddrError:
        return None


def _protocol(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if len(text) <= MAX_TEXT and text.isprintable() else ""


def _text(data: bytes) -> str | None:
    """For people: what cannot be shown is shown as such."""
    text = data.decode(errors="replace")[:MAX_TEXT]
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text) or None


def _fitting(items: Sequence[T], sizes: Sequence[int], room: int) -> tuple[tuple[T, ...], int]:
    """The first ones that fit as fields of a message, and the room that is left."""
    kept: list[T] = []
    for item, size in zip(items, sizes, strict=True):
        needed = 1 + len(encode_varint(size)) + size
        if needed > room:
            break
        room -= needed
        kept.append(item)
    return tuple(kept), room


_FIELDS = tuple(Identification.__slots__)
_IDENTIFY = protobuf.message_types(
    "kad.host.identify",
    Identify={
        "publicKey": (1, "optional bytes"),
        "listenAddrs": (2, "repeated bytes"),
        "protocols": (3, "repeated bytes"),  # strings to the specification; here they are checked one by one
        "observedAddr": (4, "optional bytes"),
        "protocolVersion": (5, "optional bytes"),
        "agentVersion": (6, "optional bytes"),
        "signedPeerRecord": (8, "optional bytes"),
    },
)["Identify"]
