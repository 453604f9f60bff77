"""What views see of a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bittorrent import Explanation, Metainfo, PeerStats, SeedGoal, TorrentStats, content_path
from fileshare.service.jobs import EndReason, JobState
from transfer import TransferError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """One moment of a job.

    Attributes:
        label: what it was called when it was asked for.
        info_hash: None when not even that is known: a file that is no torrent, say.
        name: of the torrent; the label as long as there is none.
        is_optional: no user asked for this very torrent: it was found in a folder.
        is_complete: all that is wanted is verified and on disk, or was when the job ended.
        stats: the last that were seen; None while the torrent has not begun.
        explanation: why it is slow; None where no caller asked.
        peers: those that are connected, where a caller asked for the explanation as well.
        directory: where its file or folder is.
        seconds: it took to complete; when it ended after that, from its beginning to its end.
        error: what is wrong, in state FAILED.
        reason: why it ended, in state ENDED.
    """

    label: str
    info_hash: bytes | None
    name: str
    state: JobState
    is_optional: bool
    is_complete: bool
    is_paused: bool
    goal: SeedGoal | None
    stats: TorrentStats | None
    explanation: Explanation | None
    metainfo: Metainfo | None
    directory: Path | None
    seconds: float
    error: TransferError | OSError | None
    reason: EndReason | None
    peers: tuple[PeerStats, ...] = ()

    @property
    def is_lookup(self) -> bool:
        """Whether it is not known yet which torrent it will be, or looks for newer ones all the time."""
        return self.info_hash is None and self.error is None

    @property
    def path(self) -> Path | None:
        """Where its file or folder is; None while there is none."""
        if self.directory is None:
            return None
        path = self.directory / self.name if self.metainfo is None else content_path(self.metainfo, self.directory)
        return path.absolute()
