"""The side of an MSE handshake that was called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from transfer.security.mse.handshake import MAX_PADDING_BYTES, VERIFICATION, Handshake, padding_length
from transfer.security.mse.keys import (
    MseError,
    StreamCipher,
    cipher_from_initiator,
    cipher_from_responder,
    masked,
    sync_mark,
)
from transfer.security.mse.method import CryptoMethod

FindTorrent = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderConfig:
    """What a responder takes.

    Attributes:
        methods: those that it takes, the one it prefers first.
        max_payload_bytes: of the beginning of the stream that comes within the handshake. Clients send 68 bytes.
    """

    methods: tuple[CryptoMethod, ...] = (CryptoMethod.PLAIN, CryptoMethod.RC4)
    max_payload_bytes: int = 4096

    def __post_init__(self) -> None:
        if not self.methods or self.max_payload_bytes < 0:
            raise ValueError("methods must name one at least, and max_payload_bytes not be negative")


class MseResponder(Handshake):
    """Is called by a peer about a torrent that only its members can name.

    Args:
        find: the skey whose `torrent_mark` this is; None when it is none of ours.
        config: what we take.
        random_bytes, rng: as in `Handshake`.
    """

    def __init__(
        self, find: FindTorrent, *, config: ResponderConfig, random_bytes: Callable[[int], bytes], rng: Random
    ) -> None:
        super().__init__(random_bytes=random_bytes, rng=rng)
        self._find = find
        self._config = config
        self._secret = b""
        self._skey = b""
        self._sent_padding = 0
        self._method = CryptoMethod.PLAIN
        self._encryptor: StreamCipher
        self._decryptor: StreamCipher

    def _on_secret(self, secret: bytes) -> None:
        self._secret = secret
        self._sent_padding = self._send_key()
        self._step = self._find_mark

    def _find_mark(self) -> bool:
        if not self._skip_past(sync_mark(self._secret), "the peer speaks neither BitTorrent nor its encryption"):
            return False
        self._step = self._read_torrent
        return True

    def _read_torrent(self) -> bool:
        if len(self._received) < MARK_BYTES:
            return False
        skey = self._find(masked(self._take(MARK_BYTES), self._secret))
        if skey is None:
            raise MseError("the peer asks for a torrent that is not here")
        self._skey = skey
        self._encryptor = cipher_from_responder(self._secret, skey)
        self._decryptor = cipher_from_initiator(self._secret, skey)
        self._step = self._read_offer
        return True

    def _read_offer(self) -> bool:
        if len(self._received) < OFFER_BYTES:
            return False
        head = self._decryptor.update(self._take(OFFER_BYTES))
        if not head.startswith(VERIFICATION):
            raise MseError("the peer did not prove that it knows the torrent")
        offer = int.from_bytes(head[8:12], "big")
        method = next((method for method in self._config.methods if method & offer), None)
        if method is None:
            raise MseError("the peer offers no encryption that is allowed here")
        self._method = method
        length = padding_length(head[12:])
        self._step = lambda: self._skip_padding(length)
        return True

    def _skip_padding(self, length: int) -> bool:
        if len(self._received) < length + LENGTH_BYTES:
            return False
        size = int.from_bytes(self._decryptor.update(self._take(length + LENGTH_BYTES))[length:], "big")
        if size > self._config.max_payload_bytes:
            raise MseError("too much comes within the encryption handshake")
        padding = self._padding(least=self._least_padding())
        answer = VERIFICATION + self._method.to_bytes(4, "big") + len(padding).to_bytes(2, "big") + padding
        self._to_send += self._encryptor.update(answer)
        self._step = lambda: self._read_payload(size)
        return True

    def _least_padding(self) -> int:
        """How long the padding before plain text must be.

        An initiator that looks for the verification constant may have read as far as the longest padding could reach,
        and take what it has read for RC4: rtorrent 0.9.8 does, and then waits for ever. So plain text begins behind.
        """
        if self._method is CryptoMethod.RC4:
            return 0
        return max(0, MAX_PADDING_BYTES + len(VERIFICATION) - self._sent_padding - ANSWER_BYTES)

    def _read_payload(self, size: int) -> bool:
        if len(self._received) < size:
            return False
        payload = self._decryptor.update(self._take(size))
        self._finish(self._method, self._encryptor, self._decryptor, self._skey, payload)
        return True


MARK_BYTES = 20
OFFER_BYTES = 14  # the verification constant, crypto_provide and the length of PadC
LENGTH_BYTES = 2
ANSWER_BYTES = 14  # the verification constant, crypto_select and the length of PadD
