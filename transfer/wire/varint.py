"""Unsigned variable-length integers as multiformats and protobuf have them: seven bits a byte, the lowest first."""

from __future__ import annotations

from transfer.errors import DecodeError

MAX_VARINT_BYTES = 9  # of multiformats: numbers below 2**63


class VarintError(DecodeError):
    """Bytes that are no number in its shortest form, or a number that is too large."""


def encode_varint(value: int) -> bytes:
    """The shortest form of a number.

    Raises:
        ValueError: it is negative, or has more than 63 bits.
    """
    if value < 0 or value >> 63:
        raise ValueError(f"{value} is no number from 0 to 2**63 - 1")
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(data: bytes | bytearray | memoryview, start: int = 0) -> tuple[int, int]:
    """The number that begins at `start`, and where it ends.

    Raises:
        VarintError: it is cut off, longer than nine bytes, or not in its shortest form (unsigned-varint, multiformats).
    """
    value = shift = 0
    for place in range(start, min(len(data), start + MAX_VARINT_BYTES)):
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            if not byte and shift:
                raise VarintError(f"the number at byte {start} is longer than it needs to be")
            return value, place + 1
        shift += 7
    if len(data) - start >= MAX_VARINT_BYTES:
        raise VarintError(f"the number at byte {start} has more than {MAX_VARINT_BYTES} bytes")
    raise VarintError(f"the number at byte {start} is cut off")
