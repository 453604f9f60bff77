"""What a peer is called: the hash of its public key, or a short key itself (specs/peer-ids)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from transfer.identity.errors import IdentityError
from transfer.wire.multibase import MultibaseError, decode_multibase, encode_multibase, from_base58, to_base58
from transfer.wire.varint import VarintError, decode_varint, encode_varint

if TYPE_CHECKING:
    from transfer.identity.keys import PublicKey

MAX_INLINE_BYTES = 42  # keys up to here are the id, longer ones are hashed
IDENTITY, SHA2_256 = 0x00, 0x12  # multihash codes
CID_VERSION, LIBP2P_KEY = 1, 0x72


@dataclass(frozen=True, slots=True, order=True)
class PeerId:
    """The name of a peer, which only the owner of its key can prove to have.

    Args:
        multihash: its bytes, as they travel.

    Raises:
        IdentityError: neither a short key as it is nor a SHA-256.
    """

    multihash: bytes

    def __post_init__(self) -> None:
        try:
            code, place = decode_varint(self.multihash)
            size, place = decode_varint(self.multihash, place)
        except VarintError as error:
            raise IdentityError(f"that is no peer id: {error}") from None
        if len(self.multihash) - place != size:
            raise IdentityError(f"a peer id of {len(self.multihash)} bytes says that {size} follow its head")
        if not (code == IDENTITY and 0 < size <= MAX_INLINE_BYTES) and not (code == SHA2_256 and size == 32):
            raise IdentityError(f"a peer id is a SHA-256, or a key of up to {MAX_INLINE_BYTES} bytes")

    @classmethod
    def of(cls, key: PublicKey) -> PeerId:
        """Of the peer that has a key."""
        data = key.to_bytes()
        if len(data) <= MAX_INLINE_BYTES:
            return cls(encode_varint(IDENTITY) + encode_varint(len(data)) + data)
        return cls(bytes((SHA2_256, 32)) + sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> PeerId:
        """Reads `12D3KooW…`, `16Uiu2HA…`, `Qm…`, or the form of a CID (`bafz…`, `k51…`).

        Raises:
            IdentityError: it is no peer id.
        """
        try:
            if text[:1] == "1" or text[:2] == "Qm":
                return cls(from_base58(text))
            data = decode_multibase(text)
            version, place = decode_varint(data)
            codec, place = decode_varint(data, place)
        except (MultibaseError, VarintError) as error:
            raise IdentityError(f"{text[:80]!r} is no peer id: {error}") from None
        if (version, codec) != (CID_VERSION, LIBP2P_KEY):
            raise IdentityError(f"{text[:80]!r} is the id of something else than a peer")
        return cls(data[place:])

    @property
    def public_key(self) -> PublicKey | None:
        """The key, where the id holds it.

        Raises:
            IdentityError: what it holds is no key.
        """
        from transfer.identity.keys import PublicKey

        if self.multihash[0] != IDENTITY:
            return None
        _, place = decode_varint(self.multihash, 1)
        return PublicKey.from_bytes(self.multihash[place:])

    def matches(self, key: PublicKey) -> bool:
        """Whether this is the id of the peer that has a key."""
        return PeerId.of(key) == self

    def to_cid(self, base: str = "base32") -> str:
        """The form that content ids have (CIDv1, libp2p-key)."""
        return encode_multibase(bytes((CID_VERSION, LIBP2P_KEY)) + self.multihash, base)

    def __bytes__(self) -> bytes:
        return self.multihash

    def __str__(self) -> str:
        return to_base58(self.multihash)
