"""Where a peer is to be found, signed by itself (libp2p RFC 3)."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.identity.envelope import Envelope
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.wire import protobuf

# The RFC's text names another domain and type, which rust-libp2p alone uses; these are what deployed peers send.
DOMAIN = "libp2p-peer-record"
PAYLOAD_TYPE = b"\x03\x01"
MAX_RECORD_BYTES = 32 << 10
MAX_ADDRESSES = 256


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """What a peer says of itself.

    Attributes:
        peer_id: whose it is.
        sequence: a newer record has a higher one; only records of one peer can be compared, as some count in
            milliseconds and some in nanoseconds.
        addresses: in the order of the peer's. Those of a record from outside that make no sense are left out.
    """

    peer_id: PeerId
    sequence: int
    addresses: tuple[Multiaddr, ...] = ()

    def seal(self, key: PrivateKey) -> Envelope:
        """Signed by the peer's own key.

        Raises:
            ValueError: it is another peer's.
        """
        if not self.peer_id.matches(key.public_key):
            raise ValueError(f"the record of {self.peer_id} cannot be signed by {key.peer_id}")
        record = _RECORD(
            peer_id=self.peer_id.multihash,
            seq=self.sequence,
            addresses=[_ADDRESS(multiaddr=bytes(address)) for address in self.addresses],
        )
        return Envelope.seal(key, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=protobuf.encode(record))

    @classmethod
    def open(cls, data: bytes) -> PeerRecord:
        """Reads an envelope that holds a record, verifies it, and that it is the signer's own.

        Raises:
            IdentityError: any of it is not so.
        """
        envelope = Envelope.open(data, domain=DOMAIN)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise IdentityError(f"the envelope holds no peer record, but {envelope.payload_type.hex()}")
        try:
            found = protobuf.decode(_RECORD, envelope.payload, max_bytes=MAX_RECORD_BYTES)
        except protobuf.ProtobufError as error:
            raise IdentityError(f"the envelope holds no peer record: {error}") from None
        peer_id = PeerId(found.peer_id)
        if not peer_id.matches(envelope.public_key):
            raise IdentityError(f"{envelope.public_key.peer_id} has signed a record of {peer_id}")
        if len(found.addresses) > MAX_ADDRESSES:
            raise IdentityError(f"{peer_id} names {len(found.addresses)} addresses, more than {MAX_ADDRESSES}")
        addresses: dict[Multiaddr, None] = {}
        for each in found.addresses:
            try:
                addresses[Multiaddr(each.multiaddr)] = None
            except MultiaddrError:
                continue
        return cls(peer_id, found.seq, tuple(addresses))


_TYPES = protobuf.message_types(
    "kad.identity.peer_record",
    Address={"multiaddr": (1, "optional bytes")},
    PeerRecord={
        "peer_id": (1, "required bytes"),
        "seq": (2, "optional uint64"),
        "addresses": (3, "repeated Address"),
    },
)
_ADDRESS, _RECORD = _TYPES["Address"], _TYPES["PeerRecord"]
