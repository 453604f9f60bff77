"""The torrents of one command, each followed from its start to its end: what is wrong with one stops no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from bittorrent.lifecycle.seed_goal import SeedGoal
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.stats import TorrentState
from fileshare.cli.errors import CommandError, error_text
from fileshare.cli.job import Job
from fileshare.cli.output import Output
from fileshare.cli.renamed import find_renamed, tell_renamed
from fileshare.cli.tracker_warnings import TrackerWarnings
from fileshare.cli.transfers import TransferView
from fileshare.cli.units import count_text, size_text
from fileshare.text import one_line
from transfer.errors import TransferError

if TYPE_CHECKING:
    from bittorrent.aio.session import Session
    from bittorrent.aio.torrent import Torrent


class Batch:
    """Follows torrents, shows them, and says what becomes of each.

    Args:
        several: whether there may be more than one: then errors are told at once, and one more line sums them up.
        goal: when to stop sharing what is complete; None to be satisfied when it is.
        on_complete: told once for each torrent.
        advise: may make a better error of one.
        tells_names: whether it is said which files are stored under other names than the torrent gives them.
    """

    def __init__(
        self,
        output: Output,
        *,
        several: bool,
        goal: SeedGoal | None,
        on_complete: Callable[[Job], None],
        advise: Callable[[TransferError | OSError], TransferError | OSError] = lambda error: error,
        tells_names: bool = False,
    ) -> None:
        self.jobs: list[Job] = []
        self._tells_names = tells_names
        self._output = output
        self._several = several
        self._goal = goal
        self._on_complete = on_complete
        self._advise = advise
        self._view = TransferView(output, several=several)
        self._warnings = TrackerWarnings(output)
        self._session: Session | None = None
        self._tasks: dict[asyncio.Task[None], Job] = {}
        self._left: list[bytes] = []

    def reject(self, label: str, error: TransferError | OSError, *, is_optional: bool = False) -> None:
        """Something that was asked for is no torrent that could be started."""
        self._fail(self._new_job(label, is_optional), error)

    async def add(self, label: str, source: Metainfo | Magnet, *, is_optional: bool = False, **options: Any) -> None:
        """Starts a torrent; `options` are those of `Session.add`."""
        assert self._session is not None
        job = self._new_job(label, is_optional)
        try:
            torrent = job.torrent = await self._session.add(source, **options)
        except TransferError as error:
            self._fail(job, error)
            return
        self._output.event("added", info_hash=torrent.info_hash, name=torrent.name, source=label)
        self._tasks[asyncio.create_task(self._live(job), name=f"follow {torrent.name}")] = job

    async def remove(self, info_hash: bytes) -> None:
        """A torrent is wanted no longer."""
        assert self._session is not None
        for task, job in list(self._tasks.items()):
            if job.torrent is not None and job.torrent.info_hash == info_hash:
                del self._tasks[task]
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                job.stats = job.torrent.statistics()
                await self._session.remove(job.torrent)
                self.report_end(job)
                self._left.append(info_hash)

    def is_following(self, info_hash: bytes) -> bool:
        """Whether a torrent is on its way or shared."""
        return any(job.torrent is not None and job.torrent.info_hash == info_hash for job in self._tasks.values())

    async def run(
        self,
        session: Session,
        start: Callable[[], Awaitable[None]],
        *,
        poll: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Until no torrent has anything left to do, or until it is cancelled.

        Args:
            session: where torrents are added.
            start: adds those of the beginning.
            poll: may add more, again and again, and keeps the batch going without any.
        """
        self._session = session
        try:
            with self._view:
                await start()
                while self._tasks or poll is not None:
                    if poll is not None:
                        await poll()
                    self._show()
                    await self._wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for job in self._tasks.values():
                if job.torrent is not None:
                    job.stats = job.torrent.statistics()
            self._tasks.clear()

    def check(self) -> None:
        """Whether all went well.

        Raises:
            TransferError, OSError: what was wrong with the only torrent, or how many failed.
        """
        asked_for = [job for job in self.jobs if not job.is_optional]
        failed = [job for job in asked_for if job.error is not None]
        if failed and not self._several:
            assert failed[0].error is not None
            raise failed[0].error
        if failed:
            raise CommandError(f"{len(failed)} of {count_text(len(asked_for), 'torrent')} failed, see above")

    def report_end(self, job: Job) -> None:
        """What is to be said of a torrent that is shared no longer."""
        if job.stats is not None and job.is_complete and not job.is_over:
            job.is_over = True
            job.seconds = time.monotonic() - job.started_at
            if job.stats.uploaded_bytes or not self._several:
                whose = f"{one_line(job.stats.name)}: " if self._several else "stopped: "
                self._output.say(f"{whose}{size_text(job.stats.uploaded_bytes)} sent to others")
            job.report_done(self._output)

    def _new_job(self, label: str, is_optional: bool) -> Job:
        job = Job(label=label, is_optional=is_optional)
        self.jobs = [*(other for other in self.jobs if other.label != label), job]  # an attempt replaces the one before
        return job

    async def _wait(self) -> None:
        if not self._tasks:
            await asyncio.sleep(REFRESH_INTERVAL_S)
            return
        interval_s = REFRESH_INTERVAL_S * max(1.0, len(self._tasks) / MANY_TORRENTS)
        done, _ = await asyncio.wait(self._tasks, timeout=interval_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._tasks[task]
            task.result()

    def _show(self) -> None:
        for info_hash in self._left:
            self._view.forget(info_hash)
        self._left.clear()
        for job in self.jobs:
            if job.torrent is not None and job.torrent.state is not TorrentState.STOPPED:
                self._view.show(job.torrent.statistics(), job.torrent.explain())
                self._warnings.look(job.torrent)
        self._view.refresh()

    async def _live(self, job: Job) -> None:
        """A torrent, from its start to its end."""
        torrent = job.torrent
        assert torrent is not None
        try:
            metainfo = await torrent.wait_metadata()
            if self._tells_names:
                tell_renamed(self._output, metainfo, await asyncio.to_thread(find_renamed, metainfo))
            await torrent.wait_complete()
            job.is_complete = True
            job.seconds = time.monotonic() - job.started_at
            job.stats = torrent.statistics()
            self._view.show(job.stats, torrent.explain())
            self._on_complete(job)
            if self._goal is not None:
                await self._share(job, torrent, self._goal)
        except TransferError as error:
            job.is_complete = False
            job.stats = torrent.statistics()
            self._fail(job, error)

    async def _share(self, job: Job, torrent: Torrent, goal: SeedGoal) -> None:
        assert self._session is not None
        since = time.monotonic()
        while torrent.state in (TorrentState.FINISHED, TorrentState.SEEDING):
            if goal != SeedGoal() and goal.is_reached(
                torrent.statistics(),
                seeding_s=time.monotonic() - since,
                uploaded_before_bytes=torrent.uploaded_before_bytes,
            ):
                job.stats = torrent.statistics()
                self.report_end(job)
                self._left.append(torrent.info_hash)
                await self._session.remove(torrent)
                return
            await asyncio.sleep(REFRESH_INTERVAL_S)
        reason = torrent.error or "it was stopped"
        raise CommandError(f"{torrent.name} is shared no longer: {reason}; check its files with `kad torrent verify`")

    def _fail(self, job: Job, error: TransferError | OSError) -> None:
        job.error = self._advise(error)
        if job.torrent is not None:
            self._left.append(job.torrent.info_hash)
        if self._several:
            text = error_text(job.error)
            message = one_line(text if text.startswith(job.label) else f"{job.label}: {text}")
            info_hash = job.torrent.info_hash if job.torrent is not None else None
            self._output.complain(message)
            self._output.event("failed", info_hash=info_hash, source=job.label, message=message)


REFRESH_INTERVAL_S = 0.5
MANY_TORRENTS = 100  # with more, looking at all of them twice a second would take its time
