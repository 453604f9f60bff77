"""Keys of four kinds, as libp2p encodes and signs with them (specs/peer-ids).

A key travels as a protobuf of its kind and its bytes, in one form to the byte: the peer id is made of it.
`cryptography` does the rest.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from transfer.identity.errors import IdentityError
from transfer.wire import protobuf

if TYPE_CHECKING:
    from transfer.identity.peer_id import PeerId

MAX_KEY_BYTES = 8192  # as a protobuf: an RSA key of 8192 bits, the private one included, has some 4,700
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192  # as in go-libp2p


class KeyType(IntEnum):
    """The kinds of keys, by their number on the wire."""

    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


class PublicKey:
    """The key by which a peer is known. Immutable; equal keys are equal objects.

    Attributes:
        type: its kind.
        data: its bytes: 32 of Ed25519, 33 of secp256k1 (compressed), a SubjectPublicKeyInfo in DER of the others.
    """

    __slots__ = ("_key", "data", "type")

    def __init__(self, key: Any) -> None:
        """For a public key of `cryptography`.

        Raises:
            IdentityError: it is of no kind that libp2p has, or an RSA key of too few or too many bits.
        """
        self.type = _type_of(key)
        self._key = key
        if self.type is KeyType.ED25519:
            self.data: bytes = key.public_bytes_raw()
        elif self.type is KeyType.SECP256K1:
            self.data = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
        else:
            self.data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_bytes(cls, data: bytes) -> PublicKey:
        """The key that a protobuf holds.

        Raises:
            IdentityError: it holds none.
        """
        kind, raw = _read(_PUBLIC, data)
        try:
            if kind is KeyType.ED25519:
                key: Any = ed25519.Ed25519PublicKey.from_public_bytes(raw)
            elif kind is KeyType.SECP256K1:
                if len(raw) != 33:
                    raise IdentityError(f"a secp256k1 key has 33 bytes, not {len(raw)}")
                key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), raw)
            else:
                key = serialization.load_der_public_key(raw)
        except IdentityError:
            raise
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise IdentityError(f"the {kind.name} key cannot be used: its bytes are not a public key") from None
        found = cls(key)
        if found.type is not kind:
            raise IdentityError(f"the key is called {kind.name} and is {found.type.name}")
        return found

    def to_bytes(self) -> bytes:
        """As a protobuf."""
        return protobuf.encode(_PUBLIC(Type=int(self.type), Data=self.data))

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the owner of the key signed a message."""
        try:
            if self.type is KeyType.ED25519:
                self._key.verify(signature, message)
            elif self.type is KeyType.RSA:
                self._key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            else:
                self._key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def peer_id(self) -> PeerId:
        """The id of the peer whose key this is."""
        from transfer.identity.peer_id import PeerId

        return PeerId.of(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and (self.type, self.data) == (other.type, other.data)

    def __hash__(self) -> int:
        return hash((self.type, self.data))

    def __repr__(self) -> str:
        return f"PublicKey({self.type.name}, {self.peer_id})"


class PrivateKey:
    """The secret of a peer. Its text shows none of it.

    Attributes:
        type: its kind.
        public_key: what others may know.
    """

    __slots__ = ("_key", "public_key", "type")

    def __init__(self, key: Any) -> None:
        """For a private key of `cryptography`.

        Raises:
            IdentityError: it is of no kind that libp2p has, or an RSA key of too few or too many bits.
        """
        self.public_key = PublicKey(key.public_key())
        self.type = self.public_key.type
        self._key = key

    @classmethod
    def generate(cls, kind: KeyType = KeyType.ED25519) -> PrivateKey:
        """A new key, from the randomness of the system. An RSA key has 2048 bits, an ECDSA key is on P-256."""
        if kind is KeyType.ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        if kind is KeyType.RSA:
            return cls(rsa.generate_private_key(65537, MIN_RSA_BITS))
        return cls(ec.generate_private_key(ec.SECP256K1() if kind is KeyType.SECP256K1 else ec.SECP256R1()))

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """The Ed25519 key of 32 secret bytes (RFC 8032): equal seeds give equal keys.

        Raises:
            ValueError: another number of bytes.
        """
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_bytes(cls, data: bytes) -> PrivateKey:
        """The key that a protobuf holds. Of Ed25519, 64 bytes are the seed and the public key, 96 the latter twice.

        Raises:
            IdentityError: it holds none.
        """
        kind, raw = _read(_PRIVATE, data)
        try:
            if kind is KeyType.ED25519:
                key: Any = _ed25519(raw)
            elif kind is KeyType.SECP256K1:
                if len(raw) != 32:
                    raise IdentityError(f"a secret secp256k1 key has 32 bytes, not {len(raw)}")
                key = ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256K1())
            else:
                key = serialization.load_der_private_key(raw, None)
        except IdentityError:
            raise
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise IdentityError(f"the {kind.name} key cannot be used: its bytes are not a private key") from None
        found = cls(key)
        if found.type is not kind:
            raise IdentityError(f"the key is called {kind.name} and is {found.type.name}")
        return found

    def to_bytes(self) -> bytes:
        """As a protobuf, in the form that go-libp2p writes: for a key file that nobody else can read."""
        key = self._key
        if self.type is KeyType.ED25519:
            raw = key.private_bytes_raw() + self.public_key.data
        elif self.type is KeyType.SECP256K1:
            raw = key.private_numbers().private_value.to_bytes(32, "big")
        else:
            raw = key.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.TraditionalOpenSSL,  # PKCS #1 of RSA, RFC 5915 of ECDSA
                serialization.NoEncryption(),
            )
        return protobuf.encode(_PRIVATE(Type=int(self.type), Data=raw))

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: 64 bytes of Ed25519, PKCS #1 v1.5 of RSA, DER of the others (over SHA-256)."""
        if self.type is KeyType.ED25519:
            return cast("bytes", self._key.sign(message))
        if self.type is KeyType.RSA:
            return cast("bytes", self._key.sign(message, padding.PKCS1v15(), hashes.SHA256()))
        signature = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return _with_low_s(signature) if self.type is KeyType.SECP256K1 else cast("bytes", signature)

    @property
    def peer_id(self) -> PeerId:
        """The id of the peer that has this key."""
        return self.public_key.peer_id

    def __repr__(self) -> str:
        return f"PrivateKey({self.type.name}, of {self.peer_id})"


def _type_of(key: Any) -> KeyType:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyType.ED25519
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise IdentityError(
                f"an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits here, not {key.key_size}: use an Ed25519 key"
            )
        return KeyType.RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyType.SECP256K1 if isinstance(key.curve, ec.SECP256K1) else KeyType.ECDSA
    raise IdentityError("libp2p has no keys of this kind: use an Ed25519 key")


def _read(message: Any, data: bytes) -> tuple[KeyType, bytes]:
    try:
        found = protobuf.decode(message, data, max_bytes=MAX_KEY_BYTES)
    except protobuf.ProtobufError as error:
        raise IdentityError(f"that is no key: {error}") from None
    try:
        return KeyType(found.Type), found.Data
    except ValueError:
        raise IdentityError(f"keys of kind {found.Type} are not known here") from None


def _ed25519(raw: bytes) -> ed25519.Ed25519PrivateKey:
    if len(raw) not in (64, 96) or (len(raw) == 96 and raw[32:64] != raw[64:]):
        raise IdentityError(f"a secret Ed25519 key has 64 bytes, not {len(raw)}")
    key = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])
    if key.public_key().public_bytes_raw() != raw[32:64]:
        raise IdentityError("the two halves of the Ed25519 key do not belong together")
    return key


def _with_low_s(signature: bytes) -> bytes:
    """Of the two signatures that are right the one that noble (js-libp2p) and bitcoin's libraries take."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, SECP256K1_ORDER - s))


SECP256K1_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_TYPES = protobuf.message_types(
    "kad.identity.keys",
    PublicKey={"Type": (1, "required int32"), "Data": (2, "required bytes")},
    PrivateKey={"Type": (1, "required int32"), "Data": (2, "required bytes")},
)
_PUBLIC, _PRIVATE = _TYPES["PublicKey"], _TYPES["PrivateKey"]
