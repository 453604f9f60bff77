"""Where the files of a torrent will be: found out, and claimed, when it is added, and not when they are opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bittorrent.errors import StorageError
from bittorrent.metainfo.selection import FileName, Selection
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.claims import PathClaims, Places, group_places
from bittorrent.storage.files import FileStorage
from bittorrent.storage.ports import OpenStorage
from bittorrent.storage.resume import ResumeStore


class PlannedPlaces:
    """The first torrent to be added is the first to have a place.

    Args:
        open_storage: makes the storage of each torrent.
        claims: which torrent uses which place.
        state_dir: where the state of torrents is kept for good.
    """

    def __init__(self, open_storage: OpenStorage, claims: PathClaims, *, state_dir: Path | None) -> None:
        self._open_storage = open_storage
        self._claims = claims
        self._state_dir = state_dir

    def plan(self, metainfo: Metainfo, directory: Path, wanted: tuple[FileName, ...]) -> Places:
        """Where the files will be, if they are files. Cost: a few steps for each; to be called in a thread.

        Raises:
            SelectionError: a file is wanted that the torrent does not have.
        """
        Selection(metainfo.files, metainfo.geometry).numbers_of(wanted)
        made_by = self._open_storage.func if isinstance(self._open_storage, partial) else self._open_storage
        if not isinstance(made_by, type) or not issubclass(made_by, FileStorage):
            return {}
        return group_places(directory, (entry.path for entry in metainfo.files if not entry.is_padding))

    def claim(self, metainfo: Metainfo, places: Places, directory: Path, *, writable: bool) -> None:
        """Nobody else may have them from now on.

        Raises:
            StorageError: another torrent writes to one of them.
        """
        try:
            self._claims.claim_places(metainfo.info_hash, places, name=metainfo.name, writable=writable)
        except StorageError:
            if ResumeStore(directory, state_dir=self._state_dir).load_state(metainfo.info_hash) is None:
                raise
            # Its files may have other names since the last run: that is seen when they are opened.
