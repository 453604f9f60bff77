"""Whether a peer makes anything of its upload slot."""

from __future__ import annotations

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.uploading.slot_use import DISK_PATIENCE_S, IDLE_MEMORY_S, SlotUse
from bittorrent.wire import messages as wire
from tests.swarm_victim import SwarmVictim


def unchoked(now: float = 100.0) -> SlotUse:
    slot = SlotUse(patience_s=2.0)
    slot.begin(now=now)
    return slot


def test_a_choked_peer_is_not_idle() -> None:
    assert SlotUse(patience_s=2.0).idle_s(now=1000.0, has_requests=False) == 0


def test_who_asks_for_nothing_idles_until_it_is_sent_something() -> None:
    slot = unchoked()
    assert slot.idle_s(now=103.0, has_requests=False) == 3.0
    assert slot.is_idler(now=103.0, has_requests=False)
    slot.blocks_taken(1, now=103.0)
    slot.blocks_sent(1, now=103.5)
    assert slot.idle_s(now=104.0, has_requests=False) == 0.5
    assert not slot.is_idler(now=200.0, has_requests=False), "it had something of its slot"


def test_requests_that_are_taken_back_count_for_nothing() -> None:
    slot = unchoked()
    assert slot.idle_s(now=103.0, has_requests=True) == 3.0


def test_an_unused_slot_is_remembered_for_a_while() -> None:
    slot = unchoked()
    slot.end(now=103.0, has_requests=False)
    assert slot.has_idled(now=104.0)
    assert not slot.has_idled(now=103.0 + IDLE_MEMORY_S)
    slot.excuse()
    assert not slot.is_idler(now=104.0, has_requests=False)


def test_a_slot_that_was_taken_away_at_once_was_no_chance() -> None:
    slot = unchoked()
    slot.end(now=101.0, has_requests=False)
    assert not slot.has_idled(now=101.0)


def test_our_disk_and_our_limit_are_not_the_fault_of_the_peer() -> None:
    slot = unchoked()
    slot.blocks_taken(2, now=101.0)
    assert slot.idle_s(now=110.0, has_requests=False) == 0
    assert slot.idle_s(now=101.0 + DISK_PATIENCE_S, has_requests=False) == DISK_PATIENCE_S
    slot.blocks_sent(2, now=111.0)
    assert slot.idle_s(now=113.0, has_requests=True) == 2.0
    slot.held_back(now=112.0)
    assert slot.idle_s(now=113.0, has_requests=True) == 0
    assert slot.idle_s(now=113.0, has_requests=False) == 2.0, "what waited was taken back"


def test_who_is_slow_takes_something_all_the_time_and_who_does_not_read_takes_nothing() -> None:
    slot = unchoked()
    slot.blocks_taken(9, now=100.0)
    slot.blocks_sent(9, now=100.0)
    for second in range(1, 20):
        slot.note_backlog(
            delivered_bytes=1000 * min(second, 10), undelivered_bytes=90_000, is_full=True, now=100.0 + second
        )
    assert slot.idle_s(now=119.0, has_requests=True) == 9.0
    assert slot.stalled_s(now=119.0) == 9.0
    slot.end(now=119.0, has_requests=True)
    assert slot.stalled_s(now=125.0) == 15.0, "choked or not"
    slot.note_backlog(delivered_bytes=100_000, undelivered_bytes=0, is_full=False, now=126.0)
    assert slot.stalled_s(now=127.0) == 0


def test_what_has_just_been_sent_is_not_stalled() -> None:
    slot = SlotUse(patience_s=2.0)
    slot.note_backlog(delivered_bytes=0, undelivered_bytes=68, is_full=False, now=100.0)
    assert slot.stalled_s(now=100.5) == 0.5


def test_who_left_with_an_unused_slot_does_not_come_back_as_a_newcomer() -> None:
    swarm = SwarmVictim(Geometry(4 * BLOCK_SIZE, BLOCK_SIZE), Bitfield.full(4))
    idle, busy = swarm.join(host="10.1.0.1"), swarm.join(host="10.2.0.1")
    for peer in (idle, busy):
        peer.hear(wire.HaveNone(), wire.Interested())
    while any(peer.core.am_choking for peer in (idle, busy)):
        swarm.later(1)
    busy.hear(wire.Request(swarm.picker.geometry.block(0, 0)))
    for _ in range(10):
        swarm.later(1)
    for peer in (idle, busy):
        peer.leave()

    def comes_as_idler(host: str) -> bool:
        return swarm.core.peers[swarm.join(host=host).number].is_idler(now=swarm.now)

    assert comes_as_idler("10.1.0.1")
    assert not comes_as_idler("10.2.0.1")
    assert not comes_as_idler("10.3.0.1")
