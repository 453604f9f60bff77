"""Whatever a peer sends: nothing raises out of `PeerCore`, its memory stays bounded, its invariants hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import MetadataArrived
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_METADATA, ExtendedHandshake
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from bittorrent.wire.metadata import MetadataData, MetadataRequest, decode_metadata
from tests.peer_pair import LEFT_ID, RIGHT_ID, handshake
from transfer.address import Address
from transfer.wire import bencode

GEOMETRY = Geometry(total_bytes=5 * BLOCK_SIZE + 9, piece_length=2 * BLOCK_SIZE)
INFO = b"d6:lengthi5e4:name1:xe"
CONFIG = PeerConfig(control_burst=40, request_queue=20, max_early_haves=30, max_fast_pieces=2)

near = st.sampled_from([0, 1, 2, 3, 8, 9, 16383, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE, 2**31, 2**32 - 1])
ranges = st.builds(HashRange, st.sampled_from([bytes(32), b"r" * 32]), near, near, near, near)
blocks = st.builds(Block, near, near, near)
values = st.recursive(
    st.integers(-(2**40), 2**40) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [b"m", b"v", b"p", b"reqq", b"metadata_size", b"yourip", b"msg_type", b"piece", b"ut_metadata"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
metadata_like = st.builds(
    lambda kind, piece, tail: bencode.encode({"msg_type": kind, "piece": piece}) + tail,
    st.integers(-1, 4),
    st.integers(-1, 3) | st.just(10**19),
    st.binary(max_size=30),
)
handshake_like = st.builds(
    lambda number, size: ExtendedHandshake(extensions={UT_METADATA: number}, metadata_size=size).to_bytes(),
    st.integers(0, 255),
    st.none() | st.integers(1, 1 << 31),
)
messages: st.SearchStrategy[wire.Message] = st.one_of(
    st.sampled_from([wire.KeepAlive(), wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested()]),
    st.sampled_from([wire.HaveAll(), wire.HaveNone()]),
    st.builds(wire.Have, near),
    st.builds(wire.SuggestPiece, near),
    st.builds(wire.AllowedFast, near),
    st.builds(wire.RejectRequest, blocks),
    st.builds(wire.BitfieldMessage, st.binary(max_size=3) | st.just(Bitfield(3, [0, 2]).to_wire())),
    st.builds(wire.Request, blocks | st.sampled_from(GEOMETRY.blocks(0))),
    st.builds(wire.Cancel, blocks | st.sampled_from(GEOMETRY.blocks(0))),
    st.builds(wire.Piece, near, near, st.binary(max_size=50)),
    st.builds(wire.Port, st.integers(0, 65535)),
    st.builds(wire.Extended, st.integers(0, 3), st.binary(max_size=30) | values.map(bencode.encode)),
    st.builds(wire.Extended, st.just(0), handshake_like),
    st.builds(wire.Extended, st.just(1), metadata_like),
    st.builds(HashRequest, ranges),
    st.builds(Hashes, ranges, st.binary(max_size=3).map(lambda data: data * 32)),
    st.builds(HashReject, ranges),
    st.builds(wire.Unknown, st.sampled_from([10, 12, 18, 24, 99]), st.binary(max_size=30)),
)
valid_bytes = st.lists(messages, max_size=8).map(lambda many: b"".join(map(wire.encode_message, many)))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid messages, some bytes of which were flipped, dropped or doubled."""
    data = bytearray(draw(valid_bytes))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["flip", "drop", "double"])):
            case "flip":
                data[at] ^= draw(st.integers(1, 255))
            case "drop":
                del data[at : at + draw(st.integers(1, 5))]
            case _:
                data[at:at] = data[at : at + draw(st.integers(1, 20))]
    return bytes(data)


class PeerMachine(RuleBasedStateMachine):
    """A peer that sends anything, a program that issues any command, and a clock, in any order."""

    @initialize(
        incoming=st.booleans(),
        knows_geometry=st.booleans(),
        has_metadata=st.booleans(),
        honest=st.booleans(),
        fast=st.booleans(),
    )
    def start(self, incoming: bool, knows_geometry: bool, has_metadata: bool, honest: bool, fast: bool) -> None:
        self.fast = fast
        self.now = 100.0
        self.core = PeerCore(
            handshake=None if incoming else handshake(LEFT_ID, dht=True, fast=fast),
            address=Address("10.0.0.1", 1),
            config=CONFIG,
            now=self.now,
        )
        self.core.extended.info_bytes = INFO if has_metadata else None
        if honest:
            self.deliver(handshake(RIGHT_ID, dht=True, fast=fast).to_bytes(), chunk=50)
            if incoming:
                self.core.welcome(handshake(LEFT_ID, fast=fast))
            if knows_geometry:
                self.core.set_geometry(GEOMETRY)

    def deliver(self, data: bytes, chunk: int) -> None:
        while data:
            buffer = self.core.get_buffer(-1)
            size = min(len(buffer), chunk, len(data))
            assert size > 0
            buffer[:size] = data[:size]
            self.core.buffer_updated(size, now=self.now)
            data = data[size:]

    # The peer

    @rule(data=mutated() | valid_bytes | st.binary(max_size=100), chunk=st.integers(1, 200))
    def peer_sends(self, data: bytes, chunk: int) -> None:
        self.deliver(data, chunk)

    @rule(message=messages, times=st.integers(1, 60))
    def peer_repeats_itself(self, message: wire.Message, times: int) -> None:
        self.deliver(wire.encode_message(message) * times, 1000)

    @rule(cut=st.integers(0, 68), flip=st.integers(0, 67), by=st.sampled_from([0, 0, 0, 1, 128]))
    def peer_shakes_hands(self, cut: int, flip: int, by: int) -> None:
        data = bytearray(handshake(RIGHT_ID, dht=True, fast=self.fast).to_bytes())
        data[flip] ^= by
        self.deliver(bytes(data[:cut]), 30)

    @rule()
    def peer_ends(self) -> None:
        self.core.receive_eof()

    # The program

    @precondition(lambda self: self.core.remote is not None and self.core._ours is None)
    @rule()
    def welcome(self) -> None:
        self.core.welcome(handshake(LEFT_ID, dht=True, fast=self.fast))

    @precondition(lambda self: self.core.is_ready)
    @rule(have=st.none() | st.just(Bitfield(3, [1])), port=st.none() | st.just(6881))
    def introduce(self, have: Bitfield | None, port: int | None) -> None:
        self.core.introduce(have=have, listen_port=port, dht_port=port)

    @precondition(lambda self: self.core.is_ready)
    @rule()
    def learn_the_geometry(self) -> None:
        self.core.set_geometry(GEOMETRY)

    @precondition(lambda self: self.core.is_ready)
    @rule(flag=st.booleans())
    def choke(self, flag: bool) -> None:
        self.core.set_choking(flag)

    @precondition(lambda self: self.core.is_ready)
    @rule(flag=st.booleans())
    def want(self, flag: bool) -> None:
        self.core.set_interested(flag)
        self.core.request(GEOMETRY.blocks(1))
        self.core.cancel(GEOMETRY.block(1, 0))
        self.core.announce_have(1)
        self.core.request_metadata([MetadataRequest(0)])
        self.core.hashes.request(HashRange(b"r" * 32, 0, 2, 2, 3))

    @precondition(lambda self: self.core.is_ready)
    @rule(pieces=st.sets(st.integers(0, 2)))
    def allow(self, pieces: set[int]) -> None:
        self.core.allow_fast(pieces)
        self.core.suggest(2)

    @precondition(lambda self: self.core.is_ready)
    @rule()
    def serve(self) -> None:
        if self.core.upload_queue:
            block = self.core.upload_queue.popleft()
            assert GEOMETRY.contains(*block)
            assert self.core.may_serve(block)
            self.core.send_block(block, bytes(block.length))

    @rule(seconds=st.sampled_from([0.0, 0.5, 11.0, 100.0, 160.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.core.handle_timer(now=self.now)
        deadline = self.core.next_timer()
        assert deadline is None or deadline > self.now

    # What holds at any time

    @rule()
    def drain(self) -> None:
        while (event := self.core.next_event()) is not None:
            if isinstance(event, MetadataArrived) and isinstance(event.message, MetadataData):
                assert len(event.message.data) <= CONFIG.max_frame_bytes
        assert len(self.core.data_to_send()) < 1 << 20
        assert not self.core.has_output

    @invariant()
    def invariants_hold(self) -> None:
        core = getattr(self, "core", None)  # absent before `start`
        if core is not None:
            core.check_invariants()
            assert len(core._events) < 5000
            assert len(core.remote_peer.pieces._early_haves) <= CONFIG.max_early_haves
            assert max(len(core.remote_peer.allowed_fast), len(core.remote_peer.suggested)) <= CONFIG.max_fast_pieces
            assert core.closed_because is None or "\n" not in core.closed_because
            buffer = core.get_buffer(-1)
            assert len(buffer) > 0
            assert isinstance(buffer.obj, bytearray)
            assert len(buffer.obj) <= CONFIG.max_frame_bytes + 4


PeerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestPeer = PeerMachine.TestCase


@given(st.integers(0, 67), st.integers(1, 68), st.booleans())
def test_truncated_handshakes_wait_and_then_time_out(length: int, chunk: int, incoming: bool) -> None:
    core = PeerCore(
        handshake=None if incoming else handshake(LEFT_ID), address=Address("10.0.0.1", 1), config=CONFIG, now=0.0
    )
    data = handshake(RIGHT_ID).to_bytes()[:length]
    for at in range(0, length, chunk):
        part = data[at : at + chunk]
        core.get_buffer()[: len(part)] = part
        core.buffer_updated(len(part), now=1.0)
    assert (core.closed_because, core.next_event()) == (None, None)
    core.handle_timer(now=CONFIG.handshake_timeout_s)
    assert core.is_closed
    core.check_invariants()


@pytest.mark.parametrize("decode", [wire.decode_message, wire.split_piece, Handshake.from_bytes])
@given(st.binary(max_size=100))
def test_decoders_raise_nothing_but_wire_errors(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except WireError:
        return


@pytest.mark.parametrize("decode", [ExtendedHandshake.from_bytes, decode_metadata])
@given(st.binary(max_size=60) | values.map(bencode.encode) | metadata_like | handshake_like)
@example(b"d" * 200)
@example(b"d8:msg_typei1e5:piecei99999999999999999999ee")
@example(b"d1:vi0e1:m" + b"l" * 30)
def test_bencoded_payloads_raise_nothing_but_wire_errors(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except WireError:
        return


@given(values.filter(lambda value: isinstance(value, dict)))
def test_whatever_is_read_from_an_extension_handshake_can_be_written_again(value: bencode.Encodable) -> None:
    try:
        read = ExtendedHandshake.from_bytes(bencode.encode(value))
    except WireError:
        return  # nested too deep
    assert ExtendedHandshake.from_bytes(read.to_bytes()) == read
    assert read.request_queue is None or read.request_queue > 0
    assert read.listen_port is None or 0 < read.listen_port < 65536
