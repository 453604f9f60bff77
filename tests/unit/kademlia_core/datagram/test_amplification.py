from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Contact, Key
from kademlia_core.datagram.amplification import AmplificationBudget, AmplificationConfig
from transfer.address import Address

VICTIM, OTHER = "5.6.7.8", "9.9.9.9"
LARGE, QUERY = 1000, 95


def budget_of(**changes: float) -> AmplificationBudget:
    return AmplificationBudget(AmplificationConfig(**changes), now=0.0)  # type: ignore[arg-type]


def sent_bytes(budget: AmplificationBudget, host: str, queries: int, *, now: float, size: int = LARGE) -> int:
    return size * sum(budget.allow(host, answer_bytes=size, query_bytes=QUERY, now=now) for _ in range(queries))


def test_ordinary_answers_always_pass() -> None:
    budget = budget_of(total_burst_bytes=1, stranger_burst_bytes=1)
    for answer_bytes, query_bytes in ((60, 56), (287, 92), (397, 92), (304, 95), (414, 95), (640, 108)):
        for _ in range(2000):
            assert budget.allow(VICTIM, answer_bytes=answer_bytes, query_bytes=query_bytes, now=0.0)


def test_a_stranger_gets_a_few_large_answers() -> None:
    assert sent_bytes(budget_of(), VICTIM, 2, now=0.0) == 2000


def test_a_victim_gets_no_more_than_its_ration() -> None:
    budget = budget_of()
    total = sum(sent_bytes(budget, VICTIM, 200, now=float(second)) for second in range(600))
    assert total == pytest.approx(4096 + 600 * 256, rel=0.02)


def test_all_victims_together_get_no_more_than_theirs() -> None:
    budget = budget_of()
    total = 0
    for second in range(20):
        for number in range(500):
            host = f"5.{second}.{number >> 8}.{number & 255}"
            total += sent_bytes(budget, host, 1, now=float(second))
        budget.check_invariants()
    assert total == pytest.approx(262144 + 19 * 65536, rel=0.02)


def test_a_proof_brings_a_large_ration_for_a_while() -> None:
    budget = budget_of(proof_lifetime_s=60.0)
    sent_bytes(budget, VICTIM, 100, now=0.0)
    assert not budget.is_proved(VICTIM, now=0.0)
    budget.prove(VICTIM, now=0.0)
    assert budget.is_proved(VICTIM, now=59.0)
    assert sent_bytes(budget, VICTIM, 100, now=0.0) == 100 * LARGE
    assert not budget.is_proved(VICTIM, now=60.0)
    assert sent_bytes(budget, VICTIM, 100, now=60.0) == 4 * LARGE
    budget.check_invariants()


def test_proved_victims_are_protected_too() -> None:
    budget = budget_of()
    total = 0
    for second in range(100):
        budget.prove(VICTIM, now=float(second))  # it takes part, and proves itself again and again
        total += sent_bytes(budget, VICTIM, 200, now=float(second))
    assert total == pytest.approx(262144 + 99 * 16384, rel=0.02)


def test_proved_addresses_do_not_use_what_strangers_share() -> None:
    budget = budget_of(total_burst_bytes=1500)
    budget.prove(OTHER, now=0.0)
    sent_bytes(budget, OTHER, 50, now=0.0)
    assert sent_bytes(budget, VICTIM, 3, now=0.0) == 1000


def test_one_subscriber_is_one_address() -> None:
    budget = budget_of()
    hosts = [f"2a02:1:2:3::{number:x}" for number in range(100)]
    assert sum(sent_bytes(budget, host, 1, now=0.0) for host in hosts) == 4 * LARGE
    budget.prove(hosts[0], now=0.0)
    assert budget.is_proved(hosts[1], now=0.0)
    assert not budget.is_proved("2a02:1:2:4::1", now=0.0)


def test_loopback_is_not_rationed() -> None:
    budget = budget_of()
    for host in ("127.0.0.1", "127.9.9.9", "::1"):
        assert sent_bytes(budget, host, 1000, now=0.0) == 1000 * LARGE
        assert budget.is_proved(host, now=0.0)
        budget.prove(host, now=0.0)
    assert sent_bytes(budget, "::2", 1000, now=0.0) == 4 * LARGE


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from(["ask", "ask", "prove"]), st.integers(50, 1024), st.floats(0, 30)),
        max_size=150,
    )
)
def test_bounds_hold_for_any_traffic(script: list[tuple[int, str, int, float]]) -> None:
    config = AmplificationConfig(
        max_strangers=3, max_proved=2, proof_lifetime_s=50.0, total_burst_bytes=3000, total_bytes_per_s=10
    )
    budget, now, strangers_bytes = AmplificationBudget(config, now=0.0), 0.0, 0
    for number, kind, size, pause in script:
        now += pause
        host = f"5.6.7.{number}"
        if kind == "prove":
            budget.prove(host, now=now)
            assert budget.is_proved(host, now=now)
        else:
            was_proved = budget.is_proved(host, now=now)
            if budget.allow(host, answer_bytes=size, query_bytes=QUERY, now=now) and not was_proved:
                strangers_bytes += size if size > 6 * QUERY else 0
            else:
                assert was_proved or size > 6 * QUERY
        budget.check_invariants()
        assert strangers_bytes <= 3000 + 10 * now + 1


def test_the_numbers_in_the_docstring_are_those_of_the_wire() -> None:
    from kademlia_core.mainline import krpc
    from kademlia_core.mainline.messages import FindNode, GetPeers, Query, Response

    key = Key(1, 160)
    assert len(krpc.encode(Query(b"aa", key, FindNode(key)))) == 92
    assert len(krpc.encode(Query(b"aa", key, GetPeers(key)))) == 95
    contacts4 = (Contact(key, Address("192.0.2.1", 1)),) * 8
    contacts6 = (Contact(key, Address("2001:db8::1", 1)),) * 8
    seen4, seen6, version, token = Address("192.0.2.2", 2), Address("2001:db8::2", 2), b"KC01", b"12345678"
    answer4 = Response(b"aa", key, nodes=contacts4, external_address=seen4, version=version)
    answer6 = Response(b"aa", key, nodes6=contacts6, external_address=seen6, version=version)
    peers4 = Response(b"aa", key, nodes=contacts4, token=token, external_address=seen4, version=version)
    peers6 = Response(b"aa", key, nodes6=contacts6, token=token, external_address=seen6, version=version)
    both = Response(b"aa", key, nodes=contacts4, nodes6=contacts6, token=token, external_address=seen6, version=version)
    sizes = [len(krpc.encode(answer)) for answer in (answer4, answer6, peers4, peers6, both)]
    assert sizes[:4] == [287, 397, 304, 414]
    assert sizes[4] <= 640


@pytest.mark.parametrize(
    "bad",
    [
        {"free_factor": 0.9}, {"stranger_bytes_per_s": 0}, {"total_bytes_per_s": 0}, {"proved_bytes_per_s": 0},
        {"stranger_burst_bytes": 0}, {"total_burst_bytes": 0}, {"proved_burst_bytes": 0}, {"proof_lifetime_s": 0},
        {"max_strangers": 0}, {"max_proved": 0},
    ],
    ids=str,
)  # fmt: skip
def test_senseless_configurations_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        AmplificationConfig(**bad)  # type: ignore[arg-type]
