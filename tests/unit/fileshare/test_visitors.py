"""Who may stay at an HTTP server, on virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileshare.visitors import VisitorConfig, Visitors

CONFIG = VisitorConfig(
    max_connections=4,
    max_connections_per_host=2,
    head_timeout_s=10,
    idle_timeout_s=60,
    patience_s=30,
    stall_timeout_s=3600,
)
A, B, C = b"a", b"b", b"c"


def full() -> Visitors:
    """1 and 2 from A, 3 and 4 from B, all with a request under way."""
    visitors = Visitors(CONFIG)
    for number, host in enumerate((A, A, B, B), start=1):
        assert visitors.arrived(number, host, now=0.0) == (True, None)
        visitors.asked(number, now=0.0)
    return visitors


def test_half_a_request_has_a_deadline() -> None:
    visitors = Visitors(CONFIG)
    visitors.arrived(1, A, now=0.0)
    visitors.sent(1, now=9.0)
    assert visitors.next_timer() == 10.0, "a byte now and then does not put it off"
    assert visitors.overdue(now=9.9) == []
    assert visitors.overdue(now=10.0) == [1]
    assert len(visitors) == 0


def test_a_request_takes_as_long_as_it_takes_and_the_next_one_has_a_deadline_again() -> None:
    visitors = Visitors(CONFIG)
    visitors.arrived(1, A, now=0.0)
    visitors.asked(1, now=1.0)
    assert visitors.next_timer() is None
    visitors.answered(1, now=100.0)
    assert visitors.next_timer() == 160.0
    visitors.sent(1, now=120.0)
    assert visitors.next_timer() == 130.0


def test_who_takes_nothing_is_put_out_in_the_end() -> None:
    visitors = Visitors(CONFIG)
    visitors.arrived(1, A, now=0.0)
    visitors.asked(1, now=0.0)
    visitors.stalled(1, now=5.0)
    assert visitors.next_timer() == 3605.0
    visitors.took(1)
    assert visitors.next_timer() is None


def test_who_asks_for_nothing_makes_room() -> None:
    visitors = full()
    assert visitors.arrived(5, C, now=1.0) == (False, None), "all are served"
    visitors.answered(3, now=2.0)
    visitors.answered(1, now=3.0)
    assert visitors.arrived(5, C, now=4.0) == (True, 3), "it has waited longest"
    visitors.check_invariants()


def test_who_takes_nothing_makes_room_when_it_had_time_to() -> None:
    visitors = full()
    visitors.stalled(2, now=0.0)
    assert visitors.arrived(5, C, now=29.0) == (False, None)
    assert visitors.arrived(5, C, now=30.0) == (True, 2)


def test_one_host_makes_room_for_itself() -> None:
    visitors = Visitors(CONFIG)
    for number in (1, 2):
        visitors.arrived(number, A, now=float(number))
    visitors.arrived(3, B, now=0.0)
    assert visitors.arrived(4, A, now=3.0) == (True, 1), "though another host's has waited longer"


@given(st.lists(st.tuples(st.sampled_from("adsarlto"), st.integers(1, 9), st.sampled_from([A, B, C]))))
def test_any_story(story: list[tuple[str, int, bytes]]) -> None:
    visitors, present, now = Visitors(CONFIG), set[int](), 0.0
    for what, number, host in story:
        now += 3.0
        match what:
            case "a" if number not in present:
                may_stay, victim = visitors.arrived(number, host, now=now)
                present -= {victim} if victim is not None else set()
                present |= {number} if may_stay else set()
            case "s":
                visitors.sent(number, now=now)
            case "r":
                visitors.asked(number, now=now)
            case "d":
                visitors.answered(number, now=now)
            case "t":
                visitors.stalled(number, now=now)
            case "l":
                visitors.left(number)
                present.discard(number)
            case "o":
                due = visitors.next_timer()
                gone = visitors.overdue(now=now)
                assert bool(gone) == (due is not None and due <= now)
                present -= set(gone)
            case _:
                visitors.took(number)
        visitors.check_invariants()
        assert len(visitors) == len(present)


@pytest.mark.parametrize("wrong", [{"max_connections": 0}, {"head_timeout_s": 0}])
def test_what_makes_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        VisitorConfig(**wrong)
