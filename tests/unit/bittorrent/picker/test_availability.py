"""Rarity counts against a plain dictionary."""

from __future__ import annotations

from collections import Counter
from random import Random

from bittorrent.picker.availability import Availability
from bittorrent.picker.bitfield import Bitfield


def test_counts_and_order_follow_a_plain_count() -> None:
    rng = Random(7)
    size = 100
    availability = Availability(size, rng=Random(1))
    counts: Counter[int] = Counter()
    candidates = set(range(size))
    fields: list[Bitfield] = []
    for _ in range(600):
        action = rng.randrange(5)
        index = rng.randrange(size)
        if action == 0:
            field = Bitfield(size, rng.sample(range(size), rng.randrange(1, size)))
            fields.append(field)
            availability.add_all(field)
            counts.update(field)
        elif action == 1 and fields:
            field = fields.pop(rng.randrange(len(fields)))
            availability.remove_all(field)
            counts.subtract(field)
        elif action == 2 and fields:
            field = rng.choice(fields)
            if field.set(index):
                availability.add(index)
                counts[index] += 1
        elif action == 3:
            availability.exclude(index)
            candidates.discard(index)
        else:
            availability.include(index)
            candidates.add(index)
        availability.check_invariants()
        assert [availability.count(i) for i in range(size)] == [counts[i] for i in range(size)]
        of_peer = Bitfield(size, rng.sample(range(size), 20))
        for mask, eligible in ((None, candidates), (of_peer.mask, candidates & set(of_peer))):
            rarest = availability.rarest(mask)
            anything = availability.random(mask)
            if not eligible:
                assert rarest is None
                assert anything is None
            else:
                assert rarest in eligible
                assert anything in eligible
                assert counts[rarest] == min(counts[i] for i in eligible)


def test_a_seed_counts_for_every_piece() -> None:
    availability = Availability(3, rng=Random(1))
    availability.add_seed()
    availability.add(1)
    assert [availability.count(index) for index in range(3)] == [1, 2, 1]
    availability.remove_seed()
    assert [availability.count(index) for index in range(3)] == [0, 1, 0]


def test_equally_rare_pieces_come_in_no_fixed_order() -> None:
    availability = Availability(64, rng=Random(3))
    first = {availability.rarest(None) for _ in range(300)}
    assert len(first) > 40
