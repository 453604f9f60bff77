"""Super-seeding (BEP 16): what is offered to whom, and how soon a whole copy is out."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.uploading.super_seeding import SuperSeeding, SuperSeedingConfig
from bittorrent.wire import messages as wire
from tests.swarm_net import Host, SwarmNet
from tests.swarm_victim import SwarmVictim

GEOMETRY = Geometry(total_bytes=40 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)


class Played:
    """A `SuperSeeding` whose peers do what the test says."""

    def __init__(self, **config: float) -> None:
        self.now = 0.0
        self.seeding = SuperSeeding(GEOMETRY, rng=Random(1), config=SuperSeedingConfig(**config))  # type: ignore[arg-type]
        for peer in (1, 2, 3):
            self.seeding.add_peer(peer)

    def offer(self, peer: int) -> list[int]:
        found = self.seeding.offer(peer, now=self.now)
        self.seeding.check_invariants()
        return found

    def fetch(self, peer: int, index: int) -> list[int]:
        """A peer fetches a piece, and is offered what follows."""
        rooms = [self.seeding.block_sent(peer, block, now=self.now) for block in GEOMETRY.blocks(index)]
        assert rooms[:-1] == [False] * (len(rooms) - 1)
        return self.offer(peer) if rooms[-1] else []


def test_no_piece_is_offered_twice_while_others_were_not_offered() -> None:
    played = Played(offers=4, first_unconfirmed=20)
    offered = [index for peer in (1, 2, 3) for index in played.offer(peer)]
    for peer, index in [(1, offered[0]), (2, offered[4]), (3, offered[8])] * 1:
        offered += played.fetch(peer, index)
    assert len(offered) == len(set(offered)) == 15


def test_who_passes_nothing_on_is_offered_nothing_more() -> None:
    played = Played(offers=2, first_unconfirmed=4, max_unconfirmed=5)
    fetched = []
    waiting = played.offer(1)
    while waiting:
        fetched.append(waiting.pop(0))
        waiting += played.fetch(1, fetched[-1])
    assert len(fetched) == 4
    assert played.offer(1) == []
    assert played.seeding.peer_has(2, fetched[0], now=played.now) == [1]
    assert len(played.offer(1)) == 2  # the one that was passed on makes room, and there is room for one more


def test_an_old_piece_counts_as_passed_on() -> None:
    played = Played(offers=2, first_unconfirmed=2, confirm_timeout_s=60)
    for index in played.offer(1):
        played.fetch(1, index)
    played.seeding.handle_timer(now=59.0)
    assert played.offer(1) == []
    played.seeding.handle_timer(now=60.0)
    assert len(played.offer(1)) == 2


def test_a_bitfield_confirms_too() -> None:
    played = Played(offers=2, first_unconfirmed=2)
    for index in played.offer(1):
        played.fetch(1, index)
    assert played.seeding.peer_has_many(2, Bitfield.full(20), now=played.now) == [1]
    assert not played.seeding.wants_more(2)


def test_a_piece_that_others_have_already_needs_no_confirmation() -> None:
    played = Played(offers=1, first_unconfirmed=1)
    (index,) = played.offer(1)
    played.seeding.peer_has(2, index, now=played.now)
    assert len(played.fetch(1, index)) == 1


def test_a_lone_peer_is_offered_everything() -> None:
    played = Played(offers=2, first_unconfirmed=2)
    for peer in (2, 3):
        played.seeding.remove_peer(peer)
    fetched = []
    waiting = played.offer(1)
    while waiting:
        fetched.append(waiting.pop(0))
        waiting += played.fetch(1, fetched[-1])
    assert sorted(fetched) == list(range(20))
    assert not played.seeding.wants_more(1)


def test_what_a_choked_peer_did_not_fetch_goes_to_others_and_counts_again_when_its_turn_comes() -> None:
    played = Played(offers=2, first_unconfirmed=30)
    first = played.offer(1)
    played.seeding.choked(1)
    others = []
    for peer in (2, 3) * 9:
        others += played.offer(peer)
        others += [index for told in others[-2:] for index in played.fetch(peer, told)]
    assert set(first) <= set(others)
    assert all(played.seeding.is_told(1, index) for index in first)
    played.offer(1)  # others have them by now: they do not stand in the way of new ones
    played.seeding.check_invariants()


def test_a_choked_peer_takes_up_what_it_was_offered() -> None:
    played = Played(offers=2)
    first = played.offer(1)
    played.seeding.choked(1)
    assert played.offer(1) == []
    for index in first:
        assert len(played.fetch(1, index)) == 1


def test_what_others_have_by_now_does_not_stand_in_the_way_of_new_offers() -> None:
    played = Played(offers=2)
    first = played.offer(1)
    played.seeding.choked(1)
    played.seeding.peer_has(2, first[0], now=played.now)
    fresh = played.offer(1)
    assert len(fresh) == 1  # the other one of the first two is on offer again, and this beside it
    assert fresh[0] not in first
    assert len(played.fetch(1, first[1])) == 1
    assert played.fetch(1, first[0]) == []  # it may still fetch that, but it makes no room


def test_a_peer_that_was_choked_twice_is_offered_no_more_than_others() -> None:
    played = Played(offers=2)
    first = played.offer(1)
    played.seeding.choked(1)
    for index in first:
        played.seeding.peer_has(2, index, now=played.now)
    second = played.offer(1)
    assert len(second) == 2
    played.seeding.choked(1)
    played.seeding.remove_peer(2)  # nobody else has any of the four
    assert played.offer(1) == []  # two of them are on offer again


def test_a_piece_that_does_not_move_is_offered_to_somebody_else() -> None:
    played = Played(offers=2, stale_s=5)
    rest = Bitfield(20, range(2, 20))
    for peer in (1, 2, 3):
        played.seeding.peer_has_many(peer, rest, now=played.now)
    assert sorted(played.offer(1)) == [0, 1]
    assert played.offer(2) == []
    played.now = 5.0
    assert sorted(played.offer(2)) == [0, 1]


def test_the_pieces_of_those_who_left_are_rare_again() -> None:
    played = Played(offers=2)
    played.seeding.peer_has_many(2, Bitfield.full(20), now=played.now)
    played.seeding.peer_has_many(3, Bitfield(20, range(18)), now=played.now)
    assert sorted(played.offer(1)) == [18, 19]
    played.seeding.remove_peer(2)
    played.seeding.remove_peer(1)
    played.seeding.check_invariants()
    played.seeding.add_peer(4)
    assert sorted(played.offer(4)) == [18, 19]


@pytest.mark.parametrize(
    "wrong", [{"offers": 0}, {"offers": 9}, {"first_unconfirmed": 65}, {"stale_s": 0}, {"confirm_timeout_s": 0}]
)
def test_configs_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        SuperSeedingConfig(**wrong)  # type: ignore[arg-type]


# In a swarm


def test_who_gave_us_a_piece_hears_that_we_have_it_unless_it_has_everything() -> None:
    """A super-seed that shows one piece at a time, like libtorrent's, shows the next one when it hears of the first."""
    swarm = SwarmVictim(GEOMETRY, Bitfield(20))
    hiding, seed, fellow = swarm.join(), swarm.join(), swarm.join()
    fellow.hear(wire.BitfieldMessage(Bitfield(20, [3, 4]).to_wire()))
    hiding.hear(wire.HaveNone(), wire.Have(3), wire.Unchoke())
    hiding.hear(*(wire.Piece(block.piece, block.begin, bytes(block.length)) for block in GEOMETRY.blocks(3)))
    seed.hear(wire.HaveAll(), wire.Unchoke())
    asked = [message.block for message in seed.says() if isinstance(message, wire.Request)]
    seed.hear(*(wire.Piece(block.piece, block.begin, bytes(block.length)) for block in asked))
    for peer in (hiding, seed, fellow):
        peer.says()
    swarm.verify_all()
    assert {3, asked[0].piece} <= set(swarm.picker.have)
    assert wire.Have(3) in hiding.says()
    assert not [message for message in seed.says() if isinstance(message, wire.Have)]
    assert wire.Have(3) not in fellow.says()


def test_a_super_seed_says_that_it_has_nothing_then_a_piece_at_a_time() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield.full(20), super_seed=True)
    peer = swarm.join()
    assert [message for message in peer.says() if not isinstance(message, wire.Extended)] == [wire.HaveNone()]
    peer.hear(wire.HaveNone())
    swarm.later(1.0)
    unchoke, *told = peer.says()
    assert unchoke == wire.Unchoke()
    first = [message.index for message in told if isinstance(message, wire.Have)]
    assert len(first) == len(told) == 2
    hidden = next(index for index in range(20) if index not in first)
    peer.hear(wire.Request(GEOMETRY.block(hidden, 0)), *map(wire.Request, GEOMETRY.blocks(first[0])))
    blocks = swarm.core.uploads_from(peer.number, 1 << 20)
    assert blocks == [*GEOMETRY.blocks(first[0])]
    assert peer.says() == [wire.RejectRequest(GEOMETRY.block(hidden, 0))]
    for block in blocks:
        swarm.core.send_block(peer.number, block, bytes(block.length), now=swarm.now)
    *pieces, news = peer.says()
    assert len(pieces) == 2
    assert isinstance(news, wire.Have)
    assert news.index not in first


@pytest.mark.parametrize("asks_for_padding", [False, True])
def test_padding_that_nobody_asks_for_holds_up_no_offer(asks_for_padding: bool) -> None:
    """As in a hybrid: half of the second block of each piece is padding, and all of the third."""
    size = 4 * BLOCK_SIZE
    gaps = [(start + BLOCK_SIZE + 99, size - BLOCK_SIZE - 99) for start in range(0, 10 * size, size)]
    geometry = Geometry.of(10 * size, size, padding=gaps)
    seeding = SuperSeeding(geometry, rng=Random(1))
    seeding.add_peer(1)
    fetched = []
    while waiting := seeding.offer(1, now=0.0):
        for index in waiting:
            whole = [geometry.block(index, number) for number in range(4)]
            blocks = whole if asks_for_padding else geometry.blocks(index)
            assert len(blocks) == (4 if asks_for_padding else 2)
            assert sum(seeding.block_sent(1, block, now=0.0) for block in blocks) == 1
            fetched.append(index)
        seeding.check_invariants()
    assert sorted(fetched) == list(range(10))


def test_a_piece_that_came_partly_from_others_makes_room_when_it_is_announced() -> None:
    played = Played(offers=2, first_unconfirmed=20)
    first, second = played.offer(1)
    played.seeding.block_sent(1, GEOMETRY.block(first, 0), now=0.0)
    assert played.offer(1) == []
    assert played.seeding.peer_has(1, first, now=0.0) == [1]
    assert len(played.offer(1)) == 1
    assert played.seeding.peer_has(1, first, now=0.0) == []
    assert played.seeding.peer_has(2, first, now=0.0) == [1], "it passed that on"
    assert played.seeding.peer_has_many(1, Bitfield(20, [second]), now=0.0) == [1]
    assert len(played.offer(1)) == 1


def test_what_is_not_complete_cannot_be_super_seeded() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield(20, range(19)), super_seed=True)
    assert wire.BitfieldMessage(Bitfield(20, range(19)).to_wire()) in swarm.join().says()


@pytest.mark.parametrize("seed", range(2))
def test_hardly_more_than_one_copy_leaves_the_seed(seed: int) -> None:
    net = SwarmNet(Random(seed), total_bytes=4 << 20, rate_bytes_per_s=1e5)
    source = net.host(have=Bitfield.full(net.geometry.piece_count), super_seed=True)
    leeches = [net.host(fast=bool(number % 2)) for number in range(8)]
    net.connect_all()

    def one_copy_is_out() -> bool:
        together = {index for leech in leeches for index in pieces_of(leech)}
        return len(together) == net.geometry.piece_count

    net.run_until(one_copy_is_out)
    assert source.core.uploaded_bytes <= 1.15 * net.geometry.total_bytes
    source.leave()
    net.run_until(lambda: all(leech.core.is_complete for leech in leeches))


def pieces_of(host: Host) -> list[int]:
    assert host.core.picker is not None
    return list(host.core.picker.have)
