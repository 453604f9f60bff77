"""Messages that a peer may get wrong."""

from __future__ import annotations

import struct

import pytest

from bittorrent.errors import WireError
from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x00",  # choke, unchoke, interested, not interested carry nothing
        b"\x01\x00",
        b"\x02\x00",
        b"\x03\x00",
        b"\x04",
        b"\x04\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x00",
        b"\x06" + bytes(11),
        b"\x06" + bytes(13),
        b"\x07",
        b"\x07" + bytes(7),
        b"\x08" + bytes(11),
        b"\x08" + bytes(13),
        b"\x09\x00",
        b"\x09\x00\x00\x00",
        b"\x0d\x00\x00\x00",
        b"\x0e\x00",
        b"\x0f\x00",
        b"\x10" + bytes(11),
        b"\x10" + bytes(13),
        b"\x11",
        b"\x14",
    ],
)
def test_a_known_kind_with_a_wrong_length_is_refused(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        wire.decode_message(body)
    assert "\n" not in str(caught.value)


def test_a_block_may_be_empty_and_a_bitfield_too() -> None:
    assert wire.decode_message(b"\x07" + bytes(8)) == wire.Piece(0, 0, b"")
    assert wire.decode_message(b"\x05") == wire.BitfieldMessage(b"")


@pytest.mark.parametrize("kind", [10, 12, 18, 19, 24, 255])
def test_kinds_of_other_extensions_are_unknown_not_wrong(kind: int) -> None:
    assert wire.decode_message(bytes([kind, 1, 2])) == wire.Unknown(kind, b"\x01\x02")


def test_no_requests_are_no_bytes() -> None:
    assert wire.encode_requests([]) == b""


@pytest.mark.parametrize("size", [0, 1, 8])
def test_a_short_piece_cannot_be_split(size: int) -> None:
    with pytest.raises(WireError, match=f"{size} bytes"):
        wire.split_piece(bytes(size))


def test_a_piece_given_as_bytes_is_split_into_bytes() -> None:
    assert wire.split_piece(b"\x07\0\0\0\x01\0\0\0\x02xyz") == (1, 2, b"xyz")


def test_numbers_that_do_not_fit_the_wire_are_our_own_fault() -> None:
    with pytest.raises(struct.error):
        wire.encode_message(wire.Have(1 << 32))
    with pytest.raises(struct.error):
        wire.encode_message(wire.Request(Block(1 << 32, 0, 0)))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_many_haves_are_what_one_have_after_the_other_is(count: int) -> None:
    indices = [number * 0x01020305 % 2**32 for number in range(count)]  # no byte of them is the same as its neighbour
    assert wire.encode_haves(indices) == b"".join(wire.encode_message(wire.Have(index)) for index in indices)
    assert wire.encode_haves(range(count)) == b"".join(wire.encode_message(wire.Have(index)) for index in range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_many_requests_and_rejects_are_what_one_after_the_other_is(count: int) -> None:
    blocks = [Block(1 + number, 2 * number, 3 * number) for number in range(count)]
    assert wire.encode_requests(blocks) == b"".join(wire.encode_message(wire.Request(block)) for block in blocks)
    assert wire.encode_rejects(blocks) == b"".join(wire.encode_message(wire.RejectRequest(block)) for block in blocks)
