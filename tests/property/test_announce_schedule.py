"""Announcements in any order of success, failure and time: what every tracker hears makes sense."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.stats import TrackerState
from bittorrent.tracker.messages import AnnounceEvent, AnnounceResponse
from bittorrent.tracker.schedule import Announce, AnnounceSchedule, ScheduleConfig

CONFIG = ScheduleConfig(min_interval_s=60, max_interval_s=3600, backoff_s=15, max_backoff_s=1800)


class Trackers(RuleBasedStateMachine):
    """Each tracker believes what it was told, and complains about nonsense."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.under_way: list[Announce] = []
        self.members: set[tuple[int, str]] = set()
        self.told_completed: set[tuple[int, str]] = set()
        self.asked_at: dict[tuple[int, str], float] = {}
        self.tiers_working: set[int] = set()

    @initialize(
        tiers=st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=4), seed=st.integers(0, 1 << 32)
    )
    def begin(self, tiers: list[list[str]], seed: int) -> None:
        self.schedule = AnnounceSchedule(tiers, rng=Random(seed), now=self.now, config=CONFIG)

    @rule()
    def make_due(self) -> None:
        for announce in self.schedule.due(now=self.now):
            key = announce.tier, announce.url
            assert announce.tier not in {other.tier for other in self.under_way}, "one at a time in a tier"
            if announce.event is AnnounceEvent.STARTED:
                assert key not in self.members
            else:
                assert key in self.members
            if announce.event is AnnounceEvent.COMPLETED:
                assert key not in self.told_completed
            self.under_way.append(announce)

    @precondition(lambda self: self.under_way)
    @rule(
        data=st.data(),
        interval_s=st.sampled_from([0.0, 1800.0, 1e6]),
        min_interval_s=st.sampled_from([None, 120.0]),
        says_id=st.booleans(),
    )
    def succeed(self, data: st.DataObject, interval_s: float, min_interval_s: float | None, says_id: bool) -> None:
        announce = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        response = AnnounceResponse(
            interval_s=interval_s, min_interval_s=min_interval_s, tracker_id=b"i" if says_id else None
        )
        self.schedule.succeeded(announce, response, now=self.now)
        key = announce.tier, announce.url
        self.members.add(key)
        if announce.event is AnnounceEvent.COMPLETED:
            self.told_completed.add(key)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        announce = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.schedule.failed(announce, now=self.now, error="no")

    @rule(step=st.sampled_from([0.0, 1.0, 60.0, 3600.0]))
    def wait(self, step: float) -> None:
        self.now += step

    @rule()
    def hurry(self) -> None:
        self.schedule.hurry(now=self.now)

    @precondition(lambda self: not self.told_completed)
    @rule()
    def complete(self) -> None:
        self.schedule.completed(now=self.now)

    @rule()
    def leave(self) -> None:
        last = self.schedule.stop()
        told = {(announce.tier, announce.url) for announce in last}
        assert len(told) == len(last)
        assert all(announce.event is AnnounceEvent.STOPPED and announce.num_want == 0 for announce in last)
        assert self.members <= told
        assert told <= self.members | {(announce.tier, announce.url) for announce in self.under_way}
        assert self.schedule.next_timer() is None
        self.under_way.clear()
        self.members.clear()

    @invariant()
    def is_consistent(self) -> None:
        if not hasattr(self, "schedule"):
            return
        self.schedule.check_invariants()
        trackers = self.schedule.trackers(now=self.now)
        announcing = [(stats.tier, stats.url) for stats in trackers if stats.state is TrackerState.ANNOUNCING]
        assert sorted(announcing) == sorted((announce.tier, announce.url) for announce in self.under_way)
        assert all(stats.failures <= stats.announces for stats in trackers)
        assert all(
            (stats.error is not None) == (stats.state is TrackerState.FAILED)
            for stats in trackers
            if stats.state is not TrackerState.ANNOUNCING
        )
        due = self.schedule.next_timer()
        if due is not None:
            assert due <= self.now + CONFIG.max_interval_s


TestTrackers = Trackers.TestCase
TestTrackers.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
