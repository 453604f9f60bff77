"""The side of an MSE handshake that dialled."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from transfer.security.mse.handshake import VERIFICATION, Handshake, padding_length
from transfer.security.mse.keys import (
    MseError,
    StreamCipher,
    cipher_from_initiator,
    cipher_from_responder,
    masked,
    sync_mark,
    torrent_mark,
)
from transfer.security.mse.method import CryptoMethod


class MseInitiator(Handshake):
    """Calls a peer about one torrent.

    Args:
        skey: the info-hash of the torrent.
        provide: the methods that we take.
        initial_payload: the beginning of our stream. It saves a round trip.
        random_bytes, rng: as in `Handshake`.
    """

    def __init__(
        self,
        skey: bytes,
        *,
        provide: CryptoMethod = CryptoMethod.PLAIN | CryptoMethod.RC4,
        initial_payload: bytes = b"",
        random_bytes: Callable[[int], bytes],
        rng: Random,
    ) -> None:
        if not provide or len(initial_payload) > MAX_PAYLOAD_BYTES:
            raise ValueError("provide must name a method, and initial_payload be below 64 KiB")
        super().__init__(random_bytes=random_bytes, rng=rng)
        self._skey = skey
        self._provide = provide
        self._initial_payload = initial_payload
        self._encryptor: StreamCipher
        self._decryptor: StreamCipher
        self._mark = b""
        self._send_key()

    def _on_secret(self, secret: bytes) -> None:
        self._encryptor = cipher_from_initiator(secret, self._skey)
        self._decryptor = cipher_from_responder(secret, self._skey)
        padding = self._padding()
        message = VERIFICATION + self._provide.to_bytes(4, "big") + len(padding).to_bytes(2, "big") + padding
        message += len(self._initial_payload).to_bytes(2, "big") + self._initial_payload
        self._to_send += sync_mark(secret) + masked(torrent_mark(self._skey), secret) + self._encryptor.update(message)
        self._mark = self._decryptor.update(VERIFICATION)
        self._step = self._find_verification

    def _find_verification(self) -> bool:
        if not self._skip_past(self._mark, "the peer did not prove that it knows the torrent"):
            return False
        self._step = self._read_choice
        return True

    def _read_choice(self) -> bool:
        if len(self._received) < CHOICE_BYTES:
            return False
        head = self._decryptor.update(self._take(CHOICE_BYTES))
        choice = int.from_bytes(head[:4], "big")
        if choice not in (CryptoMethod.PLAIN, CryptoMethod.RC4) or not choice & self._provide:
            raise MseError("the peer chose an encryption that was not offered")
        length = padding_length(head[4:])
        self._step = lambda: self._skip_padding(CryptoMethod(choice), length)
        return True

    def _skip_padding(self, method: CryptoMethod, length: int) -> bool:
        if len(self._received) < length:
            return False
        self._decryptor.update(self._take(length))
        self._finish(method, self._encryptor, self._decryptor, self._skey)
        return True


CHOICE_BYTES = 6  # crypto_select and the length of PadD
MAX_PAYLOAD_BYTES = 0xFFFF
