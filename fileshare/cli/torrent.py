"""`kad torrent`: make, look at and verify torrents. Nothing here touches the network."""

from __future__ import annotations

import os
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from bittorrent.metainfo.create import create_metainfo
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage
from fileshare.cli.errors import CommandError, exits
from fileshare.cli.options import JsonOption, is_magnet
from fileshare.cli.output import Output
from fileshare.cli.units import count_text, ranges_text, size_text
from fileshare.cli.views import ByteCount

app = typer.Typer(no_args_is_help=True, help="Make, show and verify torrents.", rich_markup_mode=None)


@app.command(
    "create",
    short_help="Make a torrent of a file or folder.",
    epilog="Example: kad torrent create holiday/ -o holiday.torrent --tracker http://tracker.example/announce",
)
@exits
def create(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to share.", show_default=False)],
    target: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .torrent file to write.")],
    piece_size: Annotated[
        int | None,
        typer.Option("--piece-size", metavar="BYTES", help="A power of two from 16384 on. Default: fits the size."),
    ] = None,
    tracker: Annotated[
        list[str] | None, typer.Option("--tracker", metavar="URL", help="A tracker to announce to, may be repeated.")
    ] = None,
    web_seed: Annotated[
        list[str] | None,
        typer.Option("--web-seed", metavar="URL", help="Where the same can be had over HTTP, may be repeated."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Peers come from the trackers only (BEP 27).")] = False,
    align: Annotated[
        bool, typer.Option("--align", help="Let each file begin with a piece of its own (BEP 47 padding).")
    ] = False,
    attributes: Annotated[
        bool, typer.Option("--attributes", help="Keep executable and hidden files and symbolic links (BEP 47).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a torrent of a file or folder: hash its content, write FILE and print the magnet link that stands for it.
    Afterwards `kad seed` shares it.
    """
    if piece_size is not None and (piece_size < 16384 or piece_size & (piece_size - 1)):
        raise typer.BadParameter("it must be a power of two from 16384 on", param_hint="--piece-size")
    if not force and os.path.lexists(target):
        raise CommandError(f"{target} exists already; choose another -o FILE, or replace it with --force")
    output = Output(as_json=as_json)
    with ByteCount(output, "hashing") as count, ThreadPoolExecutor(os.cpu_count()) as executor:
        metainfo = create_metainfo(
            path,
            piece_length=piece_size,
            trackers=tracker or (),
            web_seeds=web_seed or (),
            private=private,
            align=align,
            attributes=attributes,
            executor=executor,
            creation_date=int(time.time()),
            progress=count.show,
        )
    _write(target, metainfo.to_bytes(), replace=force)
    _show_metainfo(output, metainfo, file=target)


@app.command(
    "show", short_help="Show what a torrent or magnet link says.", epilog="Example: kad torrent show ubuntu.torrent"
)
@exits
def show(
    source: Annotated[str, typer.Argument(metavar="FILE_OR_MAGNET", help="A .torrent file or a magnet link.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a torrent or a magnet link says: info-hash, name, files, piece size, trackers."""
    output = Output(as_json=as_json)
    if is_magnet(source):
        _show_magnet(output, Magnet.parse(source))
    else:
        _show_metainfo(output, Metainfo.from_file(source))


@app.command(
    "verify",
    short_help="Compare what is on disk with a torrent.",
    epilog="Example: kad torrent verify ubuntu.torrent -d ~/Downloads",
)
@exits
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The .torrent file.")],
    directory: Annotated[
        Path, typer.Option("-d", "--dir", metavar="DIR", help="Where the torrent's file or folder is.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Hash what is on disk and compare it with a torrent. Nothing is changed. Exit code 1, and the list of the bad
    pieces, when something is missing or damaged.
    """
    output = Output(as_json=as_json)
    metainfo = Metainfo.from_file(file)
    bad: list[int] = []
    storage = FileStorage(metainfo.files, directory, writable=False)
    try:
        storage.prepare()
        with ByteCount(output, "verifying") as count:
            for index, is_right in verify_pieces(metainfo, storage):
                if not is_right:
                    bad.append(index)
                count.show(sum(metainfo.piece_span(index)), metainfo.total_bytes)
    finally:
        storage.close()
    files = _files_with(metainfo, bad)
    if bad:
        output.say(f"bad or missing pieces: {ranges_text(bad)}")
        output.say("files concerned:")
        for name in files:
            output.say(f"  {name}")
        message = (
            f"{len(bad)} of {count_text(metainfo.piece_count, 'piece')} of {metainfo.name} are missing or damaged;"
            f" `{shlex.join(['kad', 'get', str(file), '-o', str(directory)])}` fetches them"
        )
        output.complain(message)
    else:
        output.say(f"{metainfo.name} is complete: all {count_text(metainfo.piece_count, 'piece')} are right")
    output.event(
        "done",
        ok=not bad,
        info_hash=metainfo.info_hash,
        name=metainfo.name,
        pieces=metainfo.piece_count,
        bad_pieces=bad,
        bad_files=files,
    )
    if bad:
        raise typer.Exit(1)


def _show_metainfo(output: Output, metainfo: Metainfo, *, file: Path | None = None) -> None:
    trackers = [url for tier in metainfo.trackers for url in tier]
    files = metainfo.visible_files
    magnet = metainfo.magnet_link()
    if file is not None:
        output.say(f"written    {file}")
    output.say(f"name       {metainfo.name}")
    output.say(f"info-hash  {metainfo.info_hash.hex()}")
    output.say(f"size       {size_text(metainfo.total_bytes)} ({metainfo.total_bytes} bytes)")
    output.say(f"pieces     {metainfo.piece_count} of {size_text(metainfo.piece_length)}")
    output.say(f"private    {'yes, peers come from trackers only' if metainfo.private else 'no'}")
    for url in trackers:
        output.say(f"tracker    {url}")
    if metainfo.comment:
        output.say(f"comment    {metainfo.comment}")
    output.say(f"magnet     {magnet}")
    output.say(f"{count_text(len(files), 'file')}:")
    for entry in files:
        output.say(f"  {size_text(entry.length):>10}  {entry}")
    output.event(
        "done",
        **({"file": file} if file is not None else {}),
        info_hash=metainfo.info_hash,
        name=metainfo.name,
        bytes=metainfo.total_bytes,
        piece_size=metainfo.piece_length,
        pieces=metainfo.piece_count,
        private=metainfo.private,
        trackers=trackers,
        files=[{"path": str(entry), "bytes": entry.length} for entry in files],
        magnet=magnet,
    )


def _show_magnet(output: Output, magnet: Magnet) -> None:
    output.say(f"name       {magnet.name or '(the link gives none)'}")
    output.say(f"info-hash  {magnet.info_hash.hex()}")
    if magnet.exact_length is not None:
        output.say(f"size       {size_text(magnet.exact_length)} ({magnet.exact_length} bytes)")
    for url in magnet.trackers:
        output.say(f"tracker    {url}")
    for peer in magnet.peers:
        output.say(f"peer       {peer}")
    output.say("files and piece size are known to peers only: `kad get` asks them")
    output.event(
        "done",
        info_hash=magnet.info_hash,
        name=magnet.name,
        bytes=magnet.exact_length,
        trackers=magnet.trackers,
        peers=magnet.peers,
        magnet=str(magnet),
    )


def _write(target: Path, content: bytes, *, replace: bool) -> None:
    """Writes all or nothing: what was there is replaced only by a complete file."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part") if replace else target
    with open(unfinished, "xb") as file:
        try:
            file.write(content)
            file.flush()
            if replace:
                os.replace(unfinished, target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise


def _files_with(metainfo: Metainfo, pieces: list[int]) -> list[str]:
    """The files, in order, that have bytes in any of the ascending `pieces`."""
    found = []
    for entry in metainfo.visible_files:
        first, last = entry.offset // metainfo.piece_length, (entry.end - 1) // metainfo.piece_length
        if entry.length and any(first <= index <= last for index in pieces):
            found.append(str(entry))
    return found
