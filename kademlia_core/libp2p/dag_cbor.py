"""As much of DAG-CBOR as IPNS records need: a map from texts to numbers, bytes and texts, in its one strict form.

Source: RFC 8949, section 3, with the strictness of the DAG-CBOR specification: shortest lengths, no indefinite ones,
keys in order of length and then of bytes, nothing behind the end. So equal maps have equal bytes, which are signed.
Other kinds of values (lists, maps, links) are read past, since a record may have fields of its owner's own.
"""

from __future__ import annotations

from typing import TypeAlias

from kademlia_core.libp2p.errors import RecordError

Value: TypeAlias = "int | bytes | str"

UNSIGNED, NEGATIVE, BYTES, TEXT, LIST, MAP, TAG, SIMPLE = range(8)
MAX_DEPTH = 8


def encode_map(values: dict[str, Value]) -> bytes:
    """The bytes of a map; its entries may come in any order.

    Raises:
        ValueError: a number is negative or has more than 64 bits.
    """
    keyed = sorted((key.encode() for key in values), key=lambda key: (len(key), key))
    data = bytearray(_head(MAP, len(values)))
    for key in keyed:
        data += _head(TEXT, len(key)) + key
        value = values[key.decode()]
        if isinstance(value, int):
            data += _head(UNSIGNED, value)
        elif isinstance(value, bytes):
            data += _head(BYTES, len(value)) + value
        else:
            encoded = value.encode()
            data += _head(TEXT, len(encoded)) + encoded
    return bytes(data)


def decode_map(data: bytes) -> dict[str, Value]:
    """The entries of a map that are numbers, bytes or texts.

    Raises:
        RecordError: it is no map in the strict form.
    """
    kind, count, place = _read_head(data, 0)
    if kind != MAP:
        raise RecordError("the data of the record is no map")
    values: dict[str, Value] = {}
    last = (-1, b"")
    for _ in range(count):
        key, place = _read_text(data, place)
        order = (len(key), key)
        if order <= last:
            raise RecordError("the entries of the record's data are not in order")
        last = order
        value, place = _read_value(data, place, 0)
        if value is not None:
            values[_text(key)] = value
    if place != len(data):
        raise RecordError("something follows the record's data")
    return values


def _head(kind: int, number: int) -> bytes:
    if number < 0 or number >> 64:
        raise ValueError(f"{number} is no number from 0 to 2**64 - 1")
    if number < 24:
        return bytes((kind << 5 | number,))
    size = next(size for size in (1, 2, 4, 8) if not number >> 8 * size)
    return bytes((kind << 5 | 24 + size.bit_length() - 1,)) + number.to_bytes(size, "big")


def _read_head(data: bytes, place: int) -> tuple[int, int, int]:
    """The kind, the number, and where it ends."""
    if place >= len(data):
        raise RecordError("the data of the record is cut off")
    kind, short = data[place] >> 5, data[place] & 31
    place += 1
    if short < 24:
        return kind, short, place
    if short > 27:
        raise RecordError("the data of the record has a length of no kind")
    size = 1 << short - 24
    if place + size > len(data):
        raise RecordError("the data of the record is cut off")
    number = int.from_bytes(data[place : place + size], "big")
    if kind != SIMPLE and (number < 24 or (size > 1 and not number >> 4 * size)):
        raise RecordError("the data of the record has a number that is longer than it needs to be")
    return kind, number, place + size


def _read_text(data: bytes, place: int) -> tuple[bytes, int]:
    kind, size, place = _read_head(data, place)
    if kind != TEXT:
        raise RecordError("an entry of the record's data has no name")
    return _cut(data, place, size)


def _read_value(data: bytes, place: int, depth: int) -> tuple[Value | None, int]:
    kind, number, place = _read_head(data, place)
    if kind == UNSIGNED:
        return number, place
    if kind == BYTES:
        return _cut(data, place, number)
    if kind == TEXT:
        text, place = _cut(data, place, number)
        return _text(text), place
    if kind in (LIST, MAP, TAG):
        if depth >= MAX_DEPTH:
            raise RecordError(f"the data of the record has more than {MAX_DEPTH} levels")
        parts = 1 if kind == TAG else number * (2 if kind == MAP else 1)
        if parts > len(data) - place:
            raise RecordError("the data of the record is cut off")
        for _ in range(parts):
            _, place = _read_value(data, place, depth + 1)
    return None, place


def _cut(data: bytes, place: int, size: int) -> tuple[bytes, int]:
    if place + size > len(data):
        raise RecordError("the data of the record is cut off")
    return data[place : place + size], place + size


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RecordError("a text in the record's data is not UTF-8") from None
