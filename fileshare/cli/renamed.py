"""What is told about files that are stored under other names than their torrent gives them."""

from __future__ import annotations

from collections.abc import Sequence

from bittorrent import FileEntry, Metainfo
from fileshare.cli.output import Output
from fileshare.cli.units import count_text


def called(entry: FileEntry) -> str | None:
    """The names in the torrent of which those on disk are made, quoted; None when they are the same."""
    if len(entry.original) not in (0, len(entry.path)):
        return f"a path of {len(entry.original)} names"
    pairs = list(zip(entry.original, entry.path, strict=False))
    changed = [raw for raw, name in (pairs[1:] or pairs) if raw != name.encode()]
    return ", ".join(map(quoted, changed)) or None


def readable(raw: bytes) -> str:
    """A name as text, with escapes for what is not UTF-8."""
    return raw.decode(errors="backslashreplace")


def quoted(raw: bytes) -> str:
    """A name in quotes, or the beginning of a long one."""
    text = readable(raw)
    return repr(text[:60]) + ("…" if len(text) > 60 else "")


def find_renamed(metainfo: Metainfo) -> list[tuple[FileEntry, str]]:
    """The files that are stored under another name, each with what `called` says. Cost: a look at every file."""
    entries = (entry for entry in metainfo.files if entry.original and len(entry.path) > 1)
    return [(entry, name) for entry in entries if (name := called(entry)) is not None]


def tell_renamed(output: Output, metainfo: Metainfo, found: Sequence[tuple[FileEntry, str]]) -> None:
    """Lines and an event, if there is anything to tell."""
    if metainfo.original_name is not None:
        output.say(f"{metainfo.name}: the torrent calls it {quoted(metainfo.original_name)}")
    for entry, name in found[:MAX_LINES]:
        output.say(f"stored as {entry}: the torrent calls it {name}")
    if len(found) > MAX_LINES:
        output.say(f"and {count_text(len(found) - MAX_LINES, 'more file')} that the torrent calls otherwise")
    if found or metainfo.original_name is not None:
        output.event(
            "renamed",
            info_hash=metainfo.info_hash,
            name=metainfo.name,
            original_name=readable(metainfo.original_name) if metainfo.original_name is not None else None,
            files=[
                {"path": str(entry), "original": list(map(readable, entry.original))}
                for entry, _ in found[:MAX_IN_EVENT]
            ],
            count=len(found),
        )


MAX_LINES = 3
MAX_IN_EVENT = 1000
