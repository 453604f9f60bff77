from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key
from kademlia_core.density import MAX_SAMPLES, MIN_SAMPLES, NetworkSize
from transfer.address import Address

BITS = 160
HERE = Address("127.0.0.1", 1)


def lookup(target: Key, nodes: int, rng: Random, k: int = 8) -> list[Contact]:
    """The k closest of so many uniform nodes, without drawing all: their spacings are exponential."""
    share, contacts = 0.0, []
    for _ in range(k):
        share += rng.expovariate(nodes)
        contacts.append(Contact(Key(target.value ^ int(share * 2**BITS), BITS), HERE))
    return contacts


@pytest.mark.parametrize("nodes", [500, 10_000, 10_000_000])
def test_the_size_is_estimated_from_lookups(nodes: int) -> None:
    rng, estimates = Random(nodes), []
    for _ in range(40):
        size = NetworkSize()
        for _ in range(MAX_SAMPLES):
            target = Key.random(BITS, rng)
            size.add_lookup(target, lookup(target, nodes, rng))
        assert size.nodes is not None
        estimates.append(size.nodes / nodes)
    assert sum(estimates) / 40 == pytest.approx(1, rel=0.05)
    assert min(estimates) > 0.7
    assert max(estimates) < 1.4


def test_a_radius_holds_as_many_as_expected() -> None:
    rng, size = Random(1), NetworkSize()
    for _ in range(MAX_SAMPLES):
        target = Key.random(BITS, rng)
        size.add_lookup(target, lookup(target, 1000, rng))
    radius = size.radius(5.0, bits=BITS)
    counts = []
    for _ in range(400):
        target = Key.random(BITS, rng)
        counts.append(sum(contact.key ^ target < radius for contact in lookup(target, 1000, rng, k=32)))
    assert sum(counts) / 400 == pytest.approx(5, rel=0.2)
    assert sum(count == 0 for count in counts) <= 8


def test_too_little_is_known_at_first() -> None:
    size, target = NetworkSize(), Key(0, BITS)
    for _ in range(MIN_SAMPLES - 1):
        size.add_lookup(target, lookup(target, 1000, Random(1)))
    for _ in range(3):
        size.add_lookup(target, lookup(target, 1000, Random(1), k=3))
    assert size.nodes is None
    assert size.radius(5.0, bits=BITS) == 0


def test_a_few_poisoned_lookups_change_little() -> None:
    rng, size = Random(1), NetworkSize()
    for number in range(MAX_SAMPLES):
        target = Key.random(BITS, rng)
        size.add_lookup(target, lookup(target, 10**12 if number % 4 == 0 else 1000, rng))
    assert size.nodes is not None
    assert 800 < size.nodes < 1800


def test_old_lookups_are_forgotten() -> None:
    rng, size = Random(1), NetworkSize()
    for nodes in (100_000, 1000):
        for _ in range(MAX_SAMPLES):
            target = Key.random(BITS, rng)
            size.add_lookup(target, lookup(target, nodes, rng))
    assert size.nodes is not None
    assert size.nodes < 2000


def test_a_radius_is_never_wider_than_the_space() -> None:
    size, target = NetworkSize(), Key(0, 8)
    for _ in range(MIN_SAMPLES):
        size.add_lookup(target, [Contact(Key(value, 8), HERE) for value in (50, 100, 150, 200)])
    assert size.radius(50.0, bits=8) == 256
