"""Metadata messages, and the fetching of one copy from one peer."""

from __future__ import annotations

from hashlib import sha1

import pytest

from bittorrent.errors import WireError
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataData,
    MetadataDownload,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)
from transfer.wire import bencode

INFO = bytes(range(256)) * 160  # 2.5 pieces


def download(info_bytes: bytes = INFO, *, size: int | None = None, max_outstanding: int = 8) -> MetadataDownload:
    return MetadataDownload(
        info_hash=sha1(info_bytes).digest(),
        size=len(info_bytes) if size is None else size,
        max_outstanding=max_outstanding,
    )


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


def test_a_download_asks_for_each_piece_once_and_a_few_at_a_time() -> None:
    one = download(max_outstanding=2)
    assert one.piece_count == 3
    assert one.requests_to_send() == [MetadataRequest(0), MetadataRequest(1)]
    assert one.requests_to_send() == []
    assert one.receive(answer(1)) is None
    assert one.requests_to_send() == [MetadataRequest(2)]
    assert one.receive(answer(2)) is None
    assert one.receive(answer(0)) == INFO


@pytest.mark.parametrize("index", [0, 3, -1])
def test_pieces_that_are_not_due_are_refused(index: int) -> None:
    one = download(max_outstanding=3)
    one.requests_to_send()
    one.receive(answer(0))
    with pytest.raises(WireError, match="unasked"):
        one.receive(MetadataData(index, b"x", 1))


@pytest.mark.parametrize(
    ("index", "size"), [(0, METADATA_PIECE_SIZE - 1), (0, METADATA_PIECE_SIZE + 1), (0, 0), (2, 1)]
)
def test_pieces_of_a_wrong_length_are_refused(index: int, size: int) -> None:
    one = download()
    one.requests_to_send()
    with pytest.raises(WireError, match=f"has {size} bytes"):
        one.receive(MetadataData(index, bytes(size), len(INFO)))


def test_total_size_is_not_believed() -> None:
    """I2PSnark puts the size of the piece there."""
    one = download(INFO[:100])
    one.requests_to_send()
    assert one.receive(MetadataData(0, INFO[:100], 16384)) == INFO[:100]


def test_a_wrong_hash_is_found_at_the_end() -> None:
    one = download()
    one.requests_to_send()
    one.receive(answer(0))
    one.receive(answer(1))
    with pytest.raises(WireError, match="info-hash"):
        one.receive(MetadataData(2, bytes(len(answer(2).data)), len(INFO)))


@pytest.mark.parametrize("lie", [1, METADATA_PIECE_SIZE, len(INFO) - 1, len(INFO) + 1, 10 * len(INFO)])
def test_a_wrong_size_cannot_succeed(lie: int) -> None:
    one = download(size=lie)
    one.requests_to_send()

    def receive_all() -> None:
        for index in range(3):
            one.receive(answer(index))

    with pytest.raises(WireError):
        receive_all()
