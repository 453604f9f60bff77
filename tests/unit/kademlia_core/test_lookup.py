from __future__ import annotations

import pytest

from kademlia_core import Contact, Key, LookupConfig, LookupCore, LookupStats
from transfer.address import Address

TARGET = Key(0, 8)


def contact(value: int, port: int | None = None) -> Contact:
    return Contact(Key(value, 8), Address("127.0.0.1", port or 1 + value))


def test_an_answer_frees_its_place_at_once() -> None:
    lookup = LookupCore(TARGET, [contact(value) for value in (9, 5, 7, 3)], config=LookupConfig(k=4, alpha=2))
    assert lookup.queries_to_send(0.0) == [contact(3), contact(5)]
    assert lookup.queries_to_send(0.1) == []
    lookup.on_response(contact(5), [contact(1)], 0.2)
    assert lookup.queries_to_send(0.2) == [contact(1)]  # 3 is still awaited: no lock-step rounds


def test_a_slow_contact_stops_counting_and_may_answer_late() -> None:
    lookup = LookupCore(TARGET, [contact(1), contact(2)], config=LookupConfig(k=1, alpha=1, short_timeout_s=1.0))
    assert lookup.queries_to_send(0.0) == [contact(1)]
    assert lookup.next_timer() == 1.0
    assert lookup.queries_to_send(0.9) == []
    assert lookup.queries_to_send(1.0) == [contact(2)]
    assert lookup.stats.slow == 1
    lookup.on_response(contact(2), [], 1.1)
    assert lookup.awaits_only_slow
    ended_before = lookup.is_finished
    lookup.on_response(contact(1), [], 3.0)
    assert (ended_before, lookup.is_finished) == (False, True)  # the closer one might yet answer, and did
    assert lookup.result() == [contact(1)]


def test_a_failed_contact_makes_way_for_the_next() -> None:
    lookup = LookupCore(TARGET, [contact(1), contact(2)], config=LookupConfig(k=1, alpha=2))
    assert lookup.queries_to_send(0.0) == [contact(1)]  # one place among the k closest: the second is not needed yet
    lookup.on_failure(contact(1), 0.5)
    assert lookup.queries_to_send(0.5) == [contact(2)]
    lookup.on_response(contact(2), [], 0.6)
    assert lookup.is_finished
    assert lookup.stats == LookupStats(hops=1, queries=2, responses=1, failures=1)


def test_hops_are_the_depth_of_the_closest_that_answered() -> None:
    lookup = LookupCore(TARGET, [contact(64)], config=LookupConfig(k=1))
    for value, closer in ((64, 32), (32, 16), (16, 16)):
        assert lookup.queries_to_send(0.0) == [contact(value)]
        lookup.on_response(contact(value), [contact(closer)], 0.0)
    assert lookup.is_finished
    assert lookup.stats.hops == 3


def test_nobody_to_ask_is_an_end_with_an_empty_result() -> None:
    lookup = LookupCore(TARGET, [])
    assert lookup.queries_to_send(0.0) == []
    assert lookup.is_finished
    assert lookup.result() == []
    assert lookup.stats == LookupStats()


def test_nobody_can_aim_a_lookup_at_one_address() -> None:
    victims = [contact(value, port=1) for value in range(1, 40)]
    lookup = LookupCore(TARGET, victims, config=LookupConfig(alpha=8, max_keys_per_address=2))
    assert len(lookup.queries_to_send(0.0)) == 2


def test_keys_of_another_width_and_the_own_key_are_no_candidates() -> None:
    strange = Contact(Key(1, 16), Address("127.0.0.1", 9))
    lookup = LookupCore(TARGET, [strange, contact(4)], own_key=Key(4, 8))
    assert lookup.queries_to_send(0.0) == []


def test_the_farthest_is_forgotten_when_there_are_too_many() -> None:
    config = LookupConfig(k=2, alpha=2, max_unqueried=2)
    lookup = LookupCore(TARGET, [contact(value) for value in (10, 20, 5, 30)], config=config)
    assert lookup.queries_to_send(0.0) == [contact(5), contact(10)]
    lookup.on_failure(contact(5), 0.0)
    lookup.on_failure(contact(10), 0.0)
    assert lookup.is_finished


@pytest.mark.parametrize(
    "bad",
    [
        {"k": 0},
        {"alpha": 0},
        {"short_timeout_s": 0.0},
        {"max_queries": 7},
        {"max_unqueried": 7},
        {"max_contacts_per_response": 0},
        {"max_keys_per_address": 0},
    ],
)
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        LookupConfig(**bad)
