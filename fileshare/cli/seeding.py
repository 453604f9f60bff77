"""What one run of `kad seed` shares."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bittorrent.config import SessionConfig
from bittorrent.lifecycle.seed_goal import SeedGoal
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from fileshare.cli.batch import Batch
from fileshare.cli.errors import error_text
from fileshare.cli.job import Job
from fileshare.cli.network_options import NetworkOptions
from fileshare.cli.output import Output
from fileshare.cli.units import size_text
from fileshare.service.fetch import fetch_all
from fileshare.service.folder import TorrentFolder
from fileshare.service.sources import is_url, kept_torrent, read_source
from fileshare.text import one_line, printable
from transfer.address import Address
from transfer.errors import TransferError


class Seeding:
    """Shares torrents, and the torrents of directories as they come and go.

    Args:
        names: torrent files, directories, URLs of torrents, and magnet links or info-hashes downloaded before.
        directory: where the content is; None: beside each torrent file, and for the others in the current directory.
        state_dir: where is kept what was verified; None: everything is verified each time.
        network: how others are reached.
    """

    def __init__(
        self,
        *,
        output: Output,
        names: Sequence[str | Path],
        directory: Path | None,
        state_dir: Path | None,
        network: NetworkOptions,
        super_seed: bool,
        goal: SeedGoal,
        config: SessionConfig,
    ) -> None:
        self._output = output
        self._directory = directory
        self._state_dir = state_dir
        self._network = network
        self._super_seed = super_seed
        self._config = config
        self._folders = [TorrentFolder(Path(name), content_dir=directory) for name in names if os.path.isdir(name)]
        self._several = len(names) > 1 or bool(self._folders)
        self._next_look_at = 0.0
        self._unreadable: list[TorrentFolder] = []
        self._address: Address | None = None
        self.batch = Batch(output, several=self._several, goal=goal, on_complete=self._report_ready)
        self._sources: dict[bytes, _Source] = {}
        self._urls = [name for name in map(str, names) if is_url(name)]
        for name in map(str, names):
            if not is_url(name) and not os.path.isdir(name):
                try:
                    self._take(name, read_source(name))
                except TransferError as error:
                    self.batch.reject(name, error)

    async def run(self) -> None:
        """Until all have been shared as long as was wished; with a directory, until it is cancelled."""
        for url in self._urls:
            self._output.say(f"fetching {printable(url)}")
        for url, found in await fetch_all(self._urls, allow_private=self._network.allow_private):
            try:
                if isinstance(found, TransferError):
                    raise found
                self._take(url, found)
            except TransferError as error:
                self.batch.reject(url, error)
        if not self._sources and not self._folders:
            return
        is_private = not self._folders and all(source.is_private for source in self._sources.values())
        async with self._network.open(
            self._output,
            download_dir=Path(),
            config=self._config,
            state_dir=self._state_dir,
            is_private=is_private,
        ) as session:
            self._address = session.address
            if self._several:
                self._output.say(f"sharing on {session.address}; stop with Ctrl-C")
            await self.batch.run(session, self._start, poll=self._look if self._folders else None)

    def report_end(self) -> None:
        """What an interrupted seed has to say."""
        for job in self.batch.jobs:
            self.batch.report_end(job)
        if self._several:
            sent = sum(job.stats.uploaded_bytes for job in self.batch.jobs if job.stats is not None)
            self._output.say(f"stopped: {size_text(sent)} sent to others in all")

    def _take(self, name: str, torrent: Metainfo | Magnet) -> None:
        """Something that was named.

        Raises:
            NotKeptError, StorageError: a link whose torrent was not kept.
        """
        if isinstance(torrent, Magnet):
            directory = self._directory or Path()
            kept = kept_torrent(torrent, directory, state_dir=self._state_dir)
            trackers = dict.fromkeys([*(url for tier in kept.trackers for url in tier), *torrent.trackers])
            torrent = replace(
                torrent, trackers=tuple(trackers)
            )  # still a link: who made it decides no more than before
            name = one_line(torrent.name or torrent.info_hash.hex())
        else:
            kept, directory = torrent, self._directory or (Path() if is_url(name) else Path(name).parent)
        source = _Source(name=name, torrent=torrent, directory=directory, is_private=kept.private)
        self._sources.setdefault(torrent.info_hash, source)

    async def _start(self) -> None:
        for source in self._sources.values():
            await self._add(source.name, source.torrent, source.directory)

    async def _look(self) -> None:
        """Takes note of what is new in the directories."""
        if time.monotonic() < self._next_look_at:
            return
        is_first = self._next_look_at == 0.0
        self._next_look_at = time.monotonic() + LOOK_INTERVAL_S
        for folder in self._folders:
            try:
                changes = await asyncio.to_thread(folder.look)
            except OSError as error:
                if is_first:
                    raise
                if folder not in self._unreadable:
                    self._output.complain(f"{error_text(error)}: what it held is shared on until it can be read again")
                self._unreadable = [*self._unreadable, folder]
                continue
            self._unreadable = [other for other in self._unreadable if other is not folder]
            if is_first and not len(folder):
                self._output.say(
                    f"there is no .torrent file in {folder.directory} yet; one that is put there is shared"
                    " (`kad torrent create` makes them)"
                )
            for path, wrong in changes.wrong:
                self.batch.reject(str(path), wrong, is_optional=True)
            for info_hash in changes.gone:
                if info_hash not in self._sources:  # which are shared whatever becomes of directories
                    await self.batch.remove(info_hash)
                    await self._take_from_another(info_hash)
            for path, metainfo in changes.ready:
                if not self.batch.is_following(metainfo.info_hash):
                    await self._add(str(path), metainfo, folder.content_dir, is_optional=True)

    async def _take_from_another(self, info_hash: bytes) -> None:
        """A torrent has left one directory, but may be in another one, too."""
        for folder in self._folders:
            offer = folder.offer(info_hash)
            if offer is not None and not self.batch.is_following(info_hash):
                await self._add(str(offer[0]), offer[1], folder.content_dir, is_optional=True)

    async def _add(self, name: str, torrent: Metainfo | Magnet, directory: Path, *, is_optional: bool = False) -> None:
        await self.batch.add(
            name,
            torrent,
            is_optional=is_optional,
            download_dir=directory,
            seed_only=True,
            super_seed=self._super_seed,
        )

    def _report_ready(self, job: Job) -> None:
        assert job.torrent is not None
        assert job.torrent.metainfo is not None
        assert job.stats is not None
        magnet = job.torrent.metainfo.magnet_link()
        if self._several:
            self._output.say(f"seeding {job.torrent.name} ({size_text(job.stats.total_bytes)})")
        else:
            self._output.say(f"seeding {job.torrent.name} on {self._address}; stop with Ctrl-C")
            self._output.say(f"magnet link: {magnet}")
        self._output.event(
            "seeding", info_hash=job.torrent.info_hash, name=job.torrent.name, address=self._address, magnet=magnet
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A torrent that was named, or a link whose torrent was kept, and where its content is."""

    name: str
    torrent: Metainfo | Magnet
    directory: Path
    is_private: bool


LOOK_INTERVAL_S = 5.0
