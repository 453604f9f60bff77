"""What becomes of one torrent that was asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from inspect import getdoc

import pytest

from bittorrent import SeedGoal
from fileshare.service import jobs
from fileshare.service.jobs import EndReason, Job, JobState
from tests.unit.fileshare.test_transfers import stats
from transfer.errors import LocalProtocolError, TransferError

MOVES: dict[str, Callable[[Job], object]] = {
    "complete": lambda job: job.complete(100, now=2.0),
    "reopen": lambda job: job.reopen(now=2.0),
    "fail": lambda job: job.fail(TransferError("no"), now=2.0),
    "end": lambda job: job.end(EndReason.REMOVED, now=2.0),
}


def job_in(state: JobState) -> Job:
    job = Job("film", goal=SeedGoal(), now=0.0)
    if state is not JobState.ACTIVE:
        move = {JobState.COMPLETE: "complete", JobState.FAILED: "fail", JobState.ENDED: "end"}[state]
        MOVES[move](job)
    return job


def table() -> dict[tuple[JobState, str], JobState | None]:
    """The table in the docstring of the module."""
    page = getdoc(jobs) or ""
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in page.splitlines() if line.startswith("|")]
    moves = [name.strip("`") for name in rows[0][1:]]
    return {
        (JobState[row[0]], move): JobState[cell] if cell != "-" else None
        for row in rows[2:]
        for move, cell in zip(moves, row[1:], strict=True)
    }


def test_the_table_has_every_state_and_every_move() -> None:
    assert set(table()) == {(state, move) for state in JobState for move in MOVES}


@pytest.mark.parametrize(("state", "move"), [(state, move) for state in JobState for move in MOVES])
def test_a_job_moves_as_the_table_says(state: JobState, move: str) -> None:
    job, target = job_in(state), table()[state, move]
    if target is None:
        with pytest.raises(LocalProtocolError, match=f"film is {state.value} and cannot become"):
            MOVES[move](job)
        target = state
    else:
        MOVES[move](job)
    assert job.state is target
    job.check_invariants()


def test_the_time_of_sharing_stands_still_while_paused_or_incomplete() -> None:
    job = Job("film", goal=SeedGoal(seconds=10.0), now=0.0)
    moment = replace(stats(), wanted_bytes=100)
    job.complete(100, now=5.0)
    job.pause(now=8.0)
    assert job.shared_s(now=100.0) == 3.0
    job.resume(now=100.0)
    job.reopen(now=101.0)
    assert job.shared_s(now=200.0) == 4.0
    job.complete(100, now=200.0)
    assert not job.has_reached_goal(moment, uploaded_before_bytes=0, now=205.9)
    assert job.has_reached_goal(moment, uploaded_before_bytes=0, now=206.0)


def test_what_earlier_runs_sent_counts_for_the_ratio() -> None:
    job = Job("film", goal=SeedGoal(ratio=2.0), now=0.0)
    moment = replace(stats(), wanted_bytes=100, uploaded_bytes=50)
    job.complete(100, now=1.0)
    assert not job.has_reached_goal(moment, uploaded_before_bytes=149, now=1.0)
    assert job.has_reached_goal(moment, uploaded_before_bytes=150, now=1.0)


def test_without_a_goal_completion_is_enough_and_with_one_it_is_not() -> None:
    for goal in (None, SeedGoal()):
        job = Job("film", goal=goal, now=0.0)
        assert job.is_busy
        job.complete(100, now=1.0)
        assert job.is_busy == (goal is not None)
        assert not job.has_reached_goal(stats(), uploaded_before_bytes=10**9, now=1e9)


def test_completion_is_news_once_for_as_much_as_is_wanted() -> None:
    job = Job("film", now=0.0)
    assert job.complete(100, now=4.0)
    job.reopen(now=5.0)  # a piece was lost and is fetched again
    assert not job.complete(100, now=6.0)
    assert job.seconds == 4.0
    job.reopen(now=7.0)
    assert job.complete(150, now=9.0)
    assert job.seconds == 9.0


def test_a_job_that_ended_remembers_whether_it_was_complete() -> None:
    for is_complete in (True, False):
        job = Job("film", now=0.0)
        if is_complete:
            job.complete(100, now=1.0)
        job.end(EndReason.CLOSED, now=7.0)
        assert (job.is_complete, job.seconds) == (is_complete, 7.0 if is_complete else 0.0)
