"""`kad torrent`: make, look at and verify torrents. Only a URL that was typed touches the network."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bittorrent import Bitfield, FileStorage, Magnet, Metainfo, explain_absence, judge_files, verify_pieces
from fileshare.cli import torrent_create
from fileshare.cli.errors import CommandError, exits
from fileshare.cli.options import JsonOption
from fileshare.cli.output import Output
from fileshare.cli.proxy_options import ProxyOption, ProxyPasswordFileOption, parse_proxy
from fileshare.cli.runtime import run
from fileshare.cli.torrent_views import show_magnet, show_metainfo
from fileshare.cli.units import count_text, ranges_text
from fileshare.cli.views import ByteCount
from fileshare.service.fetch import fetch_torrent
from fileshare.service.sources import is_url, kept_torrent, read_source
from kademlia_core import PointerLink
from transfer import Proxy

app = typer.Typer(no_args_is_help=True, help="Make, show and verify torrents.", rich_markup_mode=None)
app.command("create", short_help="Make a torrent of a file or folder.", epilog=torrent_create.EXAMPLE)(
    torrent_create.create
)


@app.command(
    "show", short_help="Show what a torrent or magnet link says.", epilog="Example: kad torrent show ubuntu.torrent"
)
@exits
def show(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .torrent file, its http(s) URL, a magnet link or an info-hash.")
    ],
    proxy: ProxyOption = None,
    proxy_password_file: ProxyPasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a torrent or a magnet link says: info-hash, name, size, trackers and the rest, and the files with the
    numbers that --select takes.
    """
    output = Output(as_json=as_json)
    found = _read(source, parse_proxy(proxy, proxy_password_file))
    if isinstance(found, Magnet):
        show_magnet(output, found)
    else:
        show_metainfo(output, found)


@app.command(
    "verify",
    short_help="Compare what is on disk with a torrent.",
    epilog="Example: kad torrent verify ubuntu.torrent -d ~/Downloads",
)
@exits
def verify(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A .torrent file, its http(s) URL, or the magnet link or info-hash that was downloaded to DIR.",
        ),
    ],
    directory: Annotated[
        Path, typer.Option("-d", "--dir", metavar="DIR", help="Where the torrent's file or folder is.")
    ],
    proxy: ProxyOption = None,
    proxy_password_file: ProxyPasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash what is on disk and compare it with a torrent.

    Nothing is changed. Exit code 1, and the list of the bad pieces, when something is missing or damaged.
    """
    output = Output(as_json=as_json)
    found = _read(source, parse_proxy(proxy, proxy_password_file))
    metainfo = kept_torrent(found, directory) if isinstance(found, Magnet) else found
    reason = explain_absence(metainfo, directory)
    if reason is not None:
        raise CommandError(reason)
    bad: list[int] = []
    storage = FileStorage(metainfo.files, directory, writable=False)
    try:
        storage.prepare()
        with ByteCount(output, "verifying") as count:
            for index, is_right in verify_pieces(metainfo, storage):
                if not is_right:
                    bad.append(index)
                count.show(sum(metainfo.geometry.piece_span(index)), metainfo.geometry.total_bytes)
        needs_overwrite = bool(bad) and _needs_overwrite(metainfo, storage, bad)
    finally:
        storage.close()
    files = _files_with(metainfo, bad)
    if bad:
        output.say(f"bad or missing pieces: {ranges_text(bad)}")
        output.say("files concerned:")
        for name in files:
            output.say(f"  {name}")
        command = ["kad", "get", source, "-o", str(directory), *(["--overwrite"] if needs_overwrite else [])]
        message = (
            f"{len(bad)} of {count_text(metainfo.piece_count, 'piece')} of {metainfo.name} are missing or damaged;"
            f" `{shlex.join(command)}` fetches them"
        )
        output.complain(message)
    else:
        output.say(f"{metainfo.name} is complete: all {count_text(metainfo.piece_count, 'piece')} are right")
    output.event(
        "done",
        ok=not bad,
        info_hash=metainfo.torrent_id.v1,
        info_hash_v2=metainfo.torrent_id.v2,
        name=metainfo.name,
        pieces=metainfo.piece_count,
        bad_pieces=bad,
        bad_files=files,
    )
    if bad:
        raise typer.Exit(1)


def _read(source: str, proxy: Proxy | None) -> Metainfo | Magnet:
    found = run(fetch_torrent(source, proxy=proxy)) if is_url(source) else read_source(source)
    if isinstance(found, PointerLink):
        raise CommandError("this link is to a torrent that changes; `kad dht get LINK` says which it is now")
    return found


def _needs_overwrite(metainfo: Metainfo, storage: FileStorage, bad: list[int]) -> bool:
    """Whether a file is so bad that `kad get` takes it for one of another origin."""
    right = Bitfield.full(metainfo.piece_count)
    for index in bad:
        right.clear(index)
    return bool(judge_files(metainfo, right, storage.holding(storage.met())).foreign)


def _files_with(metainfo: Metainfo, pieces: list[int]) -> list[str]:
    """The files, in order, that have bytes in any of the ascending `pieces`."""
    found = []
    for entry in metainfo.visible_files:
        of_file = metainfo.geometry.pieces_of(entry.offset, entry.length)
        if any(index in of_file for index in pieces):
            found.append(str(entry))
    return found
