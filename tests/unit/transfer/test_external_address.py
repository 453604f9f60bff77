from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from transfer.address import Address
from transfer.external_address import ExternalAddress, ExternalAddressConfig

OURS, NEW, LIE = Address("8.8.4.4", 6881), Address("9.9.9.9", 6881), Address("6.6.6.6", 6881)


def network(number: int, host: int = 1) -> Address:
    return Address(f"5.{number >> 8}.{number & 255}.{host}", 6881)


def vote_of(seen: Address, voters: int, *, start: int = 0, now: float = 0.0) -> ExternalAddress:
    vote = ExternalAddress(ExternalAddressConfig(), is_ipv6=False)
    for number in range(start, start + voters):
        vote.on_vote(network(number), seen, now=now)
    return vote


def test_a_quorum_of_networks_agrees() -> None:
    vote = vote_of(OURS, 7)
    assert [vote.agreed, vote.on_vote(network(7), OURS, now=0.0), vote.agreed] == [None, True, "8.8.4.4"]
    assert not vote.on_vote(network(8), OURS, now=0.0), "it is told once that the address is another one"


def test_ports_do_not_matter() -> None:
    vote = vote_of(OURS, 4)
    for number in range(4, 8):
        vote.on_vote(network(number), Address("8.8.4.4", number % 3), now=0.0)
    assert vote.agreed == "8.8.4.4"


def test_one_network_has_one_vote() -> None:
    vote = vote_of(OURS, 8)
    for host in range(250):
        assert not vote.on_vote(network(77, host), LIE, now=0.0)
    assert vote.agreed == "8.8.4.4"
    fresh = ExternalAddress(ExternalAddressConfig(), is_ipv6=False)
    for host in range(250):
        assert not fresh.on_vote(network(77, host), LIE, now=0.0)
    assert fresh.agreed is None


def test_a_large_minority_moves_nothing() -> None:
    rng = Random(1)
    vote = vote_of(OURS, 64)
    for number in range(64, 8_000):
        vote.on_vote(network(number), LIE if rng.random() < 0.3 else OURS, now=number / 10)
        assert vote.agreed == "8.8.4.4"


def test_two_thirds_are_not_more_than_two_thirds() -> None:
    vote = ExternalAddress(ExternalAddressConfig(quorum=2), is_ipv6=False)
    for number, seen in enumerate((LIE, OURS, NEW, LIE, LIE, LIE)):
        vote.on_vote(network(number), seen, now=0.0)
    assert vote.agreed is None
    assert vote.on_vote(network(6), LIE, now=0.0)


def test_a_change_of_address_wins_after_as_many_answers_as_votes_are_kept() -> None:
    vote = vote_of(OURS, 64)
    changes = [vote.on_vote(network(100 + number), NEW, now=1.0) for number in range(64)]
    assert changes.index(True) == 42
    assert sum(changes) == 1
    assert vote.agreed == "9.9.9.9"


def test_old_votes_count_no_more() -> None:
    vote = vote_of(OURS, 64)
    for number in range(7):
        assert not vote.on_vote(network(100 + number), NEW, now=3600.0)
    assert vote.agreed == "8.8.4.4", "the last agreement stands until there is another"
    assert vote.on_vote(network(107), NEW, now=3600.0)


def test_a_nat_with_many_addresses_has_none() -> None:
    vote = ExternalAddress(ExternalAddressConfig(), is_ipv6=False)
    for number in range(300):
        vote.on_vote(network(number), Address(f"8.8.4.{number % 3}", 1), now=0.0)
    assert vote.agreed is None


@pytest.mark.parametrize(
    "seen",
    ["192.168.1.2", "127.0.0.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "2a00:1450::1"],
)
def test_impossible_addresses_are_not_voted_for(seen: str) -> None:
    assert vote_of(Address(seen, 6881), 40).agreed is None


def test_local_nodes_have_no_vote() -> None:
    vote = ExternalAddress(ExternalAddressConfig(), is_ipv6=False)
    for number in range(40):
        vote.on_vote(Address(f"10.0.{number}.1", 6881), OURS, now=0.0)
    assert vote.agreed is None


def test_ipv6_networks_are_what_one_site_has() -> None:
    vote = ExternalAddress(ExternalAddressConfig(quorum=2), is_ipv6=True)
    ours = Address("2a00:1450:4001:830::200e", 1)
    for host in range(9):
        vote.on_vote(Address(f"2a02:1:2:{host:x}::1", 1), ours, now=0.0)
    assert vote.agreed is None
    vote.on_vote(Address("2a02:1:3::1", 1), Address("8.8.4.4", 1), now=0.0)
    assert vote.on_vote(Address("2a02:1:3::1", 1), ours, now=0.0)
    assert vote.agreed == ours.host


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(1, 3), st.sampled_from([OURS, NEW, LIE]), st.floats(0, 500)),
        max_size=150,
    )
)
def test_whatever_is_agreed_had_two_thirds(votes: list[tuple[int, int, Address, float]]) -> None:
    config = ExternalAddressConfig(quorum=3, max_votes=9, vote_lifetime_s=2000.0)
    vote, now = ExternalAddress(config, is_ipv6=False), 0.0
    held: dict[int, tuple[str, float]] = {}
    for number, host, seen, pause in votes:
        now += pause
        before = vote.agreed
        changed = vote.on_vote(network(number, host), seen, now=now)
        vote.check_invariants()
        held.pop(number, None)
        held[number] = (seen.host, now)
        held = dict([entry for entry in held.items() if entry[1][1] + 2000.0 > now][-9:])
        hosts = [host for host, _ in held.values()]
        winner = next(
            (host for host in hosts if hosts.count(host) >= 3 and 3 * hosts.count(host) > 2 * len(hosts)), None
        )
        if seen.host == winner:
            assert vote.agreed == winner
            assert changed is (winner != before)
        else:
            assert (changed, vote.agreed) == (False, before)


@pytest.mark.parametrize("bad", [{"quorum": 0}, {"quorum": 65}, {"vote_lifetime_s": 0}])
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        ExternalAddressConfig(**bad)
