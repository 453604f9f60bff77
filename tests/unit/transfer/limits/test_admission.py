"""Who may connect: caps, shares, rates, the reserve of those who have nobody, and the reasons that are given."""

from __future__ import annotations

from typing import Any

import pytest

from transfer.limits.admission import AdmissionCore
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.machine import Machine
from transfer.limits.places import Group, Seat
from transfer.limits.refusal import Refusal
from transfer.limits.resources import Resource

NAMES = {"max_per_address": "max_connections_per_host"}


def core_of(machine: Machine | None = None, **config: Any) -> AdmissionCore:
    return AdmissionCore(AdmissionConfig(**config), machine=machine or Machine())


def settled(core: AdmissionCore, host: str, group: Group | None = None) -> Seat | Refusal:
    arrival = core.arrive(host, now=0.0)
    if arrival.seat is None:
        assert arrival.refusal is not None
        return arrival.refusal
    return core.settle(arrival.seat, group=group, now=0.0) or arrival.seat


def host(number: int) -> str:
    return f"8.{number >> 8 & 255}.{number & 255}.1"


def test_a_sixteenth_is_kept_and_the_refusal_says_what_is_full() -> None:
    core = core_of(max_half_open=2000)
    seats = [settled(core, host(number)) for number in range(1500)]
    assert sum(isinstance(seat, Seat) for seat in seats) == 960
    assert str(seats[-1]) == f"{host(1499)}: system has 960 of 960 inbound connections (max_inbound)"
    (summary,) = core.explain(now=1.0).refusals
    assert (summary.count, summary.latest.limit) == (540, "max_inbound")
    assert core.explain(now=1.0).usage["max_inbound"] == (960, 1024)
    assert core.refused == 540


def test_the_reserve_is_for_groups_that_have_next_to_nobody_and_the_largest_pays_it_back() -> None:
    core = core_of(max_inbound=32, guaranteed=2)
    fat, thin, new = core.join("fat"), core.join("thin"), core.join("new")
    fats = [settled(core, host(number), fat) for number in range(40)]
    assert sum(isinstance(seat, Seat) for seat in fats) == 30
    assert core.owes(fat) is None
    assert [isinstance(settled(core, host(number), thin), Seat) for number in (100, 101, 102)] == [True, True, False]
    assert isinstance(settled(core, host(103), new), Refusal), "not even the reserve is endless"
    assert (core.owes(fat), core.owes(thin)) == (Resource.CONNECTIONS_IN, None)
    for seat in fats[:2]:
        assert isinstance(seat, Seat)
        core.leave(seat)
    assert core.owes(fat) is None
    assert isinstance(settled(core, host(104), new), Seat)


def test_calls_have_a_reserve_as_well_of_a_few_for_each_group() -> None:
    core = core_of(max_outbound=32, max_dialling=100, guaranteed_calls=3)
    fat, thin = core.join("fat"), core.join("thin")
    calls = 0
    while core.room_to_call(fat) > 0:
        assert isinstance(core.call(host(calls), group=fat, now=0.0), Seat)
        calls += 1
    assert calls == 30
    assert isinstance(core.call(host(99), group=fat, now=0.0), Refusal)
    assert core.room_to_call(thin) == 2, "all that is left, which is less than three"
    assert isinstance(core.call(host(100), group=thin, now=0.0), Seat)


def test_an_address_and_a_subnet_have_shares_and_those_who_are_exempt_none() -> None:
    core = core_of(
        max_per_address=2, max_per_subnet=3, exempt=("10.0.0.0/8", "2001:db8::/32"), setting=NAMES, max_half_open=99
    )
    hosts = ["8.8.8.8", "8.8.8.8", "8.8.8.8", "8.8.8.9", "8.8.8.10", "8.8.9.1"]
    found = [settled(core, it) for it in hosts]
    assert [isinstance(it, Seat) for it in found] == [True, True, False, True, False, True]
    assert str(found[2]) == "8.8.8.8: 8.8.8.8 has 2 of 2 connections (max_connections_per_host)"
    assert str(found[4]) == "8.8.8.10: 8.8.8.0/24 has 3 of 3 connections (max_per_subnet)"
    for it in ("10.1.2.3", "2001:db8::5", "::ffff:10.9.9.9"):
        assert all(isinstance(settled(core, it), Seat) for _ in range(9))
    assert isinstance(settled(core, "127.0.0.1"), Seat)
    assert [isinstance(settled(core, "127.0.0.1"), Seat) for _ in range(2)] == [True, False], "only those on the list"


def test_one_ipv6_subscriber_is_one_address() -> None:
    core = core_of(max_per_address=1, max_per_subnet=2)
    assert isinstance(settled(core, "2001:db8:1:1::1"), Seat)
    assert isinstance(settled(core, "2001:db8:1:1::2"), Refusal)
    assert isinstance(settled(core, "2001:db8:1:2::1"), Seat)
    refusal = settled(core, "2001:db8:1:3::1")
    assert isinstance(refusal, Refusal)
    assert refusal.scope == "2001:db8:1::/48"


def test_who_connects_too_fast_is_refused_and_others_are_not() -> None:
    core = core_of(accepts_per_address_per_s=1, accept_burst_per_address=3, accepts_per_s=10, accept_burst=8)
    found = [core.arrive("8.8.8.8", now=0.0) for _ in range(4)]
    assert [it.seat is not None for it in found] == [True, True, True, False]
    assert found[3].refusal is not None
    assert found[3].refusal.limit == "accepts_per_address_per_s"
    assert core.arrive("8.8.8.8", now=1.0).seat is not None
    others = [core.arrive(host(number), now=1.0) for number in range(9)]
    assert [it.seat is not None for it in others] == [True] * 7 + [False] * 2
    assert others[8].refusal is not None
    assert others[8].refusal.limit == "accepts_per_s"
    assert core.arrive("127.0.0.1", now=1.0).seat is None, "nobody is exempt from the rate of all together"


def test_exemption_does_not_keep_anybody_from_making_room() -> None:
    core = core_of(max_half_open=3, exempt=("10.0.0.0/8",))
    first = [core.arrive("10.0.0.1", now=0.0).seat for _ in range(3)]
    arrival = core.arrive("8.8.8.8", now=0.0)
    assert arrival.leaving == (first[0],)
    assert first[0] is not None
    assert first[0].is_gone
    assert core.waiting == 3
    (summary,) = core.explain(now=0.0).refusals
    assert (summary.latest.limit, summary.subjects) == ("max_half_open", ("10.0.0.1",))


def test_whose_handshake_takes_too_long_leaves() -> None:
    core = core_of(handshake_timeout_s=10.0)
    seat = core.arrive("8.8.8.8", now=1.0).seat
    assert core.next_timer() == 11.0
    assert core.handle_timer(now=10.9) == []
    assert core.handle_timer(now=11.0) == [seat]
    assert core.next_timer() is None
    assert core.budget.is_empty
    assert [summary.latest.limit for summary in core.explain(now=11.0).refusals] == ["handshake_timeout_s"]


def test_few_descriptors_are_shared_by_all_and_handshakes_get_a_quarter() -> None:
    core = core_of(Machine(descriptors=128))
    seats = [settled(core, host(number)) for number in range(100)]
    assert sum(isinstance(seat, Seat) for seat in seats) == 45, (
        "64 for connections, 48 of them settled, less the reserve"
    )
    refusal = seats[-1]
    assert isinstance(refusal, Refusal)
    assert (refusal.limit, refusal.what) == ("descriptors", "file descriptors")
    assert core.room_to_call() == 0
    for number in range(100, 200):
        assert core.arrive(host(number), now=0.0).seat is not None, "who knocks is heard"
    assert core.waiting == 16
    assert core.budget.used(Resource.DESCRIPTORS) == 61


def test_memory_is_shared_as_well() -> None:
    core = core_of(memory_bytes=1 << 20, connection_memory_bytes=1 << 17)
    seats = [settled(core, host(number)) for number in range(9)]
    assert sum(isinstance(seat, Seat) for seat in seats) == 7
    refusal = seats[-1]
    assert isinstance(refusal, Refusal)
    assert refusal.what == "bytes of memory"
    assert core.lacking(is_inbound=True) is Resource.MEMORY
    assert core.room_to_call() == 0


def test_who_is_blocked_is_no_matter_of_limits() -> None:
    core = core_of()
    core.blocks = lambda host: host == "6.6.6.6"
    arrival = core.arrive("6.6.6.6", now=0.0)
    assert (arrival.seat, arrival.refusal, core.refused) == (None, None, 1)
    assert core.explain(now=0.0).refusals == ()


def test_an_owner_may_have_a_limit_of_its_own() -> None:
    core = core_of()
    seat = core.arrive("8.8.8.8", now=0.0).seat
    assert seat is not None
    refusal = Refusal(limit="max_connections_per_torrent", scope="a torrent", what="connections", in_use=60, most=60)
    core.refuse(seat, refusal, now=0.0)
    assert seat.is_gone
    assert str(core.explain(now=0.0)).startswith("max_connections_per_torrent: a torrent had 60 of 60 connections")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"max_inbound": 0}, "max_inbound must be positive"),
        ({"accepts_per_s": -1}, "accepts_per_s must be positive"),
        ({"connection_memory_bytes": -1}, "must not be negative"),
        ({"exempt": ("10.0.0.0/33",)}, "'10.0.0.0/33' is no IP address and no network"),
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        AdmissionConfig(**wrong)
