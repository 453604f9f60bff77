"""The messages of multistream-select 1.0: a length, a text, and a line feed."""

from __future__ import annotations

from transfer.negotiation.errors import NegotiationError
from transfer.wire.varint import VarintError, decode_varint, encode_varint

MAX_TOKEN_BYTES = 1024  # with the line feed, as in go-multistream
HEADER = "/multistream/1.0.0"
REFUSAL = "na"
LIST = "ls"


def encode_token(token: str) -> bytes:
    """The message that says `token`.

    Raises:
        ValueError: it has a line feed in it, or is too long.
    """
    line = token.encode() + b"\n"
    if b"\n" in line[:-1] or len(line) > MAX_TOKEN_BYTES:
        raise ValueError(f"{token[:80]!r} cannot be said in multistream-select")
    return encode_varint(len(line)) + line


class TokenReader:
    """Cuts what comes into tokens. What follows the last one that was asked for is left for the next layer."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes. Not bounded here: a reader that has what it wants takes the rest away."""
        self._buffer += data

    def next_token(self) -> str | None:
        """The next one, if it is there as a whole.

        Raises:
            NegotiationError: too long, without a line feed at its end, or no text.
        """
        buffer = self._buffer
        if not buffer:
            return None
        try:
            size, start = decode_varint(buffer)
        except VarintError as error:
            if len(buffer) < MAX_LENGTH_BYTES and buffer[-1] > 127:
                return None  # not all of the length is here
            raise NegotiationError(f"the other side does not negotiate: {error}") from None
        if not 0 < size <= MAX_TOKEN_BYTES:
            raise NegotiationError(f"the other side says something of {size} bytes, of at most {MAX_TOKEN_BYTES}")
        if len(buffer) - start < size:
            return None
        line = bytes(buffer[start : start + size])
        if line[-1:] != b"\n":
            raise NegotiationError("the other side does not negotiate: no line feed ends what it says")
        try:
            token = line[:-1].decode()
        except UnicodeDecodeError:
            raise NegotiationError("the other side does not negotiate: what it says is no text") from None
        del buffer[: start + size]
        return token

    def take_rest(self) -> bytes:
        """What was not read; it belongs to the protocol that was agreed on."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


MAX_LENGTH_BYTES = 3  # more than a length up to MAX_TOKEN_BYTES needs
