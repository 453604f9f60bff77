"""The states of a torrent, what may happen in each, and what is to be done then: all of it as one table.

docs/reference/torrent-states.md shows it; `python -m tests.torrent_states` draws it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bittorrent.stats import TorrentState


class Phase(Enum):
    """A state of the table. Users see fewer: see `SHOWN_AS`."""

    METADATA = "metadata"  # the info dictionary of a magnet link is being fetched
    CHECKING = "checking"  # the first look at what is on disk; nothing is exchanged yet
    DOWNLOADING = "downloading"
    FINISHED = "finished"  # every wanted piece is verified, some are not wanted
    SEEDING = "seeding"  # every piece is verified
    RECHECKING = "rechecking"  # pieces are hashed again, beside the exchange
    FAILED = "failed"  # the disk takes nothing more; what it has is shared
    FAILED_RECHECKING = "failed and rechecking"
    STOPPED = "stopped"


class Event(Enum):
    """What happens to a torrent. The value says it in the past tense."""

    STARTED = "it was started"
    METADATA_COMPLETED = "its metadata was found"
    CHECK_STARTED = "a recheck began"
    CHECK_ENDED = "the check ended"
    PIECES_LOST = "a check found wanted pieces lost"
    PIECES_MISSING = "a wanted piece was missing"
    WANTED_VERIFIED = "the last wanted piece was verified"
    ALL_VERIFIED = "the last piece was verified"
    SETTLED = "what was verified was brought to the disk"
    FILES_CHANGED = "a file was changed by others"
    DISK_REFUSED = "the disk refused a piece"
    PAUSED = "the user paused it"
    RESUMED = "the user resumed it"
    STOPPED = "it was stopped, or something ended it"


class Action(Enum):
    """What is to be done, by the shell, which owns tasks, connections and files. The value says it in the imperative.

    Those with COMPLETED are about the callers that wait for the end of the download.
    """

    FETCH_METADATA = "get the metadata from disk or from peers"
    CHECK_FILES = "open the files and see what is there"
    REACH_METADATA = "tell the callers that wait for the metadata"
    REACH_BEGUN = "tell the callers that wait for the first check"
    OPEN_SOURCES = "look for peers, ask web seeds, watch the files"
    SETTLE = "bring everything to the disk, look whether it is there, and remember it"
    REACH_COMPLETED = "tell the callers that wait for completion"
    RENEW_COMPLETED = "let callers wait for completion again"
    MISS_COMPLETED = "tell the callers that wait for completion what is wrong"
    MISS_ALL = "tell all callers that wait why nothing comes of it"
    ANNOUNCE_COMPLETED = "tell the trackers of a completed download"
    CALL_PEERS_AGAIN = "dial everybody again"
    CHECK_CHANGED_FILE = "check the file that was changed, and go on writing"
    RETRY_DISK = "write again what the disk refused"
    SUSPEND_EXCHANGE = "end every connection, and keep what is unfinished"
    RESUME_EXCHANGE = "look for peers again"
    END = "close everything"


@dataclass(frozen=True, slots=True)
class Step:
    """What an event leads to.

    Actions are in the order in which they are to be done; one that would change nothing (to tell twice, to resume what
    was not paused) is left out when its time comes.
    """

    to: Phase
    actions: tuple[Action, ...] = ()


SHOWN_AS: Mapping[Phase, TorrentState] = {
    Phase.METADATA: TorrentState.METADATA,
    Phase.CHECKING: TorrentState.CHECKING,
    Phase.DOWNLOADING: TorrentState.DOWNLOADING,
    Phase.FINISHED: TorrentState.FINISHED,
    Phase.SEEDING: TorrentState.SEEDING,
    Phase.RECHECKING: TorrentState.CHECKING,
    Phase.FAILED: TorrentState.FAILED,
    Phase.FAILED_RECHECKING: TorrentState.CHECKING,
    Phase.STOPPED: TorrentState.STOPPED,
}


def _row(phase: Phase, steps: Mapping[Event, Step]) -> dict[Event, Step]:
    """What every state has in common: a pause leaves it as it is, and anything may end a torrent."""
    return {
        Event.PAUSED: Step(phase, (Action.SUSPEND_EXCHANGE,)),
        Event.RESUMED: Step(phase, (Action.RESUME_EXCHANGE,)),
        Event.STOPPED: Step(Phase.STOPPED, (Action.MISS_ALL, Action.END)),
        **steps,
    }


_VERIFIED = (Action.REACH_COMPLETED, Action.ANNOUNCE_COMPLETED)
_MISSING_AGAIN = (Action.RENEW_COMPLETED, Action.CALL_PEERS_AGAIN)
_RETRIED = (Action.RENEW_COMPLETED, Action.RETRY_DISK, Action.RESUME_EXCHANGE)

TABLE: Mapping[Phase, Mapping[Event, Step]] = {
    Phase.METADATA: _row(
        Phase.METADATA,
        {
            Event.STARTED: Step(Phase.METADATA, (Action.FETCH_METADATA,)),
            Event.METADATA_COMPLETED: Step(Phase.CHECKING, (Action.REACH_METADATA, Action.CHECK_FILES)),
        },
    ),
    Phase.CHECKING: _row(
        Phase.CHECKING,
        {
            Event.STARTED: Step(Phase.CHECKING, (Action.REACH_METADATA, Action.CHECK_FILES)),
            Event.CHECK_ENDED: Step(Phase.DOWNLOADING, (Action.REACH_BEGUN, Action.OPEN_SOURCES)),
        },
    ),
    Phase.DOWNLOADING: _row(
        Phase.DOWNLOADING,
        {
            Event.CHECK_STARTED: Step(Phase.RECHECKING),
            Event.PIECES_LOST: Step(Phase.DOWNLOADING, _MISSING_AGAIN),
            Event.PIECES_MISSING: Step(Phase.DOWNLOADING),
            Event.WANTED_VERIFIED: Step(Phase.FINISHED, (Action.SETTLE,)),
            Event.ALL_VERIFIED: Step(Phase.SEEDING, (Action.SETTLE,)),
            Event.SETTLED: Step(Phase.DOWNLOADING, (Action.ANNOUNCE_COMPLETED,)),  # all of it was here for a moment
            Event.FILES_CHANGED: Step(Phase.DOWNLOADING, (Action.CHECK_CHANGED_FILE,)),
            Event.DISK_REFUSED: Step(Phase.FAILED, (Action.MISS_COMPLETED,)),
        },
    ),
    Phase.FINISHED: _row(
        Phase.FINISHED,
        {
            Event.CHECK_STARTED: Step(Phase.RECHECKING),
            Event.PIECES_MISSING: Step(Phase.DOWNLOADING, _MISSING_AGAIN),
            Event.WANTED_VERIFIED: Step(Phase.FINISHED, (Action.SETTLE,)),
            Event.ALL_VERIFIED: Step(Phase.SEEDING, (Action.SETTLE,)),
            Event.SETTLED: Step(Phase.FINISHED, _VERIFIED),
            Event.FILES_CHANGED: Step(Phase.FINISHED, (Action.CHECK_CHANGED_FILE,)),
            Event.DISK_REFUSED: Step(Phase.FAILED, (Action.MISS_COMPLETED,)),
        },
    ),
    Phase.SEEDING: _row(
        Phase.SEEDING,
        {
            Event.CHECK_STARTED: Step(Phase.RECHECKING),
            Event.ALL_VERIFIED: Step(Phase.SEEDING),
            Event.SETTLED: Step(Phase.SEEDING, _VERIFIED),
            Event.FILES_CHANGED: Step(Phase.SEEDING, (Action.CHECK_CHANGED_FILE,)),
            Event.DISK_REFUSED: Step(Phase.FAILED, (Action.MISS_COMPLETED,)),
        },
    ),
    Phase.RECHECKING: _row(
        Phase.RECHECKING,
        {
            Event.CHECK_ENDED: Step(Phase.DOWNLOADING),  # and on from there at once, with what it has found
            Event.PIECES_MISSING: Step(Phase.RECHECKING),
            Event.WANTED_VERIFIED: Step(Phase.RECHECKING),
            Event.ALL_VERIFIED: Step(Phase.RECHECKING),
            Event.SETTLED: Step(Phase.RECHECKING, _VERIFIED),
            Event.FILES_CHANGED: Step(Phase.RECHECKING, (Action.CHECK_CHANGED_FILE,)),
            Event.DISK_REFUSED: Step(Phase.FAILED_RECHECKING, (Action.MISS_COMPLETED,)),
        },
    ),
    Phase.FAILED: _row(
        Phase.FAILED,
        {
            Event.CHECK_STARTED: Step(Phase.FAILED_RECHECKING),
            Event.PIECES_LOST: Step(
                Phase.FAILED, (Action.RENEW_COMPLETED, Action.MISS_COMPLETED, Action.CALL_PEERS_AGAIN)
            ),
            Event.PIECES_MISSING: Step(Phase.FAILED, (Action.RENEW_COMPLETED, Action.MISS_COMPLETED)),
            Event.WANTED_VERIFIED: Step(Phase.FAILED),
            Event.ALL_VERIFIED: Step(Phase.FAILED),
            Event.SETTLED: Step(Phase.FAILED, (Action.ANNOUNCE_COMPLETED,)),
            Event.FILES_CHANGED: Step(Phase.FAILED),
            Event.DISK_REFUSED: Step(Phase.FAILED),
            Event.RESUMED: Step(Phase.DOWNLOADING, _RETRIED),
        },
    ),
    Phase.FAILED_RECHECKING: _row(
        Phase.FAILED_RECHECKING,
        {
            Event.CHECK_ENDED: Step(Phase.FAILED),
            Event.PIECES_MISSING: Step(Phase.FAILED_RECHECKING),
            Event.WANTED_VERIFIED: Step(Phase.FAILED_RECHECKING),
            Event.ALL_VERIFIED: Step(Phase.FAILED_RECHECKING),
            Event.SETTLED: Step(Phase.FAILED_RECHECKING, (Action.ANNOUNCE_COMPLETED,)),
            Event.FILES_CHANGED: Step(Phase.FAILED_RECHECKING),
            Event.DISK_REFUSED: Step(Phase.FAILED_RECHECKING),
            Event.RESUMED: Step(Phase.RECHECKING, _RETRIED),
        },
    ),
    Phase.STOPPED: {event: Step(Phase.STOPPED) for event in Event},  # for good: what ends late changes nothing
}
