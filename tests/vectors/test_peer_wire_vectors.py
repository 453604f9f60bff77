"""Byte strings written out by hand from the texts of BEP 3, 5, 6, 9 and 10 (https://www.bittorrent.org/beps/)."""

from __future__ import annotations

import pytest

from bittorrent.dialling.peer_priority import crc32c, peer_priority
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.swarm.uploading.allowed_fast import allowed_fast_set
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import ExtendedHandshake
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.metadata import (
    MetadataData,
    MetadataMessage,
    MetadataReject,
    MetadataRequest,
    decode_metadata,
    encode_metadata,
)
from transfer.address import Address

INFO_HASH = bytes.fromhex("000102030405060708090a0b0c0d0e0f10111213")
PEER_ID = b"-KC0100-abcdefghijkl"

HANDSHAKES = [
    # BEP 3, "peer protocol": character nineteen, "BitTorrent protocol", eight reserved zero bytes, hash, id.
    ("0000000000000000", Handshake(info_hash=INFO_HASH, peer_id=PEER_ID, supports_extensions=False)),
    # BEP 10: reserved_byte[5] & 0x10.
    ("0000000000100000", Handshake(info_hash=INFO_HASH, peer_id=PEER_ID)),
    # BEP 5, "BitTorrent Protocol Extension": the last bit of the eight reserved bytes.
    (
        "0000000000000001",
        Handshake(info_hash=INFO_HASH, peer_id=PEER_ID, supports_extensions=False, supports_dht=True),
    ),
    ("0000000000100001", Handshake(info_hash=INFO_HASH, peer_id=PEER_ID, supports_dht=True)),
    # BEP 6: reserved[7] |= 0x04.
    ("0000000000100004", Handshake(info_hash=INFO_HASH, peer_id=PEER_ID, supports_fast=True)),
]

MESSAGES: list[tuple[str, wire.Message]] = [
    # BEP 3, "peer messages": length prefix, then one byte of type, all integers four bytes big-endian.
    ("00000000", wire.KeepAlive()),
    ("00000001 00", wire.Choke()),
    ("00000001 01", wire.Unchoke()),
    ("00000001 02", wire.Interested()),
    ("00000001 03", wire.NotInterested()),
    ("00000005 04 0000000a", wire.Have(10)),
    ("00000003 05 ff80", wire.BitfieldMessage(b"\xff\x80")),
    ("0000000d 06 00000001 00004000 00004000", wire.Request(Block(1, 16384, 16384))),
    ("0000000d 07 00000001 00004000 deadbeef", wire.Piece(1, 16384, b"\xde\xad\xbe\xef")),
    ("0000000d 08 00000001 00004000 00004000", wire.Cancel(Block(1, 16384, 16384))),
    # BEP 5: "it is composed of 0x09 and the port number in network byte order".
    ("00000003 09 1ae1", wire.Port(6881)),
    # BEP 6, the message formats, each with its length and its op-code.
    ("00000005 0d 0000000a", wire.SuggestPiece(10)),
    ("00000001 0e", wire.HaveAll()),
    ("00000001 0f", wire.HaveNone()),
    ("0000000d 10 00000001 00004000 00004000", wire.RejectRequest(Block(1, 16384, 16384))),
    ("00000005 11 0000000a", wire.AllowedFast(10)),
    # BEP 10: length prefix, 20, extended message id.
    ("00000004 14 00 6465", wire.Extended(0, b"de")),
    ("00000002 14 03", wire.Extended(3, b"")),
    # BEP 6 (have all), not negotiated here.
    ("00000001 0c", wire.Unknown(12, b"")),
]

METADATA: list[tuple[bytes, MetadataMessage]] = [
    # BEP 9, the examples of "request" and "data". The text writes 34256 where its dictionary says 3425.
    (b"d8:msg_typei0e5:piecei0ee", MetadataRequest(0)),
    (b"d8:msg_typei1e5:piecei0e10:total_sizei3425eexxxxxxxx", MetadataData(0, b"xxxxxxxx", 3425)),
    # The example of "reject"; the text writes msg_type 1 where its dictionary says 2.
    (b"d8:msg_typei2e5:piecei0ee", MetadataReject(0)),
]


@pytest.mark.parametrize(("reserved", "handshake"), HANDSHAKES)
def test_handshakes(reserved: str, handshake: Handshake) -> None:
    expected = (
        bytes.fromhex("13 426974546f7272656e742070726f746f636f6c") + bytes.fromhex(reserved) + INFO_HASH + PEER_ID
    )
    assert handshake.to_bytes() == expected
    assert Handshake.from_bytes(expected) == handshake


@pytest.mark.parametrize(("frame", "message"), MESSAGES)
def test_messages(frame: str, message: wire.Message) -> None:
    data = bytes.fromhex(frame)
    assert wire.encode_message(message) == data
    assert wire.decode_message(data[4:]) == message


def test_a_bitfield_begins_with_the_high_bit() -> None:
    """BEP 3: the first byte holds indices 0 to 7 from high bit to low bit, spare bits at the end are zero."""
    pieces = Bitfield.from_wire(bytes.fromhex("a180"), 10)
    assert list(pieces) == [0, 2, 7, 8]
    assert pieces.to_wire() == bytes.fromhex("a180")
    with pytest.raises(ValueError, match="behind the last"):
        Bitfield.from_wire(bytes.fromhex("a1a0"), 10)


def test_extension_handshake_of_bep_10() -> None:
    """The example of BEP 10 (its first character is one byte of Latin-1 in the name, two of UTF-8 in the version)."""
    payload = b"d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e"
    expected = ExtendedHandshake(
        extensions={b"LT_metadata": 1, b"\xb5T_PEX": 2}, listen_port=6881, client="\u00b5Torrent 1.2"
    )
    assert ExtendedHandshake.from_bytes(payload) == expected
    assert expected.to_bytes() == payload


def test_extension_handshake_of_bep_9() -> None:
    payload = b"d1:md11:ut_metadatai3ee13:metadata_sizei31235ee"
    expected = ExtendedHandshake(extensions={b"ut_metadata": 3}, metadata_size=31235)
    assert ExtendedHandshake.from_bytes(payload) == expected
    assert expected.to_bytes() == payload


def test_your_ip_of_bep_10_is_the_raw_address() -> None:
    payload = b"d1:mde4:reqqi250e6:yourip4:\x7f\x00\x00\x01e"
    expected = ExtendedHandshake(request_queue=250, your_ip=bytes([127, 0, 0, 1]))
    assert ExtendedHandshake.from_bytes(payload) == expected
    assert expected.to_bytes() == payload


@pytest.mark.parametrize(("payload", "message"), METADATA)
def test_metadata_messages(payload: bytes, message: MetadataMessage) -> None:
    assert decode_metadata(payload) == message
    assert encode_metadata(message) == payload


def test_the_data_message_as_bep_9_prints_it() -> None:
    payload = b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"
    assert decode_metadata(payload) == MetadataData(0, b"xxxxxxxx", 34256)


def test_allowed_fast_set_of_bep_6() -> None:
    """BEP 6, "Allowed Fast Set Generation": the examples with seven and nine pieces."""
    nine = (1059, 431, 808, 1217, 287, 376, 1188, 353, 508)
    assert allowed_fast_set(b"\xaa" * 20, "80.4.4.200", piece_count=1313, count=7) == nine[:7]
    assert allowed_fast_set(b"\xaa" * 20, "80.4.4.200", piece_count=1313, count=9) == nine


def test_peer_priority_of_bep_40() -> None:
    """BEP 40, "Test vectors"; and the check value of CRC-32C (RFC 3720 names the polynomial)."""
    ours = Address("123.213.32.10", 0)
    assert peer_priority(ours, Address("98.76.54.32", 0)) == 0xEC2D7224
    assert peer_priority(ours, Address("123.213.32.234", 0)) == 0x99568189
    assert crc32c(b"123456789") == 0xE3069283
