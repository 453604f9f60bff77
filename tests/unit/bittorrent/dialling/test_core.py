"""The connection policy of one torrent on bare virtual time: whom it calls, whom it lets in, who makes room."""

from __future__ import annotations

import pytest

from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.core import FULL, REPLACED
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.dialling.turnover import TurnoverConfig
from tests.dialling_shell import OWN_ID, BareShell, admission_of
from transfer.address import Address

SMALLER_ID, LARGER_ID = b"A" * 20, b"z" * 20  # than ours


def peer(number: int, port: int = 6881) -> Address:
    return Address(f"8.8.{number >> 8}.{number & 255}", port)


def knowing(count: int, source: PeerSource = PeerSource.TRACKER, **config: object) -> BareShell:
    bare = BareShell(**config)  # type: ignore[arg-type]
    assert bare.core.peers.add_all([peer(number) for number in range(count)], source, now=0.0) == count
    return bare


# Bounds of calls


def test_only_so_many_are_called_at_a_time_and_the_slow_ones_hold_up_as_many_again() -> None:
    bare = knowing(10, max_dialling=2, slow_dial_s=3.0)
    assert len(bare.dial()) == 2
    bare.now = 2.9
    assert bare.dial() == []
    bare.now = 3.0
    assert len(bare.dial()) == 2
    bare.now = 60.0
    assert bare.dial() == [], "there is an end to it"
    assert bare.core.half_open_count == bare.admission.dialling == 4


def test_a_connection_that_stands_is_slow_by_its_own_clock() -> None:
    bare = knowing(3, max_dialling=1, slow_dial_s=3.0)
    (call,) = bare.dial()
    bare.now = 2.0
    bare.accept(call)
    bare.now = 4.9
    assert bare.dial() == []
    bare.now = 5.0
    assert len(bare.dial()) == 1
    assert bare.core.connection_count == 2
    assert bare.admission.dialling == 1


def test_all_torrents_together_keep_to_the_bounds_of_the_session() -> None:
    admission = admission_of(max_connections=7, max_dialling=5)
    one, two = knowing(9, admission=admission), knowing(9, admission=admission)
    assert [len(one.dial()), len(two.dial())] == [5, 0]
    for call in list(one.calls.values()):
        one.greet(one.accept(call), b"%20d" % call.number)
    assert [len(one.dial()), len(two.dial())] == [2, 0]
    assert (admission.outbound, admission.dialling) == (7, 2)
    for number in list(one.standing):
        one.lose(number)
    one.core.close()
    assert (admission.outbound, admission.dialling) == (0, 0), "what was never answered is given up"
    assert len(two.dial()) == 5
    assert one.dial() == []


def test_a_full_torrent_calls_nobody() -> None:
    bare = knowing(9, max_connections=2)
    bare.come(peer(100), LARGER_ID)
    assert len(bare.dial()) == 1


# Whom not to call


def test_who_is_connected_from_another_port_is_not_called() -> None:
    bare = knowing(2)
    number = bare.knock(peer(0, 50_000))
    assert number is not None
    bare.greet(number, LARGER_ID, listens_at=peer(0))
    assert [call.address for call in bare.dial()] == [peer(1)]
    bare.lose(number)
    bare.now = 30.0
    assert [call.address for call in bare.dial()] == [peer(0)], "its turn comes again"


def test_we_are_not_called_twice() -> None:
    bare = knowing(1)
    (call,) = bare.dial()
    number = bare.accept(call)
    bare.greeted[number] = OWN_ID  # which ends it
    bare.lose(number)
    assert len(bare.core.peers) == 0
    bare.core.peers.add(peer(0), PeerSource.MANUAL, now=0.0)
    assert bare.dial() == []
    assert bare.core.last_met_at is None


def test_who_is_forgotten_and_named_again_is_not_called_beside_the_call_that_is_under_way() -> None:
    bare = knowing(1, PeerSource.DHT)
    (call,) = bare.dial()
    bare.core.become_private()
    bare.core.peers.add(peer(0), PeerSource.TRACKER, now=0.0)
    assert bare.dial() == []
    bare.refuse(call)
    bare.now = 10.0
    assert len(bare.dial()) == 1


@pytest.mark.parametrize(
    ("host", "source", "needs_route"),
    [
        ("192.168.1.7", PeerSource.TRACKER, True),
        ("192.168.1.7", PeerSource.PEX | PeerSource.DHT, True),
        ("192.168.1.7", PeerSource.MANUAL, False),
        ("192.168.1.7", PeerSource.TRACKER | PeerSource.LOCAL, False),
        ("8.8.8.8", PeerSource.TRACKER, False),
    ],
)
def test_who_needs_a_route(host: str, source: PeerSource, needs_route: bool) -> None:
    bare = BareShell()
    bare.core.peers.add(Address(host, 1), source, now=0.0)
    (call,) = bare.dial()
    assert call.needs_route is needs_route


@pytest.mark.parametrize(("own", "allowed"), [("192.168.1.50", True), ("10.0.0.1", False), (None, False)])
def test_a_call_into_a_private_network_goes_on_if_we_are_in_it(own: str | None, allowed: bool) -> None:
    bare = BareShell()
    address = Address("192.168.1.7", 6881)
    bare.core.peers.add(address, PeerSource.TRACKER, now=0.0)
    (call,) = bare.dial()
    assert bare.core.allows(call.number, own=own, now=0.0) is allowed
    assert bare.core.private == ([] if allowed else [address])
    assert bare.admission.dialling == bare.admission.outbound == allowed
    assert bare.core.peers.next_timer() == (None if allowed else 10.0), "it is backed off"


# What becomes of a connection


def test_who_was_of_use_is_called_again_soon_and_who_was_not_later_each_time() -> None:
    bare = knowing(1)
    number, other = bare.meet(peer(0), LARGER_ID)
    assert bare.core.last_met_at == 0.0
    other.uploaded_bytes = 1
    bare.lose(number, is_seed=True)
    assert bare.core.peers.next_timer() == 30.0
    bare.now = 30.0
    assert bare.dial(wants_seeds=False) == [], "it has everything, and so have we"
    number, _ = bare.meet(peer(0), LARGER_ID)
    bare.lose(number)
    assert bare.core.peers.next_timer() == 40.0


@pytest.mark.parametrize(
    ("peer_id", "is_called_first", "is_called_second", "kept"),
    [
        (LARGER_ID, True, False, "second"),  # they opened it, and have the larger id
        (LARGER_ID, False, True, "first"),
        (SMALLER_ID, True, False, "first"),  # we opened it, and have
        (SMALLER_ID, False, True, "second"),
        (LARGER_ID, True, True, "first"),  # a peer with two addresses
        (SMALLER_ID, False, False, "first"),
    ],
)
def test_both_ends_keep_the_connection_that_the_larger_id_opened(
    peer_id: bytes, is_called_first: bool, is_called_second: bool, kept: str
) -> None:
    bare = knowing(2)

    def stand(address: Address, is_called: bool) -> int:
        if is_called:
            return next(bare.accept(call) for call in list(bare.calls.values()) if call.address == address)
        number = bare.knock(address)
        assert number is not None
        return number

    bare.dial()
    first, second = stand(peer(0), is_called_first), stand(peer(1), is_called_second)
    assert bare.greet(first, peer_id) is not None
    is_second_kept = bare.greet(second, peer_id) is not None
    assert is_second_kept == (kept == "second")
    assert bare.leaving == ({first: REPLACED} if is_second_kept else {second: "a duplicate"})


def test_a_connection_that_ends_already_does_not_count_as_one_with_the_peer() -> None:
    bare = knowing(2)
    bare.dial()
    first, second = (bare.accept(call) for call in list(bare.calls.values()))
    other = bare.greet(first, LARGER_ID)
    assert other is not None
    other.is_closed = True
    assert bare.greet(second, LARGER_ID) is not None


# Who may come in


def test_who_is_refused() -> None:
    bare = BareShell()
    bare.core.ban(peer(1))
    assert bare.knock(peer(1, 9)) is None
    bare.core.set_filter(IpFilter([(peer(2).host, peer(2).host)]))
    assert bare.knock(peer(2)) is None
    bare.core.hold()
    assert bare.knock(peer(3)) is None
    bare.core.resume(now=0.0)
    assert bare.knock(peer(3)) is not None
    bare.core.close()
    assert bare.knock(peer(4)) is None


def test_a_newcomer_to_a_full_torrent_needs_somebody_who_is_of_no_use() -> None:
    bare = BareShell(max_connections=2)
    (first, idle), (_, busy) = bare.come(peer(1), LARGER_ID), bare.come(peer(2), SMALLER_ID)
    assert bare.knock(peer(3)) is None
    idle.idles = busy.am_interested = True
    assert bare.knock(peer(3)) is not None
    assert bare.leaving == {first: FULL}
    assert idle.is_excused
    assert bare.knock(peer(4)) is None, "one goes for one"


def test_a_full_session_is_full_for_every_torrent() -> None:
    admission = admission_of(max_connections=1)
    one, two = BareShell(admission=admission), BareShell(admission=admission)
    number, idle = one.come(peer(1), LARGER_ID)
    assert two.knock(peer(2)) is None, "nobody of this torrent can go"
    idle.idles = True
    assert one.knock(peer(2)) is not None
    assert number in one.leaving


def test_a_host_that_has_all_it_may_have_comes_in_for_one_of_its_own_only() -> None:
    bare = BareShell(admission=admission_of(max_per_address=2))
    (_, first), (number, second), (_, other) = (
        bare.come(address, b"%20d" % address.port) for address in (peer(1, 1), peer(1, 2), peer(2, 3))
    )
    other.idles = True
    assert bare.knock(peer(1, 4)) is None
    second.idles = True
    assert bare.knock(peer(1, 4)) is not None
    assert list(bare.leaving) == [number]
    assert not first.is_closed


def test_the_connections_of_a_host_are_counted_over_all_torrents() -> None:
    admission = admission_of(max_per_address=1)
    one, two = BareShell(admission=admission), BareShell(admission=admission)
    number, _ = one.come(peer(1), LARGER_ID)
    assert two.knock(peer(1, 2)) is None
    one.lose(number)
    assert two.knock(peer(1, 2)) is not None


def test_a_call_that_is_not_answered_gives_way_after_a_while_to_one_newcomer() -> None:
    bare = knowing(2, max_connections=2, slow_dial_s=3.0)
    first, second = (bare.accept(call) for call in bare.dial())
    bare.now = 2.9
    assert bare.knock(peer(100)) is None
    bare.now = 3.0
    assert bare.knock(peer(100)) is not None
    assert bare.leaving == {first: FULL}
    assert bare.knock(peer(101)) is not None
    assert list(bare.leaving) == [first, second]
    assert bare.knock(peer(102)) is None, "both are on their way out already"


def test_who_is_being_called_does_not_give_way() -> None:
    bare = knowing(1, max_connections=1)
    bare.dial()
    bare.now = 60.0
    assert bare.knock(peer(100)) is None


def test_a_connection_of_this_process_always_has_a_place() -> None:
    bare = BareShell(max_connections=1)
    bare.come(peer(1), LARGER_ID)
    number = bare.core.join(Address("web.example", 80), now=0.0)
    assert (bare.core.connection_count, bare.admission.inbound, bare.admission.outbound) == (2, 1, 0)
    assert not bare.core.is_called(number)
    bare.core.ended(number, peer_id=None, was_turned_away=False, is_seed=True, now=0.0)
    assert (bare.core.connection_count, bare.admission.inbound) == (1, 1)


# Who makes room


def test_for_a_call_that_is_due_somebody_makes_room_who_gives_nothing() -> None:
    bare = BareShell(max_connections=1, turnover=TurnoverConfig(min_age_s=60.0))
    number, _ = bare.come(peer(1), LARGER_ID)
    bare.now = 60.0
    assert bare.core.handle_timer(wants_seeds=True, now=bare.now) == (), "nobody is to be called"
    bare.core.peers.add(peer(2), PeerSource.TRACKER, now=bare.now)
    assert bare.core.handle_timer(wants_seeds=False, now=bare.now) == (), "everything is here"
    (evicted,) = bare.core.handle_timer(wants_seeds=True, now=bare.now)
    assert evicted == (number, FULL)
    bare.end([evicted])
    assert bare.core.handle_timer(wants_seeds=True, now=bare.now) == ()
    bare.lose(number)
    assert [call.address for call in bare.dial()] == [peer(2)]


@pytest.mark.parametrize("how", ["ban", "filter"])
def test_connections_with_a_host_that_is_banned_end_in_whatever_stage(how: str) -> None:
    bare = knowing(3)
    bare.dial()
    met, greeting, calling = sorted(bare.calls.values(), key=lambda call: call.address)
    bare.greet(bare.accept(met), LARGER_ID)
    bare.accept(greeting)
    came, _ = bare.come(met.address._replace(port=9), SMALLER_ID)
    spared, _ = bare.come(peer(9), b"0" * 20)
    if how == "ban":
        evicted = [
            eviction
            for address in (calling.address, greeting.address, met.address)
            for eviction in bare.core.ban(address)
        ]
    else:
        evicted = list(bare.core.set_filter(IpFilter([(peer(0).host, peer(8).host)])))
    bare.end(evicted)
    assert set(bare.leaving) == {met.number, greeting.number, came}
    assert spared in bare.standing
    assert {reason for _, reason in evicted} == {
        "the peer is banned" if how == "ban" else "the peer is on the list of blocked addresses"
    }
    assert bare.accept(calling) in bare.leaving, "it came too late"


def test_a_torrent_that_turns_out_private_ends_what_strangers_led_to() -> None:
    bare = knowing(1, PeerSource.DHT)
    number, _ = bare.meet(peer(0), LARGER_ID)
    bare.core.peers.add(peer(1), PeerSource.TRACKER, now=0.0)
    bare.meet(peer(1), SMALLER_ID)
    bare.come(peer(2), b"0" * 20)
    bare.end(bare.core.become_private())
    assert list(bare.leaving) == [number]


# The clock


def test_when_to_look_again() -> None:
    bare = BareShell()
    core = bare.core
    assert core.next_timer(now=0.0) == 30.0, "the session may have room again"
    core.peers.add(peer(1), PeerSource.TRACKER, now=0.0)
    assert core.next_timer(now=0.0) == 1.0
    (call,) = bare.dial()
    assert core.next_timer(now=5.0) == 6.0
    bare.refuse(call)
    assert core.next_timer(now=0.0) == 10.0
    assert core.next_timer(now=9.5) == 10.5
    for _ in range(2):
        bare.now += 100.0
        bare.refuse(bare.dial()[0])
    assert core.next_timer(now=bare.now) == bare.now + 30.0


def test_what_is_told_of_why_nobody_came_is_bounded() -> None:
    bare = BareShell(max_named=2)
    for number in range(4):
        bare.core.peers.add(Address(f"192.168.1.{number + 1}", 1), PeerSource.TRACKER, now=0.0)
        bare.core.peers.add(peer(number), PeerSource.TRACKER, now=0.0)
    for call in bare.dial():
        if call.needs_route:
            bare.core.allows(call.number, own=None, now=0.0)
        else:
            bare.lose(bare.accept(call), was_turned_away=True)
    assert (len(bare.core.private), len(bare.core.turned_away_by)) == (2, 2)
    bare.core.check_invariants()


@pytest.mark.parametrize(
    "wrong", [{"max_connections": 0}, {"max_dialling": 0}, {"slow_dial_s": 0.0}, {"max_named": 0}, {"tick_s": 31.0}]
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        DiallingConfig(**wrong)  # type: ignore[arg-type]
