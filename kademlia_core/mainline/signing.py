"""Ed25519 keys for mutable items (RFC 8032). The library that computes loads when a key is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kademlia_core.mainline.item_errors import ItemError

if TYPE_CHECKING:
    from random import Random

SEED_SIZE = 32


@final
class SigningKey:
    """The secret of the owner of mutable items; a program that has `seed` can write them.

    The seed is the private key of RFC 8032. BEP 44 and libtorrent show private keys in the expanded form of 64 bytes,
    from which no seed can be computed: such keys cannot be used here.
    """

    __slots__ = ("_private", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        """The key that `seed` stands for.

        Raises:
            ItemError: `seed` is not 32 bytes long.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if len(seed) != SEED_SIZE:
            raise ItemError(
                f"a signing key is made from {SEED_SIZE} bytes, not {len(seed)}; expanded keys do not serve"
            )
        self.seed = bytes(seed)
        self._private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public_key = self._private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls, rng: Random) -> SigningKey:
        """A new key. Only a cryptographic `rng` (`random.SystemRandom()`) makes one that cannot be guessed."""
        return cls(rng.randbytes(SEED_SIZE))

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature, always the same for the same message."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether `signature` is that of the owner of `public_key`; False for what is no key or signature at all."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
