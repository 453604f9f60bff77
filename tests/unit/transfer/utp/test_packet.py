"""Packets of uTP, to the byte: those of BEP 29, and those captured from libtorrent 2.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.utp.packet import (
    DATA,
    EXTENSION_BITS,
    FIN,
    MIN_PADDING_BYTES,
    RESET,
    STATE,
    SYN,
    Packet,
    RunHeaders,
    decode,
    padding,
    plain_runs,
    read_extensions,
    sack_bytes,
    unwrapped,
)

PACKETS = [
    Packet(kind=SYN, connection_id=0x1234, timestamp_us=1, sequence=0xFFFF),
    Packet(kind=STATE, connection_id=1, timestamp_us=2, difference_us=3, window=1 << 20, sequence=4, acked=5),
    Packet(kind=DATA, connection_id=2, sequence=9, acked=65535, sack=0b101, payload=b"payload"),
    Packet(kind=FIN, connection_id=2, sequence=10, close_reason=17),
    Packet(kind=FIN, connection_id=2, sequence=10, sack=1 << 31, close_reason=17),
    Packet(kind=RESET, connection_id=3, sequence=0, acked=7),
]


@pytest.mark.parametrize("packet", PACKETS)
def test_what_is_written_is_read_as_the_same(packet: Packet) -> None:
    assert decode(packet.to_bytes()) == packet


def test_the_header_has_the_order_of_bep_29() -> None:
    packet = Packet(
        kind=STATE,
        connection_id=0x0102,
        timestamp_us=0x03040506,
        difference_us=0x0708090A,
        window=0x0B0C0D0E,
        sequence=0x0F10,
        acked=0x1112,
    )
    assert packet.to_bytes() == bytes((0x21, 0)) + bytes(range(1, 19))


def test_a_syn_of_libtorrent() -> None:
    """20 bytes, timestamp difference 0, window 0, no extension, nothing acknowledged."""
    syn = decode(bytes.fromhex("41 00 a3f1 5d9c2b10 00000000 00000000 6e21 0000"))
    assert syn is not None
    assert (syn.kind, syn.connection_id, syn.window, syn.acked, syn.sack) == (SYN, 0xA3F1, 0, 0, None)


def test_a_selective_acknowledgement_of_any_length_is_read() -> None:
    """libtorrent sends as many bytes as the hole needs, at least one: no multiple of four."""
    header = bytes.fromhex("21 01 0001 00000000 00000001 00100000 0005 0004")
    one = decode(header + bytes((0, 1, 0b10)))
    three = decode(header + bytes((0, 3, 1, 0, 0x80)))
    assert one is not None
    assert three is not None
    assert one.sack == 0b10  # the packet after the next is here
    assert three.sack == 1 | 1 << 23


def test_unknown_extensions_are_skipped_and_broken_ones_are_no_packet() -> None:
    header = bytes.fromhex("01 07 0001 00000000 00000001 00100000 0005 0004")
    packet = decode(header + bytes((1, 3)) + b"xyz" + bytes((0, 1, 5)) + b"payload")
    assert packet is not None
    assert (packet.sack, packet.payload) == (5, b"payload")
    assert decode(header + bytes((0, 9)) + b"short") is None
    assert decode(header + b"\0") is None
    assert decode(header[:19]) is None
    assert decode(b"\x02" + header[1:]) is None, "another version"
    assert decode(b"\x51" + header[1:]) is None, "another type"


def test_what_a_selective_acknowledgement_cannot_say_is_left_out() -> None:
    assert sack_bytes(1) == b"\1\0\0\0"
    assert sack_bytes(1 << 32) == bytes(4) + b"\1\0\0\0"
    assert sack_bytes((1 << 5000) - 1) == b"\xff" * 252


@pytest.mark.parametrize("first", [5, 250, 65_530])
def test_the_headers_of_a_run_differ_in_their_numbers(first: int) -> None:
    template = Packet(kind=DATA, connection_id=7, timestamp_us=1, window=2, sequence=0, acked=3).to_bytes()
    headers = RunHeaders()
    expected = [(first + number) & 0xFFFF for number in range(10)]
    for views in (headers.fill(template, first, 10), headers.fill_each(template, expected)):
        packets = [decode(bytes(view)) for view in views]
        assert [packet.sequence for packet in packets if packet is not None] == expected
        assert {packet.connection_id for packet in packets if packet is not None} == {7}


def run_of_four(*changes: tuple[int, int]) -> bytes:
    """Four packets of 30 bytes, the last one shorter; (position, value) of bytes to change."""
    packets = [Packet(kind=DATA, connection_id=7, sequence=0xFFFE + n & 0xFFFF, payload=bytes(10)) for n in range(4)]
    data = bytearray(b"".join(packet.to_bytes() for packet in packets)[:-5])
    for position, value in changes:
        data[position] = value
    return bytes(data)


def test_a_run_is_plain_when_all_packets_are_alike_and_in_a_row() -> None:
    assert plain_runs(run_of_four(), 30, 4) == [(0, 4)]
    assert plain_runs(run_of_four((55, 5)), 30, 4) == [(0, 4)], "payloads do not matter"
    for position, value in ((30, 0x11), (61, 1), (2, 1), (93, 8)):
        assert plain_runs(run_of_four((position, value)), 30, 4) == [], position


@pytest.mark.parametrize(
    ("sequences", "runs"),
    [
        ((0xFFFD, 0xFFFF, 0, 1), [(0, 1), (1, 3)]),
        ((0xFFFE, 0xFFFF, 1, 2), [(0, 2), (2, 2)]),
        ((0x00FE, 0x00FF, 0x0100, 0x0102), [(0, 3), (3, 1)]),
        ((0x00FF, 0x0000, 0x0101, 0x0102), [(0, 1), (1, 1), (2, 2)]),
        ((9, 8, 7, 7), [(0, 1), (1, 1), (2, 1), (3, 1)]),
    ],
)
def test_where_one_was_lost_a_run_is_two(sequences: tuple[int, ...], runs: list[tuple[int, int]]) -> None:
    changes = [(30 * n + 16, number >> 8) for n, number in enumerate(sequences)]
    changes += [(30 * n + 17, number & 255) for n, number in enumerate(sequences)]
    assert plain_runs(run_of_four(*changes), 30, 4) == runs


@pytest.mark.parametrize(
    ("wire", "near", "number"),
    [(5, 3, 5), (0, 65_535, 65_536), (65_535, 65_536, 65_535), (1, 200_000, 196_609), (65_535, 0, -1)],
)
def test_numbers_that_wrap_are_taken_for_the_closest(wire: int, near: int, number: int) -> None:
    assert unwrapped(wire, near) == number


@given(size=st.integers(MIN_PADDING_BYTES, 1500))
def test_padding_is_extensions_of_any_length_that_say_nothing(size: int) -> None:
    extensions = padding(size)
    assert len(extensions) == size
    assert read_extensions(extensions + b"payload", EXTENSION_BITS, 0, size + 7) == (size, None, 0, None)
    assert extensions[1] == 8, "libutp takes eight bits' bytes, and nothing else"
