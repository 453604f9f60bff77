from __future__ import annotations

from typing import Any

import pytest

from kademlia_core import Contact, Key, LookupConfig, LookupCore, LookupStats
from tests.lookup_network import has_ended
from transfer.address import Address

TARGET = Key(0, 8)


def contact(value: int, port: int | None = None) -> Contact:
    return Contact(Key(value, 8), Address("127.0.0.1", port or 1 + value))


def test_an_answer_frees_its_place_at_once() -> None:
    lookup = LookupCore(TARGET, [contact(value) for value in (9, 5, 7, 3)], config=LookupConfig(k=4, alpha=2))
    assert lookup.queries_to_send(now=0.0) == [contact(3), contact(5)]
    assert lookup.queries_to_send(now=0.1) == []
    lookup.on_response(contact(5), [contact(1)], now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(1)]  # 3 is still awaited: no lock-step rounds


def test_a_slow_contact_stops_counting_and_may_answer_late() -> None:
    lookup = LookupCore(TARGET, [contact(1), contact(2)], config=LookupConfig(k=1, alpha=1, short_timeout_s=1.0))
    assert lookup.queries_to_send(now=0.0) == [contact(1)]
    assert lookup.next_timer() == 1.0
    assert lookup.queries_to_send(now=0.9) == []
    assert lookup.queries_to_send(now=1.0) == [contact(2)]
    assert lookup.stats.slow == 1
    lookup.on_response(contact(2), [], now=1.1)
    assert lookup.awaits_only_slow
    ended_before = lookup.is_finished
    lookup.on_response(contact(1), [], now=3.0)
    assert (ended_before, lookup.is_finished) == (False, True)  # the closer one might yet answer, and did
    assert lookup.result() == [contact(1)]


def test_a_failed_contact_makes_way_for_the_next() -> None:
    lookup = LookupCore(TARGET, [contact(1), contact(2)], config=LookupConfig(k=1, alpha=2))
    assert lookup.queries_to_send(now=0.0) == [contact(1)]  # one place among the k closest: no need for the second yet
    lookup.on_failure(contact(1), now=0.5)
    assert lookup.queries_to_send(now=0.5) == [contact(2)]
    lookup.on_response(contact(2), [], now=0.75)
    assert lookup.is_finished
    lookup.add_traffic(sent_bytes=200, received_bytes=300)
    assert lookup.stats == LookupStats(
        hops=1,
        queries=2,
        responses=1,
        failures=1,
        sent_bytes=200,
        received_bytes=300,
        rtts_s=(0.25,),
        duration_s=0.75,
    )


def test_hops_are_the_depth_of_the_closest_that_answered() -> None:
    lookup = LookupCore(TARGET, [contact(64)], config=LookupConfig(k=1))
    for value, closer in ((64, 32), (32, 16), (16, 16)):
        assert lookup.queries_to_send(now=0.0) == [contact(value)]
        lookup.on_response(contact(value), [contact(closer)], now=0.0)
    assert lookup.is_finished
    assert lookup.stats.hops == 3


def test_nobody_to_ask_is_an_end_with_an_empty_result() -> None:
    lookup = LookupCore(TARGET, [])
    assert lookup.queries_to_send(now=0.0) == []
    assert lookup.is_finished
    assert lookup.result() == []
    assert lookup.stats == LookupStats()


def test_nobody_can_aim_a_lookup_at_one_address() -> None:
    victims = [contact(value, port=1) for value in range(1, 40)]
    lookup = LookupCore(TARGET, victims, config=LookupConfig(alpha=8, max_keys_per_address=2))
    assert len(lookup.queries_to_send(now=0.0)) == 2


def test_keys_of_another_width_and_the_own_key_are_no_candidates() -> None:
    strange = Contact(Key(1, 16), Address("127.0.0.1", 9))
    lookup = LookupCore(TARGET, [strange, contact(4)], own_key=Key(4, 8))
    assert lookup.queries_to_send(now=0.0) == []


def test_the_farthest_is_forgotten_when_there_are_too_many() -> None:
    config = LookupConfig(k=2, alpha=2, max_unqueried=2)
    lookup = LookupCore(TARGET, [contact(value) for value in (10, 20, 5, 30)], config=config)
    assert lookup.queries_to_send(now=0.0) == [contact(5), contact(10)]
    lookup.on_failure(contact(5), now=0.0)
    lookup.on_failure(contact(10), now=0.0)
    assert lookup.is_finished


def test_one_silent_contact_holds_up_the_end_only_while_there_is_patience() -> None:
    config = LookupConfig(k=2, short_timeout_s=1.0, patience_s=2.0)
    lookup = LookupCore(TARGET, [contact(1), contact(2), contact(3)], config=config)
    assert lookup.queries_to_send(now=0.0) == [contact(1), contact(2)]
    lookup.on_response(contact(2), [], now=0.1)
    assert lookup.queries_to_send(now=1.0) == [contact(3)]  # 1 is slow by now
    lookup.on_response(contact(3), [], now=1.1)
    assert not has_ended(lookup)
    assert lookup.next_timer() == 2.0
    lookup.handle_timer(now=2.0)
    assert lookup.is_finished
    assert lookup.result() == [contact(2), contact(3)]


@pytest.mark.parametrize(("rtt_s", "slow_at", "overdue_at"), [(0.1, 0.3, 0.8), (0.01, 0.25, 0.75), (0.9, 1.0, 2.0)])
def test_where_answers_come_fast_patience_is_short(rtt_s: float, slow_at: float, overdue_at: float) -> None:
    contacts = [contact(value) for value in range(1, 6)]
    config = LookupConfig(k=4, alpha=4, short_timeout_s=1.0, patience_s=2.0)
    lookup = LookupCore(TARGET, contacts, config=config)
    assert lookup.queries_to_send(now=0.0) == contacts[:4]
    for answering in contacts[1:4]:
        lookup.on_response(answering, [], now=rtt_s)
    timer = lookup.next_timer()
    assert timer == pytest.approx(slow_at)
    assert timer is not None
    assert lookup.queries_to_send(now=timer) == [contacts[4]]
    lookup.on_response(contacts[4], [], now=timer + rtt_s)
    assert not has_ended(lookup)
    timer = lookup.next_timer()
    assert timer == pytest.approx(overdue_at)
    assert timer is not None
    lookup.handle_timer(now=timer)
    assert lookup.is_finished


def test_patience_can_be_fixed() -> None:
    contacts = [contact(value) for value in range(1, 6)]
    lookup = LookupCore(TARGET, contacts, config=LookupConfig(k=4, alpha=4, adaptive=False))
    lookup.queries_to_send(now=0.0)
    for answering in contacts[1:4]:
        lookup.on_response(answering, [], now=0.1)
    assert lookup.next_timer() == 1.0


def test_with_too_few_others_the_silent_are_waited_for() -> None:
    config = LookupConfig(k=2, short_timeout_s=1.0, patience_s=2.0)
    lookup = LookupCore(TARGET, [contact(1), contact(2)], config=config)
    assert lookup.queries_to_send(now=0.0) == [contact(1), contact(2)]
    lookup.on_response(contact(2), [], now=0.1)
    lookup.handle_timer(now=2.0)
    assert not has_ended(lookup)
    assert lookup.next_timer() is None  # only the driver knows when an answer can come no more
    lookup.on_response(contact(1), [], now=4.0)
    assert lookup.is_finished
    assert lookup.result() == [contact(1), contact(2)]


def test_an_aggressive_lookup_asks_closer_ones_while_farther_ones_are_awaited() -> None:
    config = LookupConfig(k=2, alpha=2, aggressive=True)
    lookup = LookupCore(TARGET, [contact(100), contact(101)], config=config)
    assert lookup.queries_to_send(now=0.0) == [contact(100), contact(101)]
    lookup.on_response(contact(101), [contact(3), contact(4)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(3), contact(4)]  # 100 is awaited, but out of the running
    assert LookupCore(TARGET, [], config=config).stats == LookupStats()


def test_a_subnet_has_its_share_of_the_result_and_gives_way_to_others() -> None:
    crowd = [Contact(Key(value, 8), Address(f"9.9.9.{value}", 6881)) for value in range(1, 5)]
    other, farther = Contact(Key(90, 8), Address("8.8.8.8", 6881)), Contact(Key(91, 8), Address("host.example", 6881))
    config = LookupConfig(k=3, alpha=3, max_per_subnet=1)
    lookup = LookupCore(TARGET, [*crowd, other, farther], config=config)
    assert lookup.queries_to_send(now=0.0) == [crowd[0], other, farther]
    for asked in (crowd[0], other, farther):
        lookup.on_response(asked, [], now=0.1)
    assert lookup.is_finished
    assert lookup.result() == [crowd[0], other, farther]


def test_a_network_of_one_subnet_is_no_smaller_for_that() -> None:
    crowd = [Contact(Key(value, 8), Address(f"9.9.9.{value}", 6881)) for value in range(1, 5)]
    lookup = LookupCore(TARGET, crowd, config=LookupConfig(k=3, alpha=3, max_per_subnet=1))
    assert lookup.queries_to_send(now=0.0) == crowd[:3]
    for asked in crowd[:3]:
        lookup.on_response(asked, [], now=0.1)
    assert lookup.result() == crowd[:3]


def test_the_untrusted_have_their_share_of_the_result() -> None:
    liars, honest = [contact(1), contact(2), contact(3)], [contact(50), contact(60), contact(70)]
    config = LookupConfig(k=4, alpha=4, untrusted_share=0.25)
    lookup = LookupCore(TARGET, [*liars, *honest], config=config, is_trusted=lambda other: other not in liars)
    assert lookup.queries_to_send(now=0.0) == [liars[0], *honest]
    lookup.on_failure(honest[2], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [liars[1]]  # no others are left


def test_inventions_come_last_once_their_source_has_named_too_many_silent_ones() -> None:
    config = LookupConfig(k=2, alpha=2, max_silent_per_source=1)
    lookup = LookupCore(TARGET, [contact(100), contact(101)], config=config)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(value) for value in range(1, 20)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.on_response(contact(101), [contact(4), contact(50), contact(51)], now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(2)]
    lookup.on_failure(contact(1), now=1.0)
    lookup.on_failure(contact(2), now=1.0)
    assert lookup.queries_to_send(now=1.0) == [contact(4), contact(50)]  # 4 has another who vouches for it
    lookup.on_response(contact(4), [], now=1.1)
    lookup.on_response(contact(50), [], now=1.1)
    assert lookup.queries_to_send(now=1.1) == [contact(3)]  # 4 was alive, so its first source is believed again
    lookup.on_failure(contact(3), now=1.2)
    assert lookup.is_finished
    assert lookup.result() == [contact(4), contact(50)]


def test_to_name_a_living_contact_again_and_again_earns_no_more_credit() -> None:
    config = LookupConfig(k=3, alpha=3, max_silent_per_source=0)
    lookup = LookupCore(TARGET, [contact(100), contact(101)], config=config)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(1)] * 5 + [contact(value) for value in range(2, 9)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1), contact(2)]
    lookup.on_response(contact(1), [contact(50)], now=0.2)
    assert lookup.queries_to_send(now=0.2) == [contact(3)]
    lookup.on_failure(contact(2), now=0.3)
    lookup.on_failure(contact(3), now=0.3)
    assert lookup.queries_to_send(now=0.3) == [contact(50)]  # two silent, and one that answered


def test_a_late_answer_restores_the_credit_of_its_source() -> None:
    config = LookupConfig(k=2, alpha=1, max_silent_per_source=0)
    lookup = LookupCore(TARGET, [contact(100)], config=config)
    lookup.queries_to_send(now=0.0)
    lookup.on_response(contact(100), [contact(1), contact(2)], now=0.1)
    assert lookup.queries_to_send(now=0.1) == [contact(1)]
    lookup.handle_timer(now=1.2)  # 1 is slow, and 2 would come behind 100
    lookup.on_response(contact(1), [], now=1.3)
    assert lookup.queries_to_send(now=1.3) == [contact(2)]


def test_a_radius_takes_in_more_than_k_up_to_a_bound() -> None:
    contacts = [contact(value) for value in range(1, 9)]
    lookup = LookupCore(TARGET, contacts, config=LookupConfig(k=2, alpha=8, max_extra=3), radius=5)
    assert lookup.queries_to_send(now=0.0) == contacts[:4]
    wide = LookupCore(TARGET, contacts, config=LookupConfig(k=2, alpha=8, max_extra=3), radius=9)
    assert wide.queries_to_send(now=0.0) == contacts[:5]


def test_forgetting_a_candidate_gives_its_address_back() -> None:
    config = LookupConfig(k=1, max_unqueried=1, max_keys_per_address=2)
    lookup = LookupCore(TARGET, [contact(value, port=9) for value in (9, 8, 7)], config=config)
    lookup.check_invariants()
    assert lookup.queries_to_send(now=0.0) == [contact(7, port=9)]


@pytest.mark.parametrize(
    "bad",
    [
        {"k": 0},
        {"alpha": 0},
        {"short_timeout_s": 0.0},
        {"paths": 0},
        {"paths": 33},
        {"patience_s": 0.5},
        {"max_per_subnet": 0},
        {"untrusted_share": 1.5},
        {"max_extra": -1},
        {"max_silent_per_source": -1},
        {"expected_in_radius": -1.0},
        {"max_queries": 7},
        {"max_queries": 15, "paths": 2},
        {"max_unqueried": 7},
        {"max_contacts_per_response": 0},
        {"max_keys_per_address": 0},
    ],
)
def test_senseless_configurations_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        LookupConfig(**bad)
