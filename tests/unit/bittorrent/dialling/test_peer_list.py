"""Known endpoints: bounds, back-off, bans, and who is called first."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_list import PeerList, PeerListConfig, PeerSource
from bittorrent.dialling.peer_priority import peer_priority
from transfer.address import Address

TRACKER, MANUAL, DHT = PeerSource.TRACKER, PeerSource.MANUAL, PeerSource.DHT


def make(**config: float) -> PeerList:
    return PeerList(rng=Random(1), config=PeerListConfig(**config))  # type: ignore[arg-type]


def peer(number: int, port: int = 6881) -> Address:
    return Address(f"10.0.{number >> 8}.{number & 255}", port)


def test_an_endpoint_is_handed_out_once_until_its_outcome_is_known() -> None:
    peers = make()
    assert peers.add(peer(1), TRACKER, now=0.0)
    assert not peers.add(peer(1), DHT, now=0.0)
    assert peers.sources(peer(1)) == TRACKER | DHT
    assert peers.candidates_to_connect(5, now=0.0) == [peer(1)]
    assert peers.candidates_to_connect(5, now=100.0) == []
    assert peers.next_timer() is None
    peers.connected(peer(1))
    assert peers.candidates_to_connect(5, now=100.0) == []
    assert peers.connected_addresses() == [peer(1)]
    peers.disconnected(peer(1), now=100.0)
    assert peers.next_timer() == 130.0
    assert peers.candidates_to_connect(5, now=129.9) == []
    assert peers.candidates_to_connect(5, now=130.0) == [peer(1)]


def test_patience_doubles_and_ends() -> None:
    peers = make(backoff_s=10, max_failures=4)
    peers.add(peer(1), TRACKER, now=0.0)
    now, waits = 0.0, []
    while peer(1) in peers:
        assert peers.candidates_to_connect(1, now=now) == [peer(1)]
        peers.failed(peer(1), now=now)
        due = peers.next_timer()
        if due is not None:
            waits.append(due - now)
            now = due
    assert waits == [10.0, 20.0, 40.0]
    assert not peers.has_prospects


def test_all_can_be_called_again_at_once() -> None:
    peers = make()
    for number in (1, 2):
        peers.add(peer(number), TRACKER, now=0.0)
        peers.candidates_to_connect(1, now=0.0)
    peers.failed(peer(1), now=0.0)
    peers.call_again(now=1.0)
    assert peers.candidates_to_connect(5, now=1.0) == [peer(1)]
    peers.failed(peer(2), now=2.0)
    assert peers.candidates_to_connect(5, now=2.0) == [peer(2)], "it was being called then"
    peers.failed(peer(2), now=3.0)
    assert peers.candidates_to_connect(5, now=3.0) == [], "that is granted only once"


def test_a_manual_peer_is_tried_forever() -> None:
    peers = make(backoff_s=100, manual_backoff_s=1, max_manual_backoff_s=8)
    peers.add(peer(1), MANUAL, now=0.0)
    now, waits = 0.0, []
    for _ in range(60):
        assert peers.candidates_to_connect(1, now=now) == [peer(1)]
        peers.failed(peer(1), now=now)
        due = peers.next_timer()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert waits[-1] == 8.0


def test_a_success_forgives_the_failures_before() -> None:
    peers = make(backoff_s=10, max_failures=3)
    peers.add(peer(1), TRACKER, now=0.0)
    for _ in range(5):
        for _ in range(2):
            peers.failed(peer(1), now=0.0)
        peers.connected(peer(1))
        peers.disconnected(peer(1), now=0.0)
    assert peer(1) in peers


def test_who_is_called_first() -> None:
    peers = make()
    for number in range(10):
        peers.add(peer(number), MANUAL if number == 7 else TRACKER, now=0.0)
    for number in range(5):
        peers.failed(peer(number), now=-1000.0)
    peers.failed(peer(7), now=-1000.0)
    order = peers.candidates_to_connect(10, now=0.0)
    assert order[0] == peer(7)
    assert set(order[1:5]) == {peer(5), peer(6), peer(8), peer(9)}
    assert set(order[5:]) == {peer(number) for number in range(5)}
    assert order[1:5] != sorted(order[1:5]) or order[5:] != sorted(order[5:])
    assert peers.candidates_to_connect(-1, now=0.0) == []


@pytest.mark.parametrize(
    "text", ["10.0.0.1:0", "224.0.0.1:6881", "0.0.0.0:6881", "255.255.255.255:1", "[::]:1", "name:1"]
)
def test_what_cannot_be_called_is_refused(text: str) -> None:
    peers = make()
    assert not peers.add(Address.parse(text), TRACKER, now=0.0)
    assert len(peers) == 0


def test_we_do_not_call_ourselves() -> None:
    peers = make()
    peers.add(peer(1), TRACKER, now=0.0)
    peers.add_own(peer(1))
    assert not peers.add(peer(1), TRACKER, now=0.0)
    assert peers.candidates_to_connect(5, now=0.0) == []
    for number in range(200):
        peers.add_own(peer(number))
    assert peers.add(peer(1), TRACKER, now=0.0), "the memory of own endpoints is bounded"


def test_a_ban_is_for_the_host() -> None:
    peers = make()
    assert peers.add_all([peer(1), peer(1, 7000), peer(2)], TRACKER, now=0.0) == 3
    peers.ban(peer(1, 50_000))
    assert peers.is_banned(peer(1, 1))
    assert not peers.is_banned(peer(2))
    assert not peers.add(peer(1), MANUAL, now=0.0)
    assert peers.candidates_to_connect(5, now=0.0) == [peer(2)]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_on_loopback_a_ban_is_for_the_endpoint(host: str) -> None:
    peers = make()
    peers.add_all([Address(host, 1000), Address(host, 2000)], TRACKER, now=0.0)
    peers.ban(Address(host, 1000))
    assert peers.candidates_to_connect(5, now=0.0) == [Address(host, 2000)]


def test_bans_are_bounded() -> None:
    peers = make(max_banned=3)
    for number in range(10):
        peers.ban(peer(number))
    assert peers.banned_count == 3
    assert [peers.is_banned(peer(number)) for number in (6, 7, 9)] == [False, True, True]


def test_a_full_list_takes_a_newcomer_only_for_one_that_failed() -> None:
    peers = make(max_peers=3)
    peers.add_all([peer(number) for number in range(3)], TRACKER, now=0.0)
    assert not peers.add(peer(9), TRACKER, now=0.0)
    peers.failed(peer(2), now=0.0)
    peers.failed(peer(1), now=1.0)
    assert peers.add(peer(9), TRACKER, now=2.0)
    assert peer(2) not in peers
    assert len(peers) == 3


def test_a_full_list_always_takes_a_manual_one() -> None:
    peers = make(max_peers=2)
    peers.add_all([peer(1), peer(2)], TRACKER, now=0.0)
    peers.candidates_to_connect(1, now=0.0)
    assert peers.add(peer(3), MANUAL, now=0.0)
    assert not peers.add(peer(4), MANUAL, now=0.0), "the others are being called, or manual"
    assert len(peers) == 2


def test_outcomes_of_strangers_change_nothing() -> None:
    peers = make()
    peers.connected(peer(1))
    peers.disconnected(peer(1), now=0.0)
    peers.failed(peer(1), now=0.0)
    assert len(peers) == 0
    assert peers.sources(peer(1)) == PeerSource(0)


class PeerListSteps(RuleBasedStateMachine):
    """Any order of calls keeps the invariants."""

    addresses = st.builds(peer, st.integers(0, 6), st.sampled_from([1, 2])) | st.builds(
        Address, st.just("127.0.0.1"), st.integers(1, 4)
    )

    def __init__(self) -> None:
        super().__init__()
        self.peers = make(max_peers=5, max_banned=2, max_failures=2, max_pex=2)
        self.now = 0.0

    @rule(address=addresses, source=st.sampled_from(PeerSource))
    def add(self, address: Address, source: PeerSource) -> None:
        self.peers.add(address, source, now=self.now)

    @rule(count=st.integers(0, 4), pause=st.sampled_from([0.0, 12.0, 100.0]))
    def take(self, count: int, pause: float) -> None:
        self.now += pause
        for address in self.peers.candidates_to_connect(count, now=self.now):
            assert address in self.peers

    @rule(address=addresses, outcome=st.sampled_from(["connected", "disconnected", "failed", "ban", "own"]))
    def report(self, address: Address, outcome: str) -> None:
        if outcome == "connected":
            self.peers.connected(address)
        elif outcome == "disconnected":
            self.peers.disconnected(address, now=self.now)
        elif outcome == "failed":
            self.peers.failed(address, now=self.now)
        elif outcome == "ban":
            self.peers.ban(address)
        else:
            self.peers.add_own(address)

    @rule(address=addresses, what=st.sampled_from(["filter", "external", "seed", "forget"]))
    def learn(self, address: Address, what: str) -> None:
        if what == "filter":
            self.peers.set_filter(IpFilter([(address.host, address.host)]))
        elif what == "external":
            self.peers.set_external(address)
        elif what == "seed":
            self.peers.note_seed(address, True)
        else:
            self.peers.forget(PeerSource.PEX | PeerSource.DHT)

    @invariant()
    def holds(self) -> None:
        self.peers.check_invariants()


TestPeerListSteps = PeerListSteps.TestCase
TestPeerListSteps.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_peers": 0},
        {"max_banned": 0},
        {"max_failures": 0},
        {"max_pex": 0},
        {"backoff_s": 0},
        {"backoff_s": 2000},
        {"manual_backoff_s": 0},
        {"manual_backoff_s": 60},
        {"reconnect_s": -1.0},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        make(**wrong)


def test_endpoints_that_only_strangers_named_can_be_forgotten() -> None:
    peers = PeerList(rng=Random(1))
    dht, tracker, both, pex = (Address(f"10.0.0.{number}", 1) for number in range(1, 5))
    for address, source in [
        (dht, PeerSource.DHT),
        (tracker, PeerSource.TRACKER),
        (both, PeerSource.DHT),
        (both, PeerSource.MANUAL),
        (pex, PeerSource.PEX),
    ]:
        peers.add(address, source, now=0.0)
    assert set(peers.forget(PeerSource.DHT | PeerSource.PEX)) == {dht, pex}
    assert [address in peers for address in (dht, tracker, both, pex)] == [False, True, True, False]
    peers.check_invariants()


def test_hearsay_is_bounded_until_it_proves_true() -> None:
    peers = make(max_pex=2)
    assert peers.add_all([peer(number) for number in range(10)], PeerSource.PEX, now=0.0) == 2
    peers.connected(peer(0))  # it exists
    assert peers.add(peer(5), PeerSource.PEX, now=0.0)
    assert not peers.add(peer(6), PeerSource.PEX, now=0.0)
    peers.add(peer(5), TRACKER, now=0.0)  # somebody else names it too
    assert peers.add(peer(6), PeerSource.PEX, now=0.0)
    assert peers.add(peer(7), TRACKER, now=0.0)
    peers.check_invariants()


def test_a_list_of_blocked_hosts_counts_for_known_and_new_endpoints() -> None:
    peers = make()
    peers.add_all([peer(1), peer(2)], MANUAL, now=0.0)
    peers.set_filter(IpFilter([(peer(2).host, peer(3).host)]))
    assert [address in peers for address in (peer(1), peer(2))] == [True, False]
    assert not peers.add(peer(3), MANUAL, now=0.0)
    assert peers.is_banned(peer(3, 9))
    peers.set_filter(IpFilter())
    assert peers.add(peer(3), MANUAL, now=0.0)


def test_equals_are_called_in_the_order_of_bep_40() -> None:
    peers = make()
    addresses = [Address(f"98.{number}.54.32", 6881) for number in range(20)]
    ours = Address("123.213.32.10", 6881)
    peers.add_all(addresses[:10], TRACKER, now=0.0)
    peers.set_external(ours)
    peers.add_all(addresses[10:], TRACKER, now=0.0)
    expected = sorted(addresses, key=lambda address: -peer_priority(ours, address))
    assert peers.candidates_to_connect(20, now=0.0) == expected
    assert peers.rank(addresses[0]) == peer_priority(ours, addresses[0])


def test_who_wants_no_seeds_calls_none_but_manual_ones() -> None:
    peers = make()
    for number, source in [(1, TRACKER), (2, TRACKER), (3, MANUAL)]:
        peers.add(peer(number), source, now=0.0)
        peers.note_seed(peer(number), number != 1)
    peers.note_seed(peer(9), True)
    assert set(peers.candidates_to_connect(9, now=0.0, want_seeds=False)) == {peer(1), peer(3)}
    assert peers.candidates_to_connect(9, now=0.0) == [peer(2)]
