"""Messages 21, 22 and 23 (BEP 52)."""

from __future__ import annotations

import pytest

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange
from bittorrent.wire.hashes import Hashes, HashMessage, HashReject, HashRequest
from bittorrent.wire.messages import decode_message, encode_message

ROOT = bytes(range(32))
RANGE = HashRange(ROOT, 2, 0, 4, 1)
REST = ROOT + bytes.fromhex("00000002 00000000 00000004 00000001")


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        # As libtorrent 2.1.1 asks for the layer of a file of three pieces of 64 KiB.
        (HashRequest(RANGE), b"\0\0\0\x31\x15" + REST),
        (HashReject(RANGE), b"\0\0\0\x31\x17" + REST),
        (Hashes(RANGE, b"h" * 128), b"\0\0\0\xb1\x16" + REST + b"h" * 128),
        (Hashes(RANGE, b""), b"\0\0\0\x31\x16" + REST),
    ],
)
def test_their_bytes(message: HashMessage, frame: bytes) -> None:
    assert encode_message(message) == frame
    assert decode_message(frame[4:]) == message


@pytest.mark.parametrize("kind", [21, 22, 23])
@pytest.mark.parametrize("size", [0, 1, 47])
def test_too_short(kind: int, size: int) -> None:
    with pytest.raises(WireError, match=f"message {kind} with {size} bytes"):
        decode_message(bytes([kind]) + bytes(size))


@pytest.mark.parametrize(("kind", "size"), [(21, 49), (21, 80), (23, 80), (22, 49), (22, 79), (22, 81)])
def test_what_stands_behind_must_be_hashes(kind: int, size: int) -> None:
    with pytest.raises(WireError, match="bytes"):
        decode_message(bytes([kind]) + bytes(size))
