"""The places on disk that one torrent has to itself: among the torrents of a session, and among processes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from bittorrent.files.entry import FileEntry
from bittorrent.storage.claims import PathClaims, Places, group_places
from bittorrent.storage.locks import WriteLock


class HeldPlaces:
    """Claims (`PathClaims`) from the start, and a lock (`WriteLock`) while something is written.

    Args:
        files: of the torrent, padding included.
        info_hash: of the torrent: the owner of its claims.
        name: what the torrent is called in errors.
        writable: whether it will ever write.
    """

    __slots__ = ("_claims", "_files", "_info_hash", "_lock", "_name", "_writable")

    def __init__(
        self,
        files: Sequence[FileEntry],
        directory: str | os.PathLike[str],
        *,
        info_hash: bytes,
        name: str,
        writable: bool,
        claims: PathClaims,
    ) -> None:
        self._files = files
        self._info_hash = info_hash
        self._name = name
        self._writable = writable
        self._claims = claims
        self._lock = WriteLock(directory, info_hash, name=name)

    def group(self, paths: Sequence[tuple[str, ...]], directory: str | os.PathLike[str]) -> Places:
        """What to claim when file `n` of the torrent is at `paths[n]` below a directory. Cost: a step for each."""
        return group_places(directory, self._without_padding(paths))

    def claim(self, places: Places) -> None:
        """These are used from now on, and nothing else.

        Raises:
            StorageError: another torrent of the session uses one of them; what was claimed before stays.
        """
        self._claims.claim_places(self._info_hash, places, name=self._name, writable=self._writable)

    def check(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Looks whether other processes write to these places.

        Raises:
            StorageError: one does, for another torrent.
        """
        self._lock.check(self._without_padding(paths))

    def lock(self, paths: Sequence[tuple[str, ...]]) -> None:
        """These are written to from now on. Nothing if the lock is held already.

        Raises:
            StorageError: another process writes to one of them, for another torrent.
        """
        self._lock.acquire(self._without_padding(paths))

    def unlock(self) -> None:
        """Nothing is written for now."""
        self._lock.release()

    def move_lock(self, directory: str | os.PathLike[str]) -> None:
        """From now on the files are below another directory; nothing is written for now."""
        self._lock.release()
        self._lock = WriteLock(directory, self._info_hash, name=self._name)

    @property
    def is_locked(self) -> bool:
        return self._lock.is_held

    @property
    def is_shared(self) -> bool:
        """Whether another process has written to the same torrent since the lock was taken."""
        return self._lock.is_shared()

    def _without_padding(self, paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [path for path, entry in zip(paths, self._files, strict=True) if not entry.is_padding]
