"""Whatever happens to a torrent, in any order: it is in the state that a plain model says, and nobody waits in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bittorrent.errors import FilesChangedError, StorageError, TorrentStoppedError
from bittorrent.events import PauseChanged, StateChanged, TorrentStopped
from bittorrent.lifecycle.core import Answer, TorrentLifecycle
from bittorrent.lifecycle.table import TABLE, Action, Phase
from bittorrent.stats import TorrentState
from transfer.errors import LocalProtocolError

WAYS_OUT_OF_FAILURE = {  # and into another check and back
    Phase.FAILED: {Phase.FAILED, Phase.FAILED_RECHECKING, Phase.DOWNLOADING, Phase.STOPPED},
    Phase.FAILED_RECHECKING: {Phase.FAILED_RECHECKING, Phase.FAILED, Phase.RECHECKING, Phase.STOPPED},
}


@dataclass
class Waiter:
    """Somebody who waits for a milestone, and what was heard."""

    heard: BaseException | str | None = None

    def tell(self, what: BaseException | str) -> None:
        assert self.heard is None, "told twice"
        self.heard = what


class Milestone:
    """The model of the one in the shell: what came first stays."""

    def __init__(self) -> None:
        self.outcome: BaseException | str | None = None
        self.waiters: list[Waiter] = []

    def end(self, outcome: BaseException | str) -> None:
        if self.outcome is None:
            self.outcome = outcome
            for waiter in self.waiters:
                waiter.tell(outcome)

    def wait(self) -> Waiter:
        waiter = Waiter()
        self.waiters.append(waiter)
        if self.outcome is not None:
            waiter.tell(self.outcome)
        return waiter


class Life(RuleBasedStateMachine):
    """A shell that only notes what it is to do, beside a model that knows no table: facts about the torrent, from which
    its state follows."""

    @initialize(has_metadata=st.booleans(), is_paused=st.booleans(), lifetime=st.integers(0, 60))
    def begin(self, has_metadata: bool, is_paused: bool, lifetime: int) -> None:
        self.lifetime = lifetime  # before that it is not stopped
        self.lifecycle = TorrentLifecycle(has_metadata=has_metadata, is_paused=is_paused)
        self.has_metadata = has_metadata
        self.is_checking = has_metadata
        self.has_begun = self.has_failed = self.is_stopped = False
        self.is_paused = is_paused
        self.missing = 2  # pieces: one is wanted, one is not, and the wanted one is verified first
        self.was_complete = False
        self.metadata_known, self.begun, self.completed = Milestone(), Milestone(), Milestone()
        self.to_settle = False
        self.settling: bool | None = None  # whether all was there at its beginning
        self.announced = self.completions = self.renewals = self.ends = 0
        self.told_state = self.lifecycle.state
        self.told_paused = is_paused
        self.is_over = False
        self.do(self.lifecycle.start())
        if lifetime % 3:  # most of what is of interest comes later
            if not has_metadata:
                self.find_metadata()
            self.end_check(lifetime % 4 % 3)

    def do(self, answers: tuple[Answer, ...]) -> None:
        for answer in answers:
            assert not self.is_over, "something is done after the end"
            match answer:
                case StateChanged(state):
                    assert state is not self.told_state
                    self.told_state = state
                case PauseChanged(is_paused):
                    assert is_paused is not self.told_paused
                    self.told_paused = is_paused
                case TorrentStopped(error):
                    assert error is self.lifecycle.error
                case Action.REACH_METADATA:
                    self.metadata_known.end("known")
                case Action.REACH_BEGUN:
                    self.begun.end("begun")
                case Action.SETTLE:
                    self.to_settle = True
                case Action.REACH_COMPLETED:
                    assert self.completed.outcome is None, "completion is told twice"
                    self.completed.end("complete")
                    self.completions += 1
                case Action.RENEW_COMPLETED:
                    assert self.completed.outcome is not None
                    self.renewals += self.completed.outcome == "complete"
                    self.completed = Milestone()
                case Action.MISS_COMPLETED:
                    assert self.lifecycle.error is not None
                    self.completed.end(self.lifecycle.error)
                case Action.MISS_ALL:
                    assert self.lifecycle.error is not None
                    for milestone in (self.metadata_known, self.begun, self.completed):
                        milestone.end(self.lifecycle.error)
                case Action.ANNOUNCE_COMPLETED:
                    self.announced += 1
                case Action.END:
                    self.is_over = True
                case _:
                    pass

    @property
    def is_finished(self) -> bool:
        return self.missing <= 1

    @property
    def is_complete(self) -> bool:
        return self.missing == 0

    def note_pieces(self) -> None:
        self.do(self.lifecycle.pieces_changed(is_finished=self.is_finished, is_complete=self.is_complete))

    # What happens

    @precondition(lambda self: not self.has_metadata)
    @rule()
    def find_metadata(self) -> None:
        self.has_metadata = self.is_checking = True
        self.do(self.lifecycle.metadata_completed())

    @precondition(lambda self: self.is_checking)
    @rule(missing=st.integers(0, 2))
    def end_check(self, missing: int) -> None:
        has_lost = self.has_begun and missing > self.missing
        self.was_complete = self.was_complete if self.has_begun else missing == 0
        self.missing = missing
        self.is_checking, self.has_begun = False, True
        self.do(
            self.lifecycle.check_ended(is_finished=self.is_finished, is_complete=self.is_complete, has_lost=has_lost)
        )

    @precondition(lambda self: self.has_begun and not self.is_checking and not self.is_stopped)
    @rule()
    def begin_check(self) -> None:
        self.is_checking = True
        self.do(self.lifecycle.check_started())

    @precondition(lambda self: self.has_begun)
    @rule()
    def verify(self) -> None:
        self.missing = max(0, self.missing - 1)
        self.note_pieces()

    @precondition(lambda self: self.has_begun and not self.is_checking and self.missing == 1)
    @rule()
    def want_more(self) -> None:
        self.missing = 2  # the missing one is wanted now
        self.note_pieces()

    @precondition(lambda self: self.to_settle and self.settling is None)
    @rule()
    def begin_to_settle(self) -> None:
        self.to_settle, self.settling = False, self.is_complete

    @precondition(lambda self: self.settling is not None)
    @rule(has_changed=st.booleans())
    def settle(self, has_changed: bool) -> None:
        was_complete, self.settling = bool(self.settling), None
        if has_changed and not self.is_checking and not self.is_stopped:  # the last look found something
            self.begin_check()
            self.end_check(self.missing)
        else:
            self.do(self.lifecycle.settled(is_finished=self.is_finished, is_complete=was_complete))
            if not self.is_stopped:
                assert self.announced or not was_complete or self.was_complete
                assert self.completed.outcome is not None or not self.is_finished

    @precondition(lambda self: self.has_begun)
    @rule()
    def refuse(self) -> None:
        self.has_failed = True
        self.do(self.lifecycle.disk_refused(StorageError("no room")))

    @precondition(lambda self: self.has_begun)
    @rule()
    def change_a_file(self) -> None:
        before = self.lifecycle.phase
        answers = self.lifecycle.disk_refused(FilesChangedError("another", path="x", number=0))
        assert answers == (() if self.is_stopped or self.has_failed else (Action.CHECK_CHANGED_FILE,))
        assert self.lifecycle.phase is before

    @rule()
    def pause(self) -> None:
        before = self.lifecycle.phase
        self.is_paused = self.is_paused or not self.is_stopped
        answers = self.lifecycle.pause()
        self.do(answers)
        assert self.lifecycle.phase is before

    @rule()
    def resume(self) -> None:
        before = self.lifecycle.phase
        had_failed = self.has_failed
        self.has_failed, self.is_paused = False, self.is_paused and self.is_stopped
        answers = self.lifecycle.resume()
        self.do(answers)
        assert (Action.RETRY_DISK in answers) == (had_failed and not self.is_stopped)
        if not had_failed:
            assert self.lifecycle.phase is before, "a pause leads back to where it began"

    @precondition(lambda self: self.lifetime <= 0)
    @rule()
    def stop(self) -> None:
        error = TorrentStoppedError("enough")
        first = None if self.is_stopped else error
        self.is_stopped = True
        self.do(self.lifecycle.stop(error))
        assert first is None or self.lifecycle.error is first

    @rule(
        send=st.sampled_from(
            [
                lambda life: life.start(),
                lambda life: life.metadata_completed(),
                lambda life: life.check_started(),
                lambda life: life.check_ended(is_finished=False, is_complete=False),
                lambda life: life.pieces_changed(is_finished=True, is_complete=True),
                lambda life: life.settled(is_finished=True, is_complete=True),
                lambda life: life.disk_refused(StorageError("no room")),
            ]
        )
    )
    def send_what_cannot_happen(self, send: Callable[[TorrentLifecycle], tuple[Answer, ...]]) -> None:
        """Unless it can: then another rule sends it, with the model."""
        probe = TorrentLifecycle(has_metadata=True)
        probe.__dict__.update(self.lifecycle.__dict__)
        try:
            send(probe)
        except LocalProtocolError:
            before = dict(self.lifecycle.__dict__)
            with pytest.raises(LocalProtocolError):
                send(self.lifecycle)
            assert self.lifecycle.__dict__ == before

    # What always holds

    @invariant()
    def state_follows_from_the_facts(self) -> None:
        assert self.lifecycle.state is self.told_state is self.expected_state()
        assert self.lifecycle.is_paused is self.told_paused is self.is_paused
        assert self.lifecycle.has_failed == (self.has_failed and not self.is_stopped)
        self.lifecycle.check_invariants()

    def expected_state(self) -> TorrentState:
        if self.is_stopped:
            return TorrentState.STOPPED
        if not self.has_metadata:
            return TorrentState.METADATA
        if self.is_checking:
            return TorrentState.CHECKING
        if self.has_failed:
            return TorrentState.FAILED
        if self.is_complete:
            return TorrentState.SEEDING
        return TorrentState.FINISHED if self.is_finished else TorrentState.DOWNLOADING

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        self.lifetime -= 1
        for milestone in (self.metadata_known, self.begun, self.completed):
            milestone.wait()
        outcome = self.completed.outcome
        assert self.is_over == self.is_stopped
        if self.is_stopped:
            assert None not in (self.metadata_known.outcome, self.begun.outcome, outcome)
            return
        assert self.metadata_known.outcome == ("known" if self.has_metadata else None)
        assert self.begun.outcome == ("begun" if self.has_begun else None)
        if self.has_failed:
            assert outcome is not None
            return
        assert outcome in (None, "complete")
        if self.is_finished and self.has_begun and not self.is_checking:
            assert outcome == "complete" or self.to_settle or self.settling is not None

    @invariant()
    def completion_is_no_lie(self) -> None:
        if self.completed.outcome == "complete" and not self.is_checking and not self.is_stopped:
            assert self.is_finished

    @invariant()
    def completion_is_told_once_each_time(self) -> None:
        assert self.completions - self.renewals in (0, 1)
        assert self.announced <= (0 if self.was_complete else 1)


class Steps(Life):
    """Each step is one of the table."""

    def do(self, answers: tuple[Answer, ...]) -> None:
        super().do(answers)
        before = getattr(self, "phase", self.lifecycle.phase)
        self.phase = self.lifecycle.phase
        once = {step.to for step in TABLE[before].values()}
        assert self.phase in once | {step.to for middle in once for step in TABLE[middle].values()}
        assert before not in WAYS_OUT_OF_FAILURE or self.phase in reachable_from_failure(before)


def reachable_from_failure(phase: Phase) -> set[Phase]:
    """A download that goes on may be complete at once."""
    ways = set(WAYS_OUT_OF_FAILURE[phase])
    return ways | ({Phase.FINISHED, Phase.SEEDING} if Phase.DOWNLOADING in ways else set())


def test_any_order() -> None:
    run_state_machine_as_test(Steps, settings=settings(deadline=None, max_examples=300, stateful_step_count=40))
