"""The states of a torrent: what is allowed in each, what is refused, and what is answered."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from bittorrent.errors import FilesChangedError, StorageError, TorrentStoppedError
from bittorrent.events import PauseChanged, StateChanged, TorrentStopped
from bittorrent.lifecycle.core import Answer, TorrentLifecycle
from bittorrent.lifecycle.table import TABLE, Action, Event, Phase
from bittorrent.stats import TorrentState
from transfer.errors import LocalProtocolError

FULL = StorageError("no room", errno=errno.ENOSPC)
CHANGED = FilesChangedError("another file", path="x", number=3)
STOPPED = TorrentStoppedError("enough")

SEND: dict[Event, Callable[[TorrentLifecycle], tuple[Answer, ...]]] = {
    Event.STARTED: lambda life: life.start(),
    Event.METADATA_COMPLETED: lambda life: life.metadata_completed(),
    Event.CHECK_STARTED: lambda life: life.check_started(),
    Event.CHECK_ENDED: lambda life: life.check_ended(is_finished=False, is_complete=False),
    Event.PIECES_MISSING: lambda life: life.pieces_changed(is_finished=False, is_complete=False),
    Event.WANTED_VERIFIED: lambda life: life.pieces_changed(is_finished=True, is_complete=False),
    Event.ALL_VERIFIED: lambda life: life.pieces_changed(is_finished=True, is_complete=True),
    Event.SETTLED: lambda life: life.settled(is_finished=True, is_complete=True),
    Event.FILES_CHANGED: lambda life: life.disk_refused(CHANGED),
    Event.DISK_REFUSED: lambda life: life.disk_refused(FULL),
    Event.PAUSED: lambda life: life.pause(),
    Event.RESUMED: lambda life: life.resume(),
    Event.STOPPED: lambda life: life.stop(STOPPED),
}

BEGUN = (Event.METADATA_COMPLETED, Event.CHECK_ENDED)
WAYS: dict[Phase, tuple[Event, ...]] = {
    Phase.METADATA: (),
    Phase.CHECKING: (Event.METADATA_COMPLETED,),
    Phase.DOWNLOADING: BEGUN,
    Phase.FINISHED: (*BEGUN, Event.WANTED_VERIFIED),
    Phase.SEEDING: (*BEGUN, Event.ALL_VERIFIED),
    Phase.RECHECKING: (*BEGUN, Event.CHECK_STARTED),
    Phase.FAILED: (*BEGUN, Event.DISK_REFUSED),
    Phase.FAILED_RECHECKING: (*BEGUN, Event.DISK_REFUSED, Event.CHECK_STARTED),
    Phase.STOPPED: (Event.STOPPED,),
}

# What comes of it, written down apart from the table: "." is refused.
LETTERS = dict(zip("MCDFSRXYE", Phase, strict=True))  # in the order of `Phase`: Y is FAILED_RECHECKING, E the end
EXPECTED = """
                    M C D F S R X Y
STARTED             M C . . . . . .
METADATA_COMPLETED  C . . . . . . .
CHECK_STARTED       . . R R R . Y .
CHECK_ENDED         . D . . . D . X
PIECES_MISSING      . . D D . R X Y
WANTED_VERIFIED     . . F F . R X Y
ALL_VERIFIED        . . S S S R X Y
SETTLED             . . D F S R X Y
FILES_CHANGED       . . D F S R X Y
DISK_REFUSED        . . X X X Y X Y
PAUSED              M C D F S R X Y
RESUMED             M C D F S R D R
STOPPED             E E E E E E E E
"""


def outcomes() -> list[tuple[Phase, Event, Phase | None]]:
    head, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return [
        (LETTERS[letter], Event[row[0]], LETTERS.get(to))
        for row in rows
        for letter, to in zip(head, row[1:], strict=True)
    ]


def lifecycle_in(phase: Phase) -> TorrentLifecycle:
    lifecycle = TorrentLifecycle(has_metadata=False)
    for event in WAYS[phase]:
        SEND[event](lifecycle)
    assert lifecycle.phase is phase
    return lifecycle


def test_the_table_below_is_complete() -> None:
    named = {(phase, event) for phase, event, _ in outcomes()}
    assert named == {(phase, event) for phase in Phase for event in SEND if phase is not Phase.STOPPED}
    assert set(SEND) == set(Event) - {Event.PIECES_LOST}  # which only the end of a check can bring


@pytest.mark.parametrize(("phase", "event", "to"), outcomes(), ids=lambda value: value.name if value else "refused")
def test_each_event_in_each_state(phase: Phase, event: Event, to: Phase | None) -> None:
    lifecycle = lifecycle_in(phase)
    before = lifecycle.error
    if to is None:
        with pytest.raises(LocalProtocolError, match=f"it cannot be that {event.value} while a torrent is"):
            SEND[event](lifecycle)
        assert (lifecycle.phase, lifecycle.error) == (phase, before)
    else:
        answers = SEND[event](lifecycle)
        assert lifecycle.phase is to
        told = [answer.state for answer in answers if isinstance(answer, StateChanged)]
        assert told[-1:] == ([lifecycle.state] if lifecycle_in(phase).state is not lifecycle.state else [])
    lifecycle.check_invariants()


@pytest.mark.parametrize("event", SEND, ids=lambda event: event.name)
def test_after_the_end_nothing_happens_any_more(event: Event) -> None:
    lifecycle = lifecycle_in(Phase.STOPPED)
    assert SEND[event](lifecycle) == ()
    assert (lifecycle.phase, lifecycle.error) == (Phase.STOPPED, STOPPED)


def test_a_refused_event_says_what_is_wrong() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        lifecycle_in(Phase.SEEDING).metadata_completed()
    assert str(caught.value) == "it cannot be that its metadata was found while a torrent is seeding"


def test_every_state_can_be_reached_and_left() -> None:
    reached = {step.to for phase, row in TABLE.items() for step in row.values() if step.to is not phase}
    assert reached == set(Phase) - {Phase.METADATA}  # in which a magnet link begins
    left = {phase for phase, row in TABLE.items() if any(step.to is not phase for step in row.values())}
    assert left == set(Phase) - {Phase.STOPPED}


# Stories: everything that is answered, in order


def test_a_magnet_link_from_nothing_to_a_seed() -> None:
    lifecycle = TorrentLifecycle(has_metadata=False)
    assert lifecycle.start() == (Action.FETCH_METADATA,)
    assert lifecycle.metadata_completed() == (
        StateChanged(TorrentState.CHECKING),
        Action.REACH_METADATA,
        Action.CHECK_FILES,
    )
    assert lifecycle.check_ended(is_finished=False, is_complete=False) == (
        StateChanged(TorrentState.DOWNLOADING),
        Action.REACH_BEGUN,
        Action.OPEN_SOURCES,
    )
    assert lifecycle.pieces_changed(is_finished=False, is_complete=False) == ()
    assert lifecycle.pieces_changed(is_finished=True, is_complete=False) == (
        StateChanged(TorrentState.FINISHED),
        Action.SETTLE,
    )
    assert lifecycle.settled(is_finished=True, is_complete=False) == (Action.REACH_COMPLETED,)
    assert lifecycle.pieces_changed(is_finished=True, is_complete=True) == (
        StateChanged(TorrentState.SEEDING),
        Action.SETTLE,
    )
    assert lifecycle.settled(is_finished=True, is_complete=True) == (Action.ANNOUNCE_COMPLETED,)
    assert lifecycle.settled(is_finished=True, is_complete=True) == ()
    assert lifecycle.stop(STOPPED) == (
        StateChanged(TorrentState.STOPPED),
        Action.MISS_ALL,
        TorrentStopped(STOPPED),
        Action.END,
    )


def test_what_was_there_at_the_start_is_complete_and_no_tracker_hears_of_a_download() -> None:
    lifecycle = TorrentLifecycle(has_metadata=True)
    assert lifecycle.start() == (Action.REACH_METADATA, Action.CHECK_FILES)
    assert lifecycle.check_ended(is_finished=True, is_complete=True) == (
        StateChanged(TorrentState.DOWNLOADING),
        Action.REACH_BEGUN,
        Action.OPEN_SOURCES,
        StateChanged(TorrentState.SEEDING),
        Action.SETTLE,
    )
    assert lifecycle.settled(is_finished=True, is_complete=True) == (Action.REACH_COMPLETED,)


def test_a_torrent_that_is_repaired_is_complete_again_and_trackers_hear_of_one_download() -> None:
    lifecycle = lifecycle_in(Phase.SEEDING)
    assert lifecycle.settled(is_finished=True, is_complete=True) == (Action.REACH_COMPLETED, Action.ANNOUNCE_COMPLETED)
    assert lifecycle.check_started() == (StateChanged(TorrentState.CHECKING),)
    assert lifecycle.check_ended(is_finished=False, is_complete=False, has_lost=True) == (
        StateChanged(TorrentState.DOWNLOADING),
        Action.RENEW_COMPLETED,
        Action.CALL_PEERS_AGAIN,
    )
    lifecycle.pieces_changed(is_finished=True, is_complete=True)
    assert lifecycle.settled(is_finished=True, is_complete=True) == (Action.REACH_COMPLETED,)


def test_a_check_that_finds_everything_leads_back_and_settles_anew() -> None:
    lifecycle = lifecycle_in(Phase.SEEDING)
    lifecycle.check_started()
    assert lifecycle.check_ended(is_finished=True, is_complete=True) == (
        StateChanged(TorrentState.DOWNLOADING),
        StateChanged(TorrentState.SEEDING),
        Action.SETTLE,
    )


def test_lost_pieces_that_nobody_wants_call_nobody() -> None:
    lifecycle = lifecycle_in(Phase.SEEDING)
    lifecycle.settled(is_finished=True, is_complete=True)
    lifecycle.check_started()
    answers = lifecycle.check_ended(is_finished=True, is_complete=False, has_lost=True)
    assert answers[1:] == (StateChanged(TorrentState.FINISHED), Action.SETTLE)


def test_more_is_wanted_than_was_fetched() -> None:
    lifecycle = lifecycle_in(Phase.FINISHED)
    lifecycle.settled(is_finished=True, is_complete=False)
    assert lifecycle.pieces_changed(is_finished=False, is_complete=False) == (
        StateChanged(TorrentState.DOWNLOADING),
        Action.RENEW_COMPLETED,
        Action.CALL_PEERS_AGAIN,
    )


def test_more_is_wanted_before_what_was_fetched_has_settled() -> None:
    lifecycle = lifecycle_in(Phase.FINISHED)
    lifecycle.pieces_changed(is_finished=False, is_complete=False)
    assert lifecycle.settled(is_finished=False, is_complete=False) == ()


def test_a_disk_that_refuses_and_is_tried_again() -> None:
    lifecycle = lifecycle_in(Phase.DOWNLOADING)
    assert lifecycle.disk_refused(FULL) == (StateChanged(TorrentState.FAILED), Action.MISS_COMPLETED)
    assert (lifecycle.error, lifecycle.has_failed) == (FULL, True)
    assert lifecycle.resume() == (
        StateChanged(TorrentState.DOWNLOADING),
        Action.RENEW_COMPLETED,
        Action.RETRY_DISK,
    )
    assert (lifecycle.error, lifecycle.has_failed) == (None, False)


def test_what_came_while_the_disk_refused_counts_when_it_is_tried_again() -> None:
    lifecycle = lifecycle_in(Phase.FAILED)
    assert lifecycle.pieces_changed(is_finished=True, is_complete=False) == ()
    assert lifecycle.resume()[-2:] == (StateChanged(TorrentState.FINISHED), Action.SETTLE)


def test_a_failed_torrent_that_was_complete_and_is_not_any_more() -> None:
    lifecycle = lifecycle_in(Phase.FINISHED)
    lifecycle.settled(is_finished=True, is_complete=False)
    assert lifecycle.disk_refused(FULL) == (StateChanged(TorrentState.FAILED),)  # what is wanted is there all the same
    assert lifecycle.pieces_changed(is_finished=False, is_complete=False) == (
        Action.RENEW_COMPLETED,
        Action.MISS_COMPLETED,
    )
    assert lifecycle.pieces_changed(is_finished=False, is_complete=False) == ()


def test_a_disk_that_refuses_during_a_check_is_seen_as_such_after_it() -> None:
    lifecycle = lifecycle_in(Phase.RECHECKING)
    assert lifecycle.disk_refused(FULL) == (Action.MISS_COMPLETED,)
    assert (lifecycle.state, lifecycle.error) == (TorrentState.CHECKING, FULL)
    assert lifecycle.check_ended(is_finished=False, is_complete=False, has_lost=True) == (
        StateChanged(TorrentState.FAILED),
        Action.CALL_PEERS_AGAIN,
    )


def test_a_failed_torrent_may_be_resumed_during_a_check() -> None:
    lifecycle = lifecycle_in(Phase.FAILED_RECHECKING)
    assert lifecycle.resume() == (Action.RENEW_COMPLETED, Action.RETRY_DISK)
    assert (lifecycle.state, lifecycle.error, lifecycle.is_checking) == (TorrentState.CHECKING, None, True)
    lifecycle.check_ended(is_finished=False, is_complete=False)
    assert lifecycle.phase is Phase.DOWNLOADING


def test_a_file_that_others_changed_is_no_failure() -> None:
    assert lifecycle_in(Phase.DOWNLOADING).disk_refused(CHANGED) == (Action.CHECK_CHANGED_FILE,)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.STOPPED], ids=lambda it: it.name)
def test_a_pause_leads_back_to_where_it_began(phase: Phase) -> None:
    lifecycle = lifecycle_in(phase)
    assert lifecycle.pause() == (PauseChanged(True), Action.SUSPEND_EXCHANGE)
    assert (lifecycle.phase, lifecycle.is_paused, lifecycle.accepts_peers) == (phase, True, False)
    assert lifecycle.pause() == ()
    answers = lifecycle.resume()
    assert answers[-2:] == (PauseChanged(False), Action.RESUME_EXCHANGE)
    back = {Phase.FAILED: Phase.DOWNLOADING, Phase.FAILED_RECHECKING: Phase.RECHECKING}  # for the disk is tried again
    assert (lifecycle.phase, lifecycle.is_paused) == (back.get(phase, phase), False)
    assert lifecycle.resume() == ()


def test_a_torrent_that_is_added_paused_is_checked_all_the_same() -> None:
    lifecycle = TorrentLifecycle(has_metadata=True, is_paused=True)
    lifecycle.start()
    lifecycle.check_ended(is_finished=False, is_complete=False)
    assert (lifecycle.state, lifecycle.is_paused) == (TorrentState.DOWNLOADING, True)
    assert lifecycle.resume() == (PauseChanged(False), Action.RESUME_EXCHANGE)


def test_the_first_reason_to_stop_stays() -> None:
    lifecycle = lifecycle_in(Phase.DOWNLOADING)
    lifecycle.stop(FULL)
    assert lifecycle.stop(STOPPED) == ()
    assert lifecycle.error is FULL


def test_a_failed_torrent_that_is_stopped_has_the_reason_for_that() -> None:
    lifecycle = lifecycle_in(Phase.FAILED)
    assert lifecycle.stop(STOPPED)[1:] == (Action.MISS_ALL, TorrentStopped(STOPPED), Action.END)
    assert (lifecycle.error, lifecycle.has_failed) == (STOPPED, False)


def test_who_is_welcome_when() -> None:
    accepting = [phase for phase in Phase if lifecycle_in(phase).accepts_peers]
    assert accepting == [Phase.METADATA, Phase.DOWNLOADING, Phase.FINISHED, Phase.SEEDING, Phase.FAILED]


@pytest.mark.parametrize(
    ("is_seed_only", "is_complete", "must_end"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_what_shall_only_be_seeded_has_to_be_there(is_seed_only: bool, is_complete: bool, must_end: bool) -> None:
    lifecycle = TorrentLifecycle(has_metadata=True, is_seed_only=is_seed_only)
    assert lifecycle.must_end(is_complete=is_complete) is must_end
