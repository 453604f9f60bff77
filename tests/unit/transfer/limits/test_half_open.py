"""Who may wait for a handshake: bounds for all, for a network and for a host, and who makes room."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.half_open import HalfOpenConfig, HalfOpenCore
from transfer.limits.shares import network_of, share_of


class Door:
    """Guests that do as the core says."""

    def __init__(self, **config: float) -> None:
        self.core = HalfOpenCore(HalfOpenConfig(**config))  # type: ignore[arg-type]
        self.now = 0.0
        self._numbers = count()

    def arrive(self, host: str, *, connected: int = 0, is_exempt: bool = False) -> tuple[int, list[int]]:
        number = next(self._numbers)
        leaving = self.core.arrive(number, host, connected=connected, is_exempt=is_exempt, now=self.now)
        self.core.check_invariants()
        return number, leaving


def test_the_oldest_makes_room() -> None:
    door = Door(max_waiting=3)
    first = [door.arrive(f"10.{number}.0.1")[0] for number in range(3)]
    newcomer, leaving = door.arrive("10.9.0.1")
    assert leaving == first[:1]
    assert newcomer in door.core
    assert door.core.dismissed == 1


def test_a_few_hosts_push_out_only_each_other() -> None:
    door = Door(max_waiting=8)
    newcomer, _ = door.arrive("9.0.0.1")
    for number in range(500):
        door.arrive(f"10.{number % 3}.0.1")
    assert newcomer in door.core
    assert len(door.core) == 8


def test_a_network_has_a_share_and_a_host_one_of_that() -> None:
    door = Door(max_waiting=100, max_per_network=4, max_per_host=2)
    one = [door.arrive("10.0.0.1")[0] for _ in range(2)]
    assert door.arrive("10.0.0.1")[1] == one[:1]
    for host in ("10.0.0.2", "10.0.0.3"):
        assert door.arrive(host)[1] == []
    assert door.arrive("10.0.0.4")[1] == one[1:]
    assert door.arrive("10.0.1.4")[1] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.1.7", "::1", "2001:db8::1"])
def test_no_address_is_local(host: str) -> None:
    door = Door(max_per_host=2)
    assert [len(door.arrive(host)[1]) for _ in range(4)] == [0, 0, 1, 1]


def test_an_ipv6_subscriber_is_one_host() -> None:
    assert share_of("2001:db8:0:1::1") == share_of("2001:db8:0:1:ffff::2") != share_of("2001:db8:0:2::1")
    assert network_of("2001:db8:0:1::1") == network_of("2001:db8:0:2::1") != network_of("2001:db8:1::1")
    assert share_of("somewhere") == network_of("somewhere") == b"somewhere"


def test_who_squatted_before_goes_first_and_is_forgiven_for_a_handshake() -> None:
    door = Door(max_waiting=2)
    squatter, _ = door.arrive("10.0.0.1")
    door.core.leave(squatter)
    old, _ = door.arrive("10.1.0.1")
    again, _ = door.arrive("10.0.0.1")
    assert door.arrive("10.2.0.1")[1] == [again]
    third, leaving = door.arrive("10.0.0.1")
    assert leaving == [third], "it is the worst itself"
    door.core.finish(old, is_welcome=True)
    fourth, _ = door.arrive("10.0.0.1")
    door.core.finish(fourth, is_welcome=True)
    fifth, _ = door.arrive("10.0.0.1")
    assert fifth not in door.arrive("10.3.0.1")[1]


def test_a_host_with_all_its_connections_has_one_guest_more() -> None:
    """The torrent decides: another connection of the host may be of no use."""
    door = Door(max_per_host=3)
    one, leaving = door.arrive("10.0.0.1", connected=3)
    assert leaving == []
    assert door.arrive("10.0.0.1", connected=3)[1] == [one]


def test_an_exempt_host_has_no_share_and_makes_room_like_everybody() -> None:
    door = Door(max_waiting=4, max_per_host=2, max_per_network=2)
    guests = [door.arrive("10.0.0.1", is_exempt=True)[0] for _ in range(4)]
    assert all(guest in door.core for guest in guests)
    newcomer, leaving = door.arrive("10.9.0.1")
    assert leaving == guests[:1]
    assert newcomer in door.core


def test_the_worst_leaves_when_something_else_runs_out() -> None:
    door = Door()
    assert door.core.dismiss_worst() is None
    crowd = [door.arrive("10.0.0.1")[0] for _ in range(2)]
    single, _ = door.arrive("10.1.0.1")
    assert [door.core.dismiss_worst() for _ in range(3)] == [*crowd, single]


def test_the_slow_leave_in_time() -> None:
    door = Door(timeout_s=10.0)
    assert door.core.next_timer() is None
    one, _ = door.arrive("10.0.0.1")
    door.now = 4.0
    two, _ = door.arrive("10.0.0.2")
    assert door.core.next_timer() == 10.0
    assert door.core.handle_timer(now=9.9) == []
    assert door.core.handle_timer(now=10.0) == [one]
    assert door.core.next_timer() == 14.0
    door.core.finish(two, is_welcome=False)
    assert door.core.dismissed == 1
    assert len(door.core) == 0


@given(st.data())
def test_the_bounds_hold(data: st.DataObject) -> None:
    door = Door(max_waiting=5, max_per_network=3, max_per_host=2, max_remembered=2, timeout_s=10.0)
    waiting: list[int] = []
    for _ in range(40):
        door.now += data.draw(st.sampled_from([0.0, 1.0, 5.0]))
        match data.draw(st.sampled_from(["arrive", "arrive", "finish", "leave", "time"])):
            case "arrive":
                host = data.draw(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.1.1", "::1", "2001:db8::1", "x"]))
                number, leaving = door.arrive(host, connected=data.draw(st.integers(0, 2)))
                waiting = [other for other in [*waiting, number] if other not in leaving]
            case "time":
                gone = door.core.handle_timer(now=door.now)
                waiting = [other for other in waiting if other not in gone]
            case what if waiting:
                number = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
                if what == "leave":
                    door.core.leave(number)
                else:
                    door.core.finish(number, is_welcome=data.draw(st.booleans()))
        door.core.check_invariants()
        assert len(door.core) == len(waiting)


@pytest.mark.parametrize("wrong", [{"max_waiting": 0}, {"max_per_host": -1}, {"timeout_s": 0}])
def test_a_config_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        HalfOpenConfig(**wrong)
