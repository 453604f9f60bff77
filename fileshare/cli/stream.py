"""`kad stream`: watch or read a file while it is downloaded."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bittorrent import FileEntry, Metainfo, SeedGoal, Selection
from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.follow import follow
from fileshare.cli.job_reports import check_jobs
from fileshare.cli.network_options import (
    AllowPrivateOption,
    IpFilterOption,
    LimitDownOption,
    LimitUpOption,
    LocalOption,
    PeerOption,
    WebSeedOption,
    parse_network_options,
)
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, NoDhtOption, OverwriteOption, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.runtime import run, wait_started
from fileshare.cli.service_view import ServiceView
from fileshare.cli.transfers import unfinished_text
from fileshare.cli.units import size_text
from fileshare.service import JobOptions, NetworkOptions, Service
from fileshare.service.events import FetchStarted, ServiceEvent
from transfer import Address

EXAMPLE = "Example: kad stream film.torrent --file film.mkv -o ~/Downloads"


@exits
def stream(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .torrent file, its http(s) URL, a magnet link or an info-hash.")
    ],
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="NAME", help="Number, path or pattern ('*.mkv'). Default: the largest."),
    ] = None,
    directory: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", file_okay=False, help="Where the files go; made when it is missing."
        ),
    ] = Path(),
    http: Annotated[
        str,
        typer.Option("--http", metavar="HOST:PORT", help="Where the player connects; port 0 takes a free one."),
    ] = "127.0.0.1:0",
    overwrite: OverwriteOption = False,
    limit_down: LimitDownOption = None,
    limit_up: LimitUpOption = None,
    peer: PeerOption = None,
    web_seed: WebSeedOption = None,
    bootstrap: BootstrapOption = None,
    no_dht: NoDhtOption = False,
    local: LocalOption = None,
    ip_filter: IpFilterOption = None,
    allow_private: AllowPrivateOption = False,
    listen: ListenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve one file of a torrent over HTTP while it is downloaded. Open the printed address in a media player or a
    browser: what is played next is fetched first, wherever you jump to, and every byte is verified before it is shown.
    Ctrl-C stops; what was fetched stays in DIR, and the same command continues with it.
    """
    address = parse_listen(http, option="--http")
    assert address is not None
    job = Streaming(
        output=Output(as_json=as_json),
        label=source,
        network=parse_network_options(
            listen=listen,
            bootstrap=bootstrap,
            no_dht=no_dht,
            peer=peer,
            limit_down=limit_down,
            limit_up=limit_up,
            ip_filter=ip_filter,
            local=local,
            allow_private=allow_private,
        ),
        file=file,
        directory=directory,
        overwrite=overwrite,
        http=address,
        web_seeds=tuple(web_seed or ()),
    )
    try:
        run(job.run())
    except InterruptedByUserError:
        job.report_end()


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
