"""Where the files of a torrent are on disk.

Under the names that are safe, or under those that the torrent gives them when that is how they are there already (the
maker of the torrent has them so, and other clients may).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bittorrent.files.entry import FileEntry
from bittorrent.files.file_set import FileSet
from bittorrent.files.names import is_state_folder


def find_places(files: Sequence[FileEntry], root: str) -> list[str]:
    """The absolute path of each file. Cost: a look at the disk for each file that has another name in the torrent."""
    places = [os.path.join(root, *entry.path) for entry in files]
    changed = [number for number, entry in enumerate(files) if entry.original and not entry.is_padding]
    if changed:
        taken = set(places)
        for number in changed:
            original = _original_place(files[number].original, root)
            if original is None or original in taken or os.path.lexists(places[number]):
                continue
            if os.path.isfile(original):
                places[number] = original
                taken.add(original)
    return places


def content_path(torrent: FileSet, directory: Path) -> Path:
    """The file of a torrent, or the folder around its files."""
    path = directory / torrent.name
    if torrent.original_name is not None and not os.path.lexists(path):
        original = _original_place((torrent.original_name,), str(directory))
        if original is not None and os.path.lexists(original):
            return Path(original)
    return path


def _original_place(elements: tuple[bytes, ...], root: str) -> str | None:
    """None for what could lead anywhere else than below `root`."""
    if os.name != "posix" or any(element in (b"", b".", b"..") or _FORBIDDEN & {*element} for element in elements):
        return None  # elsewhere it may be a device, a drive or a stream
    names = [os.fsdecode(element) for element in elements]
    if is_state_folder(names[0]):
        return None
    return os.path.join(root, *names)


_FORBIDDEN = frozenset(b"/\0")
