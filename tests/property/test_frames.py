"""`FrameBuffer` against a slow obvious model: a byte string that frames are cut from the front of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.errors import WireError
from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire
from bittorrent.wire.frames import LARGEST_CAPACITY_BYTES, FrameBuffer

MAX_FRAME = 600


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class FrameBufferMachine(RuleBasedStateMachine):
    """Frames of many sizes arrive in pieces of many sizes; complete ones are taken before the next arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = FrameBuffer(max_frame_bytes=MAX_FRAME)
        self.unsent = b""  # of the peer
        self.arrived = b""  # the model: what arrived and was not taken
        self.views: list[tuple[memoryview, bytes]] = []  # frames given out since the last get_buffer
        self.count = 0

    @initialize(first_capacity=st.integers(1, 200))
    def start(self, first_capacity: int) -> None:
        self.frames = FrameBuffer(max_frame_bytes=MAX_FRAME, first_capacity_bytes=first_capacity)

    @rule(sizes=st.lists(st.integers(0, MAX_FRAME) | st.sampled_from([0, 1, 13, MAX_FRAME]), min_size=1, max_size=6))
    def peer_writes(self, sizes: list[int]) -> None:
        for size in sizes:
            self.count += 1
            self.unsent += frame(bytes([self.count & 255]) * size)

    @precondition(lambda self: self.unsent)
    @rule(chunk=st.integers(1, 3 * MAX_FRAME) | st.integers(1, 8))
    def network_delivers(self, chunk: int) -> None:
        self.take_all()
        buffer = self.frames.get_buffer()
        assert len(buffer) > 0
        self.views.clear()
        size = min(chunk, len(buffer), len(self.unsent))
        buffer[:size] = self.unsent[:size]
        self.frames.buffer_updated(size)
        self.arrived += self.unsent[:size]
        self.unsent = self.unsent[size:]

    @rule()
    def take_one(self) -> None:
        expected = self.model_frame()
        taken = self.frames.next_frame()
        assert (None if taken is None else bytes(taken)) == expected
        if taken is not None and expected is not None:
            self.views.append((taken, expected))
            self.arrived = self.arrived[4 + len(expected) :]

    @rule()
    def clear(self) -> None:
        """In the middle of a frame, the rest of it becomes garbage: both sides begin anew."""
        self.frames.clear()
        self.arrived = self.unsent = b""

    @rule(size=st.integers(0, 100))
    def peek(self, size: int) -> None:
        assert self.frames.peek(size) == self.arrived[:size]

    @rule(excess=st.integers(1, 100))
    def take_more_than_there_is(self, excess: int) -> None:
        assert self.frames.take(len(self.arrived) + excess) is None

    @rule()
    def take_all(self) -> None:
        while self.model_frame() is not None:
            self.take_one()
        assert self.frames.next_frame() is None

    def model_frame(self) -> bytes | None:
        if len(self.arrived) < 4:
            return None
        length = int.from_bytes(self.arrived[:4], "big")
        return self.arrived[4 : 4 + length] if len(self.arrived) >= 4 + length else None

    @invariant()
    def views_stay_valid_until_the_next_get_buffer(self) -> None:
        for view, expected in self.views:
            assert view == expected

    @invariant()
    def everything_that_arrived_is_there(self) -> None:
        assert self.frames.peek(1 << 20) == self.arrived


FrameBufferMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestFrameBuffer = FrameBufferMachine.TestCase


@given(st.binary(max_size=80), st.lists(st.integers(1, 30), min_size=1, max_size=10), st.integers(1, 50))
def test_raw_bytes_come_out_as_they_went_in(data: bytes, chunks: list[int], first_capacity: int) -> None:
    """A handshake is no frame; it is looked at before it is whole, and taken when it is."""
    frames = FrameBuffer(max_frame_bytes=100, first_capacity_bytes=first_capacity)
    position = turn = 0
    while position < len(data):
        buffer = frames.get_buffer()
        size = min(len(buffer), chunks[turn % len(chunks)], len(data) - position)
        buffer[:size] = data[position : position + size]
        frames.buffer_updated(size)
        position, turn = position + size, turn + 1
        assert frames.peek(100) == data[:position]
        assert frames.take(position + 1) is None
    assert frames.take(len(data)) == data
    assert frames.peek(100) == b""


@given(st.integers(0, 1000), st.integers(0, 2**32 - 1))
def test_the_length_alone_refuses_a_frame(limit: int, length: int) -> None:
    frames = FrameBuffer(max_frame_bytes=limit)
    buffer = frames.get_buffer()
    buffer[:4] = length.to_bytes(4, "big")
    frames.buffer_updated(4)
    if length > limit:
        with pytest.raises(WireError, match=f"{limit} is the limit"):
            frames.next_frame()
    elif length:
        assert frames.next_frame() is None
    else:
        assert frames.next_frame() == memoryview(b"")


@given(st.lists(st.sampled_from([5, 17, 16397, 16397, 131_081]), min_size=30, max_size=60))
@settings(max_examples=10)
def test_a_fast_peer_gets_a_large_buffer_and_no_more_than_the_largest(sizes: list[int]) -> None:
    """The network fills whatever it is given, as a fast one does; no frame is lost and memory stays bounded."""
    frames = FrameBuffer(max_frame_bytes=128 << 10 | 9)
    stream = b"".join(frame(bytes([number & 255]) * (size - 4)) for number, size in enumerate(sizes))
    position, received = 0, []
    capacities = set()
    while position < len(stream):
        buffer = frames.get_buffer()
        assert isinstance(buffer.obj, bytearray)
        capacities.add(len(buffer.obj))
        size = min(len(buffer), len(stream) - position)
        buffer[:size] = stream[position : position + size]
        frames.buffer_updated(size)
        position += size
        while (body := frames.next_frame()) is not None:
            received.append((len(body) + 4, body[0]))
    assert received == [(size, number & 255) for number, size in enumerate(sizes)]
    assert max(capacities) <= LARGEST_CAPACITY_BYTES
    assert len(capacities) > 1 or len(stream) <= 16 << 10


def test_a_frame_of_the_largest_size_fits() -> None:
    frames = FrameBuffer(max_frame_bytes=LARGEST_CAPACITY_BYTES)
    stream = frame(b"a") + frame(b"b" * LARGEST_CAPACITY_BYTES) + frame(b"c")
    position, received = 0, []
    while position < len(stream):
        buffer = frames.get_buffer()
        size = min(len(buffer), len(stream) - position)
        buffer[:size] = stream[position : position + size]
        frames.buffer_updated(size)
        position += size
        while (body := frames.next_frame()) is not None:
            received.append(len(body))
    assert received == [1, LARGEST_CAPACITY_BYTES, 1]


def test_an_idle_connection_costs_its_first_capacity() -> None:
    frames = FrameBuffer(max_frame_bytes=256 << 10)
    for _ in range(100):
        buffer = frames.get_buffer()
        assert isinstance(buffer.obj, bytearray)
        assert len(buffer.obj) == 16 << 10
        buffer[:4] = bytes(4)
        frames.buffer_updated(4)
        assert frames.next_frame() == memoryview(b"")


def test_wrong_use_is_an_error_at_once() -> None:
    frames = FrameBuffer(max_frame_bytes=100, first_capacity_bytes=10)
    for size in (-1, 11):
        with pytest.raises(ValueError, match="not free"):
            frames.buffer_updated(size)
    while True:  # frames that nobody takes
        buffer = frames.get_buffer()
        buffer[:] = bytes(len(buffer))
        frames.buffer_updated(len(buffer))
        if frames.is_full:
            break
    assert len(frames.peek(1 << 20)) == LARGEST_CAPACITY_BYTES
    with pytest.raises(ValueError, match="complete frames were left"):
        frames.get_buffer()
    frames.clear()
    assert (frames.is_full, frames.peek(1)) == (False, b"")
    assert len(frames.get_buffer()) == LARGEST_CAPACITY_BYTES


blocks = st.builds(Block, st.integers(0, 9), st.integers(0, 9), st.integers(1, 300))
messages = st.one_of(
    blocks.map(wire.Request),
    blocks.map(lambda block: wire.Piece(block.piece, block.begin, bytes(block.length))),
    st.sampled_from([wire.KeepAlive(), wire.Unchoke(), wire.Have(7), wire.Unknown(6, b"short"), wire.Unknown(7, b"")]),
)


@given(said=st.lists(messages, max_size=12), cut=st.integers(0, 400))
def test_blocks_and_requests_in_bulk_are_what_the_frames_say(said: list[wire.Message], cut: int) -> None:
    data = b"".join(map(wire.encode_message, said))
    data = data[: max(0, len(data) - cut)]
    one_by_one, in_bulk = FrameBuffer(max_frame_bytes=MAX_FRAME), FrameBuffer(max_frame_bytes=MAX_FRAME)
    for frames in (one_by_one, in_bulk):
        assert not frames.fill(memoryview(data))
        assert frames.size == len(data)
    heard: list[bytes] = []
    while True:
        if found := in_bulk.next_blocks():
            heard += [wire.encode_message(wire.Piece(*block[:2], bytes(place))) for block, place in found]
            assert all(block.length == len(place) for block, place in found)
        elif requests := in_bulk.next_requests():
            heard += [wire.encode_message(wire.Request(block)) for block in requests]
        elif (body := in_bulk.next_frame()) is not None:
            heard.append(frame(bytes(body)))
        else:
            break
    expected = []
    while (body := one_by_one.next_frame()) is not None:
        expected.append(frame(bytes(body)))
    assert heard == expected
    assert in_bulk.size == one_by_one.size


def test_a_block_longer_than_a_frame_may_be_is_left_to_be_refused() -> None:
    frames = FrameBuffer(max_frame_bytes=MAX_FRAME)
    frames.fill(memoryview((MAX_FRAME + 1).to_bytes(4, "big") + b"\x07" + bytes(MAX_FRAME)))
    assert frames.next_blocks() == []
    with pytest.raises(WireError):
        frames.next_frame()
