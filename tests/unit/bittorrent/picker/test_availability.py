"""Rarity counts and the order by priority, against plain dictionaries."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from bittorrent.picker.availability import FEW, Availability
from bittorrent.pieces.bitfield import PAGE_PIECES, Bitfield


@pytest.mark.parametrize("size", [100, PAGE_PIECES + 60])
def test_counts_and_order_follow_a_plain_count(size: int) -> None:
    rng = Random(7)
    availability = Availability(Bitfield.full(size), rng=Random(1))
    counts: Counter[int] = Counter()
    candidates = set(range(size))
    priorities = [4] * size
    fields: list[Bitfield] = []
    for step in range(500 if size < 1000 else 120):
        action = rng.randrange(7)
        index = rng.randrange(size)
        if action == 0:
            field = Bitfield(size, rng.sample(range(size), rng.randrange(1, rng.choice([size, FEW]))))
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
        elif action == 4 and rng.random() < 0.3:
            priorities = [rng.choice([0, 0, 1, 4, 7]) for _ in range(size)]
            availability.set_priorities(bytes(priorities))
        else:
            availability.include(index)
            candidates.add(index)
        if step % 10 == 0:
            availability.check_invariants()
            assert [availability.count(i) for i in range(size)] == [counts[i] for i in range(size)]
        of_peer = Bitfield(size, rng.sample(range(size), 20))
        for pieces, eligible in ((None, candidates), (of_peer, candidates & set(of_peer))):
            wanted = [i for i in eligible if priorities[i]]
            chosen = [choose(pieces) for choose in (availability.rarest, availability.random, availability.first)]
            if not wanted:
                assert chosen == [None, None, None]
                continue
            best = max(priorities[i] for i in wanted)
            assert all(i in wanted and priorities[i] == best for i in chosen if i is not None)
            rarest, _, first = chosen
            assert rarest is not None
            assert counts[rarest] == min(counts[i] for i in wanted if priorities[i] == best)
            assert first == min(i for i in wanted if priorities[i] == best)
        assert availability.has_wanted == any(priorities[i] for i in candidates)


def test_a_seed_counts_for_every_piece() -> None:
    availability = Availability(Bitfield.full(3), rng=Random(1))
    availability.add_seed()
    availability.add(1)
    assert [availability.count(index) for index in range(3)] == [1, 2, 1]
    availability.remove_seed()
    assert [availability.count(index) for index in range(3)] == [0, 1, 0]


@pytest.mark.parametrize("size", [10, 64, PAGE_PIECES + 100])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_equally_rare_pieces_come_in_no_fixed_order(size: int, share: float) -> None:
    rng = Random(5)
    availability = Availability(Bitfield.full(size), rng=Random(3))
    for index in range(size):
        if rng.random() >= share:
            availability.exclude(index)
    draws = 50 * size if size < 1000 else 2000
    for choose in (availability.rarest, availability.random):
        found = Counter(choose(None) for _ in range(draws))
        assert len(found) > 0.25 * size * share
        assert max(found.values()) < 4 * max(2, draws / (size * share))
        assert {(index or 0) // PAGE_PIECES for index in found} == set(range(-(-size // PAGE_PIECES)))
