"""Downloads of one run of `kad get`."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bittorrent import FileName, NoPeersError, SeedGoal, SessionConfig
from fileshare.cli.errors import CommandError, InterruptedByUserError
from fileshare.cli.follow import follow
from fileshare.cli.job_reports import check_jobs, report_close, report_done, report_end, report_stop
from fileshare.cli.output import Output
from fileshare.cli.renamed import find_renamed, tell_renamed
from fileshare.cli.runtime import wait_started
from fileshare.cli.service_view import ServiceView
from fileshare.cli.transfers import complete_text, sources_text, unfinished_text
from fileshare.cli.units import elapsed_text, rate_text, size_text
from fileshare.service import EndReason, JobOptions, JobSnapshot, NetworkOptions, Service
from fileshare.service.events import MetadataKnown, ServiceEvent, TorrentCompleted, TorrentEnded
from fileshare.text import printable
from transfer import TransferError


class Downloads:
    """Fetches sources, all at the same time, and shares them on.

    Args:
        labels: torrent files, their URLs, magnet links and info-hashes, as they were typed.
        network: how others are reached.
        follow: newer versions of torrents that change take the place of older ones, until interrupted.
        goal: how long to share what is complete; None not to.
    """

    def __init__(
        self,
        *,
        output: Output,
        labels: Sequence[str],
        directory: Path,
        network: NetworkOptions,
        select: tuple[FileName, ...],
        sequential: bool,
        overwrite: bool,
        follow: bool,
        web_seeds: tuple[str, ...],
        goal: SeedGoal | None,
        config: SessionConfig,
    ) -> None:
        self._output = output
        self._labels = labels
        self._directory = directory
        self._network = network
        self._options = JobOptions(
            goal=goal,
            web_seeds=web_seeds,
            select=select,
            sequential=sequential,
            overwrite=overwrite,
            follow=follow,
        )
        self._several = len(labels) > 1
        self._said_seeding = False
        self._is_private = False
        self._view = ServiceView(output, several=self._several, advise=self._advise)
        self.service = Service(network, download_dir=directory, session_config=config)

    async def run(self) -> None:
        """Until everything is here, and shared as long as was wished."""
        await follow(self.service, self, self._work())

    def check(self) -> None:
        """Whether all went well.

        Raises:
            TransferError, OSError: what was wrong with the only torrent, or how many failed.
        """
        check_jobs(self.service.jobs, several=self._several, advise=self._advise)

    def report_interruption(self) -> None:
        """What has been reached when Ctrl-C came.

        Raises:
            InterruptedByUserError: not everything.
        """
        jobs = self.service.jobs
        if self._options.goal is not None:
            report_close(self._output, jobs, several=self._several)
        torrents = [job for job in jobs if not job.is_lookup]
        unfinished = [job for job in torrents if not job.is_complete and job.error is None]
        for job in unfinished:
            report_stop(self._output, job)
        if unfinished or not torrents:
            raise InterruptedByUserError(self._explain_interruption(jobs))

    async def show(self, event: ServiceEvent) -> None:
        """As `View` has it."""
        self._view.show(event)
        match event:
            case MetadataKnown(job=job):
                assert job.metainfo is not None
                found = await asyncio.to_thread(find_renamed, job.metainfo)
                tell_renamed(self._output, job.metainfo, found)
            case TorrentCompleted(job=job):
                self._report_completion(job)
            case TorrentEnded(job=job) if job.reason is not EndReason.CLOSED:
                report_end(self._output, job, several=self._several)

    def leave(self) -> None:
        """As `View` has it."""
        self._view.leave()

    async def _work(self) -> None:
        sources = await self.service.resolve(self._labels)
        if not sources:
            return
        self._is_private = all(source.is_private for source in sources)
        await self.service.open(uses_dht=not self._is_private)
        await wait_started()
        for source in sources:
            await self.service.add(source, options=self._options)
        await self.service.wait_idle()

    def _explain_interruption(self, jobs: Sequence[JobSnapshot]) -> str:
        moments = [job.stats for job in jobs if job.stats is not None and job.stats.total_bytes]
        if not moments:
            return f"interrupted before anything was downloaded; to try again: {_command_line()}"
        done = sum(stats.done_bytes for stats in moments)
        goal = sum(stats.wanted_bytes for stats in moments)
        besides = unfinished_text(sum(stats.unfinished_bytes for stats in moments))
        return (
            f"interrupted: {size_text(done)} of {size_text(goal)} are verified and saved in {self._directory}{besides};"
            f" to continue: {_command_line()}"
        )

    def _report_completion(self, job: JobSnapshot) -> None:
        stats = job.stats
        assert stats is not None
        where = printable(str(job.path))
        if stats.sources or stats.downloaded_bytes:
            pace = (
                f" at {rate_text(stats.downloaded_bytes / max(job.seconds, 0.001))}" if stats.downloaded_bytes else ""
            )
            self._output.say(
                f"done: {where} ({complete_text(stats)}), {sources_text(stats)}, in {elapsed_text(job.seconds)}{pace}"
            )
        else:
            self._output.say(f"already complete: {where} ({complete_text(stats)}); nothing was fetched")
        report_done(self._output, job)
        if self._options.goal is not None and not self._said_seeding:
            self._said_seeding = True
            self._output.say("seeding now; stop with Ctrl-C")

    def _advise(self, error: TransferError | OSError) -> TransferError | OSError:
        if not isinstance(error, NoPeersError):
            return error
        uses_dht = self._network.bootstrap is not None and not self._is_private
        options = "--bootstrap" if uses_dht else "--peer, --no-dht and --wait"
        return CommandError(f"{error} (see {options} in `kad get --help`)")


def _command_line() -> str:
    """What was typed, so that it can be typed again."""
    return shlex.join(["kad", *sys.argv[1:]])
