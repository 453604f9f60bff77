"""The torrents of a service: how they come, and how they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bittorrent import EventSource, Magnet, Metainfo
from fileshare.service.config import ServiceConfig
from fileshare.service.events import FetchStarted, ServiceEvent, TorrentAdded, TorrentEnded
from fileshare.service.following import Following
from fileshare.service.jobs import EndReason, Job, JobState
from fileshare.service.network_options import NetworkOptions
from fileshare.service.options import JobOptions
from fileshare.service.resolve import OnDisk, Source, resolve
from fileshare.service.roster import Entry, Roster
from fileshare.service.snapshots import JobSnapshot
from fileshare.service.sources import is_url
from fileshare.service.versions import Versions
from kademlia_core import PointerLink
from transfer import TaskSet, TransferError

if TYPE_CHECKING:
    from bittorrent import Session
    from kademlia_core import MainlineNode


class Torrents:
    """What is added to a session, followed and taken out of it again.

    Args:
        session: the one that is open. Raises LocalProtocolError when there is none.
        node: its DHT node; None when it has none.
    """

    def __init__(
        self,
        session: Callable[[], Session],
        node: Callable[[], MainlineNode | None],
        network: NetworkOptions,
        events: EventSource[ServiceEvent],
        tasks: TaskSet,
        config: ServiceConfig,
    ) -> None:
        self.roster = Roster(max_over=config.max_jobs_over)
        self.following = Following(self.roster, events, tasks, config, end=self.end)
        self.versions = Versions(self, node, events, tasks, config)
        self._session = session
        self._network = network
        self._events = events
        self._named: set[bytes] = set()  # which are shared whatever becomes of folders

    async def resolve(self, labels: Sequence[str], *, on_disk: OnDisk | None) -> list[Source]:
        """See `Service.resolve`."""
        found: dict[bytes, Source] = {}
        urls = [label for label in labels if is_url(label)]
        for part in ([label for label in labels if not is_url(label)], urls):
            for url in part if part is urls else ():
                self._events.tell(FetchStarted(url=url))
            network = self._network
            found_in = resolve(part, on_disk=on_disk, allow_private=network.allow_private, proxy=network.proxy)
            async for result in found_in:
                if isinstance(result, Source):
                    found.setdefault(result.key, result)
                else:
                    self.reject(*result)
        return list(found.values())

    async def add(self, source: Source, options: JobOptions) -> JobSnapshot:
        """See `Service.add`."""
        session = self._session()
        if isinstance(source.torrent, PointerLink):
            return self.versions.start(source, source.torrent, options)
        info_hash = source.torrent.info_hash
        if not options.is_optional:
            self._named.add(info_hash)
        entry = self._entry_of(source.torrent)
        if entry is not None:
            entry.job.is_optional = entry.job.is_optional and options.is_optional
            return entry.snapshot()
        entry = self._new_entry(source.label, info_hash, options)
        try:
            entry.torrent = await session.add(
                source.torrent,
                peers=(*self._network.peers, *options.peers),
                download_dir=source.directory,
                web_seeds=options.web_seeds,
                select=options.select,
                sequential=options.sequential,
                overwrite=options.overwrite,
                seed_only=options.seed_only,
                super_seed=options.super_seed,
                paused=options.paused,
            )
        except TransferError as error:
            self.following.fail(entry, error)
            return entry.snapshot()
        except asyncio.CancelledError:
            entry.job.end(EndReason.REMOVED, now=self._now)
            self.following.note_change()
            raise
        entry.look()
        added = entry.snapshot()
        self._events.tell(TorrentAdded(job=added))
        self.following.start(entry)
        return added

    def reject(self, label: str, error: TransferError | OSError, *, is_optional: bool = False) -> JobSnapshot:
        """See `Service.reject`."""
        entry = self._new_entry(label, None, JobOptions(is_optional=is_optional))
        self.following.fail(entry, error)
        return entry.snapshot()

    async def remove(self, info_hash: bytes, *, delete_files: bool = False) -> None:
        """See `Service.remove`."""
        entry = self.roster.need(info_hash)
        self._named.discard(info_hash)
        await self.end(entry, EndReason.REMOVED, delete_files=delete_files)

    async def end(self, entry: Entry, reason: EndReason, *, delete_files: bool = False) -> None:
        """Takes a torrent out of the session.

        Raises:
            StorageError: its files could not be deleted.
        """
        await self.following.stop(entry)
        if entry.job.state is JobState.ENDED:  # another caller was faster
            return
        self._note_end(entry, reason)
        try:
            if entry.torrent is not None:
                await self._session().remove(entry.torrent, delete_files=delete_files)
        finally:
            self.roster.prune()
            self.following.note_change()

    async def end_all(self) -> None:
        """The session closes now."""
        for entry in self.roster:
            if entry.job.is_live:
                self._note_end(entry, EndReason.CLOSED)
                await asyncio.sleep(0)  # views take note

    # For torrents that change

    def open_lookup(self, label: str, options: JobOptions) -> Entry:
        """As `versions.Keeper` has it."""
        return self._new_entry(label, None, options)

    def close_lookup(self, entry: Entry, error: TransferError | None = None) -> None:
        """As `versions.Keeper` has it."""
        if error is not None:
            self.following.fail(entry, error)
        else:
            self.roster.forget(entry)
            self.following.note_change()

    def live(self, info_hash: bytes) -> Entry | None:
        """As `versions.Keeper` has it."""
        return self.roster.find(info_hash)

    # For the watch of folders

    def is_live(self, info_hash: bytes) -> bool:
        """Whether a torrent is on its way or shared."""
        return self.roster.find(info_hash) is not None

    def is_named(self, info_hash: bytes) -> bool:
        """Whether it was asked for, and not only found in a folder."""
        return info_hash in self._named

    async def share(self, path: Path, metainfo: Metainfo, directory: Path, options: JobOptions) -> None:
        """A torrent of a folder is ready."""
        await self.add(Source(label=str(path), torrent=metainfo, directory=directory), options)

    async def unshare(self, info_hash: bytes) -> None:
        """A torrent is in a folder no longer."""
        entry = self.roster.find(info_hash)
        if entry is not None:
            await self.end(entry, EndReason.REMOVED)

    def tell(self, event: ServiceEvent) -> None:
        """Something happened to a folder."""
        self._events.tell(event)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _entry_of(self, torrent: Metainfo | Magnet) -> Entry | None:
        """Its job, if it lives; a hybrid may be known by its other hash."""
        torrents = self._session().torrents
        known = (torrents[alias].info_hash if alias in torrents else alias for alias in torrent.torrent_id.aliases)
        return next((entry for entry in map(self.roster.find, known) if entry is not None), None)

    def _new_entry(self, label: str, info_hash: bytes | None, options: JobOptions) -> Entry:
        job = Job(label, is_optional=options.is_optional, goal=options.goal, now=self._now)
        entry = self.roster.new(job, info_hash)
        if options.paused:
            job.pause(now=self._now)
        self.roster.prune()
        return entry

    def _note_end(self, entry: Entry, reason: EndReason) -> None:
        entry.look()
        entry.job.end(reason, now=self._now)
        self._events.tell(TorrentEnded(job=entry.snapshot()))
