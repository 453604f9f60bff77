"""Signed envelopes: bytes of one kind, for one purpose, by the owner of a key (libp2p RFC 2)."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.identity.errors import IdentityError
from transfer.identity.keys import PrivateKey, PublicKey
from transfer.wire import protobuf
from transfer.wire.varint import encode_varint

MAX_ENVELOPE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a peer has signed; one that exists was verified.

    Attributes:
        public_key: the signer's.
        payload_type: what the payload is: a multicodec.
        payload: what was signed.
        signature: over the domain, the type and the payload.
    """

    public_key: PublicKey
    payload_type: bytes
    payload: bytes
    signature: bytes

    @classmethod
    def seal(cls, key: PrivateKey, *, domain: str, payload_type: bytes, payload: bytes) -> Envelope:
        """Signs.

        Args:
            domain: the purpose, so that what was signed for one is of no use for another.
        """
        signature = key.sign(_signed(domain, payload_type, payload))
        return cls(key.public_key, payload_type, payload, signature)

    @classmethod
    def open(cls, data: bytes, *, domain: str, max_bytes: int = MAX_ENVELOPE_BYTES) -> Envelope:
        """Reads an envelope and verifies it.

        Raises:
            IdentityError: it is none, or its signature is not its key's, or was made for another domain.
        """
        try:
            found = protobuf.decode(_ENVELOPE, data, max_bytes=max_bytes)
        except protobuf.ProtobufError as error:
            raise IdentityError(f"that is no signed envelope: {error}") from None
        key = PublicKey.from_bytes(found.public_key)
        if not key.verify(_signed(domain, found.payload_type, found.payload), found.signature):
            raise IdentityError(f"the envelope is not signed by {key.peer_id}, or not as {domain}")
        return cls(key, found.payload_type, found.payload, found.signature)

    def to_bytes(self) -> bytes:
        """As a protobuf."""
        return protobuf.encode(
            _ENVELOPE(
                public_key=self.public_key.to_bytes(),
                payload_type=self.payload_type,
                payload=self.payload,
                signature=self.signature,
            )
        )


def _signed(domain: str, payload_type: bytes, payload: bytes) -> bytes:
    parts = (domain.encode(), payload_type, payload)
    return b"".join(encode_varint(len(part)) + part for part in parts)


# The key is a message on the wire: as bytes it has the same form, and is read with all its checks.
_ENVELOPE = protobuf.message_types(
    "kad.identity.envelope",
    Envelope={
        "public_key": (1, "required bytes"),
        "payload_type": (2, "optional bytes"),
        "payload": (3, "optional bytes"),
        "signature": (5, "required bytes"),
    },
)["Envelope"]
