"""Toy paths to a peer: the next one where one fails, the right one the next time. No `if` names any of them."""

from __future__ import annotations

import pytest

from bittorrent.dialling.decisions import Call
from bittorrent.dialling.paths import TCP, DialPath, PathBook, PathConfig, PathFailure, paths_left
from bittorrent.dialling.peer_list import PeerListConfig, PeerSource
from tests.dialling_shell import BareShell, admission_of
from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.places import Seat

UTP, UTP_MSE = DialPath(transport="utp"), DialPath(transport="utp", cover="mse")
TCP_MSE = DialPath(transport="tcp", cover="mse")
RELAY = DialPath(transport="relay")
ALL = (UTP_MSE, UTP, TCP_MSE, TCP)
PEER = Address("8.8.0.1", 6881)


def shell(*paths: DialPath, admission: AdmissionCore | None = None) -> BareShell:
    made = BareShell(paths=PathConfig(paths=paths), admission=admission)
    made.core.peers.add(PEER, PeerSource.TRACKER, now=0.0)
    return made


def the_call(shell: BareShell) -> Call:
    (call,) = shell.dial()
    return call


def backoff_s(shell: BareShell) -> float:
    assert shell.dial() == []
    due = shell.core.peers.next_timer()
    assert due is not None
    return due - shell.now


def test_utp_is_tried_first_and_then_tcp_and_what_worked_comes_first_the_next_time() -> None:
    bare = shell(UTP, TCP)
    first = the_call(bare)
    assert (first.address, first.path) == (PEER, UTP)
    bare.refuse(first)
    assert bare.core.is_path_due(now=bare.now)
    second = the_call(bare)
    assert (second.address, second.path) == (PEER, TCP)
    peer = bare.greet(bare.accept(second), b"x" * 20)
    assert peer is not None
    peer.downloaded_bytes = 1
    bare.lose(second.number)
    bare.now += 1000.0
    again = the_call(bare)
    assert again.path == TCP, "it worked the last time"
    bare.refuse(again)
    last = the_call(bare)
    assert last.path == UTP, "it does not any more, and the other may"
    bare.refuse(last)
    bare.now += 1000.0
    assert the_call(bare).path == UTP, "nothing is known to work"


def test_encrypted_first_then_plain_for_a_peer_that_hangs_up_on_what_it_does_not_understand() -> None:
    bare = shell(TCP_MSE, TCP)
    encrypted = the_call(bare)
    assert encrypted.path == TCP_MSE
    bare.lose(bare.accept(encrypted), was_turned_away=True)
    assert bare.core.turned_away_by == [PEER]
    plain = the_call(bare)
    assert plain.path == TCP
    assert bare.greet(bare.accept(plain), b"x" * 20) is not None
    assert bare.core.turned_away_by == [], "it was met after all"
    bare.lose(plain.number)
    bare.now += 1000.0
    assert the_call(bare).path == TCP


def test_no_cover_helps_where_there_is_no_connection() -> None:
    bare = shell(*ALL)
    bare.refuse(the_call(bare))
    third = the_call(bare)
    assert third.path == TCP_MSE, "both of uTP are out"
    bare.lose(bare.accept(third))
    assert the_call(bare).path == TCP, "somebody answers TCP, and says nothing"


def test_a_peer_that_fails_over_all_paths_is_backed_off_once() -> None:
    bare = shell(*ALL, RELAY)
    for expected in (UTP_MSE, TCP_MSE, RELAY):
        call = the_call(bare)
        assert call.path == expected
        bare.refuse(call)
    assert backoff_s(bare) == PeerListConfig().backoff_s
    bare.now += PeerListConfig().backoff_s
    for expected in (*ALL, RELAY):
        call = the_call(bare)
        assert call.path == expected, "another round is all of them"
        bare.lose(bare.accept(call), was_turned_away=True)
    assert backoff_s(bare) == 2 * PeerListConfig().backoff_s


def test_one_path_is_one_call() -> None:
    bare = shell(TCP)
    bare.refuse(the_call(bare))
    assert backoff_s(bare) == PeerListConfig().backoff_s


def test_the_handshake_is_what_counts_and_not_what_becomes_of_the_connection() -> None:
    bare = shell(UTP, TCP)
    bare.refuse(the_call(bare))
    number = bare.accept(the_call(bare))
    assert bare.greet(number, b"x" * 20) is not None
    bare.lose(number)  # of no use
    assert not bare.core.is_path_due(now=bare.now), "another path leads to the same peer"
    assert backoff_s(bare) == PeerListConfig().backoff_s
    bare.now += 10.0
    assert the_call(bare).path == TCP


def test_another_path_waits_for_room_as_every_call_does_and_goes_before_others() -> None:
    admission = admission_of(max_dialling=1)
    bare, other = shell(UTP, TCP, admission=admission), BareShell(admission=admission)
    bare.refuse(the_call(bare))
    other.core.peers.add(Address("8.8.0.2", 1), PeerSource.TRACKER, now=0.0)
    blocking = the_call(other)
    assert not bare.core.is_path_due(now=bare.now)
    assert bare.dial() == []
    assert bare.core.next_timer(now=bare.now) == bare.now + 1.0, "it is looked after"
    other.refuse(blocking)
    bare.core.peers.add(Address("8.8.0.3", 1), PeerSource.MANUAL, now=0.0)
    assert the_call(bare).path == TCP


@pytest.mark.parametrize("reason", ["banned", "private", "own"])
def test_another_path_is_not_called_by_who_is_not_to_be_called_any_more(reason: str) -> None:
    bare = BareShell(paths=PathConfig(paths=(UTP, TCP)))
    bare.core.peers.add(PEER, PeerSource.DHT, now=0.0)
    bare.refuse(the_call(bare))
    match reason:
        case "banned":
            bare.core.ban(PEER)
        case "private":
            bare.core.become_private()
        case _:
            bare.core.peers.add_own(PEER)
    assert bare.dial() == []
    bare.core.check_invariants()


def test_who_was_put_out_by_us_is_not_called_by_another_path_for_it() -> None:
    bare = shell(UTP, TCP)
    number = bare.accept(the_call(bare))
    bare.core.hold()
    bare.lose(number)
    bare.core.resume(now=bare.now)
    assert the_call(bare).path == UTP


def test_a_call_that_was_given_up_says_nothing_about_its_path() -> None:
    bare = shell(UTP, TCP)
    call = the_call(bare)
    bare.core.dropped(call.number)
    assert bare.admission.dialling == bare.admission.outbound == 0
    assert not bare.core.is_path_due(now=0.0)
    del bare.calls[call.number]
    assert the_call(bare).path == UTP, "nor about the peer, whose turn it still is"
    bare.core.dropped(call.number)
    bare.core.check_invariants()


def test_what_is_remembered_is_bounded() -> None:
    book = PathBook(PathConfig(paths=(UTP, TCP), max_remembered=3))
    peers = [Address("8.8.0.1", port) for port in range(1, 6)]
    for peer in peers:
        book.worked(peer, TCP)
        book.check_invariants()
    book.worked(peers[2], TCP)
    book.worked(PEER, TCP)
    assert len(book) == 3
    assert [book.order_for(peer)[0] for peer in peers] == [UTP, UTP, TCP, UTP, TCP]


def test_who_has_called_us_is_not_called_over_the_next_path() -> None:
    """Its call came while ours was under way, which then failed."""
    bare = shell(UTP, TCP)
    call = the_call(bare)
    number = bare.knock(Address(PEER.host, 50_000))
    assert number is not None
    bare.greet(number, b"z" * 20, listens_at=PEER)
    bare.refuse(call)
    assert bare.dial() == []
    bare.lose(number)
    bare.now = 30.0
    assert [call.address for call in bare.dial()] == [PEER], "its turn comes again"


def test_a_path_that_failed_is_forgotten_and_no_other() -> None:
    book = PathBook(PathConfig(paths=(UTP, TCP)))
    book.worked(PEER, TCP)
    book.failed(PEER, UTP)
    assert book.order_for(PEER) == (TCP, UTP)
    book.failed(PEER, TCP)
    assert book.order_for(PEER) == (UTP, TCP)


def test_what_is_left_of_an_order() -> None:
    assert paths_left(ALL, PathFailure.NO_HANDSHAKE) == ALL[1:]
    assert paths_left(ALL, PathFailure.NO_CONNECTION) == (TCP_MSE, TCP)
    assert paths_left((TCP,), PathFailure.NO_HANDSHAKE) == ()


def test_paths_are_named_for_people() -> None:
    assert [str(path) for path in ALL] == ["utp/mse", "utp/plain", "tcp/mse", "tcp/plain"]


@pytest.mark.parametrize("wrong", [{"paths": ()}, {"paths": (TCP, TCP)}, {"max_remembered": 0}])
def test_a_config_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        PathConfig(**wrong)  # type: ignore[arg-type]


# Races


def raced(first: DialPath, second: DialPath) -> tuple[BareShell, Call, Call]:
    """A peer that is called over two transports, since it accepted neither call for a while."""
    bare = shell(first, second)
    slow = the_call(bare)
    assert slow.path == first
    assert bare.core.race_at == bare.now + 0.25 == bare.core.next_timer(now=bare.now)
    assert bare.dial() == []
    bare.now += 0.25
    rival = the_call(bare)
    assert (rival.address, rival.path) == (PEER, second)
    assert bare.dial() == []
    return bare, slow, rival


@pytest.mark.parametrize("winner", [0, 1])
def test_who_accepts_first_is_kept_and_remembered_and_the_other_call_is_given_up(winner: int) -> None:
    bare, *calls = raced(TCP, UTP)
    first, other = calls[winner], calls[1 - winner]
    number = bare.accept(first)
    assert bare.given_up == [other]
    assert not bare.core.opened(other.number, now=bare.now), "it was accepted at the same moment"
    bare.core.dropped(other.number)
    peer = bare.greet(number, b"x" * 20)
    assert peer is not None
    peer.downloaded_bytes = 1
    bare.lose(number)
    bare.now += 1000.0
    assert the_call(bare).path == first.path
    bare.core.check_invariants()


def test_a_peer_that_accepts_at_once_is_called_once() -> None:
    bare = shell(TCP, UTP)
    bare.accept(the_call(bare))
    assert bare.core.race_at is None
    bare.now += 10.0
    assert bare.dial() == []


@pytest.mark.parametrize("loser", [0, 1])
def test_while_one_call_is_under_way_the_other_one_fails_without_consequences(loser: int) -> None:
    bare, *calls = raced(TCP, UTP)
    bare.refuse(calls[loser])
    assert not bare.core.is_path_due(now=bare.now)
    assert bare.dial() == []
    bare.refuse(calls[1 - loser])
    assert backoff_s(bare) == PeerListConfig().backoff_s, "once"


def test_the_winner_inherits_what_the_other_had_not_tried() -> None:
    bare, slow, rival = raced(TCP, UTP)
    number = bare.accept(rival)
    bare.lose(number, was_turned_away=True)
    assert the_call(bare).path == slow.path, "it was given up, and has not failed"


def test_a_transport_that_is_out_of_the_race_is_followed_by_a_third() -> None:
    bare = shell(TCP_MSE, TCP, UTP, RELAY)
    slow = the_call(bare)
    bare.now += 0.25
    second = the_call(bare)
    assert second.path == UTP
    bare.now += 0.25
    assert bare.dial() == [], "two at a time"
    bare.refuse(second)
    third = the_call(bare)
    assert third.path == RELAY
    assert bare.dial() == []
    bare.lose(bare.accept(slow), was_turned_away=True)
    assert bare.given_up == [third]
    assert the_call(bare).path == TCP
    bare.core.check_invariants()


def test_a_race_waits_for_room() -> None:
    admission = admission_of(max_dialling=2)
    blocking = admission.call("9.9.9.1", now=0.0)
    assert isinstance(blocking, Seat)
    bare = shell(TCP, UTP, admission=admission)
    slow = the_call(bare)
    bare.now += 0.3
    assert bare.dial() == []
    assert bare.core.next_timer(now=bare.now) == bare.now + 1.0, "and is not looked after all the time"
    admission.leave(blocking)
    bare.now += 1.0
    rival = the_call(bare)
    bare.core.dropped(rival.number)
    del bare.calls[rival.number]
    bare.accept(slow)
    bare.core.check_invariants()


def test_both_calls_given_up_by_us_leave_the_peer_to_be_called_again() -> None:
    bare, slow, rival = raced(TCP, UTP)
    for call in (slow, rival):
        bare.core.dropped(call.number)
        del bare.calls[call.number]
    assert bare.core.connection_count == 0
    bare.core.peers.call_again(now=bare.now)
    assert the_call(bare).path == TCP


def test_no_second_call_to_a_peer_that_was_banned_meanwhile() -> None:
    bare = shell(TCP, UTP)
    the_call(bare)
    bare.core.ban(PEER)
    bare.now += 1.0
    assert bare.dial() == []
    assert bare.core.race_at is None


def test_no_way_to_a_private_network_ends_one_call_after_the_other() -> None:
    bare = BareShell(paths=PathConfig(paths=(TCP, UTP)))
    bare.core.peers.add(Address("192.168.1.7", 1), PeerSource.TRACKER, now=0.0)
    slow = the_call(bare)
    bare.now += 0.25
    rival = the_call(bare)
    for call in (rival, slow):
        assert call.needs_route
        assert not bare.core.allows(call.number, own="10.0.0.1", now=bare.now)
        del bare.calls[call.number]
    assert bare.core.private == [Address("192.168.1.7", 1)]
    assert backoff_s(bare) == PeerListConfig().backoff_s


# What others say


def test_a_transport_that_the_peer_is_said_to_speak_goes_first_until_it_fails_or_another_one_works() -> None:
    bare = shell(TCP, TCP_MSE, UTP, UTP_MSE)
    bare.core.paths.speaks(PEER, "utp")
    bare.core.paths.speaks(PEER, "carrier pigeon")
    first = the_call(bare)
    assert first.path == UTP
    bare.refuse(first)
    second = the_call(bare)
    assert second.path == TCP
    number = bare.accept(second)
    bare.core.paths.speaks(PEER, "utp")
    peer = bare.greet(number, b"x" * 20)
    assert peer is not None
    peer.downloaded_bytes = 1
    bare.lose(number)
    bare.now += 1000.0
    assert the_call(bare).path == TCP, "that is known"


def test_what_is_said_is_bounded() -> None:
    book = PathBook(PathConfig(paths=(TCP, UTP), max_remembered=2))
    for number in range(3):
        book.speaks(Address("8.8.0.1", number + 1), "utp")
    book.check_invariants()
    assert book.order_for(Address("8.8.0.1", 1)) == (TCP, UTP)
    assert book.order_for(Address("8.8.0.1", 3)) == (UTP, TCP)
    with pytest.raises(ValueError, match="race_delay_s"):
        PathConfig(race_delay_s=-1.0)
