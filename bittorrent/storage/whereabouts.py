"""Why nothing of a torrent is found where it is looked for: usually the directory is a wrong one."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from bittorrent.files.file_set import FileSet
from bittorrent.storage.places import content_path


def explain_absence(torrent: FileSet, directory: str | os.PathLike[str]) -> str | None:
    """One line that names the directory and says what to do; None when the file or folder of the torrent is there.

    Cost: a look at the disk for a few files.
    """
    directory, name = Path(directory), torrent.name
    around = directory.absolute().parent
    if not os.path.lexists(directory):
        return f"there is no directory {directory}; name the one that holds {name}"
    if not directory.is_dir():
        if directory.name == name:
            return f"{directory} is {name} itself; name the directory around it: {around}"
        return f"{directory} is not a directory; name the one that holds {name}"
    if os.path.lexists(content_path(torrent, directory)):
        return None
    if _holds_inner_files(torrent, directory):
        if directory.absolute().name == name:
            return f"{directory} is {name} itself; name the directory around it: {around}"
        return f"{directory} holds the files of {name} but is called otherwise; rename it, and name {around}"
    return f"there is no {name} in {directory}; name the directory that holds it"


def _holds_inner_files(torrent: FileSet, directory: Path) -> bool:
    on_disk = (entry for entry in torrent.files if not entry.is_padding and not entry.link_to)
    inner = (entry.path[1:] for entry in on_disk if len(entry.path) > 1)
    return any(directory.joinpath(*path).is_file() for path in islice(inner, _MANY))


_MANY = 1000  # files whose absence proves that all are absent
