"""Folders whose torrents are shared: what is added is shared, too, and what is removed no longer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from bittorrent import Metainfo
from fileshare.service.events import FolderEmpty, FolderUnreadable
from fileshare.service.folder import TorrentFolder
from fileshare.service.options import JobOptions
from transfer import TransferError


class Sharing(Protocol):
    """What a watch needs of the service."""

    def is_live(self, info_hash: bytes) -> bool:
        """Whether a torrent is on its way or shared."""

    def is_named(self, info_hash: bytes) -> bool:
        """Whether a torrent was asked for besides: it is shared whatever becomes of folders."""

    async def share(self, path: Path, metainfo: Metainfo, directory: Path, options: JobOptions) -> None:
        """A torrent of a folder is ready."""

    async def unshare(self, info_hash: bytes) -> None:
        """A torrent is in a folder no longer."""

    def reject(self, label: str, error: TransferError | OSError, *, is_optional: bool) -> object:
        """A file of a folder is wrong."""

    def tell(self, event: FolderEmpty | FolderUnreadable) -> None:
        """Something happened to a folder."""


class FolderWatch:
    """Looks at folders, again and again.

    Args:
        interval_s: so often.
    """

    def __init__(self, sharing: Sharing, *, interval_s: float) -> None:
        self._sharing = sharing
        self._interval_s = interval_s
        self._folders: list[tuple[TorrentFolder, JobOptions]] = []
        self._unreadable: list[TorrentFolder] = []

    def __bool__(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._folders)

    async def add(self, folder: TorrentFolder, options: JobOptions) -> None:
        """One more folder, and the first look at it.

        Raises:
            OSError: it cannot be read.
        """
        self._folders.append((folder, options))
        try:
            await self._look(folder, options)
        except OSError:
            self._folders.remove((folder, options))
            raise
        if not len(folder):
            self._sharing.tell(FolderEmpty(directory=folder.directory))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            for folder, options in list(self._folders):
                try:
                    await self._look(folder, options)
                except OSError as error:
                    if folder not in self._unreadable:
                        self._sharing.tell(FolderUnreadable(directory=folder.directory, error=error))
                        self._unreadable.append(folder)
                else:
                    self._unreadable = [other for other in self._unreadable if other is not folder]

    async def _look(self, folder: TorrentFolder, options: JobOptions) -> None:
        changes = await asyncio.to_thread(folder.look)
        for path, wrong in changes.wrong:
            self._sharing.reject(str(path), wrong, is_optional=True)
            await asyncio.sleep(0)  # views take note
        for info_hash in changes.gone:
            if not self._sharing.is_named(info_hash):
                await self._sharing.unshare(info_hash)
                await self._take_from_another(info_hash)
        for path, metainfo in changes.ready:
            if not self._sharing.is_live(metainfo.info_hash):
                await self._sharing.share(path, metainfo, folder.content_dir, options)

    async def _take_from_another(self, info_hash: bytes) -> None:
        """A torrent has left one folder, but may be in another one, too."""
        for folder, options in self._folders:
            offer = folder.offer(info_hash)
            if offer is not None and not self._sharing.is_live(info_hash):
                await self._sharing.share(offer[0], offer[1], folder.content_dir, options)
