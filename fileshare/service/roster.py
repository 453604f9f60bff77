"""The jobs that a service has, and those that it had."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bittorrent import TorrentState, TorrentStats
from fileshare.service.errors import UnknownTorrentError
from fileshare.service.jobs import Job, JobState
from fileshare.service.slowness import Slowness
from fileshare.service.snapshots import JobSnapshot

if TYPE_CHECKING:
    import asyncio

    from bittorrent import Torrent


class Entry:
    """A job and the torrent it is about.

    Attributes:
        info_hash: None for what is no torrent.
        torrent: None until the session has it.
        stats: the last that were seen of it.
        following: the task that waits for what comes next.
        knows_metadata: that it does was told.
        slowness: what was told of it.
    """

    def __init__(self, job: Job, info_hash: bytes | None) -> None:
        self.job = job
        self.info_hash = info_hash
        self.torrent: Torrent | None = None
        self.stats: TorrentStats | None = None
        self.following: asyncio.Task[None] | None = None
        self.knows_metadata = False
        self.slowness = Slowness()

    @property
    def is_shown(self) -> bool:
        """Whether there is a torrent to look at."""
        return self.torrent is not None and self.torrent.state is not TorrentState.STOPPED

    def look(self) -> None:
        """Takes new statistics."""
        if self.torrent is not None:
            self.stats = self.torrent.statistics()

    def snapshot(self, *, explains: bool = False) -> JobSnapshot:
        """This moment, with the statistics of the last `look`."""
        job, torrent = self.job, self.torrent
        return JobSnapshot(
            label=job.label,
            info_hash=self.info_hash,
            name=torrent.name if torrent is not None else job.label,
            state=job.state,
            is_optional=job.is_optional,
            is_complete=job.is_complete,
            is_paused=job.is_paused,
            goal=job.goal,
            stats=self.stats,
            explanation=torrent.explain() if explains and torrent is not None else None,
            metainfo=torrent.metainfo if torrent is not None else None,
            directory=torrent.download_dir if torrent is not None else None,
            seconds=job.seconds,
            error=job.error,
            reason=job.reason,
            peers=torrent.peers() if explains and torrent is not None else (),
        )


class Roster:
    """The jobs, in the order in which they were asked for.

    Args:
        max_over: of those that failed or ended so many are kept; the oldest are forgotten.

    Invariants (`check_invariants`): of each torrent at most one job lives; at most `max_over` are over, after `prune`.
    """

    def __init__(self, *, max_over: int) -> None:
        self._max_over = max_over
        self._numbers = itertools.count()
        self._entries: dict[int, Entry] = {}
        self._by_label: dict[str, int] = {}  # the last of each
        self._by_info_hash: dict[bytes, Entry] = {}  # the last of each

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def new(self, job: Job, info_hash: bytes | None) -> Entry:
        """One more job; an attempt replaces an earlier one with the same label, unless that one lives."""
        entry = Entry(job, info_hash)
        before = self._by_label.get(job.label)
        if before is not None and before in self._entries and not self._entries[before].job.is_live:
            self._drop(before)
        number = self._by_label[job.label] = next(self._numbers)
        self._entries[number] = entry
        if info_hash is not None:
            assert self.find(info_hash) is None
            self._by_info_hash[info_hash] = entry
        return entry

    def find(self, info_hash: bytes) -> Entry | None:
        """The job of a torrent, if it lives."""
        entry = self._by_info_hash.get(info_hash)
        return entry if entry is not None and entry.job.is_live else None

    def need(self, info_hash: bytes) -> Entry:
        """The job of a torrent that the session has: it lives, or failed.

        Raises:
            UnknownTorrentError: there is none.
        """
        entry = self._by_info_hash.get(info_hash)
        if entry is None or entry.torrent is None or entry.job.state is JobState.ENDED:
            raise UnknownTorrentError(info_hash)
        return entry

    def forget(self, entry: Entry) -> None:
        """It never happened: a job that was only to find out which torrent is meant."""
        number = self._by_label.get(entry.job.label)
        if number is not None and self._entries.get(number) is entry:
            self._drop(number)
        else:
            for other, known in list(self._entries.items()):
                if known is entry:
                    self._drop(other)

    def prune(self) -> None:
        """Forgets the oldest of those that are over, when there are too many."""
        if len(self._entries) > self._max_over:
            over = [number for number, entry in self._entries.items() if not entry.job.is_live]
            for number in over[: max(0, len(over) - self._max_over)]:
                self._drop(number)

    def check_invariants(self) -> None:
        """Asserts what the class says of itself."""
        live = [entry.info_hash for entry in self if entry.job.is_live]
        assert len(live) == len(set(live))
        assert len(self) - len(live) <= self._max_over
        assert len(self._by_label) <= len(self)
        assert len(self._by_info_hash) <= len(self)
        for entry in self:
            entry.job.check_invariants()

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number)
        if self._by_label.get(entry.job.label) == number:
            del self._by_label[entry.job.label]
        if entry.info_hash is not None and self._by_info_hash.get(entry.info_hash) is entry:
            del self._by_info_hash[entry.info_hash]
