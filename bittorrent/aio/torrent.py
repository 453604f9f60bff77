"""A torrent, as its users see it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from bittorrent.aio.event_stream import EventStream
from bittorrent.aio.peers.swarm import Swarm
from bittorrent.aio.stream import FileStream
from bittorrent.aio.torrent_life import TorrentLife
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions
from bittorrent.events import BadBlock, TorrentEvent
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.file_list import FileList
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.selection import FileName
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.picker.read_ahead import ReadAheadConfig
from bittorrent.rate_limits import RateLimits
from bittorrent.stats import FileStats, PeerStats, TorrentState, TorrentStats, TrackerStats
from bittorrent.swarm.explain import Explanation, explain
from bittorrent.swarm.snapshots import peer_statistics, torrent_statistics


class Torrent:
    """A torrent of a `Session`, which makes it: see `Session.add`."""

    def __init__(self, source: Metainfo | Magnet, options: TorrentOptions, parts: SessionParts, *, rng: Random) -> None:
        self._life = TorrentLife(source, options, parts, rng=rng)
        self._streams = 0

    @property
    def torrent_id(self) -> TorrentId:
        """The hashes that the torrent is known by."""
        return self._life.torrent_id

    @property
    def info_hash(self) -> bytes:
        return self._life.info_hash

    @property
    def metainfo(self) -> Metainfo | None:
        """None until the metadata of a magnet link is here."""
        return self._life.metainfo

    @property
    def swarm(self) -> Swarm:
        """Its connections."""
        return self._life.swarm

    @property
    def name(self) -> str:
        """The name of the file or folder; for a magnet link what the link calls it, or the info-hash."""
        return self._life.name

    @property
    def download_dir(self) -> Path:
        """Where the files are."""
        return self._life.content.download_dir if self._life.content is not None else self._life.options.download_dir

    @property
    def accepts_peers(self) -> bool:
        """Whether an incoming connection is welcome."""
        return self._life.lifecycle.accepts_peers

    @property
    def state(self) -> TorrentState:
        return self._life.lifecycle.state

    @property
    def error(self) -> BaseException | None:
        """What stopped the torrent; None while it lives. A seed has no other way to tell."""
        return self._life.lifecycle.error

    @property
    def left_bytes(self) -> int:
        """What is still missing; trackers count a torrent whose metadata is not here as one byte short."""
        return self._life.left_bytes

    @property
    def uploaded_before_bytes(self) -> int:
        """What earlier sessions sent, as far as that is remembered (`state_dir`)."""
        return self._life.content.totals.uploaded_bytes if self._life.content is not None else 0

    @property
    def web_seeds_dropped(self) -> dict[str, str]:
        """The web seeds that proved to be of no use, and why."""
        return dict(self._life.sources.web_seeds.dropped) if self._life.sources.web_seeds is not None else {}

    async def wait_metadata(self) -> Metainfo:
        """Returns the metainfo as soon as it is known; at once unless the source is a magnet link.

        Raises:
            TransferError: what stopped the torrent before.
        """
        await self._life.metadata_known.wait()
        assert self._life.metainfo is not None
        return self._life.metainfo

    async def wait_complete(self) -> None:
        """Returns once every wanted piece is verified and on disk.

        Raises:
            TransferError: what stopped the torrent: StorageError, NoPeersError, MetainfoError, ….

        Cancellation: only this wait ends; the torrent goes on.
        """
        await self._life.completed.wait()

    async def wait_announced(self) -> None:
        """Returns once a tracker has accepted an announcement. Without one that works, it waits for the torrent's end.

        Raises:
            TransferError: what stopped the torrent before.
        """
        await self._life.sources.announced.wait()

    async def progress(self, *, interval_s: float = 0.5) -> AsyncIterator[TorrentStats]:
        """A snapshot now and every `interval_s`, the last one when complete.

        Raises:
            TransferError: as `wait_complete`.
        """
        while self._life.completed.is_ahead:
            yield self.statistics()
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._life.completed.wait()
        await self._life.completed.wait()
        yield self.statistics()

    def add_peers(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Endpoints to try, IP addresses or names; they are tried again for as long as the torrent lives."""
        self._life.sources.named_peers.add(addresses)

    async def set_priorities(
        self,
        *,
        files: Mapping[FileName, int] | None = None,
        pieces: Mapping[int, int] | None = None,
    ) -> None:
        """Says what is wanted, from 0 (not at all) over 4 (as usual) to 7 (before all others); waits for the metadata.

        Args:
            files: priorities of files, by their number in `metainfo.files`, or by path, folder or pattern (`*.mkv`).
            pieces: priorities of pieces, whatever their files have; new ones of files take them back.

        Raises:
            ValueError: a priority that is none; SelectionError: no such file.
            StorageError: files could not be brought to their place; the call can be repeated.
            TransferError: what stopped the torrent before.
        """
        metainfo = await self.wait_metadata()
        async with self._life.wanted.changing:
            if self._life.content is not None:
                self._life.need_content("select files of")
            selection = await self._life.jobs.compute(lambda: self._life.wanted.change(metainfo, files, pieces))
            if self._life.content is not None:
                await self._life.need_content("select files of").select(selection.files)
                self._life.apply_priorities(await self._life.jobs.compute(selection.pieces))

    async def select(self, names: Iterable[FileName]) -> None:
        """Just these files are wanted: numbers in `metainfo.files`, ranges of them, paths, folders or patterns.

        Raises the same errors as `set_priorities`.
        """
        metainfo, wanted = await self.wait_metadata(), tuple(names)
        await self.set_priorities(files=await self._life.jobs.compute(lambda: self._life.wanted.only(metainfo, wanted)))

    @property
    def priorities(self) -> tuple[int, ...]:
        """The priority of each file of `metainfo.files`; nothing before the metadata is known."""
        return self._life.wanted.selection(self._life.metainfo).files if self._life.metainfo is not None else ()

    @property
    def sequential(self) -> bool:
        """Whether pieces are begun in the order of the torrent instead of rarest first; may be set at any time."""
        return self._life.sequential

    @sequential.setter
    def sequential(self, value: bool) -> None:
        self._life.sequential = value
        if self._life.core.picker is not None:
            self._life.core.picker.is_sequential = value

    def open(self, name: FileName, *, config: ReadAheadConfig | None = None) -> FileStream:
        """A file to be read while it is downloaded: `async with torrent.open("movie.mkv") as file: await file.read()`.

        Args:
            name: the number of the file in `metainfo.files`, its path, or a pattern that means just one.
            config: how far ahead is fetched.
        """
        self._streams += 1
        return FileStream(self._life, name, number=self._streams, config=config or ReadAheadConfig())

    @property
    def is_paused(self) -> bool:
        return self._life.lifecycle.is_paused

    async def pause(self) -> None:
        """Ends every connection, leaves the trackers, and moves nothing until `resume`. What is unfinished is kept.

        Cancellation: the torrent is paused all the same.
        """
        await self._life.pause()

    def resume(self) -> None:
        """Goes on where it was paused, and after the disk refused something (`state` is FAILED, `error` says why).

        What waits in memory is written then. Nothing that was verified or fetched is lost meanwhile.
        """
        self._life.resume()

    async def recheck(self) -> int:
        """Hashes everything on disk again, on all cores; what is damaged is fetched again. The exchange goes on.

        Returns:
            How many pieces were lost.

        Raises:
            StorageError: the files are not open yet, or cannot be read.
        """
        return await self._life.guard.recheck()

    async def allocate(self) -> None:
        """Reserves the room for all wanted files now, instead of when their bytes arrive.

        Raises:
            StorageError: there is not enough room, or the storage cannot do that.
        """
        await self._life.need_content("reserve room for").allocate()

    async def move(self, directory: str | os.PathLike[str]) -> None:
        """Brings the files to another directory, on any file system, while the torrent goes on.

        Raises:
            StorageError: something is there already, or the system refused; everything is where it was.
        """
        await self._life.need_content("move").move(Path(directory))

    async def rename_file(self, number: int, path: str) -> None:
        """Gives the file `metainfo.files[number]` another path below the download directory, while the torrent goes on.

        Raises:
            StorageError: no safe path, something is there already, or the system refused.
        """
        await self._life.need_content("rename a file of").rename(number, tuple(path.split("/")))

    def trackers(self) -> tuple[TrackerStats, ...]:
        """A snapshot of the trackers, tier after tier, those of a tier in the order in which they are tried."""
        return self._life.sources.discovery.trackers()

    def readdress(self) -> None:
        """Peers reach the session otherwise from now on: trackers, the DHT and connected peers are told a new port."""
        life = self._life
        life.prefer_transport()
        if life.swarm.listen_port != life.parts.reach.port:
            life.swarm.readdress(life.parts.reach.port)
            life.sources.discovery.readdress()

    def reannounce(self) -> None:
        """Trackers are asked for peers again as soon as they allow it (`min interval`, at least a minute)."""
        self._life.sources.discovery.reannounce()

    def set_rate_limits(self, limits: RateLimits) -> None:
        """How fast this torrent may be, within what its session may."""
        self._life.core.limits.set(limits)

    def statistics(self) -> TorrentStats:
        """A snapshot; costs a look at every connected peer."""
        return torrent_statistics(
            self._life.core,
            state=self._life.lifecycle.state,
            info_hash=self._life.info_hash,
            info_hash_v2=self._life.torrent_id.v2,
            name=self.name,
            metainfo=self._life.metainfo,
            checked_pieces=self._life.checked_pieces,
            known_peers=len(self._life.swarm.peers),
            lookup=self._life.sources.discovery.lookup,
            is_paused=self._life.lifecycle.is_paused,
            now=asyncio.get_running_loop().time(),
        )

    def peers(self) -> tuple[PeerStats, ...]:
        """A snapshot of the connected peers."""
        life = self._life
        return peer_statistics(
            life.core,
            now=asyncio.get_running_loop().time(),
            path_of=life.swarm.path_of,
            encryption_of=life.swarm.encryption_of,
        )

    def files(self) -> Sequence[FileStats]:
        """A snapshot of the files, padding left out; nothing before it is known what is on disk.

        Cost: next to nothing until single files are asked for: there may be hundreds of thousands.
        """
        metainfo, progress = self._life.metainfo, self._life.files
        if metainfo is None or progress is None:
            return ()
        return FileList(metainfo.files, progress.visible, progress.done_bytes.copy(), self.priorities)

    def bad_blocks(self) -> tuple[BadBlock, ...]:
        """What peers sent that was not what it must be, the latest thousand blocks; only version 2 can tell blocks."""
        return tuple(self._life.hashes.bad_blocks)

    def explain(self) -> Explanation:
        """Why the download is as slow as it is now."""
        life = self._life
        return explain(
            life.core,
            state=life.lifecycle.state,
            is_paused=life.lifecycle.is_paused,
            loneliness=life.sources.explain_loneliness(),
            servers=life.sources.explain_servers(),
            now=asyncio.get_running_loop().time(),
        )

    def events(self, *, max_waiting: int = 1000) -> EventStream[TorrentEvent]:
        """What happens from now on: `async for event in torrent.events()`; it ends when the torrent has stopped.

        Args:
            max_waiting: so many events wait for a slow reader; then the oldest are dropped, and `EventsLost` says so.
        """
        return self._life.events.listen(max_waiting=max_waiting)

    # For the session

    def start(self) -> None:
        """Called once by the session."""
        self._life.start()

    async def aclose(self) -> None:
        """Stops, tells the trackers, closes every connection and file. What was verified is on disk."""
        await self._life.aclose()

    async def delete_files(self) -> None:
        """Removes what is on disk, and what is remembered of it, after `aclose`.

        Raises:
            StorageError: the system refused, or the files are not this torrent's to delete.
        """
        await self._life.delete_files()
