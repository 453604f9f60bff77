"""The pattern XX: three messages, after which each side knows the other's static key (Noise, section 7.5)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from transfer.security.noise.cipher import TAG_BYTES, CipherState, SymmetricState
from transfer.security.noise.errors import NoiseError

PROTOCOL = b"Noise_XX_25519_ChaChaPoly_SHA256"
KEY_BYTES = 32
MAX_MESSAGE_BYTES = 65535


class XXHandshake:
    """One side of the handshake. Messages are written and read in turn, the first by the side that began.

    Args:
        static: of this side, proved to belong to its identity by what is in the payload.
        ephemeral: made for this handshake, and used for no other.

    Attributes:
        remote_static: the other side's static key, known from its second message on.
    """

    def __init__(
        self, *, is_initiator: bool, static: X25519PrivateKey, ephemeral: X25519PrivateKey, prologue: bytes = b""
    ) -> None:
        self._is_initiator = is_initiator
        self._static, self._ephemeral = static, ephemeral
        self._state = SymmetricState(PROTOCOL, prologue)
        self._remote_ephemeral: X25519PublicKey | None = None
        self._remote_static: X25519PublicKey | None = None
        self.remote_static = b""
        self._messages = 0

    @property
    def is_done(self) -> bool:
        """Whether all messages have gone."""
        return self._messages == len(PATTERN)

    @property
    def writes_next(self) -> bool:
        """Whether it is this side's turn."""
        return not self.is_done and (self._messages % 2 == 0) == self._is_initiator

    def write(self, payload: bytes = b"") -> bytes:
        """The next message, which carries `payload`: in clear text in the first."""
        assert self.writes_next
        state, message = self._state, bytearray()
        for token in PATTERN[self._messages]:
            if token == "e":
                key = self._ephemeral.public_key().public_bytes_raw()
                message += key
                state.mix_hash(key)
            elif token == "s":
                message += state.encrypt(self._static.public_key().public_bytes_raw())
            else:
                self._mix(token)
        message += state.encrypt(payload)
        self._messages += 1
        return bytes(message)

    def read(self, message: bytes) -> bytes:
        """What the next message of the other side carries.

        Raises:
            NoiseError: it is none, or was changed.
        """
        assert not self.is_done
        assert not self.writes_next
        state, place = self._state, 0
        for token in PATTERN[self._messages]:
            if token == "e":
                key = _cut(message, place, KEY_BYTES)
                place += KEY_BYTES
                state.mix_hash(key)
                self._remote_ephemeral = X25519PublicKey.from_public_bytes(key)
            elif token == "s":
                size = KEY_BYTES + TAG_BYTES
                self.remote_static = state.decrypt(_cut(message, place, size))
                self._remote_static = X25519PublicKey.from_public_bytes(self.remote_static)
                place += size
            else:
                self._mix(token)
        payload = state.decrypt(message[place:])
        self._messages += 1
        return payload

    def finish(self) -> tuple[CipherState, CipherState, bytes]:
        """How to encrypt from now on, how to decrypt, and the hash of the handshake, which both sides have."""
        assert self.is_done
        first, second = self._state.split()
        sending, receiving = (first, second) if self._is_initiator else (second, first)
        return sending, receiving, self._state.digest

    def _mix(self, token: str) -> None:
        """The secret of two keys: the first letter is the key of the side that began, the second the other's."""
        own, theirs = (token[0], token[1]) if self._is_initiator else (token[1], token[0])
        secret = self._static if own == "s" else self._ephemeral
        public = self._remote_static if theirs == "s" else self._remote_ephemeral
        assert public is not None
        try:
            self._state.mix_key(secret.exchange(public))
        except ValueError:
            raise NoiseError("the other side sent a key that makes no secret") from None


def _cut(message: bytes, start: int, size: int) -> bytes:
    data = message[start : start + size]
    if len(data) < size:
        raise NoiseError(f"a message of the handshake has {len(message)} bytes, which is too few")
    return data


PATTERN = (("e",), ("e", "ee", "s", "es"), ("s", "se"))
