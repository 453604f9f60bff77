"""What both sides of an MSE handshake have in common: methods, bounds, a result, and the way from step to step.

Theory of operation. The initiator sends its key and padding of unknown length, the responder the same. Then both know
a secret. The initiator names the torrent in a form that only its members recognise, and from there on everything is
RC4, each direction with a key of its own: a verification constant of eight zero bytes, the methods that the initiator
takes, padding of a length that is told, and the beginning of its stream. The responder answers with the constant, the
method it has chosen and padding. If that is RC4, both streams go on in it; if it is plain text, they end there.

Neither side is told how long the first padding is. The responder looks for a hash of the secret, the initiator for
the constant as it comes out of the responder's RC4; both give up where the longest padding would end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from transfer.security.mse.keys import KEY_BYTES, KeyPair, MseError, StreamCipher
from transfer.security.mse.method import CryptoMethod


@dataclass(frozen=True, slots=True)
class MseStream:
    """What a handshake led to.

    Attributes:
        method: PLAIN or RC4.
        encryptor, decryptor: for all that follows; None each for PLAIN.
        received: what the other side has sent behind its handshake already, as it is meant.
        skey: of the torrent.
    """

    method: CryptoMethod
    encryptor: StreamCipher | None
    decryptor: StreamCipher | None
    received: bytes
    skey: bytes


class Handshake:
    """One side. Give it what arrives, send what it wants to send, until it has a `stream` or an `error`.

    Args:
        random_bytes: for the key; `os.urandom` unless in a simulation.
        rng: for the lengths of paddings.

    Attributes:
        stream: what came out of it; None until then.
        error: why nothing will come out of it.

    Invariants:
        at most one of stream and error; what waits is never longer than the longest message and one read
    """

    def __init__(self, *, random_bytes: Callable[[int], bytes], rng: Random) -> None:
        self.stream: MseStream | None = None
        self.error: MseError | None = None
        self._random_bytes = random_bytes
        self._rng = rng
        self._keys = KeyPair(random_bytes)
        self._received = bytearray()
        self._to_send = bytearray()
        self._step: Callable[[], bool] = self._read_key

    @property
    def is_over(self) -> bool:
        return self.stream is not None or self.error is not None

    def receive_data(self, data: bytes) -> None:
        """Bytes from the other side, cut anyhow. After the end of the handshake there is nothing more to give it."""
        if self.is_over:
            return
        self._received += data
        try:
            while self._step():
                pass
        except MseError as error:
            self._fail(error)

    def receive_eof(self) -> None:
        """Nothing more comes."""
        if not self.is_over:
            self._fail(MseError("the peer ended the connection during the encryption handshake"))

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        data = bytes(self._to_send)
        self._to_send.clear()
        return data

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert self.stream is None or self.error is None
        assert not self.is_over or not self._received

    # For the two sides.

    def _on_secret(self, secret: bytes) -> None:
        """The other side's key is here."""
        raise NotImplementedError

    def _read_key(self) -> bool:
        if len(self._received) < KEY_BYTES:
            return False
        secret = self._keys.shared_secret(self._take(KEY_BYTES))
        self._on_secret(secret)
        return True

    def _take(self, size: int) -> bytes:
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _skip_past(self, mark: bytes, meaning: str) -> bool:
        """Drops the padding and the mark behind it.

        Raises:
            MseError: it is not where it must be.
        """
        at = self._received.find(mark, 0, MAX_PADDING_BYTES + len(mark))
        if at >= 0:
            del self._received[: at + len(mark)]
        elif len(self._received) >= MAX_PADDING_BYTES + len(mark):
            raise MseError(meaning)
        return at >= 0

    def _send_key(self) -> int:
        """Returns the length of the padding behind the key."""
        padding = self._padding()
        self._to_send += self._keys.public + padding
        return len(padding)

    def _padding(self, *, least: int = 0) -> bytes:
        return self._random_bytes(self._rng.randint(least, MAX_PADDING_BYTES))

    def _fail(self, error: MseError) -> None:
        self.error = error
        self._received.clear()
        self._step = _nothing_left  # and no cycle is left for the garbage collector

    def _finish(
        self, method: CryptoMethod, encryptor: StreamCipher, decryptor: StreamCipher, skey: bytes, payload: bytes = b""
    ) -> None:
        rest = self._take(len(self._received))
        self._step = _nothing_left
        if method is CryptoMethod.RC4:
            self.stream = MseStream(method, encryptor, decryptor, payload + decryptor.update(rest), skey)
        else:
            self.stream = MseStream(method, None, None, payload + rest, skey)


def _nothing_left() -> bool:
    return False


def padding_length(head: bytes) -> int:
    """Reads the length of a padding.

    Raises:
        MseError: it is longer than any padding.
    """
    length = int.from_bytes(head, "big")
    if length > MAX_PADDING_BYTES:
        raise MseError("the padding of the encryption handshake is too long")
    return length


MAX_PADDING_BYTES = 512
VERIFICATION = bytes(8)
