from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key
from kademlia_core.mainline.config import MAX_SAMPLE_INTERVAL_S, SamplingConfig
from kademlia_core.mainline.sample_walk import MIN_INTERVAL_S, SampleWalk
from kademlia_core.mainline.sampling import InfoHashSample
from transfer.address import Address

FAST = SamplingConfig(queries_per_s=1000.0)


def contact(number: int, key: Key | None = None) -> Contact:
    return Contact(key or Key.random(160, Random(number)), Address(f"11.{number >> 8}.{number & 255}.1", 6881))


def walk_of(config: SamplingConfig = FAST) -> SampleWalk:
    return SampleWalk(config=config, depth_bits=10, rng=Random(1))


def sample(interval_s: int = 3600) -> InfoHashSample:
    return InfoHashSample((), 0, interval_s)


def test_a_sweep_goes_up_through_the_keys_and_begins_again() -> None:
    walk = walk_of()
    low, middle, high = (contact(number, Key(number << 150, 160)) for number in (100, 500, 900))
    walk.add([high, middle], now=0.0)
    asked = []
    for now in (0.0, 0.01, 0.02):
        query = walk.next_query(now=now)
        assert query is not None
        asked.append(query[0])
        if query[0] == middle:
            walk.add([low, high, middle], now=now)  # heard of twice, and one that has been passed
        walk.check_invariants(now=now)
    assert asked == [middle, high, low]
    assert walk.next_query(now=1.0) is None


def test_queries_keep_their_distance_and_their_number() -> None:
    walk = walk_of(SamplingConfig(queries_per_s=2.0, parallel=2))
    walk.add(map(contact, range(5)), now=0.0)
    first = walk.next_query(now=0.0)
    assert first is not None
    assert walk.next_query(now=0.4) is None
    assert walk.next_timer(now=0.4) == 0.5
    assert walk.next_query(now=0.5) is not None
    assert walk.next_query(now=9.0) is None, "two are awaited"
    assert walk.next_timer(now=9.0) == float("inf")
    walk.on_failure(first[0], now=9.0)
    second = walk.next_query(now=9.0)
    assert second is not None
    walk.on_failure(second[0], now=9.0)
    assert walk.next_query(now=9.4) is None, "a pause is not made up for"
    assert walk.next_timer(now=9.4) == 9.5


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (sample(1800), 1800),
        (sample(0), MIN_INTERVAL_S),
        (sample(MAX_SAMPLE_INTERVAL_S), MAX_SAMPLE_INTERVAL_S),
        (None, MAX_SAMPLE_INTERVAL_S),
    ],
)
def test_a_node_is_left_alone_as_long_as_it_wants(answer: InfoHashSample | None, wait_s: int) -> None:
    walk = walk_of()
    walk.add([contact(1)], now=0.0)
    assert walk.next_query(now=0.0) is not None
    walk.on_answer(contact(1), [contact(1)], answer, now=1.0)
    assert walk.next_timer(now=1.0) == 1.0 + wait_s
    walk.add([contact(1)], now=wait_s)
    assert walk.next_query(now=wait_s) is None
    walk.add([contact(1)], now=wait_s + 1.0)
    assert walk.next_query(now=wait_s + 1.0) is not None


def test_what_is_remembered_is_bounded() -> None:
    walk = walk_of(SamplingConfig(max_waiting=10, max_visits=15, queries_per_s=1e6))
    for number in range(100):
        now = float(number)
        walk.add(map(contact, range(10 * number, 10 * number + 20)), now=now)
        assert walk.waiting_count <= 10
        query = walk.next_query(now=now)
        if query is not None:
            walk.on_answer(query[0], [], sample(), now=now)
        walk.check_invariants(now=now)
    assert walk.next_query(now=100.0) is not None or walk.waiting_count == 0


def test_addresses_that_lead_nowhere_are_not_asked() -> None:
    walk = walk_of()
    walk.add([Contact(Key(1, 160), Address("0.0.0.0", 1)), Contact(Key(2, 160), Address("11.0.0.1", 0))], now=0.0)
    assert walk.next_query(now=0.0) is None


@pytest.mark.parametrize("count", [40, 300])
def test_a_walk_meets_nearly_everybody_once(count: int) -> None:
    """Each node knows what a routing table with buckets of eight holds, filled at random."""
    rng = Random(count)
    nodes = {Key.random(160, rng): number for number in range(count)}
    contacts = {key: contact(number, key) for key, number in nodes.items()}
    tables: dict[Key, list[Contact]] = {}
    for key in nodes:
        buckets: dict[int, list[Contact]] = {}
        for other in rng.sample(list(contacts), count):
            bucket = buckets.setdefault(key.shared_prefix_length(other), [])
            if other != key and len(bucket) < 8:
                bucket.append(contacts[other])
        tables[key] = [each for bucket in buckets.values() for each in bucket]
    walk = SampleWalk(config=FAST, depth_bits=(count // 8).bit_length() + 1, rng=rng)
    walk.add([contacts[key] for key in list(contacts)[:3]], now=0.0)
    asked: list[Contact] = []
    now = 0.0
    while (query := walk.next_query(now=now)) is not None:
        node, target = query
        asked.append(node)
        named = sorted(tables[node.key], key=lambda other: other.key ^ target)[:8]
        walk.on_answer(node, named, sample(), now=now)
        now += 0.001
    assert len(asked) == len(set(asked)) > 0.97 * count


def test_a_node_that_may_be_asked_again_wakes_the_walk_once() -> None:
    walk = walk_of()
    walk.add([contact(1)], now=0.0)
    query = walk.next_query(now=0.0)
    assert query is not None
    walk.on_answer(query[0], [], sample(interval_s=1000), now=1.0)
    assert walk.next_timer(now=2.0) == 1001.0
    assert walk.next_timer(now=1001.0) == float("inf")  # nothing more to wait for, until somebody is added
