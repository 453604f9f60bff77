"""When which tracker hears what."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.tracker.messages import AnnounceEvent, AnnounceResponse
from bittorrent.tracker.schedule import Announce, AnnounceSchedule, ScheduleConfig

STARTED, NONE, COMPLETED, STOPPED = (
    AnnounceEvent.STARTED,
    AnnounceEvent.NONE,
    AnnounceEvent.COMPLETED,
    AnnounceEvent.STOPPED,
)
ANSWER = AnnounceResponse(interval_s=1800)


def make(*tiers: list[str], seed: int = 1, **config: object) -> AnnounceSchedule:
    return AnnounceSchedule(tiers, rng=Random(seed), now=0.0, config=ScheduleConfig(**config))  # type: ignore[arg-type]


def only(schedule: AnnounceSchedule, now: float) -> Announce:
    (announce,) = schedule.due(now=now)
    return announce


def test_started_then_repeated_at_the_interval() -> None:
    schedule = make(["a"])
    first = only(schedule, 0.0)
    assert (first.url, first.event, first.num_want) == ("a", STARTED, 100)
    assert schedule.due(now=1000.0) == []
    assert schedule.next_timer() is None
    schedule.succeeded(first, ANSWER, now=5.0)
    assert schedule.next_timer() == 1805.0
    assert schedule.due(now=1804.9) == []
    assert only(schedule, 1805.0).event is NONE


@pytest.mark.parametrize(
    ("said", "minimum", "used"), [(5, None, 60), (1e9, None, 3600), (900, 1200, 1200), (900, 300, 900), (5, 1e9, 3600)]
)
def test_the_interval_is_bounded(said: float, minimum: float | None, used: float) -> None:
    schedule = make(["a"])
    schedule.succeeded(only(schedule, 0.0), AnnounceResponse(interval_s=said, min_interval_s=minimum), now=0.0)
    assert schedule.next_timer() == used


def test_the_next_tracker_of_a_tier_follows_at_once_and_then_stays_in_front() -> None:
    schedule = make(["a", "b", "c"])
    first = only(schedule, 0.0)
    schedule.failed(first, now=1.0)
    second = only(schedule, 1.0)
    assert second.url != first.url
    assert second.event is STARTED
    schedule.succeeded(second, ANSWER, now=1.0)
    third = only(schedule, 1801.0)
    assert third.url == second.url
    schedule.failed(third, now=1801.0)
    fourth = only(schedule, 1801.0)
    assert fourth.url == first.url
    assert fourth.event is STARTED, "this one has not heard of us"


def test_trackers_of_a_tier_come_in_random_order() -> None:
    assert len({only(make(["a", "b", "c"], seed=seed), 0.0).url for seed in range(20)}) == 3


def test_tiers_are_used_side_by_side() -> None:
    schedule = make(["a"], [], ["b"])
    one, two = schedule.due(now=0.0)
    assert (one.url, two.url) == ("a", "b")
    schedule.failed(one, now=0.0)
    schedule.succeeded(two, ANSWER, now=0.0)
    assert only(schedule, 100.0).url == "a"


def test_patience_doubles_when_a_whole_tier_fails() -> None:
    schedule = make(["a", "b"], backoff_s=10, max_backoff_s=100)
    now, waits = 0.0, []
    for _ in range(6):
        schedule.failed(only(schedule, now), now=now)
        schedule.failed(only(schedule, now), now=now)
        due = schedule.next_timer()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [10, 20, 40, 80, 100, 100]
    schedule.succeeded(only(schedule, now), ANSWER, now=now)
    schedule.failed(only(schedule, now + 1800), now=now + 1800)
    schedule.failed(only(schedule, now + 1800), now=now + 1800)
    assert schedule.next_timer() == now + 1810, "a success forgives"


def test_completed_is_said_soon_and_once() -> None:
    schedule = make(["a"])
    schedule.succeeded(only(schedule, 0.0), ANSWER, now=0.0)
    schedule.completed(now=50.0)
    done = only(schedule, 50.0)
    assert done.event is COMPLETED
    schedule.succeeded(done, ANSWER, now=51.0)
    assert only(schedule, 1851.0).event is NONE


def test_completed_waits_for_started() -> None:
    schedule = make(["a"])
    first = only(schedule, 0.0)
    schedule.completed(now=1.0)
    assert schedule.due(now=1.0) == []
    schedule.succeeded(first, ANSWER, now=2.0)
    assert only(schedule, 2.0).event is COMPLETED


def test_completed_does_not_hurry_a_tracker_that_fails() -> None:
    schedule = make(["a"], backoff_s=100)
    schedule.succeeded(only(schedule, 0.0), ANSWER, now=0.0)
    schedule.failed(only(schedule, 1800.0), now=1800.0)
    schedule.completed(now=1801.0)
    assert schedule.due(now=1801.0) == []
    assert only(schedule, 1900.0).event is COMPLETED


def test_stopped_goes_to_everybody_who_may_count_us() -> None:
    schedule = make(["a", "b"], ["c"], ["d"])
    announces = {announce.url: announce for announce in schedule.due(now=0.0)}
    tried = next(url for url in announces if url in "ab")
    schedule.succeeded(announces[tried], ANSWER, now=0.0)
    schedule.failed(announces["d"], now=0.0)
    last = schedule.stop()  # c is under way
    assert {(announce.url, announce.event, announce.num_want) for announce in last} == {
        (tried, STOPPED, 0),
        ("c", STOPPED, 0),
    }
    assert schedule.stop() == []
    assert schedule.due(now=1e6) == []
    assert schedule.next_timer() is None


def test_a_tracker_gets_its_id_back() -> None:
    schedule = make(["a"])
    first = only(schedule, 0.0)
    assert first.tracker_id is None
    schedule.succeeded(first, AnnounceResponse(tracker_id=b"id"), now=0.0)
    assert only(schedule, 1800.0).tracker_id == b"id"
    assert [announce.tracker_id for announce in schedule.stop()] == [b"id"]


def test_tiers_and_trackers_are_bounded() -> None:
    schedule = make(*[[f"{tier}.{url}" for url in range(50)] for tier in range(50)], max_tiers=3, max_trackers=2)
    assert len(schedule.due(now=0.0)) == 3
    alone = make([f"{url}" for url in range(50)] * 2, max_trackers=2)
    for _ in range(2):
        alone.failed(only(alone, 0.0), now=0.0)
    assert alone.due(now=0.0) == []


def test_no_tracker_at_all() -> None:
    schedule = make()
    assert schedule.due(now=0.0) == []
    assert schedule.next_timer() is None
    assert schedule.stop() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_interval_s": 0},
        {"min_interval_s": 9000},
        {"backoff_s": 0},
        {"backoff_s": 1e6},
        {"max_tiers": 0},
        {"max_trackers": 0},
        {"num_want": -1},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        make(["a"], **wrong)  # type: ignore[arg-type]


def test_a_snapshot_tells_in_how_long_the_one_in_front_is_asked_again() -> None:
    schedule = make(["a", "b"], ["c"])
    first, _ = schedule.due(now=100.0)
    schedule.succeeded(first, ANSWER, now=110.0)
    waits = {stats.url: stats.next_announce_s for stats in schedule.trackers(now=160.0)}
    assert waits.pop(first.url) == 1750.0
    assert waits.pop("c") == 0.0, "it is being asked"
    assert list(waits.values()) == [None], "it is not its turn"


def test_another_port_is_told_at_once_to_those_that_know_the_old_one() -> None:
    schedule = make(["known"], ["asked"], ["dead"])
    known, asked, dead = schedule.due(now=0.0)
    schedule.succeeded(known, ANSWER, now=0.0)
    schedule.failed(dead, now=0.0)
    schedule.readdressed(now=10.0)
    (again,) = schedule.due(now=10.0)  # the dead one hears it when its turn comes
    assert (again.url, again.event) == ("known", NONE)
    schedule.succeeded(asked, ANSWER, now=11.0)  # it was told the old one, which was on its way
    (late,) = (each for each in schedule.due(now=11.0) if each.url == "asked")
    schedule.succeeded(late, ANSWER, now=12.0)
    assert [each.url for each in schedule.due(now=14.0)] == []
    schedule.check_invariants()
