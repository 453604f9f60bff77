"""Write tokens: proof that a node that announces an address receives what is sent to that address (BEP 5)."""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

from transfer.address import packed_host

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.key import Key

TOKEN_SIZE = 8
SECRET_SIZE = 32


class TokenIssuer:
    """Issues and checks tokens without remembering any: a token is a keyed hash of the IP address and the info-hash.

    The secret changes every `rotation_s`, and the one before it is still accepted, so a token holds for one to two
    spans (BEP 5: 5 and 10 minutes). The port is left out, as BEP 5 has it: behind a NAT it may change.

    All secrets derive from one that is drawn at the start, so that it makes no difference to the random numbers of the
    rest of a node when a token is asked for.
    """

    def __init__(self, *, rng: Random, rotation_s: float, now: float) -> None:
        self._root = rng.randbytes(SECRET_SIZE)
        self._rotations = 0
        self._rotation_s = rotation_s
        self._secret = self._previous = self._fresh_secret()
        self._rotate_at = now + rotation_s

    def issue(self, host: str, info_hash: Key, *, now: float) -> bytes:
        """The token for a node that asks from the IP address `host`."""
        self._rotate(now=now)
        return _token(self._secret, host, info_hash)

    def is_valid(self, token: bytes, host: str, info_hash: Key, *, now: float) -> bool:
        self._rotate(now=now)
        return any(compare_digest(token, _token(secret, host, info_hash)) for secret in (self._secret, self._previous))

    def _rotate(self, *, now: float) -> None:
        if now < self._rotate_at:
            return
        fresh = self._fresh_secret()
        # After a pause of more than a span even the current secret is too old to be accepted.
        self._previous = self._secret if now < self._rotate_at + self._rotation_s else fresh
        self._secret = fresh
        self._rotate_at = now + self._rotation_s

    def _fresh_secret(self) -> bytes:
        self._rotations += 1
        return blake2b(self._rotations.to_bytes(8, "big"), key=self._root, digest_size=SECRET_SIZE).digest()


def _token(secret: bytes, host: str, info_hash: Key) -> bytes:
    """BLAKE2 has a key of its own (RFC 7693), which takes half the time of an HMAC."""
    return blake2b(packed_host(host) + bytes(info_hash), key=secret, digest_size=TOKEN_SIZE).digest()
