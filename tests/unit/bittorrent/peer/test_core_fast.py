"""The fast extension on one connection (BEP 6): what comes first, what is owed, what a choked peer may have."""

from __future__ import annotations

import pytest

from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import ChokeChanged, FastAllowed, PeerHas, PeerHasMany, PieceSuggested, RequestRejected
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from tests.peer_pair import Victim

GEOMETRY = Geometry(total_bytes=20 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)
CONFIG = PeerConfig(control_burst=30, control_rate_per_s=1, request_queue=8, max_fast_pieces=3)


def victim(*, fast: bool = True, knows_geometry: bool = True, config: PeerConfig = CONFIG) -> Victim:
    return Victim(config=config, geometry=GEOMETRY if knows_geometry else None, fast=fast, extensions=False)


def requests(*blocks: Block) -> list[wire.Message]:
    return [wire.Request(block) for block in blocks]


# What comes first


@pytest.mark.parametrize(
    ("have", "fast", "first"),
    [
        (None, True, [wire.HaveNone()]),
        (Bitfield(10), True, [wire.HaveNone()]),
        (Bitfield(10, [3]), True, [wire.BitfieldMessage(b"\x10\x00")]),
        (Bitfield.full(10), True, [wire.HaveAll()]),
        (None, False, []),
        (Bitfield(10), False, []),
        (Bitfield.full(10), False, [wire.BitfieldMessage(b"\xff\xc0")]),
    ],
)
def test_one_message_says_what_we_have(have: Bitfield | None, fast: bool, first: list[wire.Message]) -> None:
    peer = victim(fast=fast)
    peer.core.introduce(have=have, listen_port=None, dht_port=None)
    assert peer.says() == first


def test_have_all_before_and_after_the_metadata() -> None:
    for knows_geometry in (True, False):
        peer = victim(knows_geometry=knows_geometry)
        peer.hear(wire.HaveAll())
        if not knows_geometry:
            assert peer.events == []
            peer.core.set_geometry(GEOMETRY)
            peer.drain()
        assert peer.events == [PeerHasMany(Bitfield.full(10))]
        peer.hear(wire.HaveAll(), wire.Have(3))
        assert len(peer.events) == 1


def test_have_none_and_what_is_added_to_it() -> None:
    peer = victim()
    peer.hear(wire.HaveNone(), wire.Have(3))
    assert peer.events == [PeerHas(3)]


@pytest.mark.parametrize(
    "message",
    [
        wire.HaveAll(),
        wire.HaveNone(),
        wire.SuggestPiece(1),
        wire.AllowedFast(1),
        wire.RejectRequest(GEOMETRY.block(0, 0)),
    ],
)
def test_who_did_not_agree_on_the_extension_must_not_use_it(message: wire.Message) -> None:
    peer = victim(fast=False)
    peer.hear(message)
    assert "without having agreed" in str(peer.core.closed_because)


# Each request gets one block or one reject


def test_a_choke_is_followed_by_a_reject_for_each_request() -> None:
    peer = victim()
    blocks = [GEOMETRY.block(0, 0), GEOMETRY.block(3, 1)]
    peer.core.set_choking(False)
    peer.hear(*requests(*blocks))
    peer.says()
    peer.core.set_choking(True)
    assert peer.says() == [wire.Choke(), *(wire.RejectRequest(block) for block in blocks)]
    assert not peer.core.upload_queue


def test_without_the_extension_a_choke_says_it_all() -> None:
    peer = victim(fast=False)
    peer.core.set_choking(False)
    peer.hear(*requests(GEOMETRY.block(0, 0)))
    peer.says()
    peer.core.set_choking(True)
    assert peer.says() == [wire.Choke()]


def test_a_request_while_choked_is_rejected_and_too_many_end_the_connection() -> None:
    peer = victim()
    peer.hear(*requests(GEOMETRY.block(0, 0)))
    assert peer.says() == [wire.RejectRequest(GEOMETRY.block(0, 0))]
    peer.hear(*requests(*[GEOMETRY.block(0, 0)] * 400))
    assert peer.core.closed_because == "the peer keeps requesting while choked"


def test_a_request_above_the_limit_is_rejected() -> None:
    peer = victim()
    peer.core.set_choking(False)
    peer.says()
    blocks = [*GEOMETRY.blocks(0), *GEOMETRY.blocks(1), *GEOMETRY.blocks(2), *GEOMETRY.blocks(3), *GEOMETRY.blocks(4)]
    peer.hear(*requests(*blocks))
    assert peer.says() == [wire.RejectRequest(block) for block in blocks[8:]]
    assert list(peer.core.upload_queue) == blocks[:8]


def test_a_cancel_does_not_remove_the_duty_to_answer() -> None:
    peer = victim()
    waiting, gone = GEOMETRY.block(0, 0), GEOMETRY.block(0, 1)
    peer.core.set_choking(False)
    peer.hear(*requests(waiting, gone))
    peer.core.upload_queue.remove(gone)  # it is being read for the peer: the block itself will be the answer
    peer.says()
    peer.hear(wire.Cancel(waiting), wire.Cancel(gone), wire.Cancel(GEOMETRY.block(5, 0)))
    assert peer.says() == [wire.RejectRequest(waiting)]


def test_rejects_and_chokes_are_reported_in_their_order() -> None:
    peer = victim()
    block = GEOMETRY.block(2, 0)
    peer.hear(wire.Choke(), wire.RejectRequest(block), wire.Unchoke())
    assert peer.events == [ChokeChanged(True), RequestRejected(block), ChokeChanged(False)]


# What a choked peer may have


def test_allowed_pieces_are_served_in_spite_of_a_choke_a_few_times() -> None:
    peer = victim()
    peer.core.allow_fast([4])
    assert peer.says() == [wire.AllowedFast(4)]
    allowed, other = GEOMETRY.block(4, 1), GEOMETRY.block(5, 1)
    peer.hear(*requests(allowed, other))
    assert list(peer.core.upload_queue) == [allowed]
    assert peer.core.may_serve(allowed)
    assert not peer.core.may_serve(other)
    assert peer.says() == [wire.RejectRequest(other)]
    peer.core.upload_queue.clear()
    peer.hear(*requests(*[allowed] * 4))
    assert list(peer.core.upload_queue) == [allowed] * 3
    assert peer.says() == [wire.RejectRequest(allowed)]


def test_a_choke_leaves_requests_for_allowed_pieces() -> None:
    peer = victim()
    peer.core.allow_fast([4])
    peer.core.set_choking(False)
    peer.hear(*requests(GEOMETRY.block(4, 0), GEOMETRY.block(5, 0)))
    peer.says()
    peer.core.set_choking(True)
    assert peer.says() == [wire.Choke(), wire.RejectRequest(GEOMETRY.block(5, 0))]
    assert list(peer.core.upload_queue) == [GEOMETRY.block(4, 0)]


def test_nothing_is_allowed_or_suggested_without_the_extension() -> None:
    peer = victim(fast=False)
    peer.core.allow_fast([4])
    peer.core.suggest(4)
    assert peer.says() == []
    peer.hear(*requests(GEOMETRY.block(4, 0)))
    assert not peer.core.upload_queue


def test_what_the_peer_allows_and_suggests_is_bounded() -> None:
    peer = victim()
    peer.hear(*(wire.AllowedFast(index) for index in (1, 2, 2, 3, 4)))
    assert peer.events == [FastAllowed(1), FastAllowed(2), FastAllowed(3)]
    assert list(peer.core.remote_peer.allowed_fast) == [1, 2, 3]
    peer.events.clear()
    peer.hear(*(wire.SuggestPiece(index) for index in (1, 2, 3, 4, 2)))
    assert peer.events == [PieceSuggested(index) for index in (1, 2, 3, 4, 2)]
    assert list(peer.core.remote_peer.suggested) == [3, 4, 2]


@pytest.mark.parametrize("message", [wire.AllowedFast(10), wire.SuggestPiece(10)])
@pytest.mark.parametrize("knows_geometry", [True, False])
def test_pieces_that_do_not_exist_end_the_connection(message: wire.Message, knows_geometry: bool) -> None:
    peer = victim(knows_geometry=knows_geometry)
    peer.hear(message)
    if not knows_geometry:
        assert not peer.core.is_closed
        peer.core.set_geometry(GEOMETRY)
    assert peer.core.closed_because == "the peer spoke of piece 10 of 10"


@pytest.mark.parametrize("message", [wire.AllowedFast(1), wire.SuggestPiece(1), wire.HaveAll(), wire.HaveNone()])
def test_a_flood_of_hints_ends_the_connection(message: wire.Message) -> None:
    peer = victim()
    peer.hear(*[message] * 31)
    assert peer.core.closed_because == "the peer floods us with messages"
