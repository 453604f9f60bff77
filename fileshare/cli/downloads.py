"""Downloads of one run of `kad get`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bittorrent.config import SessionConfig
from bittorrent.errors import NoPeersError
from bittorrent.lifecycle.seed_goal import SeedGoal
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.selection import FileName
from bittorrent.metainfo.torrent import Metainfo
from fileshare.cli.batch import Batch
from fileshare.cli.errors import CommandError, InterruptedByUserError
from fileshare.cli.job import Job
from fileshare.cli.network_options import NetworkOptions
from fileshare.cli.output import Output
from fileshare.cli.runtime import wait_started
from fileshare.cli.transfers import complete_text, sources_text, unfinished_text
from fileshare.cli.units import elapsed_text, rate_text, size_text
from fileshare.service.fetch import fetch_all
from fileshare.service.sources import is_url, read_source
from fileshare.text import one_line, printable
from transfer.errors import TransferError


class Downloads:
    """Fetches sources, all at the same time, and shares them on.

    Args:
        labels: torrent files, their URLs, magnet links and info-hashes, as they were typed.
        network: how others are reached.
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
        web_seeds: tuple[str, ...],
        goal: SeedGoal | None,
        config: SessionConfig,
    ) -> None:
        self._output = output
        self._directory = directory
        self._network = network
        self._select = select
        self._sequential = sequential
        self._overwrite = overwrite
        self._web_seeds = web_seeds
        self._goal = goal
        self._config = config
        self._said_seeding = False
        self.batch = Batch(
            output,
            several=len(labels) > 1,
            goal=goal,
            on_complete=self._report_completion,
            advise=self._advise,
            tells_names=True,
        )
        self._sources: dict[bytes, tuple[str, Metainfo | Magnet]] = {}
        self._urls = [label for label in labels if is_url(label)]
        for label in labels:
            if not is_url(label):
                try:
                    self._take(label, read_source(label))
                except (TransferError, OSError) as error:
                    self.batch.reject(label, error)

    async def run(self) -> None:
        """Until everything is here, and shared as long as was wished."""
        for url in self._urls:
            self._output.say(f"fetching {printable(url)}")
        for url, found in await fetch_all(self._urls, allow_private=self._network.allow_private):
            if isinstance(found, TransferError):
                self.batch.reject(url, found)
            else:
                self._take(url, found)
        if not self._sources:
            return
        async with self._network.open(
            self._output, download_dir=self._directory, config=self._config, is_private=self._is_private
        ) as session:
            await wait_started()
            await self.batch.run(session, self._start)

    def report_interruption(self) -> None:
        """What has been reached when Ctrl-C came.

        Raises:
            InterruptedByUserError: not everything.
        """
        if self._goal is not None:
            for job in self.batch.jobs:
                self.batch.report_end(job)
        unfinished = [job for job in self.batch.jobs if not job.is_complete and job.error is None]
        for job in unfinished:
            job.report_stop(self._output)
        if unfinished or not self.batch.jobs:
            raise InterruptedByUserError(self._explain_interruption())

    @property
    def _is_private(self) -> bool:
        """A private torrent keeps to its trackers (BEP 27)."""
        return all(isinstance(source, Metainfo) and source.private for _, source in self._sources.values())

    def _take(self, label: str, source: Metainfo | Magnet) -> None:
        self._sources.setdefault(source.info_hash, (_short(label, source), source))

    async def _start(self) -> None:
        for label, source in self._sources.values():
            await self.batch.add(
                label,
                source,
                peers=self._network.peers,
                web_seeds=self._web_seeds,
                select=self._select,
                sequential=self._sequential,
                overwrite=self._overwrite,
            )

    def _explain_interruption(self) -> str:
        moments = [job.stats for job in self.batch.jobs if job.stats is not None and job.stats.total_bytes]
        if not moments:
            return f"interrupted before anything was downloaded; to try again: {_command_line()}"
        done = sum(stats.done_bytes for stats in moments)
        goal = sum(stats.wanted_bytes for stats in moments)
        besides = unfinished_text(sum(stats.unfinished_bytes for stats in moments))
        return (
            f"interrupted: {size_text(done)} of {size_text(goal)} are verified and saved in {self._directory}{besides};"
            f" to continue: {_command_line()}"
        )

    def _report_completion(self, job: Job) -> None:
        stats = job.stats
        assert stats is not None
        if stats.sources or stats.downloaded_bytes:
            pace = (
                f" at {rate_text(stats.downloaded_bytes / max(job.seconds, 0.001))}" if stats.downloaded_bytes else ""
            )
            self._output.say(
                f"done: {printable(str(job.path))} ({complete_text(stats)}), {sources_text(stats)}, in"
                f" {elapsed_text(job.seconds)}{pace}"
            )
        else:
            self._output.say(
                f"already complete: {printable(str(job.path))} ({complete_text(stats)}); nothing was fetched"
            )
        job.report_done(self._output)
        if self._goal is not None and not self._said_seeding:
            self._said_seeding = True
            self._output.say("seeding now; stop with Ctrl-C")

    def _advise(self, error: TransferError | OSError) -> TransferError | OSError:
        if not isinstance(error, NoPeersError):
            return error
        uses_dht = self._network.bootstrap is not None and not self._is_private
        options = "--bootstrap" if uses_dht else "--peer, --no-dht and --wait"
        return CommandError(f"{error} (see {options} in `kad get --help`)")


def _short(label: str, source: Metainfo | Magnet) -> str:
    """What a source is called in messages: magnet links are too long."""
    return label if isinstance(source, Metainfo) else one_line(source.name or source.info_hash.hex())


def _command_line() -> str:
    """What was typed, so that it can be typed again."""
    return shlex.join(["kad", *sys.argv[1:]])
