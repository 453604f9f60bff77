"""What one run of `kad stream` serves."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from bittorrent import FileEntry, Metainfo, SeedGoal, Selection
from fileshare.cli.errors import CommandError
from fileshare.cli.follow import follow
from fileshare.cli.job_reports import check_jobs
from fileshare.cli.output import Output
from fileshare.cli.runtime import wait_started
from fileshare.cli.service_view import ServiceView
from fileshare.cli.transfers import unfinished_text
from fileshare.cli.units import size_text
from fileshare.service import JobOptions, NetworkOptions, Service
from fileshare.service.events import FetchStarted, ServiceEvent
from kademlia_core import PointerLink
from transfer import Address


class Streaming:
    """One run of `kad stream`.

    Args:
        label: the source as it was typed.
    """

    def __init__(
        self,
        *,
        output: Output,
        label: str,
        file: str | None,
        directory: Path,
        overwrite: bool,
        http: Address,
        network: NetworkOptions,
        web_seeds: tuple[str, ...],
    ) -> None:
        self._output = output
        self._label = label
        self._file = file
        self._directory = directory
        self._http = http
        self._options = JobOptions(goal=SeedGoal(), web_seeds=web_seeds, overwrite=overwrite)
        self._view = ServiceView(output, several=False)
        self.service = Service(network, download_dir=directory)
        self._is_served = False

    async def run(self) -> None:
        """Until it is cancelled.

        Raises:
            CommandError: the file cannot be served.
            TransferError: what stopped the torrent.
        """
        await follow(self.service, self, self._work())

    def report_end(self) -> None:
        """What an interrupted stream has to say."""
        for job in self.service.jobs:
            if self._is_served and job.stats is not None:
                size = size_text(job.stats.done_bytes)
                besides = unfinished_text(job.stats.unfinished_bytes)
                self._output.say(f"stopped: {size} are verified and saved in {self._directory}{besides}")
                self._output.event(
                    "done",
                    info_hash=job.stats.info_hash,
                    name=job.stats.name,
                    done_bytes=job.stats.done_bytes,
                    downloaded_bytes=job.stats.downloaded_bytes,
                )

    async def show(self, event: ServiceEvent) -> None:
        """As `View` has it."""
        if not isinstance(event, FetchStarted):  # the first line is the address for the player
            self._view.show(event)

    def leave(self) -> None:
        """As `View` has it."""
        self._view.leave()

    async def _work(self) -> None:
        from fileshare.file_server import FileServer  # brings the HTTP server with it

        service = self.service
        sources = await service.resolve([self._label])
        check_jobs(service.jobs, several=False)
        source = replace(sources[0], label=self._label)
        if isinstance(source.torrent, PointerLink):
            raise CommandError("this link is to a torrent that changes; `kad dht get LINK` says which it is now")
        await service.open(uses_dht=not source.is_private)
        await wait_started()
        added = await service.add(source, options=self._options)
        check_jobs([added], several=False)
        torrent = service.torrent(source.torrent.info_hash)
        number, entry = self._choose(await torrent.wait_metadata())
        await service.select(torrent.info_hash, [number])
        async with AsyncExitStack() as stack:
            try:
                server = FileServer(torrent, host=self._http.host, port=self._http.port)
                await stack.enter_async_context(server)
            except OSError as error:
                reason = error.strerror or str(error)
                raise CommandError(f"cannot serve on {self._http}: {reason}; choose another --http") from None
            url = server.url(entry)
            self._output.say(url)
            self._output.event("streaming", info_hash=torrent.info_hash, url=url, file=str(entry), bytes=entry.length)
            self._is_served = True
            async for _ in torrent.events(max_waiting=1):
                pass  # until it has stopped
        raise torrent.error or CommandError(f"{torrent.name} was stopped")

    def _choose(self, metainfo: Metainfo) -> tuple[int, FileEntry]:
        if self._file is None:
            numbers = {max(range(len(metainfo.files)), key=lambda n: _rank(metainfo.files[n]))}
        else:
            selection = Selection(metainfo.files, metainfo.geometry)
            name = self._file
            numbers = selection.numbers_of([int(name) if name.isascii() and name.isdigit() else name])
        if len(numbers) > 1:
            raise CommandError(f"{self._file} means {len(numbers)} files; `kad torrent show` lists them")
        number = numbers.pop()
        return number, metainfo.files[number]


def _rank(entry: FileEntry) -> int:
    return -1 if entry.is_padding else entry.length
