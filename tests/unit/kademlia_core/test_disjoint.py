from __future__ import annotations

from kademlia_core import Contact, DisjointLookup, Key, LookupConfig, LookupCore, LookupStats, new_lookup
from tests.lookup_network import has_ended
from transfer.address import Address

TARGET = Key(0, 8)
TWO_PATHS = LookupConfig(k=2, alpha=2, paths=2)


def contact(value: int, port: int | None = None) -> Contact:
    return Contact(Key(value, 8), Address("127.0.0.1", port or 1 + value))


def test_contacts_are_dealt_out_and_each_path_follows_its_own_answers() -> None:
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=TWO_PATHS)
    assert lookup.queries_to_send(now=0.0) == [contact(100), contact(101)]
    lookup.on_response(contact(100), [contact(1), contact(2)], now=0.1)  # a liar leads the first path astray
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.on_response(contact(1), [], now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(2)]
    lookup.on_response(contact(2), [], now=0.3)
    assert not has_ended(lookup)
    lookup.on_response(contact(101), [contact(3), contact(4)], now=0.3)  # the second path knows nothing of 1 and 2
    assert lookup.queries_to_send(now=0.3) == [contact(3)]
    lookup.on_response(contact(3), [], now=0.4)
    assert lookup.queries_to_send(now=0.4) == [contact(4)]
    lookup.on_failure(contact(4), now=0.5)
    lookup.check_invariants()
    assert lookup.is_finished
    assert lookup.result() == [contact(1), contact(2)]
    assert (lookup.stats.queries, lookup.stats.responses, lookup.stats.failures) == (6, 5, 1)
    assert (lookup.stats.hops, lookup.stats.duration_s) == (2, 0.5)


def test_what_one_path_has_asked_the_other_does_not_ask_again() -> None:
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=TWO_PATHS)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(1)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.on_response(contact(101), [contact(1), contact(5)], now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(5)]  # 1 is on its way, and holds up nobody behind it
    lookup.on_response(contact(1), [contact(2)], now=0.3)
    lookup.on_response(contact(5), [], now=0.4)
    assert lookup.queries_to_send(now=0.4) == [contact(2)]  # named by 1, so it belongs to the first path
    lookup.on_response(contact(2), [], now=0.5)
    assert lookup.is_finished
    assert lookup.result() == [contact(1), contact(2)]
    lookup.check_invariants()


def test_a_contact_that_failed_on_one_path_has_failed_on_all() -> None:
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=TWO_PATHS)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(1)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.on_failure(contact(1), now=0.2)
    lookup.on_response(contact(101), [contact(1)], now=0.3)
    assert lookup.queries_to_send(now=0.3) == []
    assert lookup.is_finished
    assert lookup.result() == [contact(100), contact(101)]
    assert lookup.stats.failures == 1


def test_an_answer_counts_even_when_the_path_that_asked_has_ended() -> None:
    config = LookupConfig(k=2, alpha=4, paths=2, patience_s=2.0)
    lookup = DisjointLookup(TARGET, [contact(1), contact(100), contact(2), contact(3), contact(4)], config=config)
    assert lookup.queries_to_send(now=0.0) == [contact(1), contact(2), contact(3), contact(100)]
    lookup.on_response(contact(2), [], now=0.1)
    assert lookup.queries_to_send(now=1.0) == [contact(4)]
    lookup.on_response(contact(4), [], now=1.1)
    lookup.on_response(contact(3), [contact(1), contact(5)], now=1.5)
    assert lookup.queries_to_send(now=1.5) == [contact(5)]
    lookup.handle_timer(now=2.0)  # the first path has two answers and no more patience with 1
    assert not has_ended(lookup)
    lookup.on_response(contact(1), [contact(77)], now=2.1)
    assert lookup.is_finished
    assert lookup.result() == [contact(1), contact(2)]
    lookup.on_response(contact(5), [], now=2.2)
    assert (lookup.stats.responses, lookup.stats.duration_s) == (3, 2.1)


def test_a_path_with_only_inventions_left_does_not_hold_up_the_end() -> None:
    config = LookupConfig(k=2, alpha=2, paths=2, max_silent_per_source=1)
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=config)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(value) for value in range(1, 20)], now=0.1)  # nobody is there
    lookup.on_response(contact(101), [contact(50)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1), contact(50)]
    lookup.on_response(contact(50), [], now=0.2)
    assert lookup.queries_to_send(now=1.125) == [contact(2)]
    lookup.on_failure(contact(1), now=1.25)
    assert not has_ended(lookup)
    lookup.on_failure(contact(2), now=1.5)
    assert lookup.is_finished
    assert lookup.result() == [contact(50), contact(100)]
    lookup.check_invariants()


def test_inventions_are_tried_when_nothing_else_is_left() -> None:
    config = LookupConfig(k=3, alpha=2, paths=2, max_silent_per_source=0)
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=config)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(1), contact(2)], now=0.1)
    lookup.on_response(contact(101), [], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.on_failure(contact(1), now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(2)]
    lookup.on_response(contact(2), [], now=0.3)
    assert lookup.is_finished
    assert lookup.result() == [contact(2), contact(100), contact(101)]


def test_nobody_can_aim_several_paths_at_one_address() -> None:
    victims = [contact(value, port=1) for value in range(1, 40)]
    config = LookupConfig(alpha=8, paths=4, max_keys_per_address=2)
    lookup = DisjointLookup(TARGET, victims, config=config)
    assert len(lookup.queries_to_send(now=0.0)) == 2
    lookup.check_invariants()


def test_fewer_contacts_than_paths_are_enough() -> None:
    lookup = DisjointLookup(TARGET, [contact(9)], config=LookupConfig(k=2, paths=4))
    assert lookup.queries_to_send(now=0.0) == [contact(9)]
    lookup.add_candidates([contact(8), contact(9)])
    assert lookup.queries_to_send(now=0.0) == []  # the window of the path is full
    lookup.on_response(contact(9), [], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(8)]
    lookup.on_response(contact(8), [], now=0.2)
    assert lookup.is_finished
    assert lookup.result() == [contact(8), contact(9)]


def test_a_slow_contact_is_slow_on_its_path_only() -> None:
    lookup = DisjointLookup(TARGET, [contact(1), contact(2)], config=TWO_PATHS)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(2), [], now=0.1)
    assert (lookup.awaits_only_slow, lookup.stats.slow) == (False, 0)
    assert lookup.next_timer() == TWO_PATHS.short_timeout_s
    lookup.handle_timer(now=1.0)
    assert lookup.awaits_only_slow
    assert lookup.stats.slow == 1
    lookup.on_failure(contact(1), now=5.0)
    assert lookup.is_finished
    assert lookup.next_timer() is None


def test_traffic_and_round_trips_are_summed() -> None:
    lookup = DisjointLookup(TARGET, [contact(1), contact(2)], config=TWO_PATHS)
    assert lookup.stats == LookupStats()
    lookup.queries_to_send(now=1.0)
    lookup.add_traffic(sent_bytes=100)
    lookup.add_traffic(sent_bytes=100, received_bytes=300)
    lookup.on_response(contact(2), [], now=1.25)
    lookup.on_response(contact(1), [], now=1.5)
    assert (lookup.stats.sent_bytes, lookup.stats.received_bytes) == (200, 300)
    assert lookup.stats.rtts_s == (0.25, 0.5)
    assert (lookup.stats.median_rtt_s, lookup.stats.max_rtt_s) == (0.375, 0.5)


def test_the_configuration_chooses_the_kind() -> None:
    assert isinstance(new_lookup(TARGET, []), LookupCore)
    assert isinstance(new_lookup(TARGET, [], config=TWO_PATHS), DisjointLookup)


def test_no_more_contacts_are_dealt_out_than_the_bound() -> None:
    config = LookupConfig(k=2, alpha=2, paths=2, max_unqueried=3, max_queries=8)
    lookup = DisjointLookup(TARGET, [contact(value) for value in (100, 101, 102)], config=config)
    lookup.add_candidates([contact(1)])  # the closest of all, and one too many
    asked: list[Contact] = []
    while not has_ended(lookup):
        for one in lookup.queries_to_send(now=0.0):
            asked.append(one)
            lookup.on_failure(one, now=0.0)
    assert sorted(asked, key=lambda one: one.key) == [contact(100), contact(101), contact(102)]


def test_what_comes_late_is_dealt_out_among_the_paths_that_go_on() -> None:
    lookup = DisjointLookup(TARGET, [contact(100), contact(101)], config=TWO_PATHS)
    assert lookup.queries_to_send(now=0.0) == [contact(100), contact(101)]
    lookup.on_failure(contact(101), now=0.1)  # the second path has nobody left
    lookup.add_candidates([contact(1), contact(2), contact(3)])
    asked = []
    for step in range(3):
        lookup.on_failure(contact(100), now=0.2)
        (one,) = lookup.queries_to_send(now=0.2 + step)
        asked.append(one)
        lookup.on_failure(one, now=0.2 + step)
    assert asked == [contact(1), contact(2), contact(3)]
    assert lookup.is_finished
