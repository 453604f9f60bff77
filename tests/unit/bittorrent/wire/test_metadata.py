"""Metadata messages, and the fetching of one copy from one peer."""

from __future__ import annotations

import pytest

from bittorrent.errors import WireError
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataCopy,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)
from transfer.wire import bencode

INFO = bytes(range(256)) * 160  # 2.5 pieces


def answer(index: int, info_bytes: bytes = INFO) -> MetadataData:
    message = answer_request(info_bytes, index)
    assert isinstance(message, MetadataData)
    return message


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"i0e",
        b"le",
        b"d8:msg_typei0e",
        b"d8:msg_typei0ee",
        b"d5:piecei0ee",
        b"d8:msg_typei0e5:piecei-1ee",
        b"d8:msg_typei0e5:piece1:0e",
        b"d8:msg_type1:05:piecei0ee",
        b"d8:msg_typei1ee" + bytes(100),
        b"d8:msg_typei2ee",
    ],
)
def test_what_is_no_metadata_message(payload: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_metadata(payload)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [b"d8:msg_typei3e5:piecei0ee", b"d8:msg_typei-1e5:piecei0ee", b"d8:msg_typei9ee", b"d8:msg_typei3e5:piece1:xe"],
)
def test_types_of_the_future_are_ignored_whatever_they_carry(payload: bytes) -> None:
    assert decode_metadata(payload) is None


def test_unknown_entries_are_ignored() -> None:
    assert decode_metadata(bencode.encode({"msg_type": 0, "piece": 2, "x": [1, {}]})) == MetadataRequest(2)


def test_a_data_message_without_a_size_is_still_data() -> None:
    assert decode_metadata(b"d8:msg_typei1e5:piecei0eexyz") == MetadataData(0, b"xyz", 0)
    assert decode_metadata(b"d8:msg_typei1e5:piecei0e10:total_size1:3exyz") == MetadataData(0, b"xyz", 0)


def test_every_request_gets_an_answer() -> None:
    assert answer_request(INFO, 0) == MetadataData(0, INFO[:METADATA_PIECE_SIZE], len(INFO))
    assert answer_request(INFO, 2) == MetadataData(2, INFO[2 * METADATA_PIECE_SIZE :], len(INFO))
    assert answer_request(INFO, 3) == MetadataReject(3)
    assert answer_request(INFO, 1 << 60) == MetadataReject(1 << 60)
    assert answer_request(None, 0) == MetadataReject(0)
    assert answer_request(bytes(METADATA_PIECE_SIZE), 1) == MetadataReject(1)


def test_a_reject_echoes_any_number_a_peer_can_write() -> None:
    huge = decode_metadata(b"d8:msg_typei0e5:piecei" + b"9" * 20 + b"ee")
    assert isinstance(huge, MetadataRequest)
    assert decode_metadata(encode_metadata(answer_request(INFO, huge.index))) == MetadataReject(10**20 - 1)


def test_a_copy_comes_together_in_any_order_and_knows_who_sent_what() -> None:
    copy = MetadataCopy(size=len(INFO))
    assert copy.piece_count == 3
    assert list(copy.missing()) == [0, 1, 2]
    copy.receive(answer(1), sender=7)
    copy.receive(MetadataData(1, bytes(METADATA_PIECE_SIZE), 1), sender=8)
    assert list(copy.missing()) == [0, 2]
    copy.receive(answer(2), sender=8)
    copy.receive(answer(0), sender=7)
    assert copy.is_complete
    assert copy.joined() == INFO
    assert copy.senders == {0: 7, 1: 7, 2: 8}
    assert list(copy.part_of(7).missing()) == [2]


@pytest.mark.parametrize("index", [3, -1])
def test_pieces_that_do_not_exist_are_refused(index: int) -> None:
    with pytest.raises(WireError, match="of 3"):
        MetadataCopy(size=len(INFO)).receive(MetadataData(index, b"x", 1), sender=1)


@pytest.mark.parametrize(
    ("index", "size"), [(0, METADATA_PIECE_SIZE - 1), (0, METADATA_PIECE_SIZE + 1), (0, 0), (2, 1)]
)
def test_pieces_of_a_wrong_length_are_refused(index: int, size: int) -> None:
    with pytest.raises(WireError, match=f"has {size} bytes"):
        MetadataCopy(size=len(INFO)).receive(MetadataData(index, bytes(size), len(INFO)), sender=1)


def test_total_size_is_not_believed() -> None:
    """I2PSnark puts the size of the piece there."""
    copy = MetadataCopy(size=100)
    copy.receive(MetadataData(0, INFO[:100], 16384), sender=1)
    assert copy.joined() == INFO[:100]
