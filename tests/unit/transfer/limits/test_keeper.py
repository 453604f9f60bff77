"""Who is let go when there are too many: never the protected, never the new, the least worth first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.keeper import ConnectionKeeper, KeeperConfig


def keeper_of(count: int, **config: float) -> ConnectionKeeper[int]:
    keeper: ConnectionKeeper[int] = ConnectionKeeper(KeeperConfig(**config))  # type: ignore[arg-type]
    for number in range(count):
        keeper.add(number, now=0.0)
    return keeper


def test_above_the_high_mark_so_many_go_that_the_low_one_is_left() -> None:
    keeper = keeper_of(6, low=4, high=6, grace_s=0.0)
    assert keeper.trim(now=1.0) == []
    keeper.add(6, now=1.0)
    keeper.tag(0, "useful", 5.0)
    assert keeper.trim(now=1.0) == [1, 2, 3]
    assert len(keeper) == 4
    assert [key in keeper for key in (0, 1)] == [True, False]


def test_the_new_and_the_protected_stay_and_those_nobody_asked_for_go_first() -> None:
    keeper = keeper_of(3, low=0, high=2, grace_s=10.0, pause_s=0.0)
    keeper.add(9, is_temporary=True, now=0.0)
    keeper.tag(9, "popular", 100.0)
    keeper.protect(0, "friend")
    keeper.protect(0, "relay")
    keeper.add(7, now=5.0)
    assert keeper.trim(now=9.9) == []
    assert keeper.trim(now=10.0) == [9, 1, 2]
    assert keeper.unprotect(0, "friend")
    assert keeper.is_protected(0)
    assert not keeper.unprotect(0, "relay")
    keeper.add(8, now=10.0)
    assert keeper.trim(now=30.0) == [0, 7, 8]


def test_a_decaying_tag_says_what_was_earned_of_late() -> None:
    keeper = keeper_of(2, low=1, high=1, grace_s=0.0)
    keeper.bump(0, "blocks", 100.0, half_life_s=10.0, now=0.0)
    keeper.bump(0, "blocks", 10.0, half_life_s=10.0, now=10.0)
    keeper.tag(1, "blocks", 20.0)
    assert keeper.worth(0, now=10.0) == pytest.approx(60.0)
    assert keeper.worth(0, now=40.0) == pytest.approx(7.5)
    assert keeper.trim(now=40.0) == [0]
    keeper.untag(1, "blocks")
    assert keeper.worth(1, now=40.0) == keeper.worth(99, now=0.0) == 0.0


def test_between_two_times_there_is_a_pause_unless_something_runs_out() -> None:
    keeper = keeper_of(4, low=2, high=3, grace_s=0.0, pause_s=10.0)
    assert keeper.trim(now=0.0) == [0, 1]
    for number in range(10, 13):
        keeper.add(number, now=0.0)
    assert keeper.trim(now=9.9) == []
    assert keeper.trim(is_forced=True, now=9.9) == [2, 3, 10]


def test_strangers_that_come_all_at_once_push_nobody_out() -> None:
    """They did: 253 of them, in their grace, took the places of all hundred that were worth something."""
    keeper: ConnectionKeeper[int] = ConnectionKeeper(KeeperConfig())
    for number in range(100):
        keeper.add(number, now=0.0)
        keeper.tag(number, "useful", 100.0)
    for number in range(1000, 1253):
        keeper.add(number, is_temporary=True, now=100.0)
    assert keeper.trim(now=100.0) == []
    gone = keeper.trim(now=160.0)
    assert len(keeper) == 160
    assert min(gone) >= 1000, "when they are new no more, they are measured like all others"
    for number in range(2000, 2200):
        keeper.add(number, now=170.0)
    assert len(keeper.trim(now=170.0)) == 160, "those that we have called count at once"


def test_tags_are_bounded() -> None:
    keeper = keeper_of(1, max_tags=2)
    keeper.tag(0, "a", 1.0)
    keeper.bump(0, "b", 1.0, half_life_s=1.0, now=0.0)
    keeper.tag(0, "a", 2.0)
    with pytest.raises(ValueError, match="2 tags"):
        keeper.tag(0, "c", 1.0)
    with pytest.raises(ValueError, match="half-life"):
        keeper.bump(0, "b", 1.0, half_life_s=0.0, now=0.0)
    keeper.tag(99, "a", 1.0)
    keeper.protect(99, "a")
    assert not keeper.unprotect(99, "a")


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.booleans(), st.floats(-5, 5)), max_size=40),
    st.integers(0, 5),
    st.integers(0, 5),
    st.booleans(),
)
def test_it_never_lets_go_whom_it_must_keep(
    steps: list[tuple[int, bool, bool, float]], low: int, more: int, is_forced: bool
) -> None:
    keeper: ConnectionKeeper[int] = ConnectionKeeper(KeeperConfig(low=low, high=low + more, grace_s=5.0, pause_s=0.0))
    added, protected, is_new = dict[int, float](), dict[int, bool](), dict[int, bool]()
    for at, (key, is_temporary, is_protected, value) in enumerate(steps):
        keeper.add(key, is_temporary=is_temporary, now=float(at))
        keeper.tag(key, "value", value)
        if is_protected:
            keeper.protect(key, "reason")
        added[key], protected[key], is_new[key] = float(at), is_protected, is_temporary
        gone = keeper.trim(is_forced=is_forced, now=float(at))
        assert all(not protected[it] and at - added[it] >= 5.0 for it in gone)
        assert not gone or (len(added) > low + more or is_forced)
        for it in gone:
            del added[it], protected[it]
        assert len(keeper) == len(added) >= (low if gone else 0)
        staying = [it for it in added if not protected[it] and at - added[it] >= 5.0]
        new = [it for it in added if is_new.get(it) and at - added[it] < 5.0]
        assert not gone or len(added) == low + (0 if is_forced else len(new)) or not staying


def test_the_marks_have_an_order() -> None:
    with pytest.raises(ValueError, match="watermark"):
        KeeperConfig(low=3, high=2)
