"""Back-off, streams, reputation, buckets, networks: one rule each."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.backoff import Backoff
from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.machine import Machine
from transfer.limits.refusal import Refusal
from transfer.limits.reputation import Bans, Reputation, ReputationConfig
from transfer.limits.resources import Resource, ScopeLimits
from transfer.limits.shares import Networks, network_name, share_name
from transfer.limits.streams import StreamLimitConfig, StreamLimits
from transfer.limits.token_bucket import TokenBucket

# Back-off


def test_waits_double_up_to_the_bound() -> None:
    rule = Backoff(first_s=10.0, max_s=60.0)
    assert [rule.delay_s(failures) for failures in (0, 1, 2, 3, 4, 5, 10_000)] == [
        0.0,
        10.0,
        20.0,
        40.0,
        60.0,
        60.0,
        60.0,
    ]


@given(
    first_s=st.floats(0.001, 100),
    more_s=st.floats(0, 1e6),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
    failures=st.integers(1, 10**6),
    seed=st.integers(),
)
def test_a_wait_is_within_its_bounds(
    first_s: float, more_s: float, factor: float, jitter: float, failures: int, seed: int
) -> None:
    rule = Backoff(first_s=first_s, max_s=first_s + more_s, factor=factor, jitter=jitter)
    without = Backoff(first_s=first_s, max_s=first_s + more_s, factor=factor)
    longest = without.delay_s(failures)
    assert first_s <= longest <= rule.max_s
    assert longest * (1 - jitter) * 0.999 <= rule.delay_s(failures, rng=Random(seed)) <= longest
    assert longest <= without.delay_s(failures + 1)


@pytest.mark.parametrize(
    "wrong", [{"first_s": 0.0}, {"first_s": 2.0, "max_s": 1.0}, {"factor": 0.5}, {"jitter": 1.5}, {"jitter": -0.1}]
)
def test_a_back_off_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="back-off"):
        Backoff(**{"first_s": 1.0, "max_s": 10.0, **wrong})


def test_jitter_needs_a_source() -> None:
    with pytest.raises(ValueError, match="random source"):
        Backoff(first_s=1.0, max_s=2.0, jitter=0.5).delay_s(1)


# Streams


def test_a_connection_carries_so_many_streams_each_way_and_they_count_above() -> None:
    root = Scope(ScopeKind.SYSTEM, "system", ScopeLimits(memory=1000))
    protocol = root.child(ScopeKind.PROTOCOL, "/ping", ScopeLimits(streams_in=2, keeps_reserve=False))
    limits = StreamLimits(
        root.child(ScopeKind.CONNECTION, "c"), StreamLimitConfig(max_inbound=3, stream_memory_bytes=10)
    )
    streams = [limits.open(f"s{number}", is_inbound=True) for number in range(4)]
    refusal = streams.pop()
    assert isinstance(refusal, Refusal)
    assert str(refusal) == "c has 3 of 3 inbound streams (max_inbound_streams)"
    assert root.usage() == {Resource.STREAMS_IN: 3, Resource.STREAMS: 3, Resource.MEMORY: 30}
    outcomes = []
    for stream in streams:
        assert isinstance(stream, Scope)
        outcomes.append(limits.settle(stream, protocol))
    assert [outcome is None for outcome in outcomes] == [True, True, False]
    assert outcomes[2] is not None
    assert outcomes[2].scope == "/ping"
    for stream in streams:
        assert isinstance(stream, Scope)
        stream.close()
    assert isinstance(limits.open("out", is_inbound=False, protocol=protocol), Scope)
    root.check_invariants()
    assert root.used(Resource.STREAMS_OUT) == protocol.used(Resource.STREAMS_OUT) == 1


def test_the_defaults_are_128_and_256() -> None:
    limits = StreamLimits(Scope(ScopeKind.CONNECTION, "c"))
    for is_inbound, most in ((True, 128), (False, 256)):
        found = [isinstance(limits.open("s", is_inbound=is_inbound), Scope) for _ in range(most + 1)]
        assert found == [True] * most + [False]


# Reputation


def test_deeds_fade_and_the_worst_are_shut_out_for_longer_each_time() -> None:
    reputation: Reputation[str] = Reputation(
        ReputationConfig(half_life_s=100.0, ban_below=-10.0, ban_s=60.0, max_ban_s=90.0)
    )
    assert reputation.note("a", -8.0, "spoilt a piece", now=0.0) is None
    assert reputation.score("a", now=100.0) == pytest.approx(-4.0)
    assert reputation.note("a", -4.0, "spoilt a piece", now=100.0) is None
    ban = reputation.note("a", -4.0, "lied", now=100.0)
    assert ban is not None
    assert (ban.reason, ban.until) == ("lied", 160.0)
    assert reputation.ban("a", now=159.0) == ban
    assert reputation.ban("a", now=160.0) is None
    again = reputation.note("a", -11.0, "lied again", now=200.0)
    assert again is not None
    assert again.until == 290.0
    assert reputation.ban("b", now=0.0) is None
    reputation.note("b", 1e9, "gave", now=0.0)
    assert reputation.score("b", now=0.0) == 200.0
    reputation.check_invariants()


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-300, 300), st.floats(0, 50)), max_size=60))
def test_the_bounds_of_a_reputation_hold(deeds: list[tuple[int, float, float]]) -> None:
    reputation: Reputation[int] = Reputation(ReputationConfig(max_known=4, max_bans=2))
    now = 0.0
    for key, points, seconds in deeds:
        now += seconds
        before = reputation.score(key, now=now)
        ban = reputation.note(key, points, "did it", now=now)
        assert (ban is not None) == (max(-200.0, min(200.0, before + points)) < -100.0)
        assert reputation.ban(key, now=now) is not None or ban is None
        reputation.check_invariants()


def test_a_shorter_ban_does_not_replace_a_longer_one() -> None:
    bans: Bans[str] = Bans(max_bans=2)
    bans.add("a", "for ever", now=0.0)
    bans.add("a", "for a while", now=0.0, duration_s=5.0)
    ban = bans.get("a", now=100.0)
    assert ban is not None
    assert ban.reason == "for ever"
    bans.lift("a")
    bans.lift("a")
    assert bans.get("a", now=0.0) is None
    for key in "bcd":
        bans.add(key, "", now=0.0)
    assert list(bans) == ["c", "d"]


# The rest


def test_a_bucket_says_how_long_it_takes() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=4.0, now=0.0)
    assert bucket.spend(4.0, now=0.0)
    assert bucket.is_spent
    assert bucket.wait_s(3.0, now=0.5) == 1.0
    assert bucket.wait_s(3.0, now=9.0) == 0.0
    assert bucket.wait_s(5.0, now=9.0) == float("inf")


def test_networks_of_a_setting() -> None:
    networks = Networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
    inside = ["10.1.2.3", "2001:db8::1", "192.0.2.7", "::ffff:10.0.0.1"]
    outside = ["11.0.0.1", "2001:db9::1", "192.0.2.8", "somewhere", ""]
    for _ in range(2):  # the second time from memory
        assert all(host in networks for host in inside)
        assert not any(host in networks for host in outside)
    assert not Networks()
    for number in range(5000):
        assert f"172.16.{number >> 8}.{number & 255}" not in networks
    with pytest.raises(ValueError, match="'house' is no IP address"):
        Networks(["house"])


def test_names_of_shares() -> None:
    assert (share_name("8.8.8.8"), network_name("8.8.8.8")) == ("8.8.8.8", "8.8.8.0/24")
    assert (share_name("2001:db8::1"), network_name("2001:db8::1")) == ("2001:db8::/64", "2001:db8::/48")
    assert share_name("somewhere") == network_name("somewhere") == "somewhere"


def test_what_of_a_machine_is_for_connections() -> None:
    assert (Machine().memory_share, Machine().descriptor_share) == (None, None)
    machine = Machine(ram_bytes=8 << 30, descriptors=1024)
    assert (machine.memory_share, machine.descriptor_share) == (1 << 30, 512)
    tiny = Machine(ram_bytes=1 << 20, descriptors=8)
    assert (tiny.memory_share, tiny.descriptor_share) == (16 << 20, 16)
