"""Messages with their length in front, as libp2p's protocols send them: bounded before anything is kept."""

from __future__ import annotations

from transfer.errors import DecodeError
from transfer.wire.varint import MAX_VARINT_BYTES, VarintError, decode_varint, encode_varint


class DelimitedError(DecodeError):
    """A length that is none, or too large, or a message that is cut off."""


def delimited(message: bytes) -> bytes:
    """A message as it travels."""
    return encode_varint(len(message)) + message


class DelimitedReader:
    """Cuts what comes into messages.

    Args:
        max_bytes: of one message, its length left out.
    """

    __slots__ = ("_buffer", "_max_bytes")

    def __init__(self, *, max_bytes: int) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes; whoever feeds takes each message before the next portion."""
        self._buffer += data

    def next_message(self) -> bytes | None:
        """The next one, if all of it is here.

        Raises:
            DelimitedError: it would be longer than it may be.
        """
        buffer = self._buffer
        if not buffer:
            return None
        try:
            size, start = decode_varint(buffer)
        except VarintError as error:
            if len(buffer) < MAX_VARINT_BYTES and buffer[-1] > 127:
                return None
            raise DelimitedError(f"not the length of a message: {error}") from None
        if size > self._max_bytes:
            raise DelimitedError(f"a message of {size} bytes, of at most {self._max_bytes}")
        if len(buffer) - start < size:
            return None
        message = bytes(buffer[start : start + size])
        del buffer[: start + size]
        return message

    @property
    def is_empty(self) -> bool:
        """Whether no part of a message is here."""
        return not self._buffer
