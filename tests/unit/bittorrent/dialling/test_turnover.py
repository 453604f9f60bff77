"""Who gives way in a full torrent: what is of no use at once, what was idle for long now and then."""

from __future__ import annotations

from random import Random

from bittorrent.dialling.turnover import Turnover, TurnoverConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.wire import messages as wire
from tests.swarm_net import Host, SwarmNet
from transfer.address import Address


class Full:
    """A seed with peers that want everything, and its turnover."""

    def __init__(self, count: int, **config: float) -> None:
        net = SwarmNet(Random(1), total_bytes=1 << 20)
        self.seed: Host = net.seed(never_answers=True)
        self.guests = [net.host(have=Bitfield(16)) for _ in range(count)]
        for guest in self.guests:
            net.connect(guest, self.seed)
        self.net = net
        self.wait(0.5)
        peers = self.seed.core.peers
        self.turnover = Turnover(peers, rank=lambda address: 0, config=TurnoverConfig(**config))  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        end = self.net.now + seconds
        self.net.run_until(lambda: self.net.now >= end)

    def peer(self, index: int) -> SwarmPeer:
        return list(self.seed.core.peers.values())[index]

    def victim(self, host: str = "9.9.9.9", *, is_host_full: bool = False) -> SwarmPeer | None:
        return self.turnover.for_newcomer(Address(host, 1), is_host_full=is_host_full, now=self.net.now)


def test_who_makes_nothing_of_a_slot_gives_way_at_once() -> None:
    full = Full(3)
    assert full.victim() is None
    full.peer(1).slot.note_idle(now=full.net.now)
    assert full.victim() is full.peer(1)


def test_who_wants_nothing_gives_way_after_a_few_seconds() -> None:
    full = Full(2, useless_after_s=5.0)
    full.peer(0).core.remote_peer.receive(wire.NotInterested())
    assert full.victim() is None
    full.wait(5.0)
    assert full.victim() is full.peer(0)


def test_a_host_that_is_here_comes_in_again_only_for_its_own_idle_connection() -> None:
    full = Full(2)
    first, second = full.peer(0), full.peer(1)
    second.slot.note_idle(now=full.net.now)
    assert full.victim(first.core.address.host) is None
    assert full.victim(second.core.address.host) is second


def test_a_host_that_had_to_go_does_not_push_out_others() -> None:
    full = Full(3)
    full.peer(0).slot.note_idle(now=full.net.now)
    gone = full.victim()
    assert gone is not None
    gone.core.close("for others")
    full.peer(1).slot.note_idle(now=full.net.now)
    assert full.victim(gone.core.address.host) is None
    assert full.victim("9.9.9.8") is full.peer(1)


def test_with_a_full_host_only_its_own_give_way() -> None:
    full = Full(2)
    full.peer(0).slot.note_idle(now=full.net.now)
    assert full.victim(is_host_full=True) is None
    assert full.victim(full.peer(0).core.address.host, is_host_full=True) is full.peer(0)


def test_one_that_moved_nothing_for_a_minute_gives_way_once_a_minute() -> None:
    full = Full(3, min_age_s=60.0, interval_s=60.0)
    full.wait(61.0)
    for peer in full.seed.core.peers.values():
        peer.slot.blocks_sent(1, now=full.net.now)  # none has idled
    first = full.victim("9.0.0.1")
    assert first is not None
    first.core.close("for others")
    assert full.victim("9.0.0.2") is None
    full.wait(60.0)
    for peer in full.seed.core.peers.values():
        peer.slot.blocks_sent(1, now=full.net.now)
    assert full.victim("9.0.0.3") not in (None, first)


def test_what_is_remembered_is_bounded() -> None:
    full = Full(4, max_remembered=2)
    for index in range(4):
        full.peer(index).slot.note_idle(now=full.net.now)
    for number in range(4):
        victim = full.victim(f"9.0.0.{number}")
        assert victim is not None
        victim.core.close("for others")
        full.turnover.check_invariants()
