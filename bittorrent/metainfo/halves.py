"""The two halves of a hybrid torrent, which have to describe the same files (BEP 52)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from bittorrent.errors import MetainfoError
from bittorrent.files.entry import FileEntry
from bittorrent.files.paths import shorten
from bittorrent.metainfo.listing import FILES_A_PAUSE
from transfer.wire.bencode_parts import no_pause


def join_halves(
    v1: Sequence[FileEntry], v2: Sequence[FileEntry], *, pause: Callable[[], None] = no_pause
) -> tuple[FileEntry, ...]:
    """The files as the version 1 half lists them, padding included, with the roots that the version 2 half has.

    What has bytes must agree in path, length, offset and order. Empty files and links are compared as well, but not
    their order: where padding comes before or after an empty file differs from program to program. Padding behind
    the last file may be there or not.

    Raises:
        MetainfoError: they do not describe the same files.
    """
    joined = list(v1)
    numbers = (number for number, entry in enumerate(v1) if _has_bytes(entry))
    for count, (number, theirs) in enumerate(zip_longest(numbers, filter(_has_bytes, v2))):
        ours = v1[number] if number is not None else None
        if ours is None or theirs is None or _facts(ours) != _facts(theirs):
            raise MetainfoError(f"the halves of the torrent disagree: {_difference(ours, theirs)}")
        assert number is not None
        joined[number] = replace(ours, pieces_root=theirs.pieces_root)
        if not count % FILES_A_PAUSE:
            pause()
    for entry, _ in set(_without_bytes(v1)) ^ set(_without_bytes(v2)):
        name = shorten("/".join(entry))
        raise MetainfoError(f"the halves of the torrent disagree: only one has the empty file or link {name}")
    return tuple(joined)


def _has_bytes(entry: FileEntry) -> bool:
    return entry.length > 0 and not entry.is_padding


def _facts(entry: FileEntry) -> tuple[tuple[str, ...], int, int]:
    return entry.path, entry.length, entry.offset


def _without_bytes(files: Sequence[FileEntry]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    return ((entry.path, entry.link_to) for entry in files if not entry.length and not entry.is_padding)


def _difference(v1: FileEntry | None, v2: FileEntry | None) -> str:
    """What a reader can look for."""
    if v1 is None or v2 is None:
        return f"only one has the file {shorten(str(v1 or v2))}"
    if v1.path != v2.path:
        return f"one has the file {shorten(str(v1))} where the other has {shorten(str(v2))}"
    if v1.length != v2.length:
        return f"the file {shorten(str(v1))} has {v1.length} bytes in one and {v2.length} in the other"
    return f"the file {shorten(str(v1))} begins at byte {v1.offset} in one and at {v2.offset} in the other"
