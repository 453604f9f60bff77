"""`kad get`: download, verify, and share on."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent.config import SessionConfig
from bittorrent.errors import NoPeersError
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.picker.selection import FileName
from bittorrent.stats import TorrentStats
from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.network import open_session
from fileshare.cli.options import (
    BootstrapOption,
    JsonOption,
    ListenOption,
    NoDhtOption,
    parse_bootstrap,
    parse_endpoint,
    parse_listen,
    parse_selection,
    read_source,
)
from fileshare.cli.output import Output
from fileshare.cli.runtime import run, wait_started
from fileshare.cli.seed import follow_seed
from fileshare.cli.transfers import TransferView, sources_text, transfer_fields
from fileshare.cli.units import count_text, elapsed_text, rate_text, size_text
from transfer.address import Address

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent

EXAMPLE = "Example: kad get ubuntu.torrent -o ~/Downloads --seed"


@exits
def get(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A .torrent file or a magnet link.")],
    directory: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the files go; made when it is missing.")
    ] = Path(),
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="HOST:PORT", help="A peer to ask besides those found, may be repeated."),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            metavar="FILES",
            help="Only these files: numbers such as 0,3-5, a path, a folder or a pattern such as '*.mkv'; may be"
            " repeated. Later runs remember it.",
        ),
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="From the first piece to the last, instead of the rarest first.")
    ] = False,
    web_seed: Annotated[
        list[str] | None,
        typer.Option("--web-seed", metavar="URL", help="A server that has the files as well, may be repeated."),
    ] = None,
    bootstrap: BootstrapOption = None,
    listen: ListenOption = None,
    no_dht: NoDhtOption = False,
    seed: Annotated[bool, typer.Option("--seed", help="Go on sharing when complete, until interrupted.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Without the DHT, wait for a first peer as long as it takes.")
    ] = False,
    as_json: JsonOption = False,
    give_up_after_s: Annotated[float, typer.Option("--give-up-after", hidden=True, min=0.1)] = 45.0,
) -> None:
    """Download what a .torrent file or a magnet link stands for. Peers come from the DHT, from its trackers and from
    --peer; every piece is verified before it counts. Ctrl-C stops cleanly, and the same command continues later:
    what is on disk is checked and not downloaded again.
    """
    job = Download(
        output=Output(as_json=as_json),
        source=read_source(source),
        directory=directory,
        peers=tuple(parse_endpoint(text, option="--peer") for text in peer or ()),
        bootstrap=parse_bootstrap(bootstrap, no_dht=no_dht),
        listen=parse_listen(listen),
        select=parse_selection(select),
        sequential=sequential,
        web_seeds=tuple(web_seed or ()),
        seeds_on=seed,
        config=SessionConfig(no_peers_timeout_s=None if wait else give_up_after_s),
    )
    try:
        run(job.run())
    except InterruptedByUserError:
        if not job.is_done:
            raise InterruptedByUserError(job.explain_interruption()) from None
        job.report_end()
    except NoPeersError as error:
        options = "--bootstrap" if job.uses_dht else "--peer, --no-dht and --wait"
        raise CommandError(f"{error} (see {options} in `kad get --help`)") from None


@dataclass(slots=True, kw_only=True)
class Download:
    """One run of `kad get`."""

    output: Output
    source: Metainfo | Magnet
    directory: Path
    peers: tuple[Address, ...]
    bootstrap: tuple[Address, ...] | None
    listen: Address | None
    select: tuple[FileName, ...]
    sequential: bool
    web_seeds: tuple[str, ...]
    seeds_on: bool
    config: SessionConfig
    is_done: bool = False
    stats: TorrentStats | None = None
    seconds: float = field(default=0.0, init=False)

    async def run(self) -> None:
        async with open_session(
            listen=self.listen,
            bootstrap=self.bootstrap if self.uses_dht else None,
            peers=self.peers,
            download_dir=self.directory,
            config=self.config,
        ) as (session, node):
            self.output.event(
                "listening",
                address=session.address,
                dht_address=node.address if node is not None else None,
                info_hash=self.source.info_hash,
            )
            await wait_started()
            started_at = time.monotonic()
            torrent = await session.add(
                self.source,
                peers=self.peers,
                web_seeds=self.web_seeds,
                select=self.select,
                sequential=self.sequential,
            )
            with TransferView(self.output) as view:
                await self._follow(torrent, view)
            self.seconds = time.monotonic() - started_at
            self.is_done = True
            self._report_completion()
            if self.seeds_on:
                await self._seed(torrent)

    @property
    def uses_dht(self) -> bool:
        """A private torrent keeps to its trackers (BEP 27)."""
        is_private = isinstance(self.source, Metainfo) and self.source.private
        return self.bootstrap is not None and not is_private

    async def _follow(self, torrent: Torrent, view: TransferView) -> None:
        try:
            async for stats in torrent.progress(interval_s=REFRESH_INTERVAL_S):
                self.stats = stats
                view.show(stats, torrent.explain())
        except asyncio.CancelledError:
            self.stats = torrent.statistics()
            raise

    async def _seed(self, torrent: Torrent) -> None:
        self.output.say("seeding now; stop with Ctrl-C")
        try:
            with TransferView(self.output, knows_metadata=True) as view:
                await follow_seed(torrent, view)
        finally:
            self.stats = torrent.statistics()

    def report_end(self) -> None:
        """What an interrupted seed has to say, when the download itself is done."""
        if self.seeds_on and self.stats is not None:
            self.output.say(f"stopped: {size_text(self.stats.uploaded_bytes)} sent to others")
            self._report_done(self.stats)

    def explain_interruption(self) -> str:
        if self.stats is None or not self.stats.total_bytes:
            return f"interrupted before anything was downloaded; to try again: {_command_line()}"
        return (
            f"interrupted: {size_text(self.stats.done_bytes)} of {size_text(self._goal_bytes)} are verified and"
            f" saved in {self.directory}; to continue: {_command_line()}"
        )

    def _report_completion(self) -> None:
        assert self.stats is not None
        stats = self.stats
        rate = rate_text(stats.downloaded_bytes / self.seconds if self.seconds > 0 else 0.0)
        self.output.say(
            f"done: {self._path(stats)} ({size_text(stats.wanted_bytes)}, all"
            f" {count_text(stats.done_pieces, 'piece')} verified), {sources_text(stats)},"
            f" in {elapsed_text(self.seconds)} at {rate}"
        )
        self._report_done(stats)

    def _report_done(self, stats: TorrentStats) -> None:
        self.output.event(
            "done",
            info_hash=stats.info_hash,
            name=stats.name,
            path=self._path(stats),
            bytes=stats.total_bytes,
            wanted_bytes=stats.wanted_bytes,
            pieces=stats.piece_count,
            seconds=self.seconds,
            **transfer_fields(stats),
        )

    @property
    def _goal_bytes(self) -> int:
        assert self.stats is not None
        return max(self.stats.wanted_bytes, self.stats.done_bytes)

    def _path(self, stats: TorrentStats) -> Path:
        return (self.directory / stats.name).absolute()


def _command_line() -> str:
    """What was typed, so that it can be typed again."""
    return shlex.join(["kad", *sys.argv[1:]])


REFRESH_INTERVAL_S = 0.5
