"""The arithmetic of MSE: Diffie-Hellman over 768 bits, the hashes, and the two RC4 streams.

It hides what is spoken from a look at single packets. It is no protection against an active attacker: whoever knows
the info-hash can read along by standing in between, and the cipher is a weak one.

The exponentiation is Python's own: `cryptography` has deprecated Diffie-Hellman over finite fields (since 45), and its
way from numbers to a key takes 23 ms, `pow` 0.4. The cipher is `cryptography`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

from transfer.errors import RemoteProtocolError, TransferError


class MseError(RemoteProtocolError):
    """The other side broke the rules of MSE, or knows none of our torrents."""


class Rc4UnavailableError(TransferError):
    """This build of OpenSSL has no RC4, without which there is no MSE at all."""


class StreamCipher(Protocol):
    """One direction of a connection. Each byte that passes changes its state."""

    def update(self, data: bytes | bytearray | memoryview) -> bytes:
        """Encrypts or decrypts."""
        ...

    def update_into(self, data: bytes | bytearray | memoryview, buffer: bytearray | memoryview) -> int:
        """The same, into `buffer`, which may be `data` itself; returns how many bytes."""
        ...


class KeyPair:
    """A key of one connection.

    Args:
        random_bytes: hard to guess, unless in a simulation: `os.urandom` or an `rng.randbytes`.
    """

    __slots__ = ("_private", "public")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._private = int.from_bytes(random_bytes(PRIVATE_BYTES), "big")
        self.public = pow(GENERATOR, self._private, PRIME).to_bytes(KEY_BYTES, "big")

    def shared_secret(self, public: bytes) -> bytes:
        """What both sides know now, `KEY_BYTES` long.

        Raises:
            MseError: the other side's key gives the secret away, or is no key.
        """
        number = int.from_bytes(public, "big")
        if not 2 <= number <= PRIME - 2:
            raise MseError("the peer's key is outside of what is safe")
        return pow(number, self._private, PRIME).to_bytes(KEY_BYTES, "big")


def sync_mark(secret: bytes) -> bytes:
    """The 20 bytes by which the responder finds the end of the padding."""
    return hashlib.sha1(b"req1" + secret).digest()


def torrent_mark(skey: bytes) -> bytes:
    """What a torrent is looked up by; `skey` is its info-hash."""
    return hashlib.sha1(b"req2" + skey).digest()


def masked(mark: bytes, secret: bytes) -> bytes:
    """A torrent's mark as it is sent; the same again gives the mark back."""
    mask = hashlib.sha1(b"req3" + secret).digest()
    return bytes(a ^ b for a, b in zip(mark, mask, strict=True))


def cipher_from_initiator(secret: bytes, skey: bytes) -> StreamCipher:
    """For what the side that dialled sends."""
    return _rc4(hashlib.sha1(b"keyA" + secret + skey).digest())


def cipher_from_responder(secret: bytes, skey: bytes) -> StreamCipher:
    """For what the side that was called sends."""
    return _rc4(hashlib.sha1(b"keyB" + secret + skey).digest())


def require_rc4() -> None:
    """Returns when this build has it.

    Raises:
        Rc4UnavailableError: it has not: OpenSSL without its legacy provider, or in FIPS mode.
    """
    _rc4(bytes(20))


def _rc4(key: bytes) -> StreamCipher:
    try:
        cipher = Cipher(ARC4(key), mode=None).encryptor()
    except UnsupportedAlgorithm:
        raise Rc4UnavailableError(
            "this build of OpenSSL has no RC4, so connections cannot be encrypted: "
            "use a Python whose OpenSSL has its legacy provider, or turn encryption off"
        ) from None
    cipher.update(bytes(DISCARDED_BYTES))
    return cipher


PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    16,
)
GENERATOR = 2
KEY_BYTES = 96
PRIVATE_BYTES = 20
DISCARDED_BYTES = 1024  # the first bytes of RC4 say too much about its key
