"""Calls by hole punching: a path that comes last, and calls out of turn to those that call us now (BEP 55)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.paths import PUNCH, TCP, UTP, PathBook, PathConfig, PathFailure, paths_left, split_for_race
from bittorrent.dialling.peer_list import PeerListConfig, PeerSource
from tests.dialling_shell import BareShell
from transfer.address import Address

PEER, OTHER = Address("8.8.8.8", 6881), Address("9.8.8.8", 6881)
PATHS = PathConfig(paths=(TCP, UTP, PUNCH))
MSE_PUNCH = replace(PUNCH, cover="mse")


def shell(**config: Any) -> BareShell:
    bare = BareShell(paths=PATHS, **{"peers": PeerListConfig(backoff_s=10), **config})
    bare.core.peers.add(PEER, PeerSource.PEX, now=0.0)
    return bare


def paths_of(bare: BareShell) -> list[str]:
    return [str(call.path) for call in bare.dial()]


def test_it_is_tried_when_every_other_way_has_failed_and_has_no_race_with_any() -> None:
    bare = shell()
    bare.introducible = {PEER}
    (tcp,) = bare.dial()
    bare.now = 5.0
    (utp,) = bare.dial()
    bare.now = 10.0
    assert not bare.dial()
    bare.refuse(tcp)
    assert not bare.dial()
    bare.refuse(utp)
    (punch,) = bare.dial()
    assert [call.path for call in (tcp, utp, punch)] == [TCP, UTP, PUNCH]
    bare.refuse(punch)
    assert not bare.dial()
    bare.now = 19.9
    assert not bare.dial()
    bare.now = 20.0
    assert paths_of(bare) == ["tcp/plain"], "backed off once"


def test_who_can_introduce_us_counts_at_the_moment() -> None:
    bare = shell()
    (tcp,) = bare.dial()
    bare.refuse(tcp)
    (utp,) = bare.dial()
    bare.refuse(utp)
    assert not bare.dial(), "nobody does"
    bare.now = 10.0
    (tcp,) = bare.dial()
    bare.refuse(tcp)
    (utp,) = bare.dial()
    bare.introducible = {PEER}
    bare.refuse(utp)
    assert paths_of(bare) == ["utp/plain by hole punching"]


def test_the_way_that_worked_comes_first_the_next_time_as_long_as_somebody_introduces_us() -> None:
    bare = shell()
    bare.introducible = {PEER}
    for path in (TCP, UTP):
        (call,) = bare.dial()
        assert call.path == path
        bare.refuse(call)
    number, peer = bare.meet(PEER, b"P" * 20)
    peer.downloaded_bytes = 1
    bare.lose(number)
    bare.now = 30.0
    (punch,) = bare.dial()
    assert punch.path == PUNCH
    bare.now = 30.3
    assert paths_of(bare) == ["tcp/plain"], "it may be reachable by now"
    number = bare.accept(punch)
    peer = bare.greet(number, b"P" * 20)  # type: ignore[assignment]
    peer.downloaded_bytes = 1
    bare.lose(number)
    bare.introducible.clear()
    bare.now = 70.0
    assert paths_of(bare) == ["tcp/plain"]


def test_a_peer_that_calls_us_now_is_called_at_once() -> None:
    bare = shell()
    assert bare.core.invite(OTHER, now=0.0)
    assert bare.core.is_path_due(now=0.0)
    assert [(call.address, call.path) for call in bare.dial()] == [(OTHER, PUNCH), (PEER, TCP)]
    assert bare.core.peers.sources(OTHER) == PeerSource.PEX
    assert bare.core.invite(OTHER, now=0.0)
    assert not bare.dial(), "it is being called that way"


def test_a_call_that_is_under_way_over_our_transport_gives_way() -> None:
    """Its first packets were lost at the other side's box."""
    bare = shell()
    (tcp,) = bare.dial()
    bare.now = 0.3
    (utp,) = bare.dial()
    assert bare.core.invite(PEER, now=bare.now)
    (punch,) = bare.dial()
    assert punch.path == PUNCH
    assert bare.given_up == [utp]
    bare.core.check_invariants()
    number = bare.accept(punch)
    assert bare.given_up == [utp, tcp]
    assert bare.greet(number, b"P" * 20) is not None


def test_a_race_that_was_to_come_does_not_make_a_third_call() -> None:
    bare = shell()
    (tcp,) = bare.dial()
    assert bare.core.invite(PEER, now=0.0)
    (punch,) = bare.dial()
    bare.now = 1.0
    assert not bare.dial()
    bare.core.check_invariants()
    bare.refuse(punch)
    assert paths_of(bare) == ["utp/plain"]
    bare.refuse(tcp)
    assert not bare.dial()


def test_who_is_met_banned_blocked_or_ourselves_is_not_called() -> None:
    bare = shell()
    number, peer = bare.come(Address("7.8.8.8", 50_000), b"Q" * 20)
    peer.listen_address = OTHER
    for address in (OTHER, peer.address):
        bare.core.invite(address, now=0.0)
    assert [call.address for call in bare.dial()] == [PEER]
    bare.core.peers.add_own(Address("5.5.5.5", 1))
    bare.core.ban(Address("6.6.6.6", 1))
    bare.core.set_filter(IpFilter([("4.4.4.4", "4.4.4.4")]))
    assert not any(bare.core.invite(Address(host, 1), now=0.0) for host in ("5.5.5.5", "6.6.6.6", "4.4.4.4"))
    bare.core.hold()
    assert not bare.core.invite(Address("3.3.3.3", 6881), now=0.0)
    assert number in bare.standing


def test_invitations_are_few_and_none_waits_for_room() -> None:
    bare = shell(max_dialling=2)
    many = [Address(f"7.7.7.{number}", 6881) for number in range(1, 40)]
    assert sum(bare.core.invite(address, now=0.0) for address in many) == 16
    bare.core.check_invariants()
    assert [call.address for call in bare.dial()] == many[:2]
    for call in list(bare.calls.values()):
        bare.refuse(call)
    assert all(not call.path.is_introduced for call in bare.dial()), "later is too late"


def test_a_private_address_needs_a_way_there() -> None:
    bare = shell()
    bare.core.invite(Address("192.168.1.7", 6881), now=0.0)
    call = next(call for call in bare.dial() if call.path == PUNCH)
    assert call.needs_route
    assert not bare.core.allows(call.number, own="10.0.0.1", now=0.0)


def test_rules_of_the_order() -> None:
    order = (TCP, UTP, PUNCH, MSE_PUNCH)
    assert split_for_race(order) == ((TCP, PUNCH, MSE_PUNCH), (UTP,))
    assert split_for_race((UTP, PUNCH)) == ((UTP, PUNCH), ())
    assert split_for_race((PUNCH, TCP)) == ((PUNCH,), (TCP,))
    assert paths_left((UTP, PUNCH, MSE_PUNCH), PathFailure.NO_CONNECTION) == (PUNCH, MSE_PUNCH)
    assert paths_left((PUNCH, MSE_PUNCH), PathFailure.NO_CONNECTION) == ()
    assert paths_left((PUNCH, MSE_PUNCH), PathFailure.TURNED_AWAY) == (MSE_PUNCH,)
    assert PATHS.under(("plain", "mse")).paths[-2:] == (PUNCH, MSE_PUNCH)
    with pytest.raises(ValueError, match="without being introduced"):
        PathConfig(paths=(PUNCH,))


def test_a_peer_of_the_internet_is_called_over_the_preferred_transport_and_who_wears_a_cover_under_it() -> None:
    config = PATHS.under(("plain", "mse"))
    book = PathBook(config)
    book.preferred = "utp"
    assert book.order_for(Address("192.168.1.7", 1)) == config.paths
    assert [str(path) for path in book.order_for(PEER)][:3] == ["utp/plain", "utp/mse", "tcp/plain"]
    book.wears(PEER, "mse")
    book.wears(PEER, "a fur coat")
    assert [str(path) for path in book.order_for(PEER)][:3] == ["utp/mse", "utp/plain", "tcp/mse"]
    assert book.order_for(PEER)[-2:] == (MSE_PUNCH, PUNCH)
    book.failed(PEER, replace(UTP, cover="mse"))
    assert [str(path) for path in book.order_for(PEER)][:2] == ["utp/plain", "utp/mse"]
    book.check_invariants()
