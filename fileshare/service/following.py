"""Follows each torrent from its start to its goal, and tells what moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Protocol

from bittorrent import EventSource, SeedGoal, TorrentState
from fileshare.service.bad_blocks import BadBlocks
from fileshare.service.config import ServiceConfig
from fileshare.service.errors import SharingEndedError
from fileshare.service.events import (
    MetadataKnown,
    ServiceEvent,
    TorrentCompleted,
    TorrentFailed,
    TorrentSlowed,
    TorrentsMoved,
)
from fileshare.service.jobs import EndReason, JobState
from fileshare.service.roster import Entry, Roster
from fileshare.service.tracker_warnings import TrackerWarnings
from transfer import LocalProtocolError, TaskSet, TransferError


class End(Protocol):
    """Takes a torrent out of the session."""

    def __call__(self, entry: Entry, reason: EndReason, /) -> Awaitable[None]: ...


class Following:
    """One task for each torrent until it is complete, and one that looks at all of them now and then.

    Args:
        end: called when a goal is reached.
    """

    def __init__(
        self, roster: Roster, events: EventSource[ServiceEvent], tasks: TaskSet, config: ServiceConfig, *, end: End
    ) -> None:
        self._roster = roster
        self._events = events
        self._tasks = tasks
        self._config = config
        self._end = end
        self._warnings = TrackerWarnings(max_warnings=config.max_warnings)
        self._bad_blocks = BadBlocks()
        self._changed = asyncio.Event()
        self._has_begun = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled: looks at goals, and tells snapshots."""
        loop = asyncio.get_running_loop()
        told_at = -float("inf")
        while True:
            self._look_at_goals(now=loop.time())
            interval_s = self._config.refresh_interval_s * max(1.0, len(self._roster) / self._config.many_jobs)
            if self._has_begun.is_set() or loop.time() - told_at >= interval_s:
                self._has_begun.clear()
                told_at = loop.time()
                self._tell_moment()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.refresh_interval_s):
                    await self._has_begun.wait()

    def start(self, entry: Entry) -> None:
        """Follows a torrent that begins, or goes on."""
        if not any(other.is_shown for other in self._roster if other is not entry):
            self._has_begun.set()  # what there is to be seen is seen at once
        entry.following = self._tasks.start(self._follow(entry), name=f"follow {entry.job.label}")

    async def stop(self, entry: Entry) -> None:
        """Follows it no longer."""
        following, entry.following = entry.following, None
        if following is not None and following is not asyncio.current_task():
            following.cancel()
            await asyncio.wait([following])

    def resume(self, entry: Entry) -> None:
        """See `Service.resume`."""
        assert entry.torrent is not None
        now = asyncio.get_running_loop().time()
        if entry.job.state is JobState.FAILED:
            if entry.torrent.state is TorrentState.STOPPED:
                raise LocalProtocolError(f"{entry.torrent.name} has stopped; add it again")
            entry.job.reopen(now=now)
        entry.job.resume(now=now)
        entry.torrent.resume()
        if entry.job.state is JobState.ACTIVE and entry.following is None:
            self.start(entry)

    def reconsider(self, entry: Entry) -> None:
        """Other files are wanted: what was complete may not be."""
        if entry.job.state is JobState.COMPLETE:
            entry.job.reopen(now=asyncio.get_running_loop().time())
            self.start(entry)

    def fail(self, entry: Entry, error: TransferError | OSError) -> None:
        """A torrent cannot go on."""
        entry.look()
        self._tell_bad_blocks(entry)
        entry.job.fail(error, now=asyncio.get_running_loop().time())
        self._events.tell(TorrentFailed(job=entry.snapshot()))
        self._roster.prune()
        self.note_change()

    def note_change(self) -> None:
        """Callers that wait for the end of all jobs look again."""
        self._changed.set()

    async def wait_change(self) -> None:
        """Returns when a job may have become idle."""
        self._changed.clear()
        await self._changed.wait()

    async def _follow(self, entry: Entry) -> None:
        torrent = entry.torrent
        assert torrent is not None
        try:
            await torrent.wait_metadata()
            if not entry.knows_metadata:
                entry.knows_metadata = True
                entry.look()
                self._events.tell(MetadataKnown(job=entry.snapshot()))
            await torrent.wait_complete()
        except TransferError as error:
            entry.following = None
            self.fail(entry, error)
            return
        entry.following = None
        entry.look()
        self._tell_bad_blocks(entry)
        assert entry.stats is not None
        if entry.job.complete(entry.stats.wanted_bytes, now=asyncio.get_running_loop().time()):
            self._events.tell(TorrentCompleted(job=entry.snapshot(explains=True)))
        self.note_change()

    def _look_at_goals(self, *, now: float) -> None:
        for entry in self._roster:
            job, torrent = entry.job, entry.torrent
            if job.state is not JobState.COMPLETE or job.goal is None or torrent is None:
                continue
            if torrent.state in (TorrentState.STOPPED, TorrentState.FAILED):
                self.fail(entry, SharingEndedError(torrent.name, str(torrent.error or "it was stopped")))
            elif torrent.state not in (TorrentState.FINISHED, TorrentState.SEEDING):  # something is checked again
                self.reconsider(entry)
            elif job.goal != SeedGoal():
                entry.look()
                assert entry.stats is not None
                before = torrent.uploaded_before_bytes
                if job.has_reached_goal(entry.stats, uploaded_before_bytes=before, now=now):
                    entry.following = self._tasks.start(self._reach_goal(entry), name=f"end {job.label}")

    async def _reach_goal(self, entry: Entry) -> None:
        await self._end(entry, EndReason.GOAL)

    def _tell_moment(self) -> None:
        if not self._events.has_listeners:
            return
        shown = [entry for entry in self._roster if entry.is_shown and entry.job.state is not JobState.ENDED]
        for entry in shown:
            entry.look()
        moments = tuple(entry.snapshot(explains=True) for entry in shown)
        self._events.tell(TorrentsMoved(jobs=moments))
        now = asyncio.get_running_loop().time()
        for entry, moment in zip(shown, moments, strict=True):
            assert entry.torrent is not None
            assert moment.stats is not None
            assert moment.explanation is not None
            if entry.slowness.is_news(moment.stats, moment.explanation, now=now):
                self._events.tell(TorrentSlowed(job=moment))
            for warning in self._warnings.look(entry.torrent):
                self._events.tell(warning)
            self._tell_bad_blocks(entry)

    def _tell_bad_blocks(self, entry: Entry) -> None:
        if entry.torrent is not None and self._events.has_listeners:
            for block in self._bad_blocks.look(entry.torrent):
                self._events.tell(block)
