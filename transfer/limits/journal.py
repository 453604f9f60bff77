"""Who was refused what in the last minutes, in bounded memory: what `explain()` tells."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from transfer.limits.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """Bounds of a `RefusalJournal`.

    Attributes:
        window_s: refusals are told for so long.
        steps: times are kept to this part of the window.
        max_entries: limits and scopes that are told apart; the one that has refused nothing for longest is forgotten.
        max_subjects: of those that one of them refused, so many are named: the latest.
    """

    window_s: float = 600.0
    steps: int = 20
    max_entries: int = 256
    max_subjects: int = 8

    def __post_init__(self) -> None:
        if self.window_s <= 0 or min(self.steps, self.max_entries, self.max_subjects) < 1:
            raise ValueError("the bounds of a journal must be positive")


DEFAULT_CONFIG = JournalConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSummary:
    """What one limit refused lately.

    Attributes:
        latest: the last refusal.
        count: how many there were in the last `window_s`.
        since_s: the first of them is so long ago, at most; and the last one.
        ago_s: see `since_s`.
        subjects: whom it refused, the latest last; not all of them, if they were many.
        advice: how to change the limit.
    """

    latest: Refusal
    count: int
    since_s: float
    ago_s: float
    subjects: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        refusal = self.latest
        whom = f", {', '.join(self.subjects[-SHOWN:])} for example" if self.subjects else ""
        advice = f"; {self.advice}" if self.advice else ""
        return (
            f"{refusal.limit}: {refusal.scope} had {refusal.in_use} of {refusal.most} {refusal.what}"
            f" and refused {self.count} in the last {_duration(self.since_s)}{whom}{advice}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsReport:
    """Which limits refused whom in the last minutes: those that refused most first.

    Attributes:
        total: refusals since the beginning.
        window_s: how far back `refusals` goes.
        usage: of each limit that has a number: its name, how much is in use, and how much may be.
    """

    refusals: tuple[RefusalSummary, ...]
    total: int
    window_s: float
    usage: Mapping[str, tuple[int, int]]

    @classmethod
    def merged(cls, reports: Iterable[LimitsReport]) -> LimitsReport:
        """Of several parts of one program, such as the nodes of the two address families.

        What is in use of a limit that several have, and what may be, is added up.
        """
        parts = list(reports)
        usage: dict[str, tuple[int, int]] = {}
        for part in parts:
            for name, (in_use, most) in part.usage.items():
                before = usage.get(name, (0, 0))
                usage[name] = before[0] + in_use, before[1] + most
        refusals = sorted((each for part in parts for each in part.refusals), key=lambda summary: -summary.count)
        return cls(
            refusals=tuple(refusals),
            total=sum(part.total for part in parts),
            window_s=max((part.window_s for part in parts), default=0.0),
            usage=usage,
        )

    def __str__(self) -> str:
        if not self.refusals:
            return f"no limit has refused anything in the last {_duration(self.window_s)}"
        return "\n".join(map(str, self.refusals))


class RefusalJournal:
    """Notes refusals and sums them up.

    Args:
        advice: for limits by name, how to change them.

    Invariants:
        at most max_entries entries, each with at most steps + 1 counts and max_subjects names
    """

    def __init__(self, config: JournalConfig | None = None, *, advice: Mapping[str, str] | None = None) -> None:
        self.total = 0
        self._config = config or DEFAULT_CONFIG
        self._advice = dict(advice or {})
        self._step_s = self._config.window_s / self._config.steps
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()  # the one that was hit last is last

    def note(self, refusal: Refusal, *, now: float) -> None:
        """A limit refused something. Cost: O(1)."""
        self.total += 1
        key = refusal.limit, refusal.scope
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= self._config.max_entries:
                self._entries.popitem(last=False)
            entry = self._entries[key] = _Entry(refusal, now=now)
        else:
            self._entries.move_to_end(key)
        entry.note(refusal, step_s=self._step_s, config=self._config, now=now)

    def report(self, *, now: float, usage: Mapping[str, tuple[int, int]] | None = None) -> LimitsReport:
        """What was refused in the last `window_s`."""
        found = []
        for key, entry in list(self._entries.items()):
            count = entry.count_since(now - self._config.window_s)
            if not count:
                del self._entries[key]
                continue
            found.append(
                RefusalSummary(
                    latest=entry.latest,
                    count=count,
                    since_s=max(0.0, now - entry.counts[0][0]),
                    ago_s=max(0.0, now - entry.last_at),
                    subjects=tuple(entry.subjects),
                    advice=self._advice.get(entry.latest.limit, ""),
                )
            )
        found.sort(key=lambda summary: -summary.count)
        return LimitsReport(
            refusals=tuple(found), total=self.total, window_s=self._config.window_s, usage=dict(usage or {})
        )

    def check_invariants(self) -> None:
        """Asserts the bounds."""
        config = self._config
        assert len(self._entries) <= config.max_entries
        for entry in self._entries.values():
            assert len(entry.counts) <= config.steps + 1
            assert len(entry.subjects) <= config.max_subjects


class _Entry:
    __slots__ = ("counts", "last_at", "latest", "subjects")

    def __init__(self, refusal: Refusal, *, now: float) -> None:
        self.latest = refusal
        self.last_at = now
        self.counts: deque[tuple[float, int]] = deque()  # when a step began, and how many fell into it
        self.subjects: OrderedDict[str, None] = OrderedDict()

    def note(self, refusal: Refusal, *, step_s: float, config: JournalConfig, now: float) -> None:
        self.latest = refusal
        self.last_at = now
        if self.counts and now - self.counts[-1][0] < step_s:
            began_at, count = self.counts.pop()
            self.counts.append((began_at, count + 1))
        else:
            self.counts.append((now, 1))
            if len(self.counts) > config.steps + 1:
                self.counts.popleft()
        if refusal.subject:
            self.subjects[refusal.subject] = None
            self.subjects.move_to_end(refusal.subject)
            if len(self.subjects) > config.max_subjects:
                self.subjects.popitem(last=False)

    def count_since(self, time: float) -> int:
        while self.counts and self.counts[0][0] < time:
            self.counts.popleft()
        return sum(count for _, count in self.counts)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


SHOWN = 3
