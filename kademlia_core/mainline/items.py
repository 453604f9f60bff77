"""Values that the DHT stores: immutable ones under their hash, mutable ones under their owner's key (BEP 44).

A value is any bencoded datum and travels as the raw bytes it was published with. They are what is hashed and signed, so
they are never encoded anew on the way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kademlia_core.key import Key
from kademlia_core.mainline.item_errors import ItemError, SaltTooBigError, ValueTooBigError
from transfer.wire import bencode

if TYPE_CHECKING:
    from kademlia_core.mainline.signing import SigningKey

MAX_VALUE_BYTES = 1000
MAX_SALT_BYTES = 64
MAX_SEQ = 2**63 - 1
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64


@dataclass(frozen=True, slots=True)
class ImmutableItem:
    """A value under its own hash, so no node that hands it on can change it.

    Args:
        value: raw bencode. `of` makes it from a Python value.

    Raises:
        ValueTooBigError: more than `MAX_VALUE_BYTES`.
        ItemError: not bencode.
    """

    value: bytes

    def __post_init__(self) -> None:
        _check_value(self.value)

    @classmethod
    def of(cls, value: bencode.Encodable) -> ImmutableItem:
        """The item for a Python value: int, bytes, str, list or dictionary.

        Raises:
            ValueTooBigError: it takes more than `MAX_VALUE_BYTES` bencoded.
            LocalProtocolError: bencode cannot express it.
        """
        return cls(encode_value(value))

    @property
    def target(self) -> Key:
        """Where it is stored: the SHA-1 of the raw value."""
        return Key.from_bytes(hashlib.sha1(self.value, usedforsecurity=False).digest())

    def decoded(self) -> bencode.Value:
        """The value as Python has it; strings are bytes."""
        return decode_value(self.value)


@dataclass(frozen=True, slots=True)
class MutableItem:
    """A signed value that its owner may replace by one with a higher sequence number.

    Existence does not mean that the signature is right: `verify` tells. Checking is left to the receiver of the item,
    because it costs a hundred times more than all other checks together.

    Args:
        public_key: Ed25519, 32 bytes.
        seq: 0 to 2**63 - 1; BEP 44 allows to refuse others.
        value: raw bencode.
        signature: of `signed_bytes`, 64 bytes.
        salt: tells apart the items of one key; up to 64 bytes, empty for none. A `get` answer does not carry it.

    Raises:
        ValueTooBigError, SaltTooBigError: as they say.
        ItemError: a key, signature or sequence number of the wrong form, or a value that is not bencode.
    """

    public_key: bytes
    seq: int
    value: bytes
    signature: bytes
    salt: bytes = b""

    def __post_init__(self) -> None:
        check_owner(self.public_key, self.salt)
        if len(self.signature) != SIGNATURE_SIZE:
            raise ItemError(f"a signature has {SIGNATURE_SIZE} bytes, not {len(self.signature)}")
        _check_seq(self.seq)
        _check_value(self.value)

    @classmethod
    def sign(cls, key: SigningKey, value: bencode.Encodable, *, seq: int, salt: bytes = b"") -> MutableItem:
        """A new version of the item of `key` and `salt`.

        Args:
            value: a Python value, as for `ImmutableItem.of`.
            seq: higher than that of the version it replaces.

        Raises:
            ValueTooBigError, SaltTooBigError: as they say.
            ItemError: a sequence number out of range.
            LocalProtocolError: bencode cannot express `value`.
        """
        _check_seq(seq)
        _check_salt(salt)
        raw = encode_value(value)
        return cls(key.public_key, seq, raw, key.sign(signed_bytes(raw, seq=seq, salt=salt)), salt)

    def verify(self) -> bool:
        """Whether the owner of `public_key` signed this. Cost: about 150 us."""
        from kademlia_core.mainline import signing

        message = signed_bytes(self.value, seq=self.seq, salt=self.salt)
        return signing.is_signed(message, self.signature, self.public_key)

    @property
    def target(self) -> Key:
        """Where it is stored."""
        return target_of(self.public_key, self.salt)

    def decoded(self) -> bencode.Value:
        """The value as Python has it; strings are bytes."""
        return decode_value(self.value)


def check_owner(public_key: bytes, salt: bytes = b"") -> None:
    """Raises: SaltTooBigError: more than `MAX_SALT_BYTES`.

    ItemError: a public key of the wrong size.
    """
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise ItemError(f"a public key has {PUBLIC_KEY_SIZE} bytes, not {len(public_key)}")
    _check_salt(salt)


def target_of(public_key: bytes, salt: bytes = b"") -> Key:
    """Where the mutable item of a key and salt is stored: the SHA-1 of both."""
    return Key.from_bytes(hashlib.sha1(public_key + salt, usedforsecurity=False).digest())


def signed_bytes(value: bytes, *, seq: int, salt: bytes = b"") -> bytes:
    """What an owner signs, built from the parts so that no bencode parser or writer has a say in it.

    Source: BEP 44, "Signature Verification".
    """
    prefix = b"4:salt%d:%s" % (len(salt), salt) if salt else b""
    return b"%s3:seqi%de1:v%s" % (prefix, seq, value)


def encode_value(value: bencode.Encodable) -> bytes:
    """The raw form of a Python value.

    Raises:
        ValueTooBigError: it takes more than `MAX_VALUE_BYTES`.
        LocalProtocolError: bencode cannot express it.
    """
    raw = bencode.encode(value)
    if len(raw) > MAX_VALUE_BYTES:
        raise ValueTooBigError(f"the value takes {len(raw)} bytes bencoded, more than {MAX_VALUE_BYTES}")
    return raw


def decode_value(raw: bytes) -> bencode.Value:
    """The inverse of `encode_value`, for what came from outside.

    Raises:
        ValueTooBigError: more than `MAX_VALUE_BYTES`.
        ItemError: not exactly one bencoded value.
    """
    if len(raw) > MAX_VALUE_BYTES:
        raise ValueTooBigError(f"the value has {len(raw)} bytes, more than {MAX_VALUE_BYTES}")
    try:
        return bencode.decode(raw)
    except bencode.BencodeError as error:
        raise ItemError(f"the value is not bencode: {error.reason}") from None


def _check_value(raw: bytes) -> None:
    decode_value(raw)


def _check_salt(salt: bytes) -> None:
    if len(salt) > MAX_SALT_BYTES:
        raise SaltTooBigError(f"the salt has {len(salt)} bytes, more than {MAX_SALT_BYTES}")


def _check_seq(seq: int) -> None:
    if not 0 <= seq <= MAX_SEQ:
        raise ItemError(f"the sequence number {seq} is not between 0 and {MAX_SEQ}")
