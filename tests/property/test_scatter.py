"""Whatever a peer sends, in whatever portions: received in place or as frames, the same blocks come out."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.peer.events import PeerHas
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.scatter import ScatterScratch
from tests.peer_pair import Victim

BLOCKS = 24
LENGTHS = (1, 5, 700, 16384, 16384, 16384)  # most are of one size


class Places:
    """The places of some blocks, asked for in order; `withdraw` takes one away, as a choke or another peer does."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.requested = dict.fromkeys(blocks)
        self.memory = {block: bytearray(block.length) for block in blocks}
        self.held: set[Block] = set()
        self.in_place: dict[Block, bytes] = {}
        self.unasked: list[tuple[Block, bytes]] = []
        self.wasted_bytes = 0

    def next_places(self, count: int) -> list[tuple[Block, memoryview]]:
        free = [block for block in self.requested if block not in self.held]
        return [(block, memoryview(self.memory[block])) for block in free[:count]]

    def hold(self, block: Block) -> memoryview | None:
        if block not in self.requested:
            return None
        self.held.add(block)
        return memoryview(self.memory[block])

    def holds(self, block: Block) -> bool:
        return block in self.held

    def filled(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            assert block not in self.in_place
            self.in_place[block] = bytes(self.memory[block])
            self.requested.pop(block)
            self.held.discard(block)

    def moved(self, blocks: Sequence[tuple[Block, bytes]]) -> None:
        for block, data in blocks:
            if block in self.requested:
                self.memory[block][:] = data
                self.filled([block])
            else:
                self.unasked.append((block, data))

    def wasted(self, size: int) -> None:
        self.wasted_bytes += size

    def withdraw(self, block: Block) -> bool:
        """True when the block had begun to come, and will be lost."""
        self.requested.pop(block, None)
        self.memory[block] = bytearray(block.length)  # who still writes to the old one must not be seen
        was_held = block in self.held
        self.held.discard(block)
        return was_held


class Receiver(Victim):
    """A core whose peer sends what the test says."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__(geometry=Geometry(BLOCKS * 16384, 16384))
        self.places = Places(blocks)
        self.core.scatter_to(self.places, ScatterScratch())

    def receive(self, data: memoryview, *, scattered: bool) -> None:
        """One read of a transport that has all of `data`; returns when the core has taken it."""
        while data:
            taken = 0
            for room in self.core.get_buffers() if scattered else [self.core.get_buffer()]:
                size = min(len(room), len(data) - taken)
                room[:size] = data[taken : taken + size]
                taken += size
            self.core.buffer_updated(taken, now=self.now)
            self.core.check_invariants()
            assert self.core.closed_because is None
            data = data[taken:]
        self.drain()


@st.composite
def nearly(draw: st.DrawFn, blocks: list[Block]) -> list[Block]:
    """A few of these blocks come a little earlier."""
    order = list(blocks)
    for place in draw(st.lists(st.integers(0, len(blocks) - 1), max_size=5)):
        order.insert(max(0, place - draw(st.integers(1, 4))), order.pop(place))
    return order


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Block], bytes, list[Block], list[int], list[tuple[int, bool]], set[int]]:
    """Blocks in the order of their requests; what the peer sends, the blocks of it, the pieces it announces; portions,
    each scattered or not; after which portions the block that is coming is withdrawn."""
    requested = [Block(index, 0, draw(st.sampled_from(LENGTHS))) for index in range(draw(st.integers(1, BLOCKS)))]
    order = draw(st.one_of(st.just(requested), st.permutations(requested), nearly(requested)))
    sent, haves = b"", []
    for block in order:
        if draw(st.integers(0, 5)) == 0:
            haves.append(block.piece)
            sent += draw(st.sampled_from([b"", bytes(4)])) + wire.encode_message(wire.Have(block.piece))
        data = random.Random(block.piece).randbytes(block.length)
        sent += wire.encode_message(wire.Piece(block.piece, block.begin, data))
    size = st.one_of(st.integers(1, 40), st.integers(1, 70_000), st.integers(1, 1 << 20))
    portions = draw(st.lists(st.tuples(size, st.integers(0, 4).map(bool)), min_size=1, max_size=30))
    return requested, sent, order, haves, portions, draw(st.sets(st.integers(0, 29), max_size=3))


@given(programs())
def test_every_block_comes_out_once_and_unharmed(
    program: tuple[list[Block], bytes, list[Block], list[int], list[tuple[int, bool]], set[int]],
) -> None:
    requested, sent, order, haves, portions, withdrawals = program
    receiver = Receiver(requested)
    data, number, lost = memoryview(sent), 0, set()
    while data:
        size, scattered = portions[number % len(portions)]
        receiver.receive(data[:size], scattered=scattered)
        data = data[size:]
        if number in withdrawals and receiver.places.held:
            (begun,) = receiver.places.held
            if receiver.places.withdraw(begun):
                lost.add(begun)
        number += 1
    assert not receiver.places.unasked
    as_frames = {Block(index, begin, len(content)): content for index, begin, content in receiver.blocks}
    assert len(as_frames) == len(receiver.blocks)
    assert not as_frames.keys() & receiver.places.in_place.keys()
    expected = {block: random.Random(block.piece).randbytes(block.length) for block in order if block not in lost}
    assert {**as_frames, **receiver.places.in_place} == expected
    assert receiver.places.wasted_bytes == sum(block.length for block in lost)
    assert [event.index for event in receiver.seen(PeerHas)] == haves


def test_blocks_in_order_are_received_in_place() -> None:
    """All but the first, which comes before anything is planned, and what straddles a read within a header."""
    blocks = [Block(index, 0, 16384) for index in range(BLOCKS)]
    sent = b"".join(
        wire.encode_message(wire.Piece(block.piece, 0, random.Random(block.piece).randbytes(16384))) for block in blocks
    )
    receiver = Receiver(blocks)
    for at in range(0, len(sent), 100_000):
        receiver.receive(memoryview(sent)[at : at + 100_000], scattered=True)
    assert list(receiver.places.in_place) == blocks
    assert receiver.blocks == []


def frames_of(count: int, length: int = 16384) -> tuple[list[Block], memoryview]:
    blocks = [Block(index, 0, length) for index in range(count)]
    return blocks, memoryview(
        b"".join(wire.encode_message(wire.Piece(index, 0, bytes(length))) for index, _, _ in blocks)
    )


def test_places_are_lent_as_soon_as_nothing_else_is_on_its_way() -> None:
    blocks, sent = frames_of(3)
    receiver = Receiver(blocks)
    head, place, rest = receiver.core.get_buffers()  # before anything has come
    assert (len(head), len(place)) == (13, 16384)
    assert len(rest) >= 13
    receiver.receive(sent[:5], scattered=True)  # less than a header: the frame buffer has it
    assert len(receiver.core.get_buffers()) == 1
    receiver.receive(sent[5:20], scattered=True)  # seven bytes of the block
    first, *_ = receiver.core.get_buffers()
    assert len(first) == 16384 - 7
    receiver.receive(sent[20:], scattered=True)
    assert [*receiver.places.in_place] == blocks


def test_a_block_whose_beginning_came_among_other_messages_goes_on_in_its_place() -> None:
    blocks, sent = frames_of(1)
    receiver = Receiver(blocks)
    receiver.receive(memoryview(wire.encode_message(wire.Have(3)) + sent[:13]), scattered=False)  # just the header
    (first, *_) = receiver.core.get_buffers()
    assert len(first) == 16384
    receiver.receive(sent[13:], scattered=True)
    assert (list(receiver.places.in_place), receiver.blocks) == (blocks, [])


@pytest.mark.parametrize("message", [wire.Cancel, wire.Request], ids=["cancel", "request"])
def test_what_is_as_long_as_a_block_of_four_bytes_is_not_taken_for_one(message: type[wire.Cancel]) -> None:
    """The frame of a request begins like that of the block, except for its kind."""
    block = Block(0, 0, 4)
    receiver = Receiver([block])
    data = memoryview(wire.encode_message(message(block)))
    receiver.receive(data[:14], scattered=True)
    receiver.receive(data[14:], scattered=True)
    assert (receiver.blocks, receiver.places.in_place, receiver.places.held) == ([], {}, set())


def test_a_frame_that_claims_to_be_longer_than_any_block_gets_no_place() -> None:
    receiver = Receiver([Block(0, 0, 16384)])
    data = memoryview(wire.encode_message(wire.Piece(0, 0, bytes(20000))))
    receiver.receive(data[:15], scattered=False)
    assert len(receiver.core.get_buffers()) == 1
    receiver.receive(data[15:], scattered=True)
    assert receiver.places.in_place == {}
    assert [(index, begin, len(content)) for index, begin, content in receiver.blocks] == [(0, 0, 20000)]


def test_a_block_that_comes_early_costs_the_others_nothing() -> None:
    blocks = [Block(index, 0, 16384) for index in range(BLOCKS)]
    order = [0, 1, 2, 4, 3, 5, 6, 9, 7, 8, *range(10, BLOCKS)]
    frames = [wire.encode_message(wire.Piece(index, 0, bytes([index]) * 16384)) for index in order]
    receiver = Receiver(blocks)
    receiver.receive(memoryview(frames[0] + frames[1]), scattered=True)  # the plan grows
    receiver.receive(memoryview(b"".join(frames[2:])), scattered=True)
    as_frames = {Block(index, begin, len(data)): data for index, begin, data in receiver.blocks}
    expected = {block: bytes([block.piece]) * 16384 for block in blocks}
    assert {**as_frames, **receiver.places.in_place} == expected
    assert len(as_frames) <= 4  # what a read brought beyond the plan


def test_blocks_in_the_places_of_each_other_are_told_apart() -> None:
    """Each of two lies where the other belongs, and a third has begun in the place of a fourth."""
    blocks = [Block(index, 0, 16384) for index in range(6)]
    frames = {index: wire.encode_message(wire.Piece(index, 0, bytes([index]) * 16384)) for index in range(6)}
    receiver = Receiver(blocks)
    receiver.receive(memoryview(frames[0]), scattered=True)
    receiver.receive(memoryview(frames[2] + frames[1] + frames[4][:5000]), scattered=True)
    assert receiver.places.held == {blocks[4]}
    receiver.receive(memoryview(frames[4][5000:] + frames[3] + frames[5]), scattered=True)
    assert receiver.places.in_place == {block: bytes([block.piece]) * 16384 for block in blocks}


def test_a_block_nobody_asked_for_spoils_no_place() -> None:
    blocks = [Block(index, 0, 16384) for index in range(4)]
    frames = {index: wire.encode_message(wire.Piece(index, 0, bytes([index]) * 16384)) for index in range(5)}
    receiver = Receiver(blocks)
    receiver.receive(memoryview(frames[0]), scattered=True)
    receiver.receive(memoryview(frames[4] + frames[2] + frames[2] + frames[4][:100]), scattered=True)
    receiver.receive(memoryview(frames[4][100:] + frames[1] + frames[3]), scattered=True)
    assert receiver.places.in_place == {block: bytes([block.piece]) * 16384 for block in blocks}
    late = [block.piece for block, _ in receiver.places.unasked] + [index for index, _, _ in receiver.blocks]
    assert sorted(late) == [2, 4, 4]
