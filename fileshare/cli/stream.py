"""`kad stream`: watch or read a file while it is downloaded."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent.config import SessionConfig
from bittorrent.metainfo.files import FileEntry
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.selection import Selection
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.geometry import Geometry
from bittorrent.stats import TorrentState, TorrentStats
from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.network_options import (
    AllowPrivateOption,
    IpFilterOption,
    LimitDownOption,
    LimitUpOption,
    LocalOption,
    NetworkOptions,
    PeerOption,
    WebSeedOption,
)
from fileshare.cli.options import BootstrapOption, JsonOption, ListenOption, NoDhtOption, OverwriteOption, parse_listen
from fileshare.cli.output import Output
from fileshare.cli.runtime import run, wait_started
from fileshare.cli.tracker_warnings import TrackerWarnings
from fileshare.cli.transfers import TransferView, unfinished_text
from fileshare.cli.units import size_text
from fileshare.service.fetch import fetch_torrent
from fileshare.service.sources import is_url, read_source
from transfer.address import Address

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent

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
        network=NetworkOptions.parse(
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
        source=None if is_url(source) else read_source(source),
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
        source: None when `label` is the URL of a torrent.
    """

    def __init__(
        self,
        *,
        output: Output,
        label: str,
        source: Metainfo | Magnet | None,
        file: str | None,
        directory: Path,
        overwrite: bool,
        http: Address,
        network: NetworkOptions,
        web_seeds: tuple[str, ...],
    ) -> None:
        self._output = output
        self._label = label
        self._source = source
        self._file = file
        self._directory = directory
        self._overwrite = overwrite
        self._http = http
        self._network = network
        self._web_seeds = web_seeds
        self._stats: TorrentStats | None = None
        self._warnings = TrackerWarnings(output)

    async def run(self) -> None:
        """Until it is cancelled.

        Raises:
            CommandError: the file cannot be served.
            TransferError: what stopped the torrent.
        """
        from fileshare.file_server import FileServer  # brings the HTTP server with it

        source = self._source or await fetch_torrent(self._label, allow_private=self._network.allow_private)
        is_private = isinstance(source, Metainfo) and source.private
        async with self._network.open(
            self._output, download_dir=self._directory, config=SessionConfig(), is_private=is_private
        ) as session:
            await wait_started()
            torrent = await session.add(
                source, peers=self._network.peers, web_seeds=self._web_seeds, overwrite=self._overwrite
            )
            self._output.event("added", info_hash=torrent.info_hash, name=torrent.name, source=self._label)
            with TransferView(self._output) as view:
                number, entry = await self._choose(torrent, view)
                await torrent.select([number])
                async with AsyncExitStack() as stack:
                    try:
                        server = FileServer(torrent, host=self._http.host, port=self._http.port)
                        await stack.enter_async_context(server)
                    except OSError as error:
                        reason = error.strerror or str(error)
                        raise CommandError(f"cannot serve on {self._http}: {reason}; choose another --http") from None
                    url = server.url(entry)
                    self._output.say(url)
                    self._output.event(
                        "streaming", info_hash=torrent.info_hash, url=url, file=str(entry), bytes=entry.length
                    )
                    await self._follow(torrent, view)

    def report_end(self) -> None:
        """What an interrupted stream has to say."""
        if self._stats is not None:
            size = size_text(self._stats.done_bytes)
            besides = unfinished_text(self._stats.unfinished_bytes)
            self._output.say(f"stopped: {size} are verified and saved in {self._directory}{besides}")
            self._output.event(
                "done",
                info_hash=self._stats.info_hash,
                name=self._stats.name,
                done_bytes=self._stats.done_bytes,
                downloaded_bytes=self._stats.downloaded_bytes,
            )

    async def _choose(self, torrent: Torrent, view: TransferView) -> tuple[int, FileEntry]:
        metainfo = await self._wait_metadata(torrent, view)
        selection = Selection(metainfo.files, Geometry(metainfo.total_bytes, metainfo.piece_length))
        if self._file is None:
            numbers = {max(range(len(metainfo.files)), key=lambda n: _rank(metainfo.files[n]))}
        else:
            name = self._file
            numbers = selection.numbers_of([int(name) if name.isascii() and name.isdigit() else name])
        if len(numbers) > 1:
            raise CommandError(f"{self._file} means {len(numbers)} files; `kad torrent show` lists them")
        number = numbers.pop()
        return number, metainfo.files[number]

    async def _wait_metadata(self, torrent: Torrent, view: TransferView) -> Metainfo:
        while True:
            view.show(torrent.statistics())
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_INTERVAL_S):
                    return await torrent.wait_metadata()

    async def _follow(self, torrent: Torrent, view: TransferView) -> None:
        try:
            while torrent.state is not TorrentState.STOPPED:
                view.show(torrent.statistics(), torrent.explain())
                self._warnings.look(torrent)
                await asyncio.sleep(REFRESH_INTERVAL_S)
        finally:
            self._stats = torrent.statistics()
        raise torrent.error or CommandError(f"{torrent.name} was stopped")


def _rank(entry: FileEntry) -> int:
    return -1 if entry.is_padding else entry.length


REFRESH_INTERVAL_S = 0.5
