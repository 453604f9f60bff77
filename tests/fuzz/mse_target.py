"""The encryption handshake against a peer whose key and marks are right, and whose words are the input.

The first byte chooses the side, and whether the marks are left out; the second how the words are cut.
"""

from __future__ import annotations

from random import Random

from transfer.security.mse.handshake import Handshake
from transfer.security.mse.initiator import MseInitiator
from transfer.security.mse.keys import (
    KEY_BYTES,
    KeyPair,
    cipher_from_initiator,
    cipher_from_responder,
    masked,
    sync_mark,
    torrent_mark,
)
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import MseResponder, ResponderConfig


def run_mse(data: bytes) -> str:
    """Fails when a machine raises, keeps what it should not, or waits for ever."""
    if len(data) < 2:
        return "short"
    rng = Random(data[0])
    is_called, is_raw = data[0] & 1, data[0] & 2
    side: Handshake
    if is_called:
        config = ResponderConfig(methods=(CryptoMethod.RC4, CryptoMethod.PLAIN))
        side = MseResponder({torrent_mark(SKEY): SKEY}.get, config=config, random_bytes=rng.randbytes, rng=rng)
    else:
        side = MseInitiator(SKEY, initial_payload=b"hello", random_bytes=rng.randbytes, rng=rng)
    portion = data[1] % 64 + 1
    words = data[2:] if is_raw else _framed(side, bool(is_called), data[2:])
    for start in range(0, len(words), portion):
        side.receive_data(words[start : start + portion])
        side.check_invariants()
        assert len(side.data_to_send()) <= 4096
        if side.is_over:
            break
    assert side.is_over or len(words) < (MAX_CALL_BYTES if is_called else MAX_ANSWER_BYTES), "it waits for ever"
    if side.stream is not None:
        assert side.stream.skey == SKEY
        return f"{is_called} {side.stream.method}"
    return f"{is_called} {side.error}"


def _framed(side: Handshake, is_called: bool, words: bytes) -> bytes:
    pair = PAIR
    side.receive_data(pair.public)
    secret = pair.shared_secret(_public(side))
    if is_called:
        head = sync_mark(secret) + masked(torrent_mark(SKEY), secret)
        return head + cipher_from_initiator(secret, SKEY).update(words)
    return cipher_from_responder(secret, SKEY).update(words)


def _public(side: Handshake) -> bytes:
    return side.data_to_send()[:KEY_BYTES]


def mse_seeds() -> list[bytes]:
    offer = bytes(8) + b"\0\0\0\3" + b"\0\3" + b"pad" + b"\0\5hello"
    return [
        bytes([1, 63]) + offer,
        bytes([1, 0]) + bytes(8) + b"\0\0\0\1" + b"\0\0" + b"\0\0",
        bytes([0, 63]) + bytes(8) + b"\0\0\0\2" + b"\0\3" + b"pad" + b"word",
        bytes([0, 5]) + bytes(8) + b"\0\0\0\1" + b"\0\0",
        bytes([3, 20]) + Random(1).randbytes(700),
        bytes([2, 40]) + Random(2).randbytes(700),
    ]


SKEY = bytes(range(20))
PAIR = KeyPair(Random(0).randbytes)
MAX_CALL_BYTES = 96 + 512 + 20 + 20 + 14 + 512 + 2 + 4096
MAX_ANSWER_BYTES = 96 + 512 + 8 + 6 + 512
