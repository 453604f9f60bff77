"""The place of one torrent on disk: opened when its metadata is known, and deleted with what is remembered of it."""

from __future__ import annotations

from contextlib import suppress

from bittorrent.aio.storage.content import Content
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.kept_state import Totals
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions
from bittorrent.errors import StorageError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm.core import SwarmCore


class TorrentFiles:
    """Opens and deletes the files of one torrent.

    Attributes:
        content: the files, once they are open; nothing is written before.
        resume: what earlier runs left.
        torrent_id: the hashes of the torrent, as far as they are known; all of them once it is opened.
    """

    def __init__(self, torrent_id: TorrentId, options: TorrentOptions, parts: SessionParts, jobs: DiskJobs) -> None:
        self.content: Content | None = None
        self.resume = ResumeStore(options.download_dir, state_dir=options.state_dir)
        self.torrent_id = torrent_id
        self._options = options
        self._parts = parts
        self._jobs = jobs

    async def open(self, metainfo: Metainfo) -> Content:
        """Makes `content`.

        Raises:
            StorageError: another torrent uses one of the places.
        """
        self.content = await self._open(metainfo)
        return self.content

    async def remember(self, core: SwarmCore, *, is_last: bool = False) -> None:
        """Stores what the next start can believe; without it everything is hashed then."""
        if self.content is not None and core.picker is not None:
            before = self.content.totals
            totals = Totals(
                downloaded_bytes=before.downloaded_bytes + core.downloaded_bytes,
                uploaded_bytes=before.uploaded_bytes + core.uploaded_bytes,
            )
            with suppress(StorageError):
                await self.content.remember(core.picker.have, totals, is_last=is_last)

    async def delete(self, metainfo: Metainfo | None) -> None:
        """Removes what is on disk of a torrent that has ended, and what is remembered of it.

        Raises:
            StorageError: the system refused, or the files are not this torrent's to delete.
        """
        if metainfo is None:
            await self._jobs.run(lambda: self.resume.forget(*self.torrent_id.short))
            return
        content = self.content or await self._open(metainfo)
        try:
            await content.delete()
        finally:
            if content is not self.content:
                await content.aclose()
                self._parts.claims.release(self.torrent_id.info_hash)

    async def aclose(self) -> None:
        """Closes the files, whose places others may use then."""
        if self.content is not None:
            await self.content.aclose()
        self._parts.claims.release(self.torrent_id.info_hash)

    async def _open(self, metainfo: Metainfo) -> Content:
        options = self._options
        return await Content.open(
            metainfo,
            download_dir=options.download_dir,
            state_dir=options.state_dir,
            seed_only=options.seed_only,
            overwrite=options.overwrite,
            open_storage=self._parts.open_storage,
            claims=self._parts.claims,
            jobs=self._jobs,
            names=metainfo.torrent_id.short,
            state=await self._jobs.run(lambda: self.resume.load_state(metainfo.info_hash)),
        )
