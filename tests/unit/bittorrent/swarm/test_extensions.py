"""Small extensions in a swarm: pieces that are taken back (BEP 54), and peers that want nothing (BEP 21)."""

from __future__ import annotations

import pytest

from bittorrent.peer.extensions import OURS
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import LT_DONTHAVE, UPLOAD_ONLY, ExtendedHandshake
from tests.swarm_victim import Actor, SwarmVictim

GEOMETRY = Geometry(total_bytes=4 * BLOCK_SIZE, piece_length=BLOCK_SIZE)


def introduce(peer: Actor, *, upload_only: bool | None = None) -> None:
    handshake = ExtendedHandshake(extensions={LT_DONTHAVE: 5, UPLOAD_ONLY: 6}, upload_only=upload_only)
    peer.hear(wire.Extended(0, handshake.to_bytes()))


def handshakes(messages: list[wire.Message]) -> list[ExtendedHandshake]:
    payloads = [message.payload for message in messages if isinstance(message, wire.Extended) and not message.extension]
    return [ExtendedHandshake.from_bytes(payload) for payload in payloads]


def test_a_piece_that_a_peer_takes_back_is_asked_from_it_no_more() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield(4))
    peer = swarm.join()
    peer.hear(wire.BitfieldMessage(Bitfield(4, [2]).to_wire()), wire.Unchoke())
    assert wire.Request(GEOMETRY.block(2, 0)) in peer.says()
    peer.hear(wire.Extended(OURS[LT_DONTHAVE], b"\0\0\0\2"))
    assert peer.says() == [wire.NotInterested()]
    assert not swarm.picker.requested_from(peer.number)
    assert not swarm.picker.peer_has(peer.number, 2)
    peer.hear(wire.Have(2))
    assert peer.says() == [wire.Interested(), wire.Request(GEOMETRY.block(2, 0))]


def test_a_piece_of_ours_that_cannot_be_read_is_taken_back_and_fetched_again() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield.full(4))
    leech, other = swarm.join(), swarm.join()
    introduce(leech)
    leech.hear(wire.HaveNone(), wire.Interested())
    other.hear(wire.BitfieldMessage(Bitfield(4, [3]).to_wire()), wire.Unchoke())
    swarm.later(1.0)
    leech.says()
    other.says()
    swarm.core.piece_lost(3, now=swarm.now)
    assert leech.says() == [wire.Extended(5, b"\0\0\0\3")]
    assert other.says() == [wire.Interested(), wire.Request(GEOMETRY.block(3, 0))]
    leech.hear(wire.Request(GEOMETRY.block(3, 0)))
    assert swarm.core.uploads_from(leech.number, 1 << 20) == []
    assert leech.says() == [wire.RejectRequest(GEOMETRY.block(3, 0))]


@pytest.mark.parametrize("is_complete", [False, True])
def test_a_peer_that_wants_nothing_is_of_use_to_those_who_want_something(is_complete: bool) -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield.full(4) if is_complete else Bitfield(4, [1]))
    peer = swarm.join()
    peer.hear(wire.BitfieldMessage(Bitfield(4, [0]).to_wire()))
    introduce(peer, upload_only=True)
    assert peer.core.is_closed is is_complete


def test_a_seed_says_that_it_wants_nothing() -> None:
    seed, leech = SwarmVictim(GEOMETRY, Bitfield.full(4)), SwarmVictim(GEOMETRY, Bitfield(4))
    hidden = SwarmVictim(GEOMETRY, Bitfield.full(4), super_seed=True)
    assert [handshakes(swarm.join().says())[0].upload_only for swarm in (seed, leech, hidden)] == [True, None, None]


def test_who_completes_says_so_to_those_who_understand() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield(4, [0, 1, 2]))
    peer, source = swarm.join(), swarm.join()
    introduce(peer)
    peer.says()
    source.hear(wire.HaveAll(), wire.Unchoke(), wire.Piece(3, 0, bytes(BLOCK_SIZE)))
    swarm.verify_all()
    assert peer.says() == [wire.Extended(6, b"\1"), wire.Have(3)]
