"""Toy layers: what a real one is written on, in as few lines as show that it can be."""

from __future__ import annotations

from transfer.aio.layer import Chunks, Layer
from transfer.aio.layered import LayerConfig, LayeredTransport
from transfer.aio.transports import StreamTransport
from transfer.errors import RemoteProtocolError

MAGIC = b"xor/1"
KEY_BYTES = 4


class Xor(Layer):
    """Each side first sends a word and its key; what it sends behind that is combined with the key."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = key
        self._sent = table(key)
        self._received = b""
        self._head = b""

    def begin(self) -> None:
        self.below.write(MAGIC + self._key)

    def receive(self, data: bytes) -> None:
        if not self.is_open:
            self._head += data
            if not self._head.startswith(MAGIC[: len(self._head)]):
                self.fail(RemoteProtocolError("the other side does not speak xor/1"))
                return
            if len(self._head) < len(MAGIC) + KEY_BYTES:
                return
            data = self._head[len(MAGIC) + KEY_BYTES :]  # what came behind the handshake
            self.extra["key"] = self._head[len(MAGIC) :][:KEY_BYTES]
            self._received = table(self.extra["key"])
            self.open()
        self.deliver(data.translate(self._received))

    def send(self, chunks: Chunks) -> None:
        self.below.write(b"".join(chunks).translate(self._sent))


def table(key: bytes) -> bytes:
    """What each byte becomes, and what it was: `bytes.translate`."""
    return bytes(byte ^ (sum(key) % 256) for byte in range(256))


def xored(below: StreamTransport) -> LayeredTransport:
    config = LayerConfig(max_handshaking=300)  # as many as a check opens at once
    return LayeredTransport(below, dial=lambda _: Xor(b"dial"), accept=lambda: Xor(b"hear"), config=config)
