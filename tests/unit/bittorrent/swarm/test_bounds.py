"""What a swarm forgives, what it lends in vain, and whom it has something to tell."""

from __future__ import annotations

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.rate_limits import RateLimits
from bittorrent.swarm.downloading.downloads import MIN_REQUESTS
from bittorrent.swarm.peer import MAX_UNEXPECTED_BLOCKS
from bittorrent.wire import messages as wire
from tests.swarm_victim import Actor, SwarmVictim

GEOMETRY = Geometry(total_bytes=40 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)
SMALL = Geometry(total_bytes=300, piece_length=100)


def requests(actor: Actor) -> list[wire.Request]:
    return [message for message in actor.says() if isinstance(message, wire.Request)]


def test_blocks_that_nobody_asked_for_are_forgiven_up_to_a_bound() -> None:
    swarm = SwarmVictim(SMALL, Bitfield(3))
    peer = swarm.join()
    peer.hear(wire.HaveAll())  # it chokes us: nothing was asked for
    peer.hear(*[wire.Piece(0, 0, bytes(100))] * MAX_UNEXPECTED_BLOCKS)
    assert peer.core.closed_because is None
    assert swarm.core.wasted_bytes == 100 * MAX_UNEXPECTED_BLOCKS
    peer.hear(wire.Piece(0, 0, bytes(100)))
    assert peer.core.closed_because == "the peer keeps sending blocks that nobody asked for"


def test_requests_for_what_is_not_wanted_any_more_are_taken_back() -> None:
    swarm = SwarmVictim(SMALL, Bitfield(3))
    peer = swarm.join()
    peer.hear(wire.HaveAll(), wire.Unchoke())
    asked = requests(peer)
    assert len(asked) == 3
    swarm.core.set_priorities(bytes([4, 0, 4]), now=swarm.now)
    unwanted = [request.block for request in asked if request.block.piece == 1]
    assert [message.block for message in peer.says() if isinstance(message, wire.Cancel)] == unwanted
    assert swarm.picker.requested_from(peer.number) == {request.block for request in asked} - set(unwanted)


def test_answers_to_requests_that_were_taken_back_need_no_forgiveness() -> None:
    swarm = SwarmVictim(SMALL, Bitfield(3))
    slow, quick = swarm.join(), swarm.join()
    peer = swarm.core.peers[slow.number]
    while peer.forgive_unexpected():
        pass  # one more would end it
    slow.hear(wire.HaveAll(), wire.Unchoke())
    asked = requests(slow)
    assert len(asked) == 3
    quick.hear(wire.HaveAll(), wire.Unchoke())
    (again, *_) = requests(quick)  # the end-game
    quick.hear(wire.Piece(again.block.piece, 0, bytes(100)))
    assert wire.Cancel(again.block) in slow.says()
    slow.hear(wire.Piece(again.block.piece, 0, bytes(100)))  # it was on its way
    assert slow.core.closed_because is None
    assert swarm.core.wasted_bytes == 100
    slow.hear(wire.Piece(again.block.piece, 0, bytes(100)))
    assert slow.core.closed_because == "the peer keeps sending blocks that nobody asked for"


def test_memory_that_was_lent_in_vain_comes_back_within_a_second() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield(20))
    peer = swarm.join()
    peer.hear(wire.HaveAll(), wire.Unchoke())
    assert requests(peer)
    swarm.core.peers[peer.number].core.get_buffers()  # lends the places of what comes next
    assert swarm.core.buffered_bytes == 2 * BLOCK_SIZE
    swarm.later(1.0)
    assert swarm.core.buffered_bytes == 2 * BLOCK_SIZE  # the piece is still waited for
    peer.leave()
    assert swarm.core.buffered_bytes == 2 * BLOCK_SIZE
    swarm.later(1.0)
    assert swarm.core.buffered_bytes == 0


def test_whoever_passes_a_piece_on_hears_of_the_next_at_once() -> None:
    swarm = SwarmVictim(GEOMETRY, Bitfield.full(20), super_seed=True)
    giver, taker = swarm.join(), swarm.join()
    giver.hear(wire.HaveNone())
    taker.hear(wire.HaveNone())
    swarm.later(1.0)
    fetched = set()
    while told := [message.index for message in giver.says() if isinstance(message, wire.Have)]:
        for index in told:
            fetched.add(index)
            giver.hear(*map(wire.Request, GEOMETRY.blocks(index)))
            for block in swarm.core.uploads_from(giver.number, 1 << 20):
                swarm.core.send_block(giver.number, block, bytes(block.length), now=swarm.now)
    swarm.core.peers_to_flush()
    taker.hear(wire.Have(next(iter(fetched))))
    assert giver.number in [peer.number for peer in swarm.core.peers_to_flush()]
    assert len([message for message in giver.says() if isinstance(message, wire.Have)]) == 2


def test_whoever_keeps_a_deadline_asks_no_peer_for_more_than_it_sends_soon() -> None:
    for has_deadline, most in ((False, 16), (True, MIN_REQUESTS)):
        swarm = SwarmVictim(GEOMETRY, Bitfield(20))
        if has_deadline:
            swarm.core.set_deadlines(1, {3: swarm.now + 5}, now=swarm.now)
        peer = swarm.join()
        peer.hear(wire.HaveAll(), wire.Unchoke())
        assert len(requests(peer)) == most


def test_a_limit_counts_as_a_limit_when_it_keeps_back_what_could_be_asked_for() -> None:
    slow = RateLimits(download_bytes_per_s=20e3, local_download_bytes_per_s=20e3)
    for limits, is_limited in ((RateLimits(), False), (slow, True)):
        swarm = SwarmVictim(GEOMETRY, Bitfield(20))
        swarm.core.limits.set(limits)
        peer = swarm.join()
        peer.hear(wire.HaveAll(), wire.Unchoke())
        swarm.later(1.0)
        assert requests(peer)
        assert swarm.core.downloads is not None
        assert swarm.core.downloads.was_rate_limited(now=swarm.now) is is_limited
