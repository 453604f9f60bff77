"""Messages of hole punching, to the byte (BEP 55)."""

from __future__ import annotations

import pytest

from bittorrent.errors import WireError
from bittorrent.wire.holepunch import (
    PunchConnect,
    PunchError,
    PunchMessage,
    PunchRefused,
    Rendezvous,
    decode_holepunch,
    encode_holepunch,
)
from transfer.address import Address

V4, V6 = Address("9.8.7.6", 6881), Address("2001:db8::1", 6881)
BYTES_V4, BYTES_V6 = "090807061ae1", "20010db80000000000000000000000011ae1"
WRITTEN: list[tuple[PunchMessage, str]] = [
    (Rendezvous(V4), "0000" + BYTES_V4),
    (Rendezvous(V6), "0001" + BYTES_V6),
    (PunchConnect(V4), "0100" + BYTES_V4),
    (PunchConnect(V6), "0101" + BYTES_V6),
    (PunchRefused(V4, PunchError.NOT_CONNECTED), "0200" + BYTES_V4 + "00000002"),
    (PunchRefused(V6, 0xFFFFFFFF), "0201" + BYTES_V6 + "ffffffff"),
]


@pytest.mark.parametrize(("message", "expected"), WRITTEN)
def test_what_is_written_is_what_libtorrent_writes_and_is_read_as_the_same(
    message: PunchMessage, expected: str
) -> None:
    """Only errors have a field for one (captured from libtorrent 2.1.1)."""
    assert encode_holepunch(message).hex() == expected
    assert decode_holepunch(bytes.fromhex(expected)) == message


@pytest.mark.parametrize(("message", "expected"), WRITTEN[:4])
def test_the_length_that_the_bep_has_is_read_too(message: PunchMessage, expected: str) -> None:
    for tail in (b"\0\0\0\0", b"\0\0\0\2", b"\0", b"\0\0\0\0and more"):
        assert decode_holepunch(memoryview(bytes.fromhex(expected) + tail)) == message


def test_an_error_without_a_reason_has_none() -> None:
    assert decode_holepunch(bytes.fromhex("0200" + BYTES_V4)) == PunchRefused(V4, 0)


def test_an_ipv4_address_in_ipv6_clothes_is_what_it_is() -> None:
    mapped = "0101" + "00" * 10 + "ffff" + BYTES_V4
    assert decode_holepunch(bytes.fromhex(mapped)) == PunchConnect(V4)


@pytest.mark.parametrize("payload", [b"\3\0" + bytes(6), b"\xff\1" + bytes(18), b"\0\2" + bytes(18), b"\1\xff"])
def test_types_and_families_of_later_years_are_nothing(payload: bytes) -> None:
    assert decode_holepunch(payload) is None


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0", b"\1\0" + bytes(5), b"\0\1" + bytes(17), b"\2\1" + bytes(6)])
def test_what_is_cut_short_is_an_error_of_one_line(payload: bytes) -> None:
    with pytest.raises(WireError, match=r"^the peer's hole punching message [^\n]+$"):
        decode_holepunch(payload)
