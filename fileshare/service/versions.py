"""Torrents that change: a link names their owner, and the DHT which one is the newest (BEP 46)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bittorrent import EventSource, Magnet, Metainfo
from fileshare.service.config import ServiceConfig
from fileshare.service.errors import NoDhtError, NoVersionError
from fileshare.service.events import ServiceEvent, VersionFound, VersionUnusable
from fileshare.service.jobs import EndReason
from fileshare.service.options import JobOptions
from fileshare.service.resolve import Source
from fileshare.service.roster import Entry
from fileshare.service.snapshots import JobSnapshot
from kademlia_core import MutableItem, NodeClosedError, PointerError, PointerLink, info_hash_in
from transfer import TaskSet, TransferError

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


class Keeper(Protocol):
    """What has the torrents of the service."""

    def open_lookup(self, label: str, options: JobOptions) -> Entry:
        """A job that has no torrent yet."""
        ...

    def close_lookup(self, entry: Entry, error: TransferError | None = None) -> None:
        """It found what it looked for and is forgotten, or failed."""
        ...

    async def add(self, source: Source, options: JobOptions) -> JobSnapshot: ...

    def live(self, info_hash: bytes) -> Entry | None:
        """The job of a torrent, if it lives."""
        ...

    async def end(self, entry: Entry, reason: EndReason) -> None: ...


class Versions:
    """Follows links to torrents that change.

    A newer version takes the place of the one before: in the same directory, where files that have not changed are
    found right and not fetched again, those of the old version that have changed are replaced, and those that the new
    one does not have any more stay. Files that neither version put there are never written to.

    Args:
        node: the DHT node; None where there is none.
    """

    def __init__(
        self,
        keeper: Keeper,
        node: Callable[[], MainlineNode | None],
        events: EventSource[ServiceEvent],
        tasks: TaskSet,
        config: ServiceConfig,
    ) -> None:
        self._keeper = keeper
        self._node = node
        self._events = events
        self._tasks = tasks
        self._config = config

    def start(self, source: Source, link: PointerLink, options: JobOptions) -> JobSnapshot:
        """Looks for the newest version, and for newer ones if `options.follow` says so.

        Returns:
            The job that looks. It ends with the first version, unless it follows.
        """
        entry = self._keeper.open_lookup(source.label, options)
        entry.following = self._tasks.start(self._look(entry, source, link, options), name=f"versions of {link}")
        return entry.snapshot()

    async def _look(self, entry: Entry, source: Source, link: PointerLink, options: JobOptions) -> None:
        node = self._node()
        try:
            if node is None:
                raise NoDhtError(source.label)
            async with node.follow(link.public_key, link.salt) as versions:
                first: MutableItem | None = None
                before: Version | None = None
                while True:
                    try:
                        async with asyncio.timeout(None if first or options.follow else self._config.version_timeout_s):
                            item = await anext(versions)
                    except TimeoutError:
                        raise NoVersionError(source.label) from None
                    first = first or item
                    version = self._read(source, item)
                    if version is None:
                        continue
                    await self._take(version, before, source, options)
                    before = version
                    if not options.follow:
                        break
        except NodeClosedError:
            return
        except TransferError as error:
            entry.following = None
            self._keeper.close_lookup(entry, error)
            return
        entry.following = None
        self._keeper.close_lookup(entry)

    def _read(self, source: Source, item: MutableItem) -> Version | None:
        try:
            info_hash = bytes(info_hash_in(item.value))
        except PointerError as error:
            self._events.tell(VersionUnusable(label=source.label, number=item.seq, error=error))
            return None
        self._events.tell(VersionFound(label=source.label, number=item.seq, info_hash=info_hash))
        return Version(item.seq, info_hash)

    async def _take(self, version: Version, before: Version | None, source: Source, options: JobOptions) -> None:
        directory = source.directory
        if before is not None and before.info_hash != version.info_hash:
            old = self._keeper.live(before.info_hash)
            if old is not None and old.torrent is not None:
                directory = old.torrent.download_dir
                if old.torrent.metainfo is not None:
                    version.replaces = paths_of(old.torrent.metainfo, directory)
                version.replaces |= before.replaces
                await self._keeper.end(old, EndReason.REPLACED)
        torrent = Magnet(v1=version.info_hash)
        overwrite = options.overwrite or version.replaces
        await self._keeper.add(
            replace(source, torrent=torrent, directory=directory), replace(options, overwrite=overwrite, follow=False)
        )


class Version:
    """One state of a torrent that changes.

    Attributes:
        number: newer ones have higher ones.
        replaces: what the versions before may have put on the disk.
    """

    def __init__(self, number: int, info_hash: bytes) -> None:
        self.number = number
        self.info_hash = info_hash
        self.replaces: frozenset[Path] = frozenset()


def paths_of(metainfo: Metainfo, directory: Path) -> frozenset[Path]:
    """Where the files of a torrent are."""
    found: Iterable[Path] = (directory.joinpath(*entry.path).absolute() for entry in metainfo.visible_files)
    return frozenset(found)
