"""What state a torrent is in, and what is to be done when something happens to it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from bittorrent.errors import FilesChangedError, StorageError
from bittorrent.events import PauseChanged, StateChanged, TorrentStopped
from bittorrent.lifecycle.table import SHOWN_AS, TABLE, Action, Event, Phase
from bittorrent.stats import TorrentState
from transfer.errors import LocalProtocolError

Answer: TypeAlias = Action | StateChanged | PauseChanged | TorrentStopped


class TorrentLifecycle:
    """Takes what happens to one torrent, and answers with what is to be done, in order: actions, and events to be told.

    `TABLE` says what may happen when; this class adds what the table does not know: the pause, which lies beside the
    state and leaves it as it is, the error, and what has been told already. Facts about pieces are `is_finished` and
    `is_complete`, as `SwarmCore` has them: nothing that is wanted is missing, nothing at all is missing.

    Invariants:
        The error is there just when the disk refuses or the torrent has stopped.
        A caller that waits for completion was told when the disk refuses or the torrent has stopped, and waits
        otherwise unless it is complete.
        Trackers hear of a completed download once at most, and never when everything was there at the start.

    Args:
        has_metadata: whether the info dictionary is known from the start.
        is_paused: whether nothing is to be exchanged until `resume`.
        is_seed_only: whether a missing piece is the end.

    Raises:
        LocalProtocolError: (every input) that cannot happen in this state; nothing has changed.
    """

    def __init__(self, *, has_metadata: bool, is_paused: bool = False, is_seed_only: bool = False) -> None:
        self._phase = Phase.CHECKING if has_metadata else Phase.METADATA
        self._is_paused = is_paused
        self._is_seed_only = is_seed_only
        self._error: BaseException | None = None
        self._completion = _Completion.AHEAD
        self._pieces = Event.PIECES_MISSING  # what was told of them last
        self._may_announce = True

    # What happens by itself

    def start(self) -> tuple[Answer, ...]:
        """The torrent is to be looked after from now on. Once."""
        return self._take(Event.STARTED)

    def metadata_completed(self) -> tuple[Answer, ...]:
        """The metadata was found, and has the right hash."""
        return self._take(Event.METADATA_COMPLETED)

    def check_started(self) -> tuple[Answer, ...]:
        """Pieces are being hashed again. One check at a time; the first one needs no such call."""
        return self._take(Event.CHECK_STARTED)

    def check_ended(self, *, is_finished: bool, is_complete: bool, has_lost: bool = False) -> tuple[Answer, ...]:
        """It is known what is on disk, or the check was given up.

        Args:
            is_finished: no wanted piece is missing.
            is_complete: no piece is missing.
            has_lost: some are that were believed to be there.
        """
        is_first = self._phase is Phase.CHECKING
        answers = self._take(Event.CHECK_ENDED)
        if is_first:
            self._may_announce = not is_complete
        if has_lost and not is_finished:
            self._pieces = Event.PIECES_MISSING
            return answers + self._take(Event.PIECES_LOST)
        return answers + self.pieces_changed(is_finished=is_finished, is_complete=is_complete)

    def pieces_changed(self, *, is_finished: bool, is_complete: bool) -> tuple[Answer, ...]:
        """Pieces were verified and written, or others are wanted. May be called when nothing has changed."""
        verified = Event.ALL_VERIFIED if is_complete else Event.WANTED_VERIFIED
        pieces = verified if is_finished else Event.PIECES_MISSING
        answers = self._take(pieces)
        self._pieces = pieces
        return answers

    def settled(self, *, is_finished: bool, is_complete: bool) -> tuple[Answer, ...]:
        """What `Action.SETTLE` asks for is done.

        Args:
            is_finished: no wanted piece is missing now; more may be wanted than when it was asked for.
            is_complete: no piece was missing at its beginning.
        """
        holds = {Action.REACH_COMPLETED: is_finished, Action.ANNOUNCE_COMPLETED: is_complete}
        return self._take(Event.SETTLED, unless=[action for action, is_true in holds.items() if not is_true])

    def disk_refused(self, error: StorageError) -> tuple[Answer, ...]:
        """A finished piece could not be written."""
        if isinstance(error, FilesChangedError):
            return self._take(Event.FILES_CHANGED)
        if self._phase is not Phase.STOPPED:
            self._need_declared(Event.DISK_REFUSED)
            self._error = error
        return self._take(Event.DISK_REFUSED)

    # What the user does

    def pause(self) -> tuple[Answer, ...]:
        """Nothing is to be exchanged. May be called twice."""
        return self._take(Event.PAUSED)

    def resume(self) -> tuple[Answer, ...]:
        """Goes on after a pause, and after the disk refused. May be called at any time."""
        had_failed = self.has_failed
        answers = self._take(Event.RESUMED)
        return answers + self._take(self._pieces) if had_failed else answers

    def stop(self, error: BaseException) -> tuple[Answer, ...]:
        """It ends, for good. The first reason stays."""
        if self._phase is not Phase.STOPPED:
            self._error = error
        return self._take(Event.STOPPED)

    # Views

    @property
    def phase(self) -> Phase:
        """The state in the table."""
        return self._phase

    @property
    def state(self) -> TorrentState:
        """The state as users see it."""
        return SHOWN_AS[self._phase]

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    @property
    def error(self) -> BaseException | None:
        """Why the disk refuses, or what ended the torrent."""
        return self._error

    @property
    def has_failed(self) -> bool:
        """Whether the disk refuses, so that `resume` has it tried again."""
        return self._phase in (Phase.FAILED, Phase.FAILED_RECHECKING)

    @property
    def is_checking(self) -> bool:
        return self.state is TorrentState.CHECKING

    @property
    def is_stopped(self) -> bool:
        return self._phase is Phase.STOPPED

    @property
    def accepts_peers(self) -> bool:
        """Whether an incoming connection is welcome: not while a check decides what may be offered."""
        return not (self._is_paused or self.is_checking or self.is_stopped)

    def must_end(self, *, is_complete: bool) -> bool:
        """Whether what a check found is the end: it shall only be seeded, and is not all there."""
        return self._is_seed_only and not is_complete

    def check_invariants(self) -> None:
        """Raises AssertionError if the parts contradict each other."""
        is_over = self.has_failed or self.is_stopped
        assert (self._error is not None) == is_over
        assert self._completion is not _Completion.AHEAD if is_over else self._completion is not _Completion.MISSED
        if self._phase in (Phase.METADATA, Phase.CHECKING):
            assert self._completion is _Completion.AHEAD
        if self._phase is Phase.DOWNLOADING:
            assert self._pieces is Event.PIECES_MISSING

    def _need_declared(self, event: Event) -> None:
        if event not in TABLE[self._phase]:
            raise LocalProtocolError(f"it cannot be that {event.value} while a torrent is {self._phase.value}")

    def _take(self, event: Event, *, unless: Sequence[Action] = ()) -> tuple[Answer, ...]:
        """Goes one step in the table; returns what of it is to be done, without what there is no reason for."""
        self._need_declared(event)
        step, before = TABLE[self._phase][event], self.state
        self._phase = step.to
        answers: list[Answer] = [] if self.state is before else [StateChanged(self.state)]
        for action in step.actions:
            if action not in unless:
                answers += self._due(action, event)
        if not (self.has_failed or self.is_stopped):
            self._error = None
        return tuple(answers)

    def _due(self, action: Action, event: Event) -> tuple[Answer, ...]:
        """The action and what is told with it; nothing if it would change nothing."""
        match action:
            case Action.REACH_COMPLETED | Action.MISS_COMPLETED if self._completion is not _Completion.AHEAD:
                return ()
            case Action.REACH_COMPLETED:
                self._completion = _Completion.REACHED
            case Action.MISS_COMPLETED:
                self._completion = _Completion.MISSED
            case Action.RENEW_COMPLETED:
                over = _Completion.MISSED if event is Event.RESUMED else _Completion.REACHED
                if self._completion is not over:
                    return ()
                self._completion = _Completion.AHEAD
            case Action.ANNOUNCE_COMPLETED:
                if not self._may_announce:
                    return ()
                self._may_announce = False
            case Action.SUSPEND_EXCHANGE | Action.RESUME_EXCHANGE:
                is_pause = action is Action.SUSPEND_EXCHANGE
                if self._is_paused == is_pause:
                    return ()
                self._is_paused = is_pause
                return PauseChanged(is_pause), action
            case Action.MISS_ALL:
                if self._completion is _Completion.AHEAD:
                    self._completion = _Completion.MISSED
                assert self._error is not None
                return action, TorrentStopped(self._error)
            case _:
                pass
        return (action,)


class _Completion(Enum):
    """What a caller that waits for the end of the download hears now."""

    AHEAD = "wait"
    REACHED = "it is complete"
    MISSED = "the error"
