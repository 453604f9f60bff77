"""A job keeps its invariants, and its clock runs as a slow, obvious one does, whatever happens in whatever order."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bittorrent import SeedGoal
from fileshare.service.jobs import EndReason, Job, JobState
from transfer.errors import LocalProtocolError, TransferError


class JobMachine(RuleBasedStateMachine):
    """All moves, at any time; those that are wrong must change nothing."""

    @initialize(has_goal=st.booleans())
    def begin(self, has_goal: bool) -> None:
        self.now = 0.0
        self.shared_s = 0.0
        self.job = Job("film", goal=SeedGoal(seconds=1e9) if has_goal else None, now=self.now)

    @rule(seconds=st.integers(0, 1000))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        if self.job.state is JobState.COMPLETE and not self.job.is_paused:
            self.shared_s += seconds

    @rule(wanted=st.integers(0, 2))
    def complete(self, wanted: int) -> None:
        with suppress(LocalProtocolError):
            self.job.complete(wanted, now=self.now)

    @rule()
    def reopen(self) -> None:
        with suppress(LocalProtocolError):
            self.job.reopen(now=self.now)

    @rule()
    def fail(self) -> None:
        with suppress(LocalProtocolError):
            self.job.fail(TransferError("no"), now=self.now)

    @rule(reason=st.sampled_from(EndReason))
    def end(self, reason: EndReason) -> None:
        with suppress(LocalProtocolError):
            self.job.end(reason, now=self.now)

    @rule(pauses=st.booleans())
    def pause_or_resume(self, pauses: bool) -> None:
        if pauses:
            self.job.pause(now=self.now)
        else:
            self.job.resume(now=self.now)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "job"):
            self.job.check_invariants()
            assert self.job.shared_s(now=self.now) == self.shared_s
            assert not (self.job.is_busy and not self.job.is_live)


TestJobs = JobMachine.TestCase
