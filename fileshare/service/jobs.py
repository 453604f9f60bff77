"""What becomes of one torrent that was asked for. Pure: the time is an argument, and others look at the torrent.

| state | `complete` | `reopen` | `fail` | `end` |
|---|---|---|---|---|
| ACTIVE | COMPLETE | ACTIVE | FAILED | ENDED |
| COMPLETE | - | ACTIVE | FAILED | ENDED |
| FAILED | - | ACTIVE | - | ENDED |
| ENDED | - | - | - | - |

A dash is a wrong call: `LocalProtocolError`.
"""

from __future__ import annotations

from enum import Enum

from bittorrent import SeedGoal, TorrentStats
from transfer import LocalProtocolError, TransferError


class JobState(Enum):
    """Where a job is in its life."""

    ACTIVE = "active"  # looked for, checked or downloaded
    COMPLETE = "complete"  # all that is wanted is verified and on disk, and shared
    FAILED = "failed"  # `Job.error` says why
    ENDED = "ended"  # shared no longer, or given up; `Job.reason` says why


class EndReason(Enum):
    """Why a job ended."""

    GOAL = "goal"  # as much was given as was wished
    REMOVED = "removed"
    REPLACED = "replaced"  # by a newer version
    CLOSED = "closed"  # the service closed


class Job:
    """One torrent that was asked for.

    Args:
        label: what it was called when it was asked for.
        is_optional: what is wrong with it is told, but no user asked for this very torrent: it was found in a folder.
        goal: when to stop sharing; None to be satisfied when it is complete. It is shared all the same, as long as
            the service runs.
        now: when it was asked for.

    Invariants (`check_invariants`): an error exactly in FAILED, a reason exactly in ENDED; `seconds` only when it was
    complete once; the time of sharing runs only in COMPLETE, and not while it is paused.
    """

    def __init__(self, label: str, *, is_optional: bool = False, goal: SeedGoal | None = None, now: float) -> None:
        self.label = label
        self.is_optional = is_optional
        self.goal = goal
        self.state = JobState.ACTIVE
        self.error: TransferError | OSError | None = None
        self.reason: EndReason | None = None
        self.was_complete = False  # when it ended
        self.seconds = 0.0
        self.is_paused = False
        self._began_at = now
        self._told_wanted_bytes: int | None = None
        self._shared_s = 0.0
        self._sharing_since: float | None = None

    @property
    def is_live(self) -> bool:
        """Whether there is a torrent that moves, or could."""
        return self.state in (JobState.ACTIVE, JobState.COMPLETE)

    @property
    def is_busy(self) -> bool:
        """Whether it has anything left to do."""
        return self.state is JobState.ACTIVE or (self.state is JobState.COMPLETE and self.goal is not None)

    @property
    def is_complete(self) -> bool:
        return self.state is JobState.COMPLETE or self.was_complete

    def complete(self, wanted_bytes: int, *, now: float) -> bool:
        """All that is wanted is here; returns whether that is news.

        It is news the first time, and when more is wanted than before. Pieces lost and fetched again are none.
        """
        self._move(JobState.COMPLETE, from_=(JobState.ACTIVE,))
        if not self.is_paused:
            self._sharing_since = now
        is_news = self._told_wanted_bytes != wanted_bytes
        if is_news:
            self._told_wanted_bytes = wanted_bytes
            self.seconds = now - self._began_at
        return is_news

    def reopen(self, *, now: float) -> None:
        """Something is missing again, or is tried again."""
        self._move(JobState.ACTIVE, from_=(JobState.ACTIVE, JobState.COMPLETE, JobState.FAILED))
        self.error = None
        self._stop_clock(now=now)

    def fail(self, error: TransferError | OSError, *, now: float) -> None:
        """It cannot go on."""
        self._move(JobState.FAILED, from_=(JobState.ACTIVE, JobState.COMPLETE))
        self.error = error
        self._stop_clock(now=now)

    def end(self, reason: EndReason, *, now: float) -> None:
        """It is wanted no longer."""
        was_complete = self.state is JobState.COMPLETE
        self._move(JobState.ENDED, from_=(JobState.ACTIVE, JobState.COMPLETE, JobState.FAILED))
        self.error, self.reason, self.was_complete = None, reason, was_complete
        if was_complete:
            self.seconds = now - self._began_at
        self._stop_clock(now=now)

    def pause(self, *, now: float) -> None:
        """The time while it is paused is no time of sharing."""
        self.is_paused = True
        self._stop_clock(now=now)

    def resume(self, *, now: float) -> None:
        """See `pause`."""
        self.is_paused = False
        if self.state is JobState.COMPLETE and self._sharing_since is None:
            self._sharing_since = now

    def shared_s(self, *, now: float) -> float:
        """How long it has been shared."""
        return self._shared_s + (now - self._sharing_since if self._sharing_since is not None else 0.0)

    def has_reached_goal(self, stats: TorrentStats, *, uploaded_before_bytes: int, now: float) -> bool:
        """Whether enough was given."""
        return (
            self.state is JobState.COMPLETE
            and self.goal is not None
            and self.goal.is_reached(
                stats, seeding_s=self.shared_s(now=now), uploaded_before_bytes=uploaded_before_bytes
            )
        )

    def check_invariants(self) -> None:
        """Asserts what the class says of itself."""
        assert (self.error is not None) == (self.state is JobState.FAILED)
        assert (self.reason is not None) == (self.state is JobState.ENDED)
        assert not self.was_complete or self.state is JobState.ENDED
        assert self.seconds == 0.0 or self._told_wanted_bytes is not None
        runs = self.state is JobState.COMPLETE and not self.is_paused
        assert (self._sharing_since is not None) == runs
        assert self._shared_s >= 0.0

    def _stop_clock(self, *, now: float) -> None:
        self._shared_s = self.shared_s(now=now)
        self._sharing_since = None

    def _move(self, state: JobState, *, from_: tuple[JobState, ...]) -> None:
        if self.state not in from_:
            raise LocalProtocolError(f"{self.label} is {self.state.value} and cannot become {state.value}")
        self.state = state
