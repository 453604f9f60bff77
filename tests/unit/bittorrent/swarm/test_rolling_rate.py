"""What was moved of late."""

from __future__ import annotations

from random import Random

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.rolling_rate import LOOKS, RollingRate
from bittorrent.swarm.uploading.choker import ChokerConfig
from bittorrent.wire import messages as wire
from tests.swarm_victim import SwarmVictim


def test_the_average_is_over_the_window() -> None:
    lately, total = RollingRate(window_s=20.0, now=0.0), 0
    for second in range(100):
        total += 1000 if 0 < second < 50 else 0
        rate = lately.bytes_per_s(total, now=float(second))
        if 25 <= second < 50:
            assert abs(rate - 1000) < 1
        elif second < 25:
            assert rate <= 1000
        elif second > 75:
            assert rate == 0


def test_a_burst_of_a_newcomer_is_no_rate() -> None:
    lately = RollingRate(window_s=20.0, now=100.0)
    assert lately.bytes_per_s(20_000, now=100.1) == 1000


def test_looks_are_few_and_may_be_rare() -> None:
    rng, lately, now = Random(1), RollingRate(window_s=20.0, now=0.0), 0.0
    for _ in range(1000):
        now += rng.choice([0.1, 1.0, 50.0])
        assert lately.bytes_per_s(int(now * 100), now=now) <= 101
        assert len(lately._looks) <= LOOKS + 2


def test_who_sends_a_block_in_ten_seconds_keeps_its_slot_before_who_sends_none() -> None:
    geometry = Geometry(100 * BLOCK_SIZE, BLOCK_SIZE)
    config = SwarmConfig(choker=ChokerConfig(slots=2, optimistic_slots=0), allowed_fast_pieces=0)
    victim = SwarmVictim(geometry, Bitfield(100, range(50)), config=config)
    givers = [victim.join() for _ in range(2)]
    takers = [victim.join() for _ in range(3)]
    for actor in givers + takers:
        actor.hear(wire.BitfieldMessage(Bitfield(100, range(50, 100)).to_wire()), wire.Interested())
    for actor in givers:
        actor.hear(wire.Unchoke())
    owed: dict[int, list[Block]] = {actor.number: [] for actor in givers}
    choked_takers = 0
    for second in range(120):
        for actor in givers:
            owed[actor.number] += [message.block for message in actor.says() if isinstance(message, wire.Request)]
            if second % 10 == actor.number and owed[actor.number]:
                block = owed[actor.number].pop(0)
                actor.hear(wire.Piece(block.piece, block.begin, bytes(block.length)))
        victim.later(1.0)
        victim.verify_all()
        if second > 40:
            choked_takers += sum(victim.core.peers[actor.number].core.am_choking for actor in takers)
            assert not any(victim.core.peers[actor.number].core.am_choking for actor in givers), second
    assert choked_takers == 3 * (120 - 41)
