"""By which hash a peer of a hybrid torrent is greeted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.dialling.greetings import Greeting, GreetingBook
from bittorrent.dialling.paths import PathFailure
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.identity.torrent_id import TorrentId
from tests.dialling_shell import BareShell
from transfer.address import Address

V1, V2 = b"\1" * 20, bytes(range(32))
HYBRID = TorrentId(V1, V2)
UPGRADE, OLD, NEW = Greeting(V1, offers_upgrade=True), Greeting(V1), Greeting(V2[:20])
PEER, OTHER = Address("5.5.5.5", 6881), Address("6.6.6.6", 6881)


def new_book(torrent_id: TorrentId = HYBRID) -> GreetingBook:
    return GreetingBook(torrent_id, max_remembered=3)


def test_the_upgrade_is_offered_by_hybrids_alone() -> None:
    assert new_book().greeting_for(PEER) == UPGRADE
    assert new_book(TorrentId(V1)).greetings == (OLD,)
    assert new_book(TorrentId(v2=V2)).greetings == (NEW,)


def test_a_peer_that_was_found_under_the_version_2_hash_alone_is_greeted_by_it() -> None:
    book = new_book()
    book.found(PEER, V2[:20])
    assert (book.greeting_for(PEER), book.greeting_for(OTHER)) == (NEW, UPGRADE)
    book.found(PEER, V1)
    book.found(PEER, V2[:20])
    assert book.greeting_for(PEER) == UPGRADE


def test_a_peer_that_hangs_up_hears_the_next_greeting() -> None:
    book = new_book()
    heard = []
    for _ in range(4):
        heard.append((book.greeting_for(PEER), book.turned_away(PEER)))
    assert heard == [(UPGRADE, True), (OLD, True), (NEW, False), (UPGRADE, True)]
    plain = new_book(TorrentId(V1))
    assert not plain.turned_away(PEER)
    assert plain.greeting_for(PEER) == OLD


def test_what_a_link_did_not_say_is_learnt() -> None:
    book = new_book(TorrentId(v2=V2))
    book.found(PEER, V2[:20])
    book.learn(HYBRID)
    assert book.greeting_for(PEER) == UPGRADE
    book.found(PEER, V2[:20])
    book.learn(HYBRID)
    assert book.greeting_for(PEER) == NEW


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["found v1", "found v2", "turned away"]))))
def test_never_more_is_remembered_than_allowed(steps: list[tuple[int, str]]) -> None:
    book = new_book()
    for number, what in steps:
        peer = Address(f"5.5.5.{number}", 6881)
        if what == "turned away":
            book.turned_away(peer)
        else:
            book.found(peer, V1 if what == "found v1" else V2[:20])
        book.check_invariants()


def greetings_of(source: PeerSource, *, rounds: int) -> list[tuple[float, Greeting]]:
    """When a peer that hangs up on everything was called, and by which greeting."""
    shell = BareShell(torrent_id=HYBRID)
    shell.core.peers.add(PEER, source, now=shell.now)
    made = []
    for _ in range(rounds):
        for call in shell.dial():
            made.append((shell.now, call.greeting))
            shell.core.missed(call.number, PathFailure.TURNED_AWAY, now=shell.now)
            del shell.calls[call.number]
        shell.core.check_invariants()
        if not shell.core.is_path_due(now=shell.now):
            shell.now += 1
    return made


def test_a_peer_that_the_user_named_hears_all_greetings_at_once() -> None:
    made = greetings_of(PeerSource.MANUAL, rounds=5)
    assert made == [(0.0, UPGRADE), (0.0, OLD), (0.0, NEW), (1.0, UPGRADE), (1.0, OLD)]


def test_a_stranger_hears_one_at_each_turn() -> None:
    made = greetings_of(PeerSource.TRACKER, rounds=80)
    assert [greeting for _, greeting in made] == [UPGRADE, OLD, NEW, UPGRADE]
    assert [at for at, _ in made] == [0.0, 10.0, 30.0, 70.0]


def test_who_does_not_answer_is_not_greeted_otherwise() -> None:
    shell = BareShell(torrent_id=HYBRID)
    shell.core.peers.add(PEER, PeerSource.MANUAL, now=0.0)
    for failure in (PathFailure.NO_CONNECTION, PathFailure.NO_HANDSHAKE):
        (call,) = shell.dial()
        assert call.greeting == UPGRADE
        shell.core.missed(call.number, failure, now=shell.now)
        shell.now += 10
