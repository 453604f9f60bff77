"""The fast extension in whole swarms (BEP 6): early blocks, refusals, suggestions."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.uploading.choker import ChokerConfig
from bittorrent.wire import messages as wire
from tests.swarm_net import Host, SwarmNet
from tests.swarm_victim import SwarmVictim

GEOMETRY = Geometry(total_bytes=40 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)


def begun(*, have: Bitfield | None = None, config: SwarmConfig | None = None) -> SwarmVictim:
    return SwarmVictim(GEOMETRY, have or Bitfield(20), config=config)


def asked_for(messages: list[wire.Message]) -> list[Block]:
    return [message.block for message in messages if isinstance(message, wire.Request)]


@pytest.mark.parametrize(("seed_is_fast", "leech_is_fast"), [(True, True), (True, False), (False, True)])
def test_whoever_speaks_it_with_whom_the_torrent_arrives(seed_is_fast: bool, leech_is_fast: bool) -> None:
    net = SwarmNet(Random(1), total_bytes=3 << 20)
    full = Bitfield.full(net.geometry.piece_count)
    net.host(have=full, fast=seed_is_fast)
    leeches = [net.host(fast=leech_is_fast), net.host(fast=not leech_is_fast), net.host()]
    net.connect_all()
    net.run_until(lambda: all(leech.core.is_complete for leech in leeches))
    assert all(leech.core.failed_pieces == 0 for leech in leeches)


def test_a_newcomer_gets_its_first_pieces_while_it_is_choked() -> None:
    one_slot = SwarmConfig(choker=ChokerConfig(slots=1, optimistic_slots=0, seed_turn_s=10_000))
    net = SwarmNet(Random(2), total_bytes=8 << 20, rate_bytes_per_s=2e5)
    net.is_private = True  # the two newcomers shall not find each other
    seed = net.host(have=Bitfield.full(128), config=one_slot)
    first = net.host()
    net.connect(first, seed)
    net.run_until(lambda: first.core.downloaded_bytes > 0)
    second = net.host()
    net.connect(second, seed)
    assert second.core.picker is not None
    have = second.core.picker.have
    net.run_until(lambda: have.count == 10)
    (peer,) = second.core.peers.values()
    assert peer.core.is_choked
    assert second.core.picker.have.count == len(peer.core.remote_peer.allowed_fast)


def test_requests_stay_outstanding_over_a_choke_until_they_are_rejected() -> None:
    swarm = begun()
    peer = swarm.join()
    peer.says()
    peer.hear(wire.HaveAll(), wire.Unchoke())
    blocks = asked_for(peer.says())
    assert len(blocks) == 16
    peer.hear(wire.Choke())
    assert set(swarm.picker.requested_from(peer.number)) == set(blocks)
    peer.hear(*map(wire.RejectRequest, blocks[:10]))
    assert set(swarm.picker.requested_from(peer.number)) == set(blocks[10:])
    peer.hear(wire.Piece(blocks[10].piece, blocks[10].begin, bytes(BLOCK_SIZE)))  # it was under way
    assert swarm.core.downloaded_bytes == BLOCK_SIZE


def test_what_one_peer_rejects_is_asked_from_another() -> None:
    swarm = begun()
    one, other = swarm.join(), swarm.join()
    one.hear(wire.HaveAll(), wire.Unchoke())
    rejected = asked_for(one.says())
    one.hear(wire.Choke(), *map(wire.RejectRequest, rejected))
    other.hear(wire.HaveAll(), wire.Unchoke())
    while blocks := asked_for(other.says()):
        other.hear(*(wire.Piece(block.piece, block.begin, bytes(BLOCK_SIZE)) for block in blocks))
    assert swarm.core.downloaded_bytes == 40 * BLOCK_SIZE


def test_a_peer_that_unchokes_and_rejects_everything_is_asked_once_a_second() -> None:
    swarm = begun()
    peer = swarm.join()
    peer.hear(wire.HaveAll(), wire.Unchoke())
    asked = 0
    for _ in range(10):
        for _ in range(20):
            blocks = asked_for(peer.says())
            asked += len(blocks)
            peer.hear(*map(wire.RejectRequest, blocks))
        swarm.later(1.0)
    assert 10 <= asked <= 10 * 16 + 16
    assert not peer.core.is_closed


def test_rejects_of_what_was_never_asked_end_the_connection() -> None:
    swarm = begun()
    peer = swarm.join()
    peer.hear(*map(wire.RejectRequest, [Block(0, 0, BLOCK_SIZE)] * 100))
    assert not peer.core.is_closed
    peer.hear(*map(wire.RejectRequest, [Block(0, 0, BLOCK_SIZE)] * 5000))
    assert peer.core.closed_because == "the peer floods us with messages"


def test_only_allowed_pieces_are_asked_for_while_choked() -> None:
    swarm = begun()
    peer = swarm.join()
    peer.hear(wire.BitfieldMessage(Bitfield(20, [3, 4, 5]).to_wire()), wire.AllowedFast(4), wire.AllowedFast(9))
    assert asked_for(peer.says()) == [*GEOMETRY.blocks(4)]  # 9 is allowed, but the peer does not have it
    peer.hear(wire.Have(9))
    assert asked_for(peer.says()) == [*GEOMETRY.blocks(9)]
    block = GEOMETRY.block(9, 0)
    peer.hear(wire.RejectRequest(block))
    assert 9 not in peer.core.remote_peer.allowed_fast
    assert asked_for(peer.says()) == []


def test_a_suggested_piece_comes_first() -> None:
    for suggested in (7, 13):
        swarm = begun()
        peer = swarm.join()
        peer.hear(wire.HaveAll(), wire.SuggestPiece(suggested), wire.Unchoke())
        assert asked_for(peer.says())[:2] == [*GEOMETRY.blocks(suggested)]


def suggested(messages: list[wire.Message]) -> list[int]:
    return [message.index for message in messages if isinstance(message, wire.SuggestPiece)]


def test_what_was_read_lately_is_suggested_to_those_who_may_ask_and_lack_it() -> None:
    config = SwarmConfig(suggested_pieces=2, choker=ChokerConfig(slots=4))
    swarm = begun(have=Bitfield.full(20), config=config)
    reader, lacking, having, plain = (swarm.join(fast=fast) for fast in (True, True, True, False))
    having.hear(wire.BitfieldMessage(Bitfield(20, [3]).to_wire()))
    for peer in (reader, lacking, having, plain):
        peer.hear(wire.Interested())
    swarm.later(10)
    late = swarm.join()
    for piece in (3, 4, 5):
        reader.hear(wire.Request(Block(piece, 0, BLOCK_SIZE)))
        for block in swarm.core.uploads_from(reader.number, 1):
            swarm.core.send_block(reader.number, block, bytes(BLOCK_SIZE), now=swarm.now)
    assert suggested(lacking.says()) == [], "in a second, all together"
    swarm.later(1)
    assert suggested(lacking.says()) == suggested(having.says()) == [4, 5]
    assert suggested(plain.says()) == suggested(late.says()) == []
    swarm.later(1)
    assert suggested(lacking.says()) == [], "and once"
    reader.hear(wire.NotInterested())
    late.hear(wire.Interested())
    swarm.later(40)
    assert suggested(late.says()) == [4, 5], "as soon as it may ask"


@pytest.mark.parametrize("suggests", [0, 4])
def test_a_seed_that_suggests_reads_less_from_its_disk(suggests: int) -> None:
    net = SwarmNet(Random(4), total_bytes=8 << 20, rate_bytes_per_s=1e5)
    net.is_private = True  # whoever is not told finds pieces of its own
    seed = net.host(have=Bitfield.full(128), config=SwarmConfig(suggested_pieces=suggests, allowed_fast_pieces=0))
    leeches = [net.host() for _ in range(4)]
    for leech in leeches:
        net.connect(leech, seed)
    reads = LatestPieces(seed, size=64)
    net.run_until(lambda: all(leech.core.is_complete for leech in leeches))
    assert (reads.misses < 270) is (suggests > 0), reads.misses


class LatestPieces:
    """A cache of the pieces that a host read last; counts how often a piece was not in it."""

    def __init__(self, host: Host, *, size: int) -> None:
        self.misses = 0
        self._pieces: dict[int, None] = {}
        self._size = size
        self._take = host.core.uploads_from
        host.core.uploads_from = self.take  # type: ignore[method-assign]

    def take(self, number: int, max_bytes: int) -> list[Block]:
        blocks = self._take(number, max_bytes)
        for block in blocks:
            if block.piece not in self._pieces:
                self.misses += 1
                self._pieces[block.piece] = None
                if len(self._pieces) > self._size:
                    del self._pieces[next(iter(self._pieces))]
        return blocks


def test_a_peer_that_has_enough_is_allowed_nothing() -> None:
    for count, expected in ((9, True), (10, False)):
        swarm = begun(have=Bitfield.full(20))
        peer = swarm.join()
        peer.hear(wire.BitfieldMessage(Bitfield(20, range(count)).to_wire()), wire.Interested())
        allowed = [message.index for message in peer.says() if isinstance(message, wire.AllowedFast)]
        assert bool(allowed) is expected
        assert all(index >= count for index in allowed)


def test_a_request_for_a_piece_that_we_lack_is_rejected() -> None:
    swarm = begun(have=Bitfield(20, [1]))
    peer = swarm.join()
    peer.hear(wire.HaveNone(), wire.Interested())
    swarm.later(1.0)
    peer.says()
    peer.hear(*map(wire.Request, [GEOMETRY.block(0, 0), GEOMETRY.block(1, 0)]))
    assert swarm.core.uploads_from(peer.number, 1 << 20) == [GEOMETRY.block(1, 0)]
    assert peer.says() == [wire.RejectRequest(GEOMETRY.block(0, 0))]
    assert not peer.core.is_closed


def test_a_block_that_was_being_read_when_the_choke_came_is_rejected() -> None:
    one_slot = SwarmConfig(
        choker=ChokerConfig(slots=1, optimistic_slots=0, rechoke_interval_s=10, seed_turn_s=10), allowed_fast_pieces=0
    )
    swarm = begun(have=Bitfield.full(20), config=one_slot)
    peer, other = swarm.join(), swarm.join()
    peer.hear(wire.HaveNone(), wire.Interested())
    swarm.later(1.0)
    block = GEOMETRY.block(0, 0)
    peer.hear(wire.Request(block))
    other.hear(wire.HaveNone(), wire.Interested())
    assert swarm.core.uploads_from(peer.number, 1 << 20) == [block]
    for _ in range(12):
        swarm.later(1.0)
        if wire.Choke() in peer.says():  # the other will lose the slot as it asks for nothing
            break
    swarm.core.send_block(peer.number, block, bytes(BLOCK_SIZE), now=swarm.now)
    assert peer.says() == [wire.RejectRequest(block)]
    assert isinstance(swarm.core, SwarmCore)
