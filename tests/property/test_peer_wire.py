"""The codecs of the peer wire protocol are exact inverses of each other."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange
from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import MAX_EXTENSIONS, ExtendedHandshake
from bittorrent.wire.frames import FrameBuffer
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake, is_handshake_prefix
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataCopy,
    MetadataData,
    MetadataMessage,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)

uint32 = st.integers(0, 2**32 - 1)
blocks = st.builds(Block, uint32, uint32, uint32)
ranges = st.builds(HashRange, st.binary(min_size=32, max_size=32), uint32, uint32, uint32, uint32)
known_kinds = {*range(10), *range(13, 18), *range(20, 24)}
messages: st.SearchStrategy[wire.Message] = st.one_of(
    st.sampled_from([wire.KeepAlive(), wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested()]),
    st.sampled_from([wire.HaveAll(), wire.HaveNone()]),
    st.builds(wire.Have, uint32),
    st.builds(wire.SuggestPiece, uint32),
    st.builds(wire.AllowedFast, uint32),
    st.builds(wire.RejectRequest, blocks),
    st.builds(wire.BitfieldMessage, st.binary(max_size=300)),
    st.builds(wire.Request, blocks),
    st.builds(wire.Piece, uint32, uint32, st.binary(max_size=300)),
    st.builds(wire.Cancel, blocks),
    st.builds(wire.Port, st.integers(0, 65535)),
    st.builds(wire.Extended, st.integers(0, 255), st.binary(max_size=300)),
    st.builds(HashRequest, ranges),
    st.builds(Hashes, ranges, st.lists(st.binary(min_size=32, max_size=32), max_size=5).map(b"".join)),
    st.builds(HashReject, ranges),
    st.builds(wire.Unknown, st.integers(0, 255).filter(lambda kind: kind not in known_kinds), st.binary(max_size=300)),
)
hashes = st.binary(min_size=20, max_size=20)
handshakes = st.builds(
    Handshake,
    info_hash=hashes,
    peer_id=hashes,
    supports_extensions=st.booleans(),
    supports_dht=st.booleans(),
    supports_fast=st.booleans(),
    supports_v2=st.booleans(),
)
extended_handshakes = st.builds(
    ExtendedHandshake,
    extensions=st.dictionaries(st.binary(max_size=20), st.integers(0, 255), max_size=6),
    client=st.text(st.characters(codec="utf-8"), max_size=16),  # 64 bytes at most
    request_queue=st.none() | st.integers(1, 1 << 31),
    metadata_size=st.none() | st.integers(1, 1 << 31),
    listen_port=st.none() | st.integers(1, 65535),
    upload_only=st.none() | st.booleans(),
    your_ip=st.none() | st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
)
indices = st.integers(0, 1 << 40)
metadata_messages: st.SearchStrategy[MetadataMessage] = st.one_of(
    st.builds(MetadataRequest, indices),
    st.builds(MetadataReject, indices),
    st.builds(MetadataData, indices, st.binary(max_size=200), st.integers(-5, 1 << 40)),
)


@given(messages)
def test_messages_round_trip(message: wire.Message) -> None:
    frame = wire.encode_message(message)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert wire.decode_message(frame[4:]) == message
    assert wire.decode_message(memoryview(frame)[4:]) == message


@given(st.binary(max_size=40))
def test_a_body_that_decodes_encodes_to_itself(body: bytes) -> None:
    """No two bodies mean the same message, so nothing can hide in one."""
    try:
        message = wire.decode_message(body)
    except WireError:
        return
    assert wire.encode_message(message) == len(body).to_bytes(4, "big") + body


@given(st.lists(blocks, max_size=20))
def test_many_requests_at_once_are_the_single_ones_joined(many: list[Block]) -> None:
    assert wire.encode_requests(many) == b"".join(wire.encode_message(wire.Request(block)) for block in many)
    assert wire.encode_requests(iter(many)) == wire.encode_requests(many)


@given(uint32, uint32, st.binary(max_size=300))
def test_a_piece_is_its_header_and_its_data(index: int, begin: int, data: bytes) -> None:
    frame = wire.encode_message(wire.Piece(index, begin, data))
    assert wire.piece_header(index, begin, len(data)) + data == frame
    view = memoryview(frame)[4:]
    taken = wire.split_piece(view)
    assert (taken[0], taken[1], bytes(taken[2])) == (index, begin, data)
    assert isinstance(taken[2], memoryview)
    assert taken[2].obj is frame


@given(st.lists(messages, max_size=12), st.lists(st.integers(1, 60), min_size=1, max_size=30))
@settings(max_examples=60)
def test_a_stream_of_messages_survives_any_chunking(sent: list[wire.Message], chunk_sizes: list[int]) -> None:
    stream = b"".join(wire.encode_message(message) for message in sent)
    frames = FrameBuffer(max_frame_bytes=512, first_capacity_bytes=16)
    received: list[wire.Message] = []
    position = turn = 0
    while position < len(stream):
        chunk = stream[position : position + chunk_sizes[turn % len(chunk_sizes)]]
        buffer = frames.get_buffer()
        taken = min(len(buffer), len(chunk))
        buffer[:taken] = chunk[:taken]
        frames.buffer_updated(taken)
        position, turn = position + taken, turn + 1
        while (frame := frames.next_frame()) is not None:
            received.append(wire.decode_message(frame))
    assert received == sent


@given(handshakes, st.integers(0, HANDSHAKE_SIZE - 1))
def test_handshakes_round_trip(handshake: Handshake, cut: int) -> None:
    data = handshake.to_bytes()
    assert len(data) == HANDSHAKE_SIZE
    assert Handshake.from_bytes(data) == handshake
    assert is_handshake_prefix(data[:cut])
    with pytest.raises(WireError):
        Handshake.from_bytes(data[:cut])
    with pytest.raises(WireError):
        Handshake.from_bytes(data + b"\0")


@given(handshakes, st.binary(min_size=8, max_size=8))
def test_reserved_bits_of_others_change_nothing(handshake: Handshake, noise: bytes) -> None:
    data = bytearray(handshake.to_bytes())
    for at in range(8):
        ours = {5: 0x10, 7: 0x15}.get(at, 0)
        data[20 + at] |= noise[at] & ~ours
    assert Handshake.from_bytes(bytes(data)) == handshake


@given(handshakes, st.integers(0, 19), st.integers(1, 255))
def test_one_wrong_byte_in_front_is_no_handshake(handshake: Handshake, at: int, flip: int) -> None:
    data = bytearray(handshake.to_bytes())
    data[at] ^= flip
    assert is_handshake_prefix(bytes(data[:at]))
    assert not is_handshake_prefix(bytes(data[: at + 1]))
    with pytest.raises(WireError):
        Handshake.from_bytes(bytes(data))


@given(extended_handshakes)
def test_extended_handshakes_round_trip(handshake: ExtendedHandshake) -> None:
    assert ExtendedHandshake.from_bytes(handshake.to_bytes()) == handshake
    assert ExtendedHandshake.from_bytes(handshake.to_bytes() + b"anything") == handshake


@given(extended_handshakes, extended_handshakes)
def test_a_later_extended_handshake_adds_and_replaces(first: ExtendedHandshake, second: ExtendedHandshake) -> None:
    both = first.updated(second)
    assert both.extensions == {**first.extensions, **second.extensions}
    for name in ("client", "request_queue", "metadata_size", "listen_port", "your_ip"):
        news = getattr(second, name)
        assert getattr(both, name) == (news or getattr(first, name))
    assert both.updated(second) == both
    assert both.updated(ExtendedHandshake()) == both
    assert ExtendedHandshake().updated(first) == first


@given(st.lists(st.dictionaries(st.binary(max_size=3), st.integers(0, 255), max_size=80), max_size=10))
@settings(max_examples=30)
def test_the_names_of_extensions_are_bounded(news: list[dict[bytes, int]]) -> None:
    known = ExtendedHandshake()
    for extensions in news:
        before = known.extensions
        known = known.updated(ExtendedHandshake(extensions=extensions))
        assert len(known.extensions) <= MAX_EXTENSIONS
        assert before.keys() <= known.extensions.keys()  # what works goes on working


@given(metadata_messages)
def test_metadata_messages_round_trip(message: MetadataMessage) -> None:
    assert decode_metadata(encode_metadata(message)) == message


@given(st.binary(min_size=1, max_size=5 * METADATA_PIECE_SIZE), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_metadata_travels_in_any_order(info_bytes: bytes, random: Random) -> None:
    copy = MetadataCopy(size=len(info_bytes))
    indices = list(copy.missing())
    random.shuffle(indices)
    for index in indices:
        assert not copy.is_complete
        carried = decode_metadata(encode_metadata(answer_request(info_bytes, index)))
        assert isinstance(carried, MetadataData)
        copy.receive(carried, sender=index % 2)
    assert copy.joined() == info_bytes
