"""`PeerCore`: two of them with each other, and one with a peer that breaks rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import (
    ChokeChanged,
    DhtPortReceived,
    ExtensionsReceived,
    HandshakeReceived,
    InterestChanged,
    MetadataArrived,
    PeerHas,
    PeerHasMany,
    PeerLost,
)
from bittorrent.peer.extensions import OURS
from bittorrent.peer.remote_pieces import MAX_PIECE_INDEX
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import (
    EXTENDED_HANDSHAKE,
    LT_DONTHAVE,
    UPLOAD_ONLY,
    UT_HOLEPUNCH,
    UT_METADATA,
    UT_PEX,
    ExtendedHandshake,
)
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataCopy,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    decode_metadata,
    encode_metadata,
)
from tests.peer_pair import INFO_HASH, LEFT_ID, RIGHT_ID, PeerPair, Victim, connected, feed, handshake
from transfer.address import Address
from transfer.errors import LocalProtocolError

GEOMETRY = Geometry(total_bytes=20 * BLOCK_SIZE + 77, piece_length=2 * BLOCK_SIZE)  # 11 pieces, the last of 77 bytes
THEIR_UT_METADATA = 9


def incoming(config: PeerConfig | None = None) -> PeerCore:
    return PeerCore(handshake=None, address=Address("10.0.0.9", 9), config=config or PeerConfig(), now=0.0)


def offered(core: PeerCore) -> int | None:
    """A call, because a type checker believes that an attribute it has seen does not change."""
    return core.remote_peer.metadata_size


def extended(**entries: object) -> wire.Extended:
    return wire.Extended(EXTENDED_HANDSHAKE, ExtendedHandshake(**entries).to_bytes())  # type: ignore[arg-type]


def asks_for_metadata(index: int) -> wire.Extended:
    return wire.Extended(OURS[UT_METADATA], encode_metadata(MetadataRequest(index)))


# Handshakes


@pytest.mark.parametrize("chunk_bytes", [1, 7, 67, 68, 69, 1000])
def test_handshakes_in_both_directions(chunk_bytes: int) -> None:
    pair = PeerPair(chunk_bytes=chunk_bytes)
    pair.run()
    assert pair.left.events == [HandshakeReceived(handshake(RIGHT_ID))]
    assert pair.right.events == [HandshakeReceived(handshake(LEFT_ID))]
    assert pair.left.core.is_ready
    assert pair.right.core.is_ready


def test_an_incoming_connection_says_nothing_before_it_knows_the_torrent() -> None:
    core = incoming()
    assert not core.has_output
    feed(core, handshake(LEFT_ID).to_bytes()[:67], now=1.0)
    assert (core.next_event(), core.has_output, core.remote) == (None, False, None)
    feed(core, handshake(LEFT_ID).to_bytes()[67:], now=1.0)
    assert core.next_event() == HandshakeReceived(handshake(LEFT_ID))
    assert not core.has_output
    core.welcome(handshake(RIGHT_ID))
    assert core.data_to_send() == handshake(RIGHT_ID).to_bytes()


def test_what_came_behind_the_handshake_is_read_after_the_welcome() -> None:
    core = incoming()
    feed(core, handshake(LEFT_ID).to_bytes() + wire.encode_message(wire.Interested()), now=1.0)
    assert isinstance(core.next_event(), HandshakeReceived)
    assert core.next_event() is None
    core.welcome(handshake(RIGHT_ID))
    assert core.next_event() == InterestChanged(True)


def test_another_torrent_is_refused() -> None:
    pair = PeerPair(right_handshake=handshake(RIGHT_ID, info_hash=bytes(20)))
    pair.run()
    assert pair.left.core.closed_because == "the peer answered for another torrent"
    assert pair.right.core.is_closed
    assert pair.left.events == []


def test_a_connection_to_ourselves_is_noticed() -> None:
    pair = PeerPair(right_handshake=handshake(LEFT_ID))
    pair.run()
    assert pair.left.core.closed_because == "connected to ourselves"
    assert pair.right.core.is_closed


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x00", b"\x13BitTorrent protocok", b"\x13BitTorrent!"])
def test_a_stranger_is_dropped_at_its_first_wrong_byte(data: bytes) -> None:
    core = incoming()
    feed(core, data[:-1], now=0.0)
    feed(core, data[-1:], now=0.0)
    assert core.closed_because == "the peer does not speak the BitTorrent protocol"


def test_only_a_waiting_connection_can_be_welcomed() -> None:
    core = incoming()
    with pytest.raises(LocalProtocolError):
        core.welcome(handshake(RIGHT_ID))
    pair = connected()
    for side in (pair.left, pair.right):
        with pytest.raises(LocalProtocolError):
            side.core.welcome(handshake(RIGHT_ID))


def test_introductions_come_after_the_handshakes() -> None:
    with pytest.raises(LocalProtocolError):
        incoming().introduce(have=None, listen_port=1, dht_port=None)


def test_a_peer_that_does_not_wait_for_the_welcome_is_bounded() -> None:
    core = incoming()
    feed(core, handshake(LEFT_ID).to_bytes(), now=1.0)
    feed(core, wire.encode_message(wire.Have(1)) * 200_000, now=1.0)
    assert core.closed_because is not None
    assert "welcome" in core.closed_because


# Closing


def closed_by_timer(core: PeerCore) -> None:
    core.handle_timer(now=1e9)


def closed_by_eof(core: PeerCore) -> None:
    core.receive_eof()


def closed_by_us(core: PeerCore) -> None:
    core.close("enough")


@pytest.mark.parametrize(
    ("ours", "theirs", "end", "expected"),
    [
        (True, b"", closed_by_eof, True),
        (True, b"", closed_by_timer, False),
        (True, b"", closed_by_us, False),
        (True, b"\x13BitTorrent", closed_by_eof, False),
        (True, handshake(LEFT_ID).to_bytes(), closed_by_eof, False),
        (False, b"", closed_by_eof, False),
    ],
)
def test_who_hangs_up_on_our_handshake_turns_us_away(
    ours: bool, theirs: bytes, end: Callable[[PeerCore], None], expected: bool
) -> None:
    hello = handshake(RIGHT_ID) if ours else None
    core = PeerCore(handshake=hello, address=Address("10.0.0.9", 9), config=PeerConfig(), now=0.0)
    feed(core, theirs, now=1.0)
    end(core)
    core.receive_eof()
    assert core.was_turned_away is expected


@pytest.mark.parametrize("end", [closed_by_timer, closed_by_eof, closed_by_us])
@pytest.mark.parametrize("ready", [True, False])
def test_after_the_end_nothing_comes_out_whatever_comes_in(ready: bool, end: Callable[[PeerCore], None]) -> None:
    core = Victim(geometry=GEOMETRY).core if ready else incoming()
    end(core)
    reason = core.closed_because
    assert reason
    feed(core, handshake(LEFT_ID).to_bytes() + wire.encode_message(wire.Unchoke()) * 100_000, now=2e9)
    core.set_choking(False)
    core.set_interested(True)
    core.request([Block(0, 0, BLOCK_SIZE)])
    core.cancel(Block(0, 0, BLOCK_SIZE))
    core.announce_have(1)
    core.send_block(Block(0, 0, 5), b"12345")
    core.set_geometry(GEOMETRY)
    core.announce_extensions(listen_port=None)
    core.handle_timer(now=3e9)
    core.close("again")
    core.check_invariants()
    assert (core.data_to_send(), core.next_event(), core.next_timer()) == (b"", None, None)
    assert core.closed_because == reason
    assert not core.is_ready


def test_closing_in_the_middle_of_a_buffer_stops_there() -> None:
    victim = Victim(geometry=GEOMETRY)
    taken: list[int] = []

    def take_all(blocks: Sequence[tuple[Block, memoryview]]) -> None:
        taken.extend(block.piece for block, _ in blocks)
        victim.core.close("enough of that")
        assert all(bytes(data) == b"block" for _, data in blocks)  # still valid

    victim.core.block_sink = take_all
    victim.hear(wire.Piece(1, 0, b"block"), wire.Piece(2, 0, b"block"), wire.Unchoke(), wire.Piece(3, 0, b"block"))
    assert taken == [1, 2]
    assert victim.events == []
    assert victim.core.closed_because == "enough of that"


# Pieces


def test_a_bitfield_and_what_is_added_to_it() -> None:
    pair = connected()
    pair.left.core.set_geometry(GEOMETRY)
    pair.right.core.set_geometry(GEOMETRY)
    pair.left.core.introduce(have=Bitfield(11, [0, 3]), listen_port=None, dht_port=None)
    pair.right.core.introduce(have=Bitfield(11), listen_port=None, dht_port=None)
    pair.run()
    assert pair.right.seen(PeerHasMany) == [PeerHasMany(Bitfield(11, [0, 3]))]
    assert pair.left.seen(PeerHasMany) == []  # an empty bitfield is not sent
    pair.left.core.announce_have(10)
    pair.right.core.announce_have(3)  # left has it already: BEP 3 leaves this to the sender, others do not tell either
    pair.run()
    assert pair.right.seen(PeerHas) == [PeerHas(10)]
    assert pair.left.seen(PeerHas) == []
    assert pair.right.core.bits == Bitfield(11, [0, 3, 10])


def test_what_a_peer_has_is_kept_until_the_metadata_is_there() -> None:
    victim = Victim()
    victim.hear(wire.BitfieldMessage(Bitfield(11, [1, 2]).to_wire()), wire.Have(9), wire.Have(1), wire.Have(0))
    assert victim.events == []
    assert victim.core.bits is None
    victim.core.set_geometry(GEOMETRY)
    victim.drain()
    assert victim.events == [PeerHasMany(Bitfield(11, [0, 1, 2, 9]))]
    victim.hear(wire.Have(9), wire.Have(5))
    assert victim.events[1:] == [PeerHas(5)]


def test_only_haves_before_the_metadata() -> None:
    victim = Victim()
    victim.hear(wire.Have(3))
    victim.core.set_geometry(GEOMETRY)
    victim.drain()
    assert victim.events == [PeerHasMany(Bitfield(11, [3]))]


def test_a_peer_without_anything_reports_nothing() -> None:
    victim = Victim()
    victim.core.set_geometry(GEOMETRY)
    victim.drain()
    assert victim.events == []
    assert victim.core.bits == Bitfield(11)


def test_the_geometry_is_set_once() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.core.set_geometry(Geometry(total_bytes=1, piece_length=1))
    assert victim.core.bits == Bitfield(11)


@pytest.mark.parametrize("known_before", [True, False])
@pytest.mark.parametrize(
    "message",
    [
        wire.BitfieldMessage(b"\xff\xe1"),  # a spare bit
        wire.BitfieldMessage(b"\xff"),  # too short
        wire.BitfieldMessage(b"\xff\xe0\x00"),  # too long
        wire.Have(11),
        wire.Have(2**32 - 1),
    ],
)
def test_pieces_that_do_not_exist_end_the_connection(known_before: bool, message: wire.Message) -> None:
    victim = Victim(geometry=GEOMETRY if known_before else None)
    victim.hear(message)
    if not known_before:
        victim.core.set_geometry(GEOMETRY)
    assert victim.core.is_closed
    victim.core.check_invariants()
    victim.drain()
    assert victim.events == []


def test_a_later_bitfield_adds_to_what_is_known() -> None:
    """aria2 sends its bitfield again when that is shorter than a `have` for each new piece."""
    victim = Victim(geometry=GEOMETRY)
    victim.hear(
        wire.BitfieldMessage(Bitfield(11, [1]).to_wire()),
        wire.Have(7),
        wire.BitfieldMessage(Bitfield(11, [1, 2, 3]).to_wire()),
    )
    assert victim.core.bits == Bitfield(11, [1, 2, 3, 7])
    assert victim.events[1:] == [PeerHas(7), PeerHasMany(Bitfield(11, [1, 2, 3, 7]))]
    victim.hear(wire.BitfieldMessage(Bitfield(11, [2, 7]).to_wire()))
    assert len(victim.events) == 3


def test_a_torrent_without_pieces() -> None:
    victim = Victim(geometry=Geometry(total_bytes=0, piece_length=BLOCK_SIZE))
    victim.hear(wire.BitfieldMessage(b""))
    assert not victim.core.is_closed
    victim.hear(wire.Have(0))
    assert victim.core.is_closed


def test_haves_before_the_metadata_are_bounded() -> None:
    victim = Victim(config=PeerConfig(max_early_haves=100, control_burst=10, control_rate_per_s=1))
    victim.hear(*map(wire.Have, range(100)))
    for index in range(100, 1000):
        victim.now += 1.0
        victim.hear(wire.Have(index))
    assert not victim.core.is_closed  # they came slowly enough
    victim.hear(*map(wire.Have, range(100)))
    assert victim.core.closed_because == "the peer floods us with messages"


def test_an_absurd_piece_number_is_refused_at_once() -> None:
    victim = Victim()
    victim.hear(wire.Have(MAX_PIECE_INDEX + 1))
    assert victim.core.is_closed


def test_a_seed_of_many_pieces_is_no_flood() -> None:
    """A peer that completes fast sends thousands of haves in a second: they are news, so they are free."""
    victim = Victim(geometry=Geometry(total_bytes=20_000, piece_length=1))
    victim.hear(*map(wire.Have, range(20_000)))
    assert not victim.core.is_closed
    assert len(victim.seen(PeerHas)) == 20_000


# Choke and interest


def test_interest_and_choke_travel_and_repeat_nothing() -> None:
    pair = connected()
    pair.left.core.set_interested(True)
    pair.left.core.set_interested(True)
    pair.right.core.set_choking(False)
    pair.right.core.set_choking(False)
    pair.run()
    assert pair.right.events == [InterestChanged(True)]
    assert pair.left.events == [ChokeChanged(False)]
    assert (pair.right.core.is_interested, pair.left.core.is_choked) == (True, False)
    assert (pair.left.core.am_interested, pair.right.core.am_choking) == (True, False)
    pair.left.core.set_interested(False)
    pair.right.core.set_choking(True)
    pair.run()
    assert pair.right.events[1:] == [InterestChanged(False)]
    assert pair.left.events[1:] == [ChokeChanged(True)]


def test_the_same_interest_told_twice_is_one_event() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear(wire.Interested(), wire.Interested(), wire.NotInterested(), wire.NotInterested())
    assert victim.events == [InterestChanged(True), InterestChanged(False)]


# Requests and blocks


def test_a_block_is_asked_for_and_comes() -> None:
    pair = connected(chunk_bytes=1000)
    for side in (pair.left, pair.right):
        side.core.set_geometry(GEOMETRY)
    pair.right.core.set_choking(False)
    pair.run()
    wanted = GEOMETRY.blocks(3) + GEOMETRY.blocks(10)
    pair.left.core.request(wanted)
    pair.run()
    assert list(pair.right.core.upload_queue) == wanted
    while pair.right.core.upload_queue:
        block = pair.right.core.upload_queue.popleft()
        pair.right.core.send_block(block, bytes([block.piece]) * block.length)
    pair.run()
    assert pair.left.blocks == [(block.piece, block.begin, bytes([block.piece]) * block.length) for block in wanted]
    assert all(not isinstance(event, MetadataArrived) for event in pair.left.events)
    pair.left.core.request([])
    assert not pair.left.core.has_output


def test_a_block_reaches_the_sink_as_a_view_of_the_receive_buffer() -> None:
    victim = Victim(geometry=GEOMETRY)
    views: list[memoryview] = []
    victim.core.block_sink = lambda blocks: views.extend(data for _, data in blocks)
    buffer = victim.core.get_buffer()
    frame = wire.encode_message(wire.Piece(1, 0, b"x" * 1000))
    buffer[: len(frame)] = frame
    victim.core.buffer_updated(len(frame), now=victim.now)
    assert len(views) == 1
    assert views[0].obj is buffer.obj
    buffer[13] = ord("y")
    assert views[0][0] == ord("y")


def test_block_frames_split_at_every_boundary() -> None:
    """Cut anywhere, the same blocks come out; around the header each byte is tried, in the data a few."""
    first = wire.encode_message(wire.Piece(1, 0, b"a" * BLOCK_SIZE))
    stream = first + wire.encode_message(wire.Have(4)) + wire.encode_message(wire.Piece(1, BLOCK_SIZE, b"b" * 100))
    cuts = [*range(1, 20), 1000, BLOCK_SIZE, *range(len(first) - 3, len(stream))]
    for cut in cuts:
        victim = Victim(geometry=GEOMETRY)
        victim.hear_bytes(stream[:cut])
        victim.hear_bytes(stream[cut:])
        assert victim.blocks == [(1, 0, b"a" * BLOCK_SIZE), (1, BLOCK_SIZE, b"b" * 100)], cut
        assert victim.events == [PeerHas(4)]


def test_blocks_a_byte_at_a_time() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear_bytes(wire.encode_message(wire.Piece(1, 0, b"a" * 300)) * 3, chunk_bytes=1)
    assert victim.blocks == [(1, 0, b"a" * 300)] * 3


def test_a_stream_of_blocks_is_no_flood() -> None:
    victim = Victim(geometry=GEOMETRY, config=PeerConfig(control_burst=1, control_rate_per_s=0.1))
    victim.hear_bytes(wire.encode_message(wire.Piece(1, 0, bytes(BLOCK_SIZE))) * 200)
    assert len(victim.blocks) == 200
    assert not victim.core.is_closed


def test_an_empty_block_is_nothing() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear(wire.Piece(1, 0, b""))
    assert (victim.blocks, victim.core.is_closed) == ([], False)


def test_a_block_nobody_listens_for_is_dropped() -> None:
    core = PeerCore(handshake=handshake(LEFT_ID), address=Address("10.0.0.2", 2), config=PeerConfig(), now=0.0)
    feed(core, handshake(RIGHT_ID).to_bytes() + wire.encode_message(wire.Piece(1, 0, b"early")), now=0.0)
    assert core.is_ready


@pytest.mark.parametrize(
    "block",
    [
        Block(11, 0, 1),
        Block(2**32 - 1, 0, BLOCK_SIZE),
        Block(0, 2 * BLOCK_SIZE, 1),
        Block(0, BLOCK_SIZE, BLOCK_SIZE + 1),
        Block(10, 0, 78),
        Block(10, 77, 1),
        Block(0, 0, 0),
        Block(0, 2**32 - 1, 2**32 - 1),
    ],
)
def test_requests_outside_of_the_torrent_end_the_connection(block: Block) -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.core.set_choking(False)
    victim.hear(wire.Request(block))
    assert victim.core.is_closed
    assert not victim.core.upload_queue


def test_a_request_before_the_metadata_ends_the_connection() -> None:
    victim = Victim()
    victim.hear(wire.Request(Block(0, 0, BLOCK_SIZE)))
    assert victim.core.is_closed


def test_the_longest_block_served_is_bounded() -> None:
    big = Geometry(total_bytes=1 << 20, piece_length=1 << 20)
    victim = Victim(geometry=big)
    victim.core.set_choking(False)
    victim.hear(wire.Request(Block(0, 0, 128 << 10)))
    assert not victim.core.is_closed
    victim.hear(wire.Request(Block(0, 0, (128 << 10) + 1)))
    assert victim.core.is_closed


def test_a_choke_forgets_what_was_asked() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.core.set_choking(False)
    victim.hear(*map(wire.Request, GEOMETRY.blocks(0)))
    assert len(victim.core.upload_queue) == 2
    victim.core.set_choking(True)
    assert not victim.core.upload_queue
    victim.hear(*map(wire.Request, GEOMETRY.blocks(1)))  # crossed the choke
    assert not victim.core.upload_queue
    victim.core.set_choking(False)
    assert not victim.core.upload_queue
    assert victim.says() == [wire.Unchoke(), wire.Choke(), wire.Unchoke()]


def test_a_cancel_takes_back_one_request() -> None:
    pair = connected()
    for side in (pair.left, pair.right):
        side.core.set_geometry(GEOMETRY)
    pair.right.core.set_choking(False)
    blocks = GEOMETRY.blocks(0)
    pair.left.core.request(blocks)
    pair.left.core.cancel(blocks[0])
    pair.left.core.cancel(GEOMETRY.block(5, 0))  # never asked, or answered already
    pair.run()
    assert list(pair.right.core.upload_queue) == blocks[1:]


def test_a_window_full_of_cancels_that_cross_their_blocks_is_honest() -> None:
    """At the end of a download everything outstanding is cancelled at once; much of it was just sent."""
    victim = Victim(geometry=GEOMETRY)
    victim.core.set_choking(False)
    victim.hear(*[wire.Cancel(GEOMETRY.block(1, 0))] * 1000)
    assert not victim.core.is_closed


def test_a_window_full_of_cancels_that_find_their_requests_is_honest_but_a_stream_of_them_is_not() -> None:
    """Each costs a walk through the queue, so requests and cancels in turn would buy much time with few bytes."""
    victim = Victim(geometry=GEOMETRY)
    victim.core.set_choking(False)
    block = GEOMETRY.block(1, 0)
    victim.hear(*[wire.Request(block)] * 1000, *[wire.Cancel(block)] * 1000)
    assert (victim.core.is_closed, len(victim.core.upload_queue)) == (False, 0)
    in_turn = wire.encode_message(wire.Request(block)) + wire.encode_message(wire.Cancel(block))
    victim.hear_bytes(in_turn * 10_000)
    assert victim.core.closed_because == "the peer floods us with messages"


def test_requests_above_the_announced_limit_are_dropped_and_in_the_end_punished() -> None:
    victim = Victim(geometry=GEOMETRY, config=PeerConfig(request_queue=10, control_burst=5))
    victim.core.set_choking(False)
    request = wire.encode_message(wire.Request(Block(0, 0, BLOCK_SIZE)))
    victim.hear_bytes(request * 30)
    assert len(victim.core.upload_queue) == 10
    assert not victim.core.is_closed
    victim.hear_bytes(request * 50)
    assert victim.core.closed_because == "the peer has more than 10 requests outstanding"
    assert not victim.core.upload_queue


def test_requests_in_spite_of_a_choke_are_in_the_end_punished() -> None:
    victim = Victim(geometry=GEOMETRY, config=PeerConfig(control_burst=5))
    request = wire.encode_message(wire.Request(Block(0, 0, BLOCK_SIZE)))
    victim.hear_bytes(request * 40)
    assert not victim.core.is_closed
    victim.hear_bytes(request * 20)
    assert victim.core.closed_because == "the peer keeps requesting while choked"


# Floods, noise and unknown things


@pytest.mark.parametrize(
    "message",
    [
        wire.KeepAlive(),
        wire.Choke(),
        wire.Interested(),
        wire.Have(1),
        wire.BitfieldMessage(Bitfield(11, [1]).to_wire()),
        wire.Cancel(Block(0, 0, BLOCK_SIZE)),
        wire.Port(6881),
        wire.Unknown(77, b"?"),
        wire.Extended(200, b"?"),
        wire.Piece(0, 0, b""),
        wire.Extended(EXTENDED_HANDSHAKE, b"de"),
        wire.Extended(OURS[UT_METADATA], encode_metadata(MetadataReject(0))),
        wire.Extended(OURS[UT_METADATA], encode_metadata(MetadataData(0, b"unasked", 7))),
        wire.Extended(OURS[UT_METADATA], encode_metadata(MetadataRequest(0))),
    ],
)
def test_a_flood_of_anything_but_work_ends_the_connection(message: wire.Message) -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.core.extended.info_bytes = b"d4:name1:xe"
    victim.hear(extended(extensions={UT_METADATA: THEIR_UT_METADATA}))
    victim.hear_bytes(wire.encode_message(message) * 10_000)
    assert victim.core.closed_because == "the peer floods us with messages"
    assert len(victim.events) < 1000


def test_the_same_messages_at_a_normal_pace_are_welcome() -> None:
    victim = Victim(geometry=GEOMETRY)
    for _ in range(3000):
        victim.now += 0.1
        victim.hear(wire.KeepAlive(), wire.Have(1))
    assert not victim.core.is_closed


@pytest.mark.parametrize("kind", [10, 12, 18, 19, 24, 255])
def test_unknown_messages_are_ignored(kind: int) -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear(wire.Unknown(kind, b"whatever"), wire.Unchoke())
    assert victim.events == [ChokeChanged(False)]


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x00",
        b"\x04\x00",
        b"\x06" + bytes(11),
        b"\x07" + bytes(5),
        b"\x08" + bytes(13),
        b"\x09\x01",
        b"\x0d\x00",
        b"\x0e\x00",
        b"\x0f\x00",
        b"\x10" + bytes(11),
        b"\x11" + bytes(5),
        b"\x14",
        b"\x14\x00",
        b"\x14\x00i1e",
        b"\x14\x01",
        b"\x14\x01le",
    ],
)
def test_broken_messages_end_the_connection(body: bytes) -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear_bytes(len(body).to_bytes(4, "big") + body + wire.encode_message(wire.Unchoke()))
    assert victim.core.is_closed
    assert "\n" not in str(victim.core.closed_because)
    assert victim.events == []


def test_an_over_long_message_ends_the_connection_before_it_arrives() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear_bytes(((256 << 10) + 1).to_bytes(4, "big"))
    assert victim.core.is_closed


def test_the_longest_message_is_read() -> None:
    victim = Victim()
    victim.hear(wire.BitfieldMessage(bytes((256 << 10) - 1)), wire.Unchoke())
    assert victim.events == [ChokeChanged(False)]


# The clock


def test_keep_alives_keep_a_quiet_pair_together() -> None:
    pair = connected()
    pair.advance(24 * 3600.0)
    assert pair.left.core.is_ready
    assert pair.right.core.is_ready
    assert pair.left.events == pair.right.events == []


def test_a_keep_alive_is_sent_after_silence_of_ours_only() -> None:
    victim = Victim()
    assert victim.core.next_timer() == 1100.0
    victim.core.handle_timer(now=1099.9)
    assert victim.says() == []
    victim.core.handle_timer(now=1100.0)
    assert victim.says() == [wire.KeepAlive()]
    victim.now = 1140.0
    victim.hear(wire.KeepAlive())
    victim.core.set_interested(True)
    assert victim.core.next_timer() == 1240.0
    assert victim.says() == [wire.Interested()]


def test_a_silent_peer_is_left() -> None:
    victim = Victim()
    victim.core.handle_timer(now=1149.9)
    assert not victim.core.is_closed
    assert victim.core.next_timer() == 1150.0
    victim.core.handle_timer(now=1150.0)
    assert victim.core.closed_because == "the peer was silent for too long"
    assert victim.core.next_timer() is None


def test_a_sign_of_life_restarts_the_silence() -> None:
    victim = Victim()
    victim.now = 1140.0
    victim.hear_bytes(b"\x00")  # even a part of a message
    victim.core.handle_timer(now=1289.9)
    assert not victim.core.is_closed
    victim.core.handle_timer(now=1290.0)
    assert victim.core.is_closed


@pytest.mark.parametrize("part", [0, 1, 67])
def test_a_handshake_has_its_time(part: int) -> None:
    core = incoming()
    feed(core, handshake(LEFT_ID).to_bytes()[:part], now=9.0)
    assert core.next_timer() == 10.0
    core.handle_timer(now=9.99)
    assert not core.is_closed
    core.handle_timer(now=10.0)
    assert core.closed_because == "the peer did not finish its handshake in time"


# The extension protocol


def test_introductions_tell_what_the_other_needs() -> None:
    pair = connected(left=PeerConfig(client="Test 1", request_queue=77), right=PeerConfig(default_request_limit=33))
    assert pair.right.core.remote_peer.request_limit == 33
    assert offered(pair.right.core) is None
    pair.left.core.extended.info_bytes = b"x" * 1234
    pair.left.core.introduce(have=None, listen_port=6881, dht_port=6882)
    pair.run()
    assert pair.right.events == [ExtensionsReceived()]  # and no port: the right side did not offer a DHT
    assert pair.right.core.extensions == ExtendedHandshake(
        extensions={**OURS, UT_PEX: 0, UT_HOLEPUNCH: 0},
        client="Test 1",
        request_queue=77,
        metadata_size=1234,
        listen_port=6881,
        your_ip=bytes([10, 0, 0, 2]),
    )
    assert (pair.right.core.remote_peer.request_limit, offered(pair.right.core)) == (77, 1234)


def test_the_dht_port_goes_to_those_who_have_a_dht() -> None:
    victim = Victim(dht=True, extensions=False)
    victim.core.introduce(have=None, listen_port=1, dht_port=6882)
    assert victim.says() == [wire.Port(6882)]
    victim.hear(wire.Port(0), wire.Port(7000))
    assert victim.events == [DhtPortReceived(7000)]


def test_extensions_are_not_announced_to_those_who_have_none() -> None:
    victim = Victim(extensions=False)
    victim.core.introduce(have=Bitfield(3, [1]), listen_port=1, dht_port=6882)
    victim.core.announce_extensions(listen_port=1)
    assert victim.says() == [wire.BitfieldMessage(b"\x40")]


def test_the_bitfield_comes_first() -> None:
    victim = Victim()
    victim.core.introduce(have=Bitfield(3, [1]), listen_port=1, dht_port=6882)
    assert [type(message) for message in victim.says()] == [wire.BitfieldMessage, wire.Extended]


def test_news_are_added_to_what_is_known() -> None:
    victim = Victim()
    victim.hear(extended(extensions={UT_METADATA: 3, b"ut_pex": 1}, request_queue=5))
    assert offered(victim.core) is None
    victim.hear(extended(extensions={b"ut_pex": 0}, metadata_size=100))
    assert victim.events == [ExtensionsReceived(), ExtensionsReceived()]
    assert offered(victim.core) == 100
    assert victim.core.remote_peer.request_limit == 5
    assert victim.core.extensions.extensions == {UT_METADATA: 3, b"ut_pex": 0}


def test_extensions_that_we_never_offered_are_ignored() -> None:
    victim = Victim()
    victim.hear(wire.Extended(2, b"not even bencode"), wire.Extended(255, b""), wire.Unchoke())
    assert victim.events == [ChokeChanged(False)]


@pytest.mark.parametrize("size", [(16 << 20) + 1, 1 << 31])
def test_metadata_larger_than_we_want_is_no_offer(size: int) -> None:
    victim = Victim()
    victim.hear(extended(extensions={UT_METADATA: 3}, metadata_size=size))
    assert offered(victim.core) is None


def test_metadata_size_without_the_extension_is_no_offer() -> None:
    victim = Victim()
    victim.hear(extended(metadata_size=100))
    assert offered(victim.core) is None


# Metadata


def serve_metadata(info_bytes: bytes, **config: PeerConfig) -> tuple[PeerPair, bytes | None]:
    """The left side has the metadata, the right side fetches it; says how that ended."""
    pair = connected(**config)  # type: ignore[arg-type]
    pair.left.core.extended.info_bytes = info_bytes
    for side in (pair.left, pair.right):
        side.core.introduce(have=None, listen_port=None, dht_port=None)
    pair.run()
    size = offered(pair.right.core)
    assert size == len(info_bytes)
    copy = MetadataCopy(size=size)
    while missing := list(copy.missing()):
        pair.right.core.request_metadata([MetadataRequest(index) for index in missing[:8]])
        pair.run()
        for event in pair.right.seen(MetadataArrived):
            assert isinstance(event.message, MetadataData)
            copy.receive(event.message, sender=1)
        pair.right.events.clear()
    return pair, copy.joined()


@pytest.mark.parametrize("size", [1, 100, METADATA_PIECE_SIZE, METADATA_PIECE_SIZE + 1, 3 * METADATA_PIECE_SIZE])
def test_metadata_goes_from_one_to_the_other(size: int) -> None:
    info_bytes = bytes(range(1, 200)) * (size // 199 + 1)
    _, result = serve_metadata(info_bytes[:size])
    assert result == info_bytes[:size]


def test_the_largest_metadata_travels_as_fast_as_the_wire_allows() -> None:
    """A thousand answers in no time: they were asked for, so they are no flood, on neither side."""
    info_bytes = bytes(16 << 20)
    pair, result = serve_metadata(info_bytes)
    assert pair.left.core.closed_because is None
    assert pair.right.core.closed_because is None
    assert result == info_bytes


def test_metadata_messages_use_the_receivers_number() -> None:
    victim = Victim()
    victim.hear(extended(extensions={UT_METADATA: THEIR_UT_METADATA}, metadata_size=100))
    victim.core.request_metadata([MetadataRequest(0), MetadataRequest(1)])
    assert victim.says() == [
        wire.Extended(THEIR_UT_METADATA, encode_metadata(MetadataRequest(0))),
        wire.Extended(THEIR_UT_METADATA, encode_metadata(MetadataRequest(1))),
    ]
    victim.hear(asks_for_metadata(0))
    assert victim.says() == [wire.Extended(THEIR_UT_METADATA, encode_metadata(MetadataReject(0)))]


def test_answers_become_events() -> None:
    victim = Victim()
    answers: list[MetadataData | MetadataReject] = [MetadataData(0, b"x" * 10, 10), MetadataReject(1)]
    victim.hear(*(wire.Extended(OURS[UT_METADATA], encode_metadata(answer)) for answer in answers))
    assert victim.events == [MetadataArrived(answer) for answer in answers]


@pytest.mark.parametrize("index", [0, 1, 10**19])
def test_without_metadata_each_request_is_rejected(index: int) -> None:
    victim = Victim()
    victim.hear(extended(extensions={UT_METADATA: THEIR_UT_METADATA}), asks_for_metadata(index))
    assert victim.says() == [wire.Extended(THEIR_UT_METADATA, encode_metadata(MetadataReject(index)))]


def test_one_peer_gets_a_few_copies_and_then_rejects() -> None:
    victim = Victim(config=PeerConfig(metadata_copies=3))
    victim.core.extended.info_bytes = bytes(METADATA_PIECE_SIZE + 100)
    victim.hear(extended(extensions={UT_METADATA: THEIR_UT_METADATA}))
    for _ in range(5):
        victim.hear(asks_for_metadata(0), asks_for_metadata(1))
    answers = [decode_metadata(m.payload) for m in victim.says() if isinstance(m, wire.Extended)]
    assert len(answers) == 10
    assert [type(answer) for answer in answers] == [MetadataData] * 6 + [MetadataReject] * 4
    assert not victim.core.is_closed


@pytest.mark.parametrize("told", [{}, {UT_METADATA: 0}])
def test_a_peer_that_switched_metadata_off_gets_none(told: dict[bytes, int]) -> None:
    """Number 0 is the extension handshake: a metadata message under it would be taken for one."""
    victim = Victim()
    victim.core.extended.info_bytes = bytes(100)
    if told:
        victim.hear(extended(extensions={UT_METADATA: THEIR_UT_METADATA}, metadata_size=100))
    victim.hear(extended(extensions=told))
    victim.hear(asks_for_metadata(0))
    victim.core.request_metadata([MetadataRequest(0)])
    assert victim.says() == []
    assert not victim.core.is_closed


def test_metadata_messages_of_the_future_are_ignored() -> None:
    victim = Victim()
    victim.hear(wire.Extended(OURS[UT_METADATA], b"d8:msg_typei7ee"), wire.Unchoke())
    assert victim.events == [ChokeChanged(False)]


# Config


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_frame_bytes": 0},
        {"max_frame_bytes": 100_000},  # cannot hold max_block_bytes
        {"max_block_bytes": 16383},
        {"handshake_timeout_s": 0.0},
        {"keep_alive_s": -1.0},
        {"request_queue": 0},
        {"control_burst": 0},
    ],
)
def test_configs_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        PeerConfig(**wrong)  # type: ignore[arg-type]  # the point is to pass what does not fit


def test_the_pair_names_its_torrent() -> None:
    """The harness itself: both sides speak about the same torrent unless a test says otherwise."""
    assert handshake(LEFT_ID).info_hash == handshake(RIGHT_ID).info_hash == INFO_HASH


# BEP 21 and BEP 54


def test_a_piece_that_is_gone_is_taken_back() -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear(extended(extensions={LT_DONTHAVE: 9}), wire.Have(1))
    victim.core.announce_many((0, 2))
    victim.core.announce_lost(2)  # nobody has heard of it
    assert victim.says() == [wire.Have(0)]
    victim.core.announce_lost(0)
    assert victim.says() == [wire.Extended(9, b"\0\0\0\0")]
    victim.events.clear()
    victim.hear(*[wire.Extended(OURS[LT_DONTHAVE], b"\0\0\0\1")] * 2)
    assert victim.events == [PeerLost(1)]
    assert victim.core.bits == Bitfield(11)


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", b"\0\0\0\0\0", b"\0\0\0\x0b"])
def test_a_piece_taken_back_must_exist(payload: bytes) -> None:
    victim = Victim(geometry=GEOMETRY)
    victim.hear(wire.Extended(OURS[LT_DONTHAVE], payload))
    assert victim.core.is_closed


def test_who_only_uploads_says_so_in_the_handshake_or_later() -> None:
    victim = Victim()
    victim.hear(extended(extensions={UPLOAD_ONLY: 8}, upload_only=True))
    said = [victim.core.extensions.upload_only]
    victim.hear(wire.Extended(OURS[UPLOAD_ONLY], b"\0"))
    said.append(victim.core.extensions.upload_only)
    assert said == [True, False]
    victim.core.announce_upload_only(True)
    victim.core.announce_extensions(listen_port=None)
    message, again = victim.says()
    assert message == wire.Extended(8, b"\1")
    assert isinstance(again, wire.Extended)
    assert ExtendedHandshake.from_bytes(again.payload).upload_only is True
