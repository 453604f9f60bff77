"""What a torrent and a magnet link say, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bittorrent import Magnet, Metainfo, TorrentId
from fileshare.cli.output import Output
from fileshare.cli.renamed import called, quoted, readable
from fileshare.cli.units import count_text, size_text
from fileshare.text import printable


def show_metainfo(output: Output, metainfo: Metainfo, *, file: Path | None = None, **more: object) -> None:
    """All that a torrent says but its hashes.

    Args:
        file: where it was written.
        more: fields of the event.
    """
    trackers = [url for tier in metainfo.trackers for url in tier]
    listed = [(number, entry) for number, entry in enumerate(metainfo.files) if not entry.is_padding]
    is_padded = metainfo.torrent_id.v1 is not None  # what is between the files of version 2 alone is not there at all
    padding = sum(entry.length for entry in metainfo.files if entry.is_padding and is_padded)
    magnet = metainfo.magnet_link()
    other_name = metainfo.original_name
    fields: list[tuple[str, Sequence[object]]] = [
        ("written", [printable(str(file))] if file is not None else []),
        ("name", [metainfo.name]),
        ("", [f"(the torrent calls it {quoted(other_name)})"] if other_name is not None else []),
        *_hash_lines(metainfo.torrent_id),
        ("size", [f"{size_text(metainfo.total_bytes)} ({metainfo.total_bytes} bytes)"]),
        ("padding", [f"{size_text(padding)} between the files"] if padding else []),
        ("pieces", [f"{metainfo.piece_count} of {size_text(metainfo.piece_length)}"]),
        ("layers", [] if metainfo.has_layers else ["some are missing: `kad get` asks peers for them"]),
        ("private", ["yes, peers come from trackers only" if metainfo.private else "no"]),
        ("tracker", trackers),
        ("web seed", metainfo.web_seeds),
        ("DHT node", metainfo.nodes),
        ("source", [metainfo.source] if metainfo.source else []),
        ("created", [date_text(metainfo.creation_date)] if metainfo.creation_date is not None else []),
        ("creator", [metainfo.created_by] if metainfo.created_by else []),
    ]
    for name, values in fields:
        for value in values:
            output.say(f"{name:<10} {value}")
    for number, line in enumerate(_comment_lines(metainfo.comment)):
        output.say(f"{'' if number else 'comment':<10} {line}".rstrip())
    output.say(f"magnet     {magnet}")
    output.say(f"{count_text(len(listed), 'file')}, by the numbers that --select takes:")
    for number, entry in listed:
        link = f" -> {'/'.join(entry.link_to)}" if entry.link_to else ""
        other = called(entry) if len(entry.path) > 1 else None
        otherwise = f" (the torrent calls it {other})" if other is not None else ""
        output.say(f"{number:>6}  {size_text(entry.length):>10}  {entry}{link}{otherwise}")
    output.event(
        "done",
        **({"file": file} if file is not None else {}),
        info_hash=metainfo.torrent_id.v1,
        info_hash_v2=metainfo.torrent_id.v2,
        format=_format_of(metainfo.torrent_id),
        has_layers=metainfo.has_layers,
        name=metainfo.name,
        original_name=readable(other_name) if other_name is not None else None,
        bytes=metainfo.total_bytes,
        padding_bytes=padding,
        piece_size=metainfo.piece_length,
        pieces=metainfo.piece_count,
        private=metainfo.private,
        trackers=trackers,
        web_seeds=metainfo.web_seeds,
        nodes=metainfo.nodes,
        source=metainfo.source,
        creation_date=metainfo.creation_date,
        created_by=metainfo.created_by,
        comment=metainfo.comment,
        similar=metainfo.similar,
        collections=list(map(readable, metainfo.collections)),
        files=[
            {
                "number": number,
                "path": str(entry),
                "bytes": entry.length,
                **({"original": list(map(readable, entry.original))} if entry.original else {}),
                **({"pieces_root": entry.pieces_root} if entry.pieces_root is not None else {}),
                **({"link_to": "/".join(entry.link_to)} if entry.link_to else {}),
            }
            for number, entry in listed
        ],
        magnet=magnet,
        **more,
    )


def show_magnet(output: Output, magnet: Magnet) -> None:
    """All that a magnet link says."""
    output.say(f"name       {magnet.name or '(the link gives none)'}")
    for name, values in _hash_lines(magnet.torrent_id):
        for value in values:
            output.say(f"{name:<10} {value}")
    if magnet.exact_length is not None:
        output.say(f"size       {size_text(magnet.exact_length)} ({magnet.exact_length} bytes)")
    for url in magnet.trackers:
        output.say(f"tracker    {url}")
    for url in magnet.web_seeds:
        output.say(f"web seed   {url}")
    for peer in magnet.peers:
        output.say(f"peer       {peer}")
    output.say("files and piece size are known to peers only: `kad get` asks them")
    output.event(
        "done",
        info_hash=magnet.v1,
        info_hash_v2=magnet.v2,
        name=magnet.name,
        bytes=magnet.exact_length,
        trackers=magnet.trackers,
        web_seeds=magnet.web_seeds,
        peers=magnet.peers,
        magnet=str(magnet),
    )


def _hash_lines(torrent_id: TorrentId) -> list[tuple[str, Sequence[object]]]:
    return [
        ("info-hash", [torrent_id.v1.hex()] if torrent_id.v1 is not None else []),
        ("v2 hash", [torrent_id.v2.hex()] if torrent_id.v2 is not None else []),
    ]


def _format_of(torrent_id: TorrentId) -> str:
    """As `kad torrent create --format` takes it."""
    return "hybrid" if torrent_id.is_hybrid else "v1" if torrent_id.v1 is not None else "v2"


def date_text(seconds: int) -> str:
    """A moment since 1970, such as `2026-11-30 02:46:38 UTC`; a number that is none stays a number."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _comment_lines(comment: str | None) -> list[str]:
    lines = comment.strip("\n").split("\n") if comment else []
    if len(lines) <= MAX_COMMENT_LINES:
        return lines
    return [*lines[:MAX_COMMENT_LINES], f"… and {len(lines) - MAX_COMMENT_LINES} lines more; --json has them all"]


MAX_COMMENT_LINES = 100
