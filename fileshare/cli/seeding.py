"""What one run of `kad seed` shares."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bittorrent import SeedGoal, SessionConfig
from fileshare.cli.follow import follow
from fileshare.cli.job_reports import check_jobs, report_close, report_end
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.cli.units import size_text
from fileshare.service import EndReason, JobOptions, JobSnapshot, NetworkOptions, Service, ServiceConfig
from fileshare.service.events import ServiceEvent, ServiceOpened, TorrentCompleted, TorrentEnded
from transfer import Address


class Seeding:
    """Shares torrents, and the torrents of directories as they come and go.

    Args:
        names: torrent files, directories, URLs of torrents, and magnet links or info-hashes downloaded before.
        directory: where the content is; None: beside each torrent file, and for the others in the current directory.
        state_dir: where is kept what was verified; None: everything is verified each time.
        network: how others are reached.
        service_config: how often directories are looked at, and the like.
    """

    def __init__(
        self,
        *,
        output: Output,
        names: Sequence[str | Path],
        directory: Path | None,
        state_dir: Path | None,
        network: NetworkOptions,
        super_seed: bool,
        goal: SeedGoal,
        config: SessionConfig,
        service_config: ServiceConfig | None = None,
    ) -> None:
        self._output = output
        self._directory = directory
        self._folders = [Path(name) for name in names if os.path.isdir(name)]
        self._labels = [str(name) for name in names if not os.path.isdir(name)]
        self._options = JobOptions(goal=goal, seed_only=True, super_seed=super_seed)
        self._several = len(names) > 1 or bool(self._folders)
        self._address: Address | None = None
        self._view = ServiceView(output, several=self._several)
        self.service = Service(network, state_dir=state_dir, session_config=config, config=service_config)

    async def run(self) -> None:
        """Until all have been shared as long as was wished; with a directory, until it is cancelled."""
        await follow(self.service, self, self._work())

    def check(self) -> None:
        """Whether all went well.

        Raises:
            TransferError, OSError: what was wrong with the only torrent, or how many failed.
        """
        check_jobs(self.service.jobs, several=self._several)

    def report_end(self) -> None:
        """What an interrupted seed has to say."""
        jobs = self.service.jobs
        report_close(self._output, jobs, several=self._several)
        if self._several:
            sent = sum(job.stats.uploaded_bytes for job in jobs if job.stats is not None)
            self._output.say(f"stopped: {size_text(sent)} sent to others in all")

    async def show(self, event: ServiceEvent) -> None:
        """As `View` has it."""
        self._view.show(event)
        match event:
            case ServiceOpened(address=address):
                self._address = address
                if self._several:
                    self._output.say(f"sharing on {address}; stop with Ctrl-C")
            case TorrentCompleted(job=job):
                self._report_ready(job)
            case TorrentEnded(job=job) if job.reason is not EndReason.CLOSED:
                report_end(self._output, job, several=self._several)

    def leave(self) -> None:
        """As `View` has it."""
        self._view.leave()

    async def _work(self) -> None:
        sources = await self.service.resolve(self._labels, is_on_disk=True, directory=self._directory)
        if not sources and not self._folders:
            return
        uses_dht = bool(self._folders) or not all(source.is_private for source in sources)
        await self.service.open(uses_dht=uses_dht)
        for source in sources:
            await self.service.add(source, options=self._options)
        for folder in self._folders:
            await self.service.watch(folder, content_dir=self._directory, options=self._options)
        await self.service.wait_idle()

    def _report_ready(self, job: JobSnapshot) -> None:
        assert job.metainfo is not None
        assert job.stats is not None
        magnet = job.metainfo.magnet_link()
        if self._several:
            self._output.say(f"seeding {job.name} ({size_text(job.stats.total_bytes)})")
        else:
            self._output.say(f"seeding {job.name} on {self._address}; stop with Ctrl-C")
            self._output.say(f"magnet link: {magnet}")
        self._output.event(
            "seeding",
            info_hash=job.info_hash,
            info_hash_v2=job.stats.info_hash_v2,
            name=job.name,
            address=self._address,
            magnet=magnet,
        )
