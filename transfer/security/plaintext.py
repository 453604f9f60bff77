"""Who is there, without any secret: `/plaintext/2.0.0` (specs/plaintext). For tests, or above what encrypts."""

from __future__ import annotations

from transfer.errors import RemoteProtocolError
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PublicKey
from transfer.identity.peer_id import PeerId
from transfer.wire import protobuf
from transfer.wire.varint import VarintError, decode_varint, encode_varint

MAX_EXCHANGE_BYTES = 16 << 10
MAX_LENGTH_BYTES = 3


class PlaintextError(RemoteProtocolError):
    """The other side does not say who it is, or is not the peer that was meant."""


class PlaintextExchange:
    """Both sides of it, without I/O.

    Args:
        key: of this side.
        expected: the peer that was called; None: any.

    Attributes:
        public_key: of the other side, once it has said so. Nothing proves it.
        rest: what the other side has sent behind.
    """

    def __init__(self, key: PublicKey, *, expected: PeerId | None = None) -> None:
        message = protobuf.encode(_EXCHANGE(id=key.peer_id.multihash, pubkey=key.to_bytes()))
        self._output = encode_varint(len(message)) + message
        self._expected = expected
        self._buffer = bytearray()
        self.public_key: PublicKey | None = None
        self.rest = b""

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes, until there is a `public_key`.

        Raises:
            PlaintextError: as that class says.
        """
        buffer = self._buffer
        buffer += data
        try:
            size, start = decode_varint(buffer)
        except VarintError as error:
            if len(buffer) < MAX_LENGTH_BYTES and (not buffer or buffer[-1] > 127):
                return
            raise PlaintextError(f"the other side does not say who it is: {error}") from None
        if size > MAX_EXCHANGE_BYTES:
            raise PlaintextError(f"the other side needs {size} bytes to say who it is, of at most {MAX_EXCHANGE_BYTES}")
        if len(buffer) - start < size:
            return
        self.public_key = self._read(bytes(buffer[start : start + size]))
        self.rest = bytes(buffer[start + size :])
        buffer.clear()

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        output, self._output = self._output, b""
        return output

    def _read(self, data: bytes) -> PublicKey:
        try:
            found = protobuf.decode(_EXCHANGE, data, max_bytes=MAX_EXCHANGE_BYTES)
            key = PublicKey.from_bytes(found.pubkey)
            peer_id = PeerId(found.id)
        except (protobuf.ProtobufError, IdentityError) as error:
            raise PlaintextError(f"the other side does not say who it is: {error}") from None
        if not peer_id.matches(key):
            raise PlaintextError(f"the other side says to be {peer_id}, and has the key of {key.peer_id}")
        if self._expected is not None and peer_id != self._expected:
            raise PlaintextError(f"the other side is {peer_id}, not {self._expected}")
        return key


_EXCHANGE = protobuf.message_types(
    "kad.security.plaintext", Exchange={"id": (1, "required bytes"), "pubkey": (2, "required bytes")}
)["Exchange"]
