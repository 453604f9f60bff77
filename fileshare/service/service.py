"""Torrents that are fetched and shared until their goals are reached, with no view, or several views at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bittorrent import EventSource, EventStream, FileName, Magnet, Metainfo, RateLimits, SeedGoal, SessionConfig
from fileshare.service.config import ServiceConfig
from fileshare.service.dht_warning import warn_without_dht
from fileshare.service.events import (
    ServiceClosing,
    ServiceEvent,
    ServiceOpened,
    TorrentPaused,
    TorrentResumed,
)
from fileshare.service.folder import TorrentFolder
from fileshare.service.folder_watch import FolderWatch
from fileshare.service.limit_watch import watch_limits
from fileshare.service.mapping_watch import watch_mapping
from fileshare.service.network_options import NetworkOptions
from fileshare.service.options import JobOptions
from fileshare.service.resolve import OnDisk, Source
from fileshare.service.snapshots import JobSnapshot
from fileshare.service.torrents import Torrents
from transfer import LocalProtocolError, TaskSet, TransferError

if TYPE_CHECKING:
    from bittorrent import Session, Torrent
    from kademlia_core import MainlineNode


class Service:
    """Owns a session and its DHT node, the jobs (torrents with their goals), watched folders, and one event stream.

    Usage: `async with Service(NetworkOptions(…), download_dir="downloads") as service: await service.add("x.torrent")`.

    Views read `events()` and give commands; none of them is waited for, and none prevents another. What is wrong with
    one torrent is told (`TorrentFailed`) and stops no other. What was reached survives: what the next start needs is
    kept beside the files or in `state_dir`, at the latest when the service closes.

    Args:
        network: how others are reached.
        download_dir: where files go, unless something else is said.
        state_dir: where is kept what was verified, so that the next start believes it; see `Session`.
        session_config: bounds and times of the session.
        config: bounds and times of the service.
    """

    def __init__(
        self,
        network: NetworkOptions,
        *,
        download_dir: str | os.PathLike[str] = ".",
        state_dir: str | os.PathLike[str] | None = None,
        session_config: SessionConfig | None = None,
        config: ServiceConfig | None = None,
    ) -> None:
        self._network = network
        self._download_dir = Path(download_dir)
        self._state_dir = Path(state_dir) if state_dir is not None else None
        self._session_config = session_config or SessionConfig()
        self._config = config or ServiceConfig()
        self._events: EventSource[ServiceEvent] = EventSource()
        self._tasks = TaskSet(self._crash)
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self._node: MainlineNode | None = None
        self._torrents = Torrents(
            lambda: self.session, lambda: self._node, network, self._events, self._tasks, self._config
        )
        self._roster, self._following = self._torrents.roster, self._torrents.following
        self._watch = FolderWatch(self._torrents, interval_s=self._config.look_interval_s)
        self._is_watching = False
        self._bug: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None

    # Life

    async def open(self, *, uses_dht: bool = True) -> None:
        """Opens the sockets; `async with` does it.

        Args:
            uses_dht: False when all that will be done is private; then there is no DHT node, whatever is configured.

        Raises:
            ListenError, NoFreePortError: the address cannot be bound.
        """
        if self._session is not None or self._closing is not None:
            raise LocalProtocolError("a service can be opened only once; make a new one")
        network = self._network
        session, node = await self._stack.enter_async_context(
            network.open(
                download_dir=self._download_dir,
                config=self._session_config,
                state_dir=self._state_dir,
                uses_dht=uses_dht,
            )
        )
        self._session, self._node = session, node
        self._tell(
            ServiceOpened(
                address=session.address,
                dht_address=node.address if node is not None else None,
                ip_filter=network.ip_filter,
                ip_filter_file=network.ip_filter_file,
                local_error=session.local_discovery_error if network.local else None,
                proxy=network.proxy if network.proxy_only else None,
                proxy_error=session.proxy_error,
            )
        )
        self._tasks.start(self._following.run(), name="follow torrents")
        self._tasks.start(watch_limits(session.limits.explain, self._tell, self._config), name="watch limits")
        if network.wants_mapping:
            self._tasks.start(watch_mapping(session, self._tell), name="watch the port mapping")
        if node is not None:
            watch = watch_limits(node.explain_limits, self._tell, self._config)
            self._tasks.start(watch, name="watch limits of the DHT")
            warning = warn_without_dht(node, self._tell, after_s=self._config.dht_warning_after_s)
            self._tasks.start(warning, name="warn without the DHT")

    async def aclose(self) -> None:
        """Saves what was reached, tells trackers, closes everything. May be called twice, and before `open`.

        Cancellation: closing goes on; call again to wait for its end.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(), name="close the service")
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def wait_idle(self) -> None:
        """Returns once no job has anything left to do; with a watched folder, never.

        Raises:
            Exception: a bug in the service, which would otherwise go unseen.
        """
        while self._bug is None and (self._watch or any(entry.job.is_busy for entry in self._roster)):
            await self._following.wait_change()
        if self._bug is not None:
            raise self._bug

    # Views

    def events(self, *, max_waiting: int | None = None) -> EventStream[ServiceEvent]:
        """What happens from now on: `async for event in service.events()`; it ends when the service has closed.

        Args:
            max_waiting: so many events wait for a slow reader, by default `ServiceConfig.max_waiting_events`; then the
                oldest are dropped, and `EventsLost` tells how many.
        """
        return self._events.listen(max_waiting=max_waiting or self._config.max_waiting_events)

    @property
    def jobs(self) -> tuple[JobSnapshot, ...]:
        """All jobs of this moment, those that failed or ended included. Cost: a look at every torrent."""
        for entry in self._roster:
            if entry.job.is_live:
                entry.look()
        return tuple(entry.snapshot() for entry in self._roster)

    @property
    def session(self) -> Session:
        """For what is no matter of goals and jobs: totals, address, filters.

        Raises:
            LocalProtocolError: the service is not open.
        """
        if self._session is None or self._closing is not None:
            raise LocalProtocolError("the service is not open")
        return self._session

    def torrent(self, info_hash: bytes) -> Torrent:
        """For what a view shows of one: files, peers, trackers, pieces, a file to be read.

        Raises:
            UnknownTorrentError: there is none.
        """
        torrent = self._roster.need(info_hash).torrent
        assert torrent is not None
        return torrent

    # Commands

    async def resolve(
        self, labels: Sequence[str], *, is_on_disk: bool = False, directory: Path | None = None
    ) -> list[Source]:
        """What labels stand for, each torrent once.

        Those that stand for none are failed jobs. The service need not be open.

        Args:
            labels: torrent files, their http(s) URLs, magnet links and info-hashes.
            is_on_disk: the content is there already: beside the torrent files, or in `directory`; of a link, the
                torrent must have been kept.
            directory: where the content is.

        Cancellation: connections are closed.
        """
        on_disk = OnDisk(directory=directory, state_dir=self._state_dir) if is_on_disk else None
        sources = await self._torrents.resolve(labels, on_disk=on_disk)
        return sources if directory is None else [replace(source, directory=directory) for source in sources]

    async def add(
        self,
        source: str | os.PathLike[str] | Metainfo | Magnet | Source,
        *,
        directory: Path | None = None,
        options: JobOptions | None = None,
    ) -> JobSnapshot:
        """Starts a torrent. One that is on its way or shared already is left as it is.

        Args:
            source: a torrent file, its http(s) URL, a magnet link, an info-hash, or any of them parsed. Of a link to
                a torrent that changes (BEP 46) the newest version is meant, and each newer one if `options.follow`.
            directory: where its files are or go; by default where the service puts them.

        Returns:
            The job; what is wrong is its `error`, and no exception.

        Cancellation: a torrent that has begun goes on.
        """
        options = options or JobOptions()
        if isinstance(source, Metainfo | Magnet):
            source = Source(label=source.name or source.info_hash.hex(), torrent=source, directory=directory)
        elif not isinstance(source, Source):
            label = os.fspath(source)
            sources = await self.resolve([label], is_on_disk=options.seed_only, directory=directory)
            if not sources:
                return [job for job in self.jobs if job.label == label][-1]
            source = sources[0]
        return await self._torrents.add(source, options)

    def reject(self, label: str, error: TransferError | OSError, *, is_optional: bool = False) -> None:
        """Something that was asked for is no torrent that could be started: a job that failed."""
        self._torrents.reject(label, error, is_optional=is_optional)

    async def remove(self, info_hash: bytes, *, delete_files: bool = False) -> None:
        """A torrent is wanted no longer; its files stay, unless `delete_files`.

        Raises:
            UnknownTorrentError: there is none.
            StorageError: the files could not be deleted; the torrent is removed.
        """
        await self._torrents.remove(info_hash, delete_files=delete_files)

    async def pause(self, info_hash: bytes) -> None:
        """Nothing of a torrent is moved until `resume`. It does not count as shared meanwhile.

        Raises:
            UnknownTorrentError: there is none.
        """
        entry = self._roster.need(info_hash)
        if not entry.job.is_paused:
            entry.job.pause(now=asyncio.get_running_loop().time())
            self._tell(TorrentPaused(job=entry.snapshot()))
            await self.torrent(info_hash).pause()

    def resume(self, info_hash: bytes) -> None:
        """Goes on after `pause`, and after the disk refused something.

        Raises:
            UnknownTorrentError: there is none.
            LocalProtocolError: it failed for good; it has to be added again.
        """
        entry = self._roster.need(info_hash)
        self._following.resume(entry)
        self._tell(TorrentResumed(job=entry.snapshot()))

    async def select(self, info_hash: bytes, names: Iterable[FileName]) -> None:
        """Just these files of a torrent are wanted; see `Torrent.select`.

        Raises:
            UnknownTorrentError: there is none.
            SelectionError: a file is named that it does not have.
            TransferError: what stopped it before its files were known.
        """
        entry = self._roster.need(info_hash)
        await self.torrent(info_hash).select(names)
        self._following.reconsider(entry)

    def set_limits(self, limits: RateLimits, *, info_hash: bytes | None = None) -> None:
        """How fast everything together may be, or one torrent within that.

        Peers of the local network and on this machine share in the first; the second holds for them and for those
        elsewhere, unless it names both.

        Raises:
            UnknownTorrentError: there is none.
        """
        if info_hash is None:
            self.session.set_rate_limits(limits, counts_local=True)
        else:
            down, up = limits.local_download_bytes_per_s, limits.local_upload_bytes_per_s
            within = replace(
                limits,
                local_download_bytes_per_s=down or limits.download_bytes_per_s,
                local_upload_bytes_per_s=up or limits.upload_bytes_per_s,
            )
            self.torrent(info_hash).set_rate_limits(within)

    def set_goal(self, info_hash: bytes, goal: SeedGoal | None) -> None:
        """How long a torrent is shared: see `JobOptions.goal`.

        Raises:
            UnknownTorrentError: there is none.
        """
        self._roster.need(info_hash).job.goal = goal
        self._following.note_change()

    async def watch(
        self, directory: Path, *, content_dir: Path | None = None, options: JobOptions | None = None
    ) -> None:
        """Shares the torrents of a folder, as they come and go. Returns after the first look.

        Args:
            content_dir: where their content is; by default in the same folder.

        Raises:
            OSError: it cannot be read.
        """
        options = replace(options or JobOptions(goal=SeedGoal(), seed_only=True), is_optional=True)
        await self._watch.add(TorrentFolder(directory, content_dir=content_dir), options)
        if not self._is_watching:
            self._is_watching = True
            self._tasks.start(self._watch.run(), name="watch folders")

    def _tell(self, event: ServiceEvent) -> None:
        self._events.tell(event)

    def _crash(self, error: BaseException) -> None:
        self._bug = self._bug or error
        self._following.note_change()

    async def _close(self) -> None:
        self._tell(ServiceClosing())
        try:
            await self._tasks.aclose()
            await self._torrents.end_all()
            await self._stack.aclose()
        finally:
            self._events.end()
