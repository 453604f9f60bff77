"""What a host knows of peers."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from transfer.host.identify import Identification
from transfer.host.peer_book import PeerBook, PeerBookConfig
from transfer.host.peer_record import PeerRecord
from transfer.identity.keys import PrivateKey
from transfer.multiaddr.multiaddr import Multiaddr

PEERS = [PrivateKey.from_seed(bytes(31) + bytes([number])).peer_id for number in range(6)]
ADDRESSES = [Multiaddr.parse(f"/ip4/192.0.2.{number}/tcp/4001") for number in range(8)]
CONFIG = PeerBookConfig(max_peers=3, max_addresses=4, max_protocols=2, hearsay_s=10, record_s=100)


def test_hearsay_ends_and_what_is_shown_lasts_longer() -> None:
    book = PeerBook(CONFIG)
    book.add(PEERS[0], ADDRESSES[:2], now=0)
    book.reached(PEERS[0], ADDRESSES[1], now=0)
    assert set(book.addresses(PEERS[0], now=5)) == set(ADDRESSES[:2])
    assert book.addresses(PEERS[0], now=50) == (ADDRESSES[1],)
    assert book.addresses(PEERS[0], now=101) == ()


def test_what_a_peer_has_signed_stands_above_what_others_say() -> None:
    book = PeerBook(CONFIG)
    book.add(PEERS[0], ADDRESSES[:2], now=0)
    assert book.certify(PeerRecord(PEERS[0], 5, (ADDRESSES[3],)), now=0)
    book.add(PEERS[0], ADDRESSES[:2], now=0)
    assert book.addresses(PEERS[0], now=0) == (ADDRESSES[3],)
    assert not book.certify(PeerRecord(PEERS[0], 4, (ADDRESSES[0],)), now=0), "an older one"
    assert book.certify(PeerRecord(PEERS[0], 6, (ADDRESSES[0],)), now=0)
    assert book.addresses(PEERS[0], now=0) == (ADDRESSES[0],)


def test_an_address_that_names_another_peer_is_not_taken() -> None:
    book = PeerBook(CONFIG)
    book.add(PEERS[0], [ADDRESSES[0] / f"/p2p/{PEERS[1]}", ADDRESSES[1] / f"/p2p/{PEERS[0]}"], now=0)
    assert book.addresses(PEERS[0], now=0) == (ADDRESSES[1],)


def test_those_that_are_connected_are_not_forgotten() -> None:
    book = PeerBook(CONFIG)
    book.keep(PEERS[0])
    for peer in PEERS[1:]:
        book.add(peer, ADDRESSES[:1], now=0)
    assert PEERS[0] in book
    assert PEERS[1] not in book
    book.identified(PEERS[0], Identification(protocols=("/a", "/b", "/c"), agent="x"), now=0)
    assert book.speaks(PEERS[0], ["/z", "/b"]) == "/b"
    assert book.speaks(PEERS[0], ["/c"]) is None, "no more protocols than the bound are kept"
    assert book.speaks(PEERS[2], ["/b"]) is None


class Books(RuleBasedStateMachine):
    """Whatever happens, the bounds hold, and what is connected stays."""

    def __init__(self) -> None:
        super().__init__()
        self.book = PeerBook(CONFIG)
        self.now = 0.0
        self.kept = dict.fromkeys(range(len(PEERS)), 0)

    @rule(peer=st.sampled_from(PEERS), addresses=st.lists(st.sampled_from(ADDRESSES)))
    def add(self, peer: object, addresses: list[Multiaddr]) -> None:
        self.book.add(peer, addresses, now=self.now)  # type: ignore[arg-type]

    @rule(
        number=st.integers(0, len(PEERS) - 1),
        sequence=st.integers(0, 3),
        addresses=st.lists(st.sampled_from(ADDRESSES)),
    )
    def certify(self, number: int, sequence: int, addresses: list[Multiaddr]) -> None:
        self.book.certify(PeerRecord(PEERS[number], sequence, tuple(addresses)), now=self.now)

    @rule(number=st.integers(0, len(PEERS) - 1))
    def keep(self, number: int) -> None:
        self.book.keep(PEERS[number])
        self.kept[number] += 1

    @rule(number=st.integers(0, len(PEERS) - 1))
    def release(self, number: int) -> None:
        if self.kept[number]:
            self.book.release(PEERS[number])
            self.kept[number] -= 1

    @rule(number=st.integers(0, len(PEERS) - 1))
    def forget(self, number: int) -> None:
        self.book.forget(PEERS[number])

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def holds(self) -> None:
        self.book.check_invariants()
        assert all(PEERS[number] in self.book for number, kept in self.kept.items() if kept)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
