"""`kad seed`: share what is on disk already."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittorrent.choker import ChokerConfig
from bittorrent.config import SessionConfig
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.stats import TorrentState, TorrentStats
from bittorrent.swarm_config import SwarmConfig
from fileshare.cli.errors import CommandError, InterruptedByUserError, exits
from fileshare.cli.network import open_session
from fileshare.cli.options import (
    BootstrapOption,
    JsonOption,
    ListenOption,
    NoDhtOption,
    is_magnet,
    parse_bootstrap,
    parse_listen,
)
from fileshare.cli.output import Output
from fileshare.cli.runtime import run
from fileshare.cli.transfers import TransferView
from fileshare.cli.units import size_text
from transfer.address import Address

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent

EXAMPLE = "Example: kad seed ubuntu.torrent -d ~/Downloads"


@exits
def seed(
    torrent: Annotated[str, typer.Argument(metavar="TORRENT", help="The .torrent file.")],
    directory: Annotated[
        Path, typer.Option("-d", "--dir", metavar="DIR", help="Where the torrent's file or folder is.")
    ],
    listen: ListenOption = None,
    bootstrap: BootstrapOption = None,
    no_dht: NoDhtOption = False,
    upload_slots: Annotated[
        int, typer.Option("--upload-slots", metavar="N", min=1, max=1000, help="How many peers are served at a time.")
    ] = ChokerConfig().slots,
    as_json: JsonOption = False,
) -> None:
    """Share a complete download until interrupted. Everything on disk is verified first and nothing is ever written;
    then the DHT and the torrent's trackers learn that it can be had here.
    """
    if is_magnet(torrent):
        raise typer.BadParameter("a magnet link has no piece hashes; name the .torrent file", param_hint="TORRENT")
    output = Output(as_json=as_json)
    entries, address = parse_bootstrap(bootstrap, no_dht=no_dht), parse_listen(listen)
    metainfo = Metainfo.from_file(torrent)
    choker = ChokerConfig(slots=upload_slots, optimistic_slots=min(ChokerConfig().optimistic_slots, upload_slots - 1))
    config = SessionConfig(swarm=SwarmConfig(choker=choker))
    started_at = time.monotonic()
    last: list[TorrentStats] = []
    try:
        run(_seed(output, metainfo, directory, entries, address, config, last))
    except InterruptedByUserError:
        uploaded_bytes = last[-1].uploaded_bytes if last else 0
        output.say(f"stopped: {size_text(uploaded_bytes)} sent to others")
        output.event(
            "done",
            info_hash=metainfo.info_hash,
            name=metainfo.name,
            uploaded_bytes=uploaded_bytes,
            seconds=time.monotonic() - started_at,
        )


async def follow_seed(torrent: Torrent, view: TransferView) -> None:
    """Shows a complete torrent until it is cancelled.

    Raises:
        CommandError: the torrent stopped by itself; the text says why.
    """
    while torrent.state in (TorrentState.FINISHED, TorrentState.SEEDING):
        view.show(torrent.statistics())
        await asyncio.sleep(REFRESH_INTERVAL_S)
    reason = torrent.error or "it was stopped"
    raise CommandError(f"{torrent.name} is shared no longer: {reason}; check its files with `kad torrent verify`")


async def _seed(
    output: Output,
    metainfo: Metainfo,
    directory: Path,
    bootstrap: tuple[Address, ...] | None,
    listen: Address | None,
    config: SessionConfig,
    last: list[TorrentStats],
) -> None:
    async with open_session(
        listen=listen,
        bootstrap=None if metainfo.private else bootstrap,
        download_dir=directory,
        config=config,
    ) as (session, node):
        torrent = await session.add(metainfo, seed_only=True)
        with TransferView(output) as view:
            try:
                async for stats in torrent.progress(interval_s=REFRESH_INTERVAL_S):
                    if stats.state is not TorrentState.SEEDING:
                        view.show(stats)
                output.say(f"seeding {metainfo.name} on {session.address}; stop with Ctrl-C")
                output.say(f"magnet link: {metainfo.magnet_link()}")
                output.event(
                    "listening",
                    address=session.address,
                    dht_address=node.address if node is not None else None,
                    info_hash=metainfo.info_hash,
                    name=metainfo.name,
                    magnet=metainfo.magnet_link(),
                )
                await follow_seed(torrent, view)
            finally:
                last.append(torrent.statistics())


REFRESH_INTERVAL_S = 1.0
