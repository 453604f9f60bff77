"""Which address is called when, and how an address is called at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.address import Address
from transfer.host.dial import DialConfig, DialCore, Outcome
from transfer.host.route import Carrier, NotDialableError, Route, multiaddr_of, route_of
from transfer.identity.keys import PrivateKey
from transfer.multiaddr.multiaddr import Multiaddr

PEER = PrivateKey.from_seed(bytes(32)).peer_id
CONFIG = DialConfig(head_start_s=0.25, max_addresses=6, max_at_once=2)


def routes(*texts: str) -> list[tuple[Multiaddr, Route]]:
    return [(address, route_of(address)) for address in map(Multiaddr.parse, texts)]


def test_near_addresses_come_first_and_families_take_turns() -> None:
    core = DialCore(CONFIG, now=0)
    core.add(
        routes(
            "/ip4/8.8.8.8/tcp/1",
            "/ip4/8.8.4.4/tcp/1",
            "/ip6/2606:4700::1/tcp/1",
            "/ip4/10.0.0.1/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
        )
    )
    assert [str(attempt.address).split("/")[2] for attempt in core.attempts] == [
        "127.0.0.1",
        "10.0.0.1",
        "2606:4700::1",
        "8.8.8.8",
        "8.8.4.4",
    ]


def test_the_next_one_has_to_wait_for_the_head_start_or_the_failure_of_the_one_before() -> None:
    core = DialCore(CONFIG, now=0)
    core.add(routes("/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1", "/ip4/192.0.2.3/tcp/1", "/ip4/192.0.2.4/tcp/1"))
    first = core.next_call(now=0)
    assert first is not None
    assert core.next_call(now=0.2) is None
    assert core.next_timer() == 0.25
    second = core.next_call(now=0.25)
    assert second is not None
    assert core.next_call(now=1) is None, "not more than two at a time"
    assert core.next_timer() is None
    core.failed(first, "refused", now=1)
    third = core.next_call(now=1)
    assert third is not None
    core.connected(second, now=2)
    assert core.next_call(now=9) is None
    assert second.seconds == 1.75
    assert [attempt.state for attempt in core.attempts] == [
        Outcome.FAILED,
        Outcome.CONNECTED,
        Outcome.CALLING,
        Outcome.WAITING,
    ]
    assert str(core.attempts[3]) == "/ip4/192.0.2.4/tcp/1: not called: another address was faster"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1))), st.integers(0, 9))
def test_every_call_ends_and_no_bound_is_exceeded(steps: list[tuple[int, float]], addresses: int) -> None:
    core = DialCore(CONFIG, now=0)
    core.add(routes(*(f"/ip4/192.0.2.{number}/tcp/1" for number in range(addresses))))
    core.refuse(Multiaddr.parse("/ip4/192.0.2.1/udp/1"), "no transport")
    now, calling, called = 0.0, [], 0
    for kind, seconds in [*steps, *[(1, 1.0)] * 20]:
        now += seconds
        while (attempt := core.next_call(now=now)) is not None:
            calling.append(attempt)
            called += 1
        if calling and kind == 1:
            core.failed(calling.pop(), "no", now=now)
        elif calling and kind == 2 and core.next_timer() is not None:
            core.connected(calling.pop(), now=now)
        core.check_invariants()
    while calling:
        core.failed(calling.pop(), "no", now=now)
    assert called <= min(addresses, CONFIG.max_addresses)
    while (attempt := core.next_call(now=now + 9)) is not None:
        core.failed(attempt, "no", now=now + 9)
    assert core.is_over


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/ip4/192.0.2.1/tcp/4001", Route(Carrier.TCP, Address("192.0.2.1", 4001), 4)),
        ("/ip6/2001:db8::1/tcp/1", Route(Carrier.TCP, Address("2001:db8::1", 1), 6)),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", Route(Carrier.TCP, Address("fe80::1%eth0", 1), 6)),
        ("/memory/7", Route(Carrier.MEMORY, Address("127.0.0.1", 7))),
        (f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}", Route(Carrier.TCP, Address("192.0.2.1", 1), 4, PEER)),
    ],
)
def test_what_can_be_called(text: str, expected: Route) -> None:
    address = Multiaddr.parse(text)
    route = route_of(address)
    assert route == expected
    assert multiaddr_of(route.carrier, route.address) == address.without_peer_id


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/ip4/192.0.2.1/udp/1/quic-v1", "no transport for udp"),
        ("/ip4/192.0.2.1/tcp/1/ws", "no transport for ws"),
        (f"/ip4/192.0.2.1/tcp/1/p2p/{PEER}/p2p-circuit", "through a relay"),
        ("/ip4/192.0.2.1", "does not say how"),
        ("/dnsaddr/example.org", "looked up first"),
        (f"/p2p/{PEER}", "does not say how"),
        ("/memory/x", "a number up to 65535"),
    ],
)
def test_what_cannot(text: str, reason: str) -> None:
    with pytest.raises(NotDialableError, match=reason):
        route_of(Multiaddr.parse(text))
