"""`kad torrent create`: what is hashed, what is left out, and where the torrent goes."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from bittorrent import (
    MIN_PIECE_LENGTH,
    MetainfoLimits,
    SourceFile,
    StorageError,
    TorrentFormat,
    create_metainfo,
    safe_name,
    scan_files,
)
from fileshare.cli.errors import CommandError, exits
from fileshare.cli.options import JsonOption, parse_endpoint
from fileshare.cli.output import Output
from fileshare.cli.torrent_views import show_metainfo
from fileshare.cli.units import count_text, parse_size
from fileshare.cli.views import ByteCount
from fileshare.text import one_line

EXAMPLE = "Example: kad torrent create holiday/ --format hybrid --tracker udp://tracker.example:6969 --exclude '*.tmp'"


@exits
def create(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to share.", show_default=False)],
    target: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The .torrent file to write. Default: NAME.torrent, here or in that folder.",
        ),
    ] = None,
    form: Annotated[
        TorrentFormat,
        typer.Option(
            "--format",
            help="v1: every program reads it; v2: single blocks are verified, but many programs do not read it;"
            " hybrid: both in one.",
        ),
    ] = TorrentFormat.V1,
    piece_size: Annotated[
        str | None,
        typer.Option(
            "--piece-size",
            metavar="SIZE",
            help="A power of two from 16K to 256M, such as 1M. Default: fits the content.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PATTERN",
            help="Leave out files and folders of this name or path, such as '*.tmp' or 'extras/*'; may be repeated.",
        ),
    ] = None,
    tracker: Annotated[
        list[str] | None, typer.Option("--tracker", metavar="URL", help="A tracker to announce to, may be repeated.")
    ] = None,
    web_seed: Annotated[
        list[str] | None,
        typer.Option("--web-seed", metavar="URL", help="Where the same can be had over HTTP, may be repeated."),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="HOST:PORT", help="A DHT node to begin with (BEP 5), may be repeated."),
    ] = None,
    comment: Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="For people who look at it.")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="TEXT", help="What a private tracker is called, so that its torrent is one of its own."
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Peers come from the trackers only (BEP 27).")] = False,
    align: Annotated[
        bool,
        typer.Option(
            "--align", help="Let each file begin with a piece of its own (BEP 47 padding); v2 and hybrid always do."
        ),
    ] = False,
    attributes: Annotated[
        bool, typer.Option("--attributes", help="Keep executable and hidden files and symbolic links (BEP 47).")
    ] = False,
    similar: Annotated[
        list[str] | None,
        typer.Option(
            "--similar", metavar="HASH", help="A torrent with some of the same files (BEP 38), may be repeated."
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option("--collection", metavar="NAME", help="A collection that it belongs to (BEP 38), may be repeated."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a torrent of a file or folder: hash its content, write FILE and print the magnet link that stands for it.

    Afterwards `kad seed` shares it.
    """
    piece_length = _parse_piece_size(piece_size)
    nodes = [parse_endpoint(text, option="--node") for text in node or ()]
    if private and nodes:
        raise typer.BadParameter("a private torrent stays out of the DHT", param_hint="--node")
    hashes = [_parse_hash(text) for text in similar or ()]
    target = _target_of(path, target)
    _check_target(target, replace=force)
    left_out = [*(exclude or ()), *_own_path(path, target)]
    output = Output(as_json=as_json)
    doubtful = doubtful_files(scan_files(os.path.abspath(path), attributes=attributes, exclude=left_out))
    if doubtful:
        shown = ", ".join(doubtful[:MAX_DOUBTFUL_SHOWN]) + (", …" if len(doubtful) > MAX_DOUBTFUL_SHOWN else "")
        output.complain(
            f"{count_text(len(doubtful), 'file')} of a kind that is rarely meant to be shared: {one_line(shown)};"
            " --exclude leaves files out, --exclude '.*' all hidden ones"
        )
    with ByteCount(output, "hashing") as count, ThreadPoolExecutor(os.cpu_count()) as executor:
        metainfo = create_metainfo(
            path,
            format=form,
            piece_length=piece_length,
            trackers=tracker or (),
            web_seeds=web_seed or (),
            nodes=nodes,
            comment=comment,
            source=source,
            exclude=left_out,
            private=private,
            align=align,
            attributes=attributes,
            similar=hashes,
            collections=collection or (),
            executor=executor,
            creation_date=int(time.time()),
            progress=count.show,
        )
    _write(target, metainfo.to_bytes(), replace=force)
    show_metainfo(output, metainfo, file=target, doubtful_files=doubtful)


def doubtful_files(files: Iterable[SourceFile]) -> list[str]:
    """The paths of what systems leave in folders, and of what is hidden: rarely meant to be shared."""
    return [
        "/".join(file.path)
        for file in files
        if any(element.startswith(".") or element.casefold() in _LEFTOVERS for element in file.path)
    ]


def _parse_piece_size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        size = parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--piece-size") from None
    if size & (size - 1) or not MIN_PIECE_LENGTH <= size <= MetainfoLimits().piece_length_bytes:
        raise typer.BadParameter("it must be a power of two from 16K to 256M", param_hint="--piece-size")
    return size


def _parse_hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in (20, 32):
        raise typer.BadParameter("it must be an info-hash of 40 or 64 hexadecimal digits", param_hint="--similar")
    return value


def _target_of(path: Path, target: Path | None) -> Path:
    """Where the torrent goes; a folder takes it under the name of what is shared."""
    if target is not None and not target.is_dir():
        return target
    name = os.path.basename(os.path.abspath(path))
    if not name:
        raise CommandError(f"cannot share {path}: it has no name; choose a folder inside it")
    if len(os.fsencode(name)) > MAX_NAME_BYTES:  # there is no room for the ending
        name = safe_name(os.fsencode(name)).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return (target or Path()) / f"{name}.torrent"


def _check_target(target: Path, *, replace: bool) -> None:
    """Before anything is hashed, which may take long.

    Raises:
        CommandError: the torrent cannot be written there, or something is there already.
    """
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir():
        raise CommandError(f"there is no directory {folder}; make it, or choose another -o FILE")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"cannot write {target}: its directory cannot be written; choose another -o FILE")
    if os.path.lexists(target):
        if target.exists() and not target.is_file():  # a file in its place would be no pipe or device any more
            raise CommandError(f"{target} is not a file; choose another -o FILE")
        if not replace:
            raise CommandError(f"{target} exists already; choose another -o FILE, or replace it with --force")


def _own_path(path: Path, target: Path) -> list[str]:
    """The pattern that leaves out the torrent itself, where it lies in the folder that is shared."""
    below = os.path.relpath(os.path.abspath(target), os.path.abspath(path))
    return [] if below == os.curdir or below.startswith(os.pardir) else [glob.escape(below.replace(os.sep, "/"))]


def _write(target: Path, content: bytes, *, replace: bool) -> None:
    """Writes all or nothing: what was there, or where a link leads to, is replaced only by a complete file.

    Raises:
        StorageError: the system refused.
        CommandError: there is something by now.
    """
    place = Path(os.path.realpath(target))
    unfinished = place.with_name(f".{place.name}.{os.getpid()}.part") if replace else place
    try:
        with open(unfinished, "xb") as file:
            try:
                file.write(content)
                file.flush()
                if replace:
                    os.replace(unfinished, place)
            except BaseException:
                with suppress(OSError):
                    unfinished.unlink()
                raise
    except FileExistsError:
        raise CommandError(f"{unfinished} exists already; choose another -o FILE") from None
    except OSError as error:
        raise StorageError.from_os_error("write", target, error) from None


MAX_DOUBTFUL_SHOWN = 5
MAX_NAME_BYTES = 240
_LEFTOVERS = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}
