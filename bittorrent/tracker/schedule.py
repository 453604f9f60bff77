"""When to announce which event to which tracker of a torrent (BEP 3, BEP 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from bittorrent.stats import TrackerState, TrackerStats
from bittorrent.tracker.messages import AnnounceEvent, AnnounceResponse
from transfer.limits.backoff import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """How often trackers are asked.

    Attributes:
        min_interval_s: bounds for what a tracker wants to be asked at.
        max_interval_s: see `min_interval_s`.
        backoff_s: the wait after every tracker of a tier failed; it doubles each time, up to `max_backoff_s`.
        num_want: how many peers to ask for; None leaves it to the tracker.
        max_tiers: tiers beyond it are not used.
        max_trackers: trackers of one tier beyond it are not used.
    """

    min_interval_s: float = 60.0
    max_interval_s: float = 3600.0
    backoff_s: float = 15.0
    max_backoff_s: float = 1800.0
    num_want: int | None = 100
    max_tiers: int = 20
    max_trackers: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.min_interval_s <= self.max_interval_s or not 0 < self.backoff_s <= self.max_backoff_s:
            raise ValueError("intervals and back-off must be positive, the lower bound not above the upper one")
        if self.max_tiers < 1 or self.max_trackers < 1 or (self.num_want is not None and self.num_want < 0):
            raise ValueError("there must be room for a tier and a tracker, and num_want cannot be negative")


DEFAULT_CONFIG = ScheduleConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """One announcement that is due: the caller makes it and reports `succeeded` or `failed`."""

    tier: int
    url: str
    event: AnnounceEvent
    num_want: int | None
    tracker_id: bytes | None


class AnnounceSchedule:
    """Which announcement is due when, for one torrent.

    Each tier has one working tracker at a time, found by trying its trackers in random order; one that works moves to
    the front (BEP 12). All tiers are used at once: BEP 12 goes to the next tier only when the one before fails, but
    trackers of one torrent usually know different peers, and waiting for a dead one costs a newcomer a minute.

    A tracker hears `started` until it accepts it, then `completed` once if the download ends meanwhile, and `stopped`
    at the end if it accepted `started`.
    """

    def __init__(
        self, tiers: Sequence[Sequence[str]], *, rng: Random, now: float, config: ScheduleConfig = DEFAULT_CONFIG
    ) -> None:
        self._config = config
        self._tiers: list[_Tier] = []
        for urls in tiers[: config.max_tiers]:
            shuffled = list(dict.fromkeys(urls))
            rng.shuffle(shuffled)
            if shuffled:
                self._tiers.append(_Tier(shuffled[: config.max_trackers], now=now))

    def due(self, *, now: float) -> list[Announce]:
        """The announcements to make now, at most one for each tier; they count as under way from now on."""
        found = []
        for number, tier in enumerate(self._tiers):
            if tier.asked is None and tier.next_at <= now:
                tier.asked = tier.urls[tier.position]
                record = tier.records[tier.asked]
                record.state = TrackerState.ANNOUNCING
                record.announces += 1
                found.append(self._announce(number, tier, tier.asked, tier.event))
        return found

    def succeeded(self, announce: Announce, response: AnnounceResponse, *, now: float) -> None:
        """The tracker took an announcement that `due` gave."""
        tier = self._tiers[announce.tier]
        tier.asked = None
        tier.failures = 0
        record = tier.records[announce.url]
        record.state, record.error, record.response = TrackerState.WORKING, None, response
        tier.urls.remove(announce.url)
        tier.urls.insert(0, announce.url)
        tier.position = 0
        if announce.event is AnnounceEvent.STARTED:
            tier.started[announce.url] = None
        elif announce.event is AnnounceEvent.COMPLETED:
            tier.is_completion_due = False
        if response.tracker_id is not None:
            tier.tracker_ids[announce.url] = response.tracker_id
        interval_s = max(response.interval_s, response.min_interval_s or 0.0, self._config.min_interval_s)
        tier.next_at = now + min(interval_s, self._config.max_interval_s)
        tier.may_hurry_at = now + max(response.min_interval_s or 0.0, self._config.min_interval_s)
        if tier.is_completion_due or tier.is_moved:
            tier.next_at = now
        tier.is_moved = False

    def failed(self, announce: Announce, *, now: float, error: str = "it failed") -> None:
        """An announcement that `due` gave came to nothing: the next tracker of the tier is due at once."""
        tier = self._tiers[announce.tier]
        tier.asked = None
        record = tier.records[announce.url]
        record.state, record.error = TrackerState.FAILED, error
        record.failures += 1
        tier.position += 1
        if tier.position < len(tier.urls):
            tier.next_at = now
            return
        tier.position = 0
        backoff = Backoff(first_s=self._config.backoff_s, max_s=self._config.max_backoff_s)
        tier.next_at = now + backoff.delay_s(tier.failures + 1)
        tier.failures += 1

    def completed(self, *, now: float) -> None:
        """The download is complete: the trackers that know us shall hear it soon."""
        for tier in self._tiers:
            tier.is_completion_due = True
            if tier.started and not tier.failures:
                tier.next_at = min(tier.next_at, now)

    def readdressed(self, *, now: float) -> None:
        """We are at another port: the trackers that were told the old one shall hear the new one."""
        for tier in self._tiers:
            if tier.asked is not None:
                tier.is_moved = True
            elif tier.started and not tier.failures:
                tier.next_at = min(tier.next_at, now)

    def hurry(self, *, now: float) -> None:
        """More peers are wanted: all tiers are due as soon as their trackers allow it."""
        for tier in self._tiers:
            tier.next_at = min(tier.next_at, max(now, tier.may_hurry_at))

    def stop(self) -> list[Announce]:
        """We leave: the last announcements, one for each tracker that may count us. Nothing is due any more."""
        last = []
        for number, tier in enumerate(self._tiers):
            if tier.asked is not None:
                tier.started[tier.asked] = None  # the tracker may know us already, though it has not answered yet
            last += [self._announce(number, tier, url, AnnounceEvent.STOPPED) for url in tier.started]
        self._tiers.clear()
        return last

    def next_timer(self) -> float | None:
        """When an announcement is due (it may be past); None while all are under way, or when there is no tracker."""
        return min((tier.next_at for tier in self._tiers if tier.asked is None), default=None)

    def trackers(self, *, now: float) -> tuple[TrackerStats, ...]:
        """A snapshot of all trackers, tier after tier, those of a tier in the order in which they are tried."""
        return tuple(
            record.stats(url, number, tier.next_at - now if url == tier.urls[tier.position] else None)
            for number, tier in enumerate(self._tiers)
            for url in tier.urls
            for record in [tier.records[url]]
        )

    def check_invariants(self) -> None:
        """Asserts what `_Tier` promises."""
        for tier in self._tiers:
            assert 0 <= tier.position < len(tier.urls)
            assert tier.records.keys() == set(tier.urls)
            assert tier.started.keys() <= tier.records.keys()
            assert tier.asked is None or tier.records[tier.asked].state is TrackerState.ANNOUNCING

    def _announce(self, number: int, tier: _Tier, url: str, event: AnnounceEvent) -> Announce:
        num_want = 0 if event is AnnounceEvent.STOPPED else self._config.num_want
        return Announce(tier=number, url=url, event=event, num_want=num_want, tracker_id=tier.tracker_ids.get(url))


class _Tier:
    """One tier of trackers (BEP 12).

    `position` is the tracker to try next, `asked` the one that an announcement is under way to; `failures` counts how
    often in a row all of them failed.
    """

    __slots__ = (
        "asked",
        "failures",
        "is_completion_due",
        "is_moved",
        "may_hurry_at",
        "next_at",
        "position",
        "records",
        "started",
        "tracker_ids",
        "urls",
    )

    def __init__(self, urls: list[str], *, now: float) -> None:
        self.urls = urls
        self.position = 0
        self.next_at = now
        self.may_hurry_at = now
        self.records = {url: _Record() for url in urls}
        self.failures = 0
        self.asked: str | None = None
        self.is_completion_due = False
        self.is_moved = False
        self.started: dict[str, None] = {}
        self.tracker_ids: dict[str, bytes] = {}

    @property
    def event(self) -> AnnounceEvent:
        if self.urls[self.position] not in self.started:
            return AnnounceEvent.STARTED
        return AnnounceEvent.COMPLETED if self.is_completion_due else AnnounceEvent.NONE


class _Record:
    """What is known of one tracker."""

    __slots__ = ("announces", "error", "failures", "response", "state")

    def __init__(self) -> None:
        self.state = TrackerState.UNTRIED
        self.error: str | None = None
        self.response: AnnounceResponse | None = None
        self.announces = 0
        self.failures = 0

    def stats(self, url: str, tier: int, next_announce_s: float | None) -> TrackerStats:
        said = self.response or AnnounceResponse()
        return TrackerStats(
            url=url,
            tier=tier,
            state=self.state,
            next_announce_s=max(0.0, next_announce_s) if next_announce_s is not None else None,
            error=self.error,
            warning=said.warning,
            peers=len(said.peers),
            seeders=said.seeders,
            leechers=said.leechers,
            external_ip=said.external_ip,
            announces=self.announces,
            failures=self.failures,
        )
