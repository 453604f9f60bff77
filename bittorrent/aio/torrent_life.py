"""The life of one torrent: from its source to the last verified piece, and on as a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random

from bittorrent.aio.event_stream import EventSource
from bittorrent.aio.milestone import Milestone
from bittorrent.aio.peers.arrivals import Arrivals
from bittorrent.aio.peers.swarm import Swarm
from bittorrent.aio.sources.sources import Sources, parse_metadata
from bittorrent.aio.storage.content import Content
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.file_guard import FileGuard
from bittorrent.aio.storage.kept_metadata import KeptMetadata
from bittorrent.aio.storage.kept_state import Totals
from bittorrent.aio.storage.piece_store import PieceStore
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions
from bittorrent.aio.wanted import Wanted
from bittorrent.dialling.core import DiallingCore
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.errors import FilesChangedError, StorageError, TorrentStoppedError
from bittorrent.events import (
    FileCompleted,
    PauseChanged,
    PeerConnected,
    PeerDisconnected,
    PieceFailed,
    PieceVerified,
    StateChanged,
    TorrentEvent,
    TorrentStopped,
    TrackerWarned,
)
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.block import Block
from bittorrent.rate_limits import SwarmLimits
from bittorrent.stats import TorrentState
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import (
    DhtNodeFound,
    MetadataCompleted,
    PeerBanned,
    PeersNamed,
    PieceCompleted,
    PiecesUnfinished,
    SeenAs,
    ServerLied,
    SwarmEvent,
)
from bittorrent.swarm.peer import NOBODY
from bittorrent.wire.handshake import Handshake
from bittorrent.wire.pex import PexFlags
from kademlia_core.errors import NodeClosedError
from transfer.address import Address
from transfer.aio.tasks import TaskSet


class TorrentLife:
    """Composes the parts of a torrent and passes between them what happens; `Torrent` is the view that users have.

    Args:
        source: what to fetch or seed.
        rng: makes every choice.
    """

    def __init__(self, source: Metainfo | Magnet, options: TorrentOptions, parts: SessionParts, *, rng: Random) -> None:
        config = parts.config
        self.torrent_id = source.torrent_id
        self.info_hash = source.info_hash
        self.metainfo = source if isinstance(source, Metainfo) else None
        self.source = source
        self.options = options
        self._parts = parts
        self.config = config
        self._rng = rng
        self.jobs = DiskJobs(parts.executor)
        self.sequential = options.sequential
        suggested = source.selected if isinstance(source, Magnet) else ()
        self.wanted = Wanted(asked_for=options.select, suggested=suggested)
        self.events: EventSource[TorrentEvent] = EventSource()
        self.is_paused = options.paused
        self.files: FileProgress | None = None
        self._state = TorrentState.METADATA if self.metainfo is None else TorrentState.CHECKING
        self.error: BaseException | None = None
        self._metadata: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._all_verified = asyncio.Event()
        self.metadata_known = Milestone()
        self.completed = Milestone()
        self.begun = Milestone()  # it is known what is on disk, and the exchange goes on
        self.arrivals = Arrivals()
        self.guard = FileGuard(self)
        if self.metainfo is not None:
            self.metadata_known.reach()
        self._ending: asyncio.Task[None] | None = None
        self.checked_pieces = 0
        self.content: Content | None = None
        self._store: PieceStore | None = None
        self._kept_metadata: KeptMetadata | None = None
        self.stored_in_check: set[int] = set()  # which a check that runs may have missed
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._tasks = TaskSet(self._stop)
        self.core = SwarmCore(info_hash=self.info_hash, rng=rng, config=config.swarm, limits=SwarmLimits(parts.limits))
        self._dht = None if self.metainfo is not None and self.metainfo.private else parts.dht
        self.swarm = Swarm(
            core=self.core,
            dialling=DiallingCore(
                own_id=parts.peer_id,
                own_host=parts.calls.own_host,
                tally=parts.tally,
                targets=parts.calls.rule,
                rng=rng,
                config=config.dialling,
            ),
            handshake=Handshake(
                info_hash=self.info_hash, peer_id=parts.peer_id, supports_dht=self._dht is not None, supports_fast=True
            ),
            config=config,
            on_event=self._handle,
            on_peer=self._note_peer,
            reads=self,
            transports=parts.transports,
            tasks=self._tasks,
        )
        self.swarm.peers.set_filter(parts.ip_filter)
        self.swarm.listen_port = parts.listen_port
        self.swarm.dht_port = self._dht.address.port if self._dht is not None else None
        self.sources = Sources(
            source,
            web_urls=(*options.web_seeds, *source.web_seeds),
            typed_web_urls=options.web_seeds,
            dht=self._dht,
            parts=parts,
            swarm=self.swarm,
            left_bytes=lambda: self.left_bytes,
            has_enough=lambda: self.completed.is_reached,
            on_warning=lambda url, text: self.events.tell(TrackerWarned(url, text)),
            is_paused=options.paused,
            tasks=self._tasks,
            rng=rng,
        )

    @property
    def name(self) -> str:
        return self.metainfo.name if self.metainfo is not None else self.source.name or self.info_hash.hex()

    @property
    def state(self) -> TorrentState:
        return self._state

    @state.setter
    def state(self, state: TorrentState) -> None:
        if state is not self._state and self._state is not TorrentState.STOPPED:  # which is for good
            self._state = state
            self.events.tell(StateChanged(state))

    @property
    def is_ending(self) -> bool:
        return self._ending is not None

    @property
    def left_bytes(self) -> int:
        """What is still missing; trackers count a torrent whose metadata is not here as one byte short."""
        if self.core.picker is not None:
            return self.core.picker.missing_bytes
        return self.metainfo.total_bytes if self.metainfo is not None else 1

    def start(self) -> None:
        """Called once by the session."""
        self._tasks.start(self._run(), name=f"torrent {self.info_hash.hex()}")

    async def aclose(self) -> None:
        """Stops, tells the trackers, closes every connection and file. What was verified is on disk."""
        self._stop(TorrentStoppedError(f"{self.name} was stopped"))
        assert self._ending is not None
        await asyncio.shield(self._ending)

    async def delete_files(self) -> None:
        """Removes what a torrent has on disk that has ended, and what is remembered of it.

        Raises:
            StorageError: the system refused, or the files are not this torrent's to delete.
        """
        if self.metainfo is None:
            resume = ResumeStore(self.options.download_dir, state_dir=self.options.state_dir)
            await self.jobs.run(lambda: resume.forget(self.info_hash))
            return
        content = self.content or await self._open_content(self.metainfo)
        try:
            await content.delete()
        finally:
            if content is not self.content:
                await content.aclose()
                self._parts.claims.release(self.info_hash)

    async def pause(self) -> None:
        """Ends every connection, and makes and takes none until `resume`."""
        if not self.is_paused and self._ending is None:
            self.is_paused = True
            self.events.tell(PauseChanged(True))
            await self.sources.pause()
            if self._store is not None:
                await self._store.keep()

    def resume(self) -> None:
        """Goes on after `pause`, and tries the disk that refused again."""
        if self._ending is not None:
            return
        if self.state is TorrentState.FAILED:
            assert self._store is not None
            self.error = None
            self.state = TorrentState.DOWNLOADING
            self.completed = Milestone()
            self._store.retry()
            self.finish_if_complete()
        if self.is_paused:
            self.is_paused = False
            self.events.tell(PauseChanged(False))
            self.sources.resume()
            self.start_web_seeds()
            self.swarm.pump()

    async def _run(self) -> None:
        resume = ResumeStore(self.options.download_dir, state_dir=self.options.state_dir)
        metainfo = self.metainfo or await self.jobs.run_long(
            lambda pause: resume.load(self.info_hash, partial(Metainfo.from_file, pause=pause))
        )
        if metainfo is None:
            kept = self._kept_metadata = self._keep_metadata(resume)
            await kept.load()
            self._tasks.start(kept.run(), name="keep metadata")
            self.sources.start()
            metainfo = await self.jobs.run_long(partial(parse_metadata, self.source, await self._metadata))
            await self.jobs.run(lambda: resume.save(metainfo))
            await kept.forget()
        if metainfo.private:
            self._dht = None
            self.sources.discovery.become_private()
            self.swarm.become_private()
        self.metainfo, self.jobs.files = metainfo, len(metainfo.files)
        self.state = TorrentState.CHECKING
        self.metadata_known.reach()
        async with self.wanted.changing:
            was_complete = await self._begin(metainfo)
        self.begun.reach()
        self.sources.start()
        self.start_web_seeds()
        self.swarm.pump()
        assert self.content is not None
        if self.content.is_watched:
            self._tasks.start(self.guard.watch(), name=f"watch the files of {self.info_hash.hex()}")
        await self._complete(was_complete)

    def _keep_metadata(self, resume: ResumeStore) -> KeptMetadata:
        most = self.config.peer.max_metadata_bytes
        return KeptMetadata(self.core, resume, self.info_hash, jobs=self.jobs, max_bytes=most)

    async def _begin(self, metainfo: Metainfo) -> bool:
        """Checks what is on disk and starts the exchange; returns whether everything was there."""
        content = self.content = await self._open_content(metainfo)
        selection = await self.jobs.compute(lambda: self.wanted.decide(metainfo, content))
        have = await content.check(self.note_checked)
        if self.options.seed_only and not have.is_full:
            raise await self.guard.incomplete_error(have)
        self.checked_pieces = metainfo.piece_count
        geometry = metainfo.geometry
        store = self._store = PieceStore(
            content,
            self.core,
            geometry=geometry,
            on_stored=self._stored,
            on_refused=self._refused,
            jobs=self.jobs,
            tasks=self._tasks,
            config=self.config,
        )
        priorities = await self.jobs.compute(selection.pieces)
        unfinished = await store.load(have, priorities)
        self.files = await self.jobs.compute(lambda: FileProgress(metainfo.files, geometry, have))
        self.state = TorrentState.DOWNLOADING
        self.core.begin(
            geometry,
            have,
            metainfo.info_bytes,
            priorities=priorities,
            is_sequential=self.sequential,
            private=metainfo.private,
            super_seed=self.options.super_seed,
            unfinished=unfinished,
            now=self._loop.time(),
        )
        self.finish_if_complete()
        return have.is_full

    async def _open_content(self, metainfo: Metainfo) -> Content:
        resume = ResumeStore(self.options.download_dir, state_dir=self.options.state_dir)
        return await Content.open(
            metainfo,
            download_dir=self.options.download_dir,
            state_dir=self.options.state_dir,
            seed_only=self.options.seed_only,
            overwrite=self.options.overwrite,
            open_storage=self._parts.open_storage,
            claims=self._parts.claims,
            jobs=self.jobs,
            state=await self.jobs.run(lambda: resume.load_state(self.info_hash)),
        )

    async def _complete(self, was_complete: bool) -> None:
        """Sees to what has to be done whenever the last wanted piece is there."""
        assert self.content is not None
        assert self._store is not None
        while True:
            await self._all_verified.wait()
            self._all_verified.clear()
            await self._store.tidy()
            is_complete = self.core.is_complete
            if not self.options.seed_only and not await self.guard.flush():
                continue
            await self._remember()
            if is_complete:
                await self.content.rest()
            if self.core.is_finished:  # more may be wanted by now
                self.completed.reach()
            if is_complete and not was_complete:
                was_complete = True
                self.sources.discovery.completed()

    def apply_priorities(self, priorities: bytes) -> None:
        """The priority of each piece is another one now."""
        self.core.set_priorities(priorities, now=self._loop.time())
        if not self.core.is_finished and self.state in (TorrentState.FINISHED, TorrentState.SEEDING):
            self.state = TorrentState.DOWNLOADING
            if not self.completed.is_ahead:
                self.completed = Milestone()
            self.swarm.call_again()
        self.finish_if_complete()
        self.start_web_seeds()
        self.arrivals.reconsider()
        self.swarm.pump()

    def set_deadlines(self, reader: int, deadlines: Mapping[int, float], *, is_urgent: bool) -> None:
        """By when a reader needs which pieces; nothing when it needs none any more."""
        if self._ending is None:
            self.core.set_deadlines(reader, deadlines, is_urgent=is_urgent, now=self._loop.time())
            self.swarm.pump()

    async def _remember(self, *, is_last: bool = False) -> None:
        """Stores what the next start can believe; without it everything is hashed then."""
        picker = self.core.picker
        if self.content is not None and picker is not None:
            before = self.content.totals
            totals = Totals(
                downloaded_bytes=before.downloaded_bytes + self.core.downloaded_bytes,
                uploaded_bytes=before.uploaded_bytes + self.core.uploaded_bytes,
            )
            with suppress(StorageError):
                await self.content.remember(picker.have, totals, is_last=is_last)

    def start_web_seeds(self) -> None:
        if self.metainfo is not None and self.begun.is_reached:
            self.sources.start_web_seeds(self.metainfo)

    def need_content(self, action: str) -> Content:
        """The files, for something that cannot be done without.

        Raises:
            StorageError: they are not open yet, or no more.
        """
        if self.content is None or self._ending is not None:
            raise StorageError(f"cannot {action} {self.name}: its files are not open")
        return self.content

    def _handle(self, event: SwarmEvent) -> None:
        match event:
            case PieceCompleted():
                assert self._store is not None
                self._store.put(event)
            case PiecesUnfinished():
                assert self._store is not None
                self._store.look()
            case MetadataCompleted(info_bytes):
                if not self._metadata.done():
                    self._metadata.set_result(info_bytes)
            case PeerBanned(address):
                self.swarm.ban(address)
            case ServerLied(address, index):
                if self.sources.web_seeds is not None:
                    self.sources.web_seeds.spoilt(address.host, index)
            case PeersNamed(peers):
                self.swarm.add_addresses([address for address, _ in peers], PeerSource.PEX)
                for address, flags in peers:
                    self.swarm.peers.note_seed(address, PexFlags.SEED in flags)
            case SeenAs(voter, host):
                self._note_seen(voter, host)
            case DhtNodeFound(address):
                if self._dht is not None:
                    with suppress(NodeClosedError):  # it is the caller's, who may close it first
                        self._dht.add_node(address)

    def _note_seen(self, voter: Address, host: str) -> None:
        external, port = self._parts.external, self._parts.listen_port
        external.on_vote(voter, Address(host, port), now=self._loop.time())
        if external.agreed is not None:
            self.swarm.peers.set_external(Address(external.agreed, port))

    def _stored(self, pieces: Sequence[tuple[PieceCompleted, bool]]) -> None:
        for piece, is_right in pieces:
            if is_right:
                if self.state is TorrentState.CHECKING:
                    self.stored_in_check.add(piece.index)
                self.core.piece_verified(piece, now=self._loop.time())
                self.arrivals.arrived(piece.index)
                self._tell_verified(piece.index)
            else:
                self.core.piece_failed(piece, now=self._loop.time())
                was_kept = NOBODY in piece.senders.values()  # and no peer need be the reason
                senders = dict.fromkeys(sender.address for sender in piece.senders.values() if not was_kept)
                self.events.tell(PieceFailed(piece.index, tuple(senders)))
        self.finish_if_complete()
        self.swarm.pump()

    def _refused(self, error: StorageError) -> None:
        """The disk is full, say: what was fetched waits, and nothing more is asked for when too much does."""
        if isinstance(error, FilesChangedError):
            self._tasks.start(self._check_changed(error.number), name=f"check a file of {self.info_hash.hex()}")
            return
        self.error = error
        self.state = TorrentState.FAILED
        self.completed.miss(error)
        self.arrivals.reconsider()

    async def _check_changed(self, number: int) -> None:
        assert self._store is not None
        await self.guard.look(doubtful=[number])
        self._store.retry()

    def _tell_verified(self, index: int) -> None:
        assert self.files is not None
        assert self.metainfo is not None
        self.events.tell(PieceVerified(index))
        for number in self.files.verified(index):
            self.events.tell(FileCompleted(number, str(self.metainfo.files[number])))

    def _note_peer(self, address: Address, reason: str | None) -> None:
        self.events.tell(PeerConnected(address) if reason is None else PeerDisconnected(address, reason))

    def read_cached(self, blocks: Sequence[Block]) -> list[memoryview] | None:
        """As `BlockReads` has it."""
        assert self.content is not None
        return self.content.disk.read_cached(blocks)

    async def read(self, blocks: Sequence[Block]) -> list[memoryview]:
        """As `BlockReads` has it."""
        assert self.content is not None
        return await self.content.disk.read(blocks)

    def note_checked(self, pieces: int) -> None:
        self.checked_pieces = pieces

    def finish_if_complete(self) -> None:
        if self.core.is_finished and self.state in (TorrentState.DOWNLOADING, TorrentState.FINISHED):
            self.state = TorrentState.SEEDING if self.core.is_complete else TorrentState.FINISHED
            self._all_verified.set()

    def _stop(self, error: BaseException) -> None:
        """Ends the torrent for good; the first reason stays. Called by a task that failed, or by `aclose`."""
        if self._ending is None:
            self.error = error
            self.state = TorrentState.STOPPED
            for milestone in (self.metadata_known, self.begun, self.sources.announced, self.completed):
                milestone.miss(error)
            self.arrivals.reconsider()
            self.events.tell(TorrentStopped(error))
            self.events.end()
            self._ending = self._loop.create_task(self._end(), name=f"end torrent {self.info_hash.hex()}")

    async def _end(self) -> None:
        self.jobs.interrupt()
        goodbye = self._loop.create_task(self.sources.discovery.aclose(), name=f"leave {self.info_hash.hex()}")
        await self._tasks.aclose()  # first: a dial that has just succeeded is a connection to be closed
        await self.swarm.aclose()
        if self._kept_metadata is not None:
            await self._kept_metadata.save()
        if self._store is not None:
            await self._store.finish()
        await self._remember(is_last=True)
        if self.content is not None:
            await self.content.aclose()
        self._parts.claims.release(self.info_hash)
        await self.jobs.wait_idle()
        await goodbye
