"""The 68 bytes in front of everything."""

from __future__ import annotations

import pytest

from bittorrent.errors import WireError
from bittorrent.wire.handshake import PREAMBLE, Handshake, is_handshake_prefix


@pytest.mark.parametrize(("hash_size", "id_size"), [(19, 20), (20, 19), (0, 20), (21, 20), (32, 20), (20, 40)])
def test_both_names_have_twenty_bytes(hash_size: int, id_size: int) -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        Handshake(info_hash=bytes(hash_size), peer_id=bytes(id_size))


@pytest.mark.parametrize("data", [b"", PREAMBLE, bytes(68), b"\x13BitTorrent Protocol" + bytes(48), b"GET / HTTP/1.1"])
def test_other_protocols_are_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="does not speak"):
        Handshake.from_bytes(data)


def test_a_stranger_is_known_by_the_first_wrong_byte() -> None:
    assert is_handshake_prefix(b"")
    assert is_handshake_prefix(b"\x13BitT")
    assert is_handshake_prefix(PREAMBLE + b"anything at all")
    assert not is_handshake_prefix(b"G")
    assert not is_handshake_prefix(b"\x13BitTorrent Protocol")
    assert not is_handshake_prefix(b"\x00" + PREAMBLE)


@pytest.mark.parametrize("extensions", [True, False])
@pytest.mark.parametrize("dht", [True, False])
@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("v2", [True, False])
def test_reserved_bits(extensions: bool, dht: bool, fast: bool, v2: bool) -> None:
    handshake = Handshake(
        info_hash=b"h" * 20,
        peer_id=b"p" * 20,
        supports_extensions=extensions,
        supports_dht=dht,
        supports_fast=fast,
        supports_v2=v2,
    )
    data = handshake.to_bytes()
    assert data[20:28] == bytes([0, 0, 0, 0, 0, 0x10 * extensions, 0, dht + 4 * fast + 0x10 * v2])
    assert Handshake.from_bytes(data) == handshake


def test_the_bits_of_libtorrent_for_a_hybrid() -> None:
    """Byte 7 is 15 when it calls, and 05 in its answer under the version 2 hash (captured from 2.1.1)."""
    call = Handshake.from_bytes(PREAMBLE + bytes.fromhex("0000000000100015") + b"1" * 20 + b"p" * 20)
    answer = Handshake.from_bytes(PREAMBLE + bytes.fromhex("0000000000100005") + b"2" * 20 + b"p" * 20)
    assert call.supports_v2
    assert not answer.supports_v2
    assert answer.supports_fast
    assert answer.supports_dht
