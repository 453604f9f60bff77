"""The parts of Noise that encrypt: one key for each direction, and the state of a handshake (Noise, section 5)."""

from __future__ import annotations

import hmac
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from transfer.security.noise.errors import NoiseError

TAG_BYTES = 16
MAX_NONCE = 2**64 - 1  # the last is reserved


class CipherState:
    """Encrypts or decrypts in one direction: each message once, in order."""

    __slots__ = ("_cipher", "_nonce", "key")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._cipher = ChaCha20Poly1305(key)
        self._nonce = 0

    def encrypt(self, plaintext: bytes | bytearray | memoryview, associated: bytes = b"") -> bytes:
        """The text with its tag."""
        return self._cipher.encrypt(self._next_nonce(), plaintext, associated)

    def decrypt(self, ciphertext: bytes | bytearray | memoryview, associated: bytes = b"") -> bytes:
        """The text, if it is what was encrypted.

        Raises:
            NoiseError: it was changed, or is another message than the next one.
        """
        try:
            return self._cipher.decrypt(self._next_nonce(), ciphertext, associated)
        except InvalidTag:
            raise NoiseError("what the other side sent was changed on its way, or is not encrypted as agreed") from None

    def _next_nonce(self) -> bytes:
        if self._nonce >= MAX_NONCE:
            raise NoiseError("as much has been sent as one key can encrypt")
        nonce = bytes(4) + self._nonce.to_bytes(8, "little")
        self._nonce += 1
        return nonce


class SymmetricState:
    """What both sides of a handshake come to hold in common."""

    __slots__ = ("_chaining_key", "_cipher", "digest")

    def __init__(self, protocol: bytes, prologue: bytes = b"") -> None:
        self.digest = protocol.ljust(32, b"\0") if len(protocol) <= 32 else sha256(protocol).digest()
        self._chaining_key = self.digest
        self._cipher: CipherState | None = None
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Both sides have seen `data`."""
        self.digest = sha256(self.digest + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Both sides share a secret."""
        self._chaining_key, key = hkdf(self._chaining_key, secret)
        self._cipher = CipherState(key)

    def encrypt(self, plaintext: bytes) -> bytes:
        """As it travels: in clear text before there is a key."""
        data = plaintext if self._cipher is None else self._cipher.encrypt(plaintext, self.digest)
        self.mix_hash(data)
        return data

    def decrypt(self, data: bytes) -> bytes:
        """The inverse of `encrypt`.

        Raises:
            NoiseError: it is not what the other side has encrypted.
        """
        plaintext = data if self._cipher is None else self._cipher.decrypt(data, self.digest)
        self.mix_hash(data)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """The directions of the connection: of the side that began, and of the other."""
        first, second = hkdf(self._chaining_key, b"")
        return CipherState(first), CipherState(second)


def hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Two keys out of one and a secret (Noise, section 4.3)."""
    secret = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")
