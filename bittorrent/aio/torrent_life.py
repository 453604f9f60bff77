"""The life of one torrent: tasks, futures, connections and files, which do what `TorrentLifecycle` answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import assert_never

from bittorrent.aio.event_stream import EventSource
from bittorrent.aio.layers_fetch import LayersFetch
from bittorrent.aio.metadata_fetch import MetadataFetch
from bittorrent.aio.milestone import Milestone
from bittorrent.aio.peers.arrivals import Arrivals
from bittorrent.aio.peers.encryption import CoveredTransports
from bittorrent.aio.peers.punching import PunchingTransport
from bittorrent.aio.peers.swarm import Swarm
from bittorrent.aio.same_files import Twins
from bittorrent.aio.sources.sources import Sources
from bittorrent.aio.storage.content import Content
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.file_guard import FileGuard
from bittorrent.aio.storage.hash_desk import HashDesk
from bittorrent.aio.storage.piece_store import PieceStore
from bittorrent.aio.swarm_events import SwarmEvents
from bittorrent.aio.torrent_files import TorrentFiles
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions
from bittorrent.aio.torrent_work import TorrentWork
from bittorrent.aio.wanted import Wanted
from bittorrent.dialling.core import DiallingCore
from bittorrent.dialling.paths import PUNCH, UTP
from bittorrent.errors import FilesChangedError, StorageError, TorrentStoppedError
from bittorrent.events import (
    FileCompleted,
    PeerConnected,
    PeerDisconnected,
    PieceFailed,
    PieceVerified,
    TorrentEvent,
    TrackerWarned,
)
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.lifecycle.core import Answer, TorrentLifecycle
from bittorrent.lifecycle.table import Action
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.origin import Origin
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.rate_limits import SwarmLimits
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import PieceCompleted
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.peer import NOBODY
from bittorrent.wire.handshake import Handshake
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
        self.metainfo = source if isinstance(source, Metainfo) and source.is_verifiable else None
        self.source = source
        self.options = options
        self.parts = parts
        self.config = config
        self._rng = rng
        self.jobs = DiskJobs(parts.executor)
        self.sequential = options.sequential
        suggested = source.selected if isinstance(source, Magnet) else ()
        self.wanted = Wanted(asked_for=options.select, suggested=suggested)
        self.events: EventSource[TorrentEvent] = EventSource()
        self.lifecycle = TorrentLifecycle(
            has_metadata=self.metainfo is not None, is_paused=options.paused, is_seed_only=options.seed_only
        )
        self.files: FileProgress | None = None
        self.metadata_known = Milestone()
        self.completed = Milestone()
        self.begun = Milestone()  # it is known what is on disk, and the exchange goes on
        self.arrivals = Arrivals()
        self.guard = FileGuard(self)
        self.work = TorrentWork(self)
        self._ending: asyncio.Task[None] | None = None
        self.checked_pieces = 0
        self.on_disk = TorrentFiles(self.torrent_id, options, parts, self.jobs)
        self._store: PieceStore | None = None
        self._layers: dict[bytes, bytes] = {}  # that peers may have of us
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._tasks = TaskSet(self.stop)
        self.twins = Twins(self, parts.same_files, self._tasks)
        self.core = SwarmCore(
            torrent_id=self.torrent_id, rng=rng, config=config.swarm, limits=SwarmLimits(parts.limits)
        )
        self.punching = PunchingTransport(
            self.core.exchange.punching,
            parts.transports.get(PUNCH),
            pump=lambda: self.swarm.pump(),
            invite=lambda address: self.swarm.invite(address),
            answer_s=config.swarm.punching.answer_s,
        )
        self.dht = None if isinstance(source, Metainfo) and source.private else parts.dht
        self.swarm = Swarm(
            core=self.core,
            dialling=DiallingCore(
                self.torrent_id,
                own_id=parts.peer_id,
                own_host=parts.calls.own_host,
                admission=parts.admission,
                targets=parts.calls.rule,
                rng=rng,
                config=config.dialling,
                name=source.name or self.info_hash.hex(),
                introduces=self.core.exchange.punching.has_introducer,
            ),
            handshake=Handshake(
                info_hash=self.info_hash, peer_id=parts.peer_id, supports_dht=self.dht is not None, supports_fast=True
            ),
            v2_hash=self.torrent_id.v2_short,
            config=config,
            on_event=SwarmEvents(self).receive,
            on_peer=self._note_peer,
            reads=self,
            transports=CoveredTransports(self.punching.among(parts.transports), config.encryption),
            tasks=self._tasks,
        )
        self.prefer_transport()
        self.metadata = MetadataFetch(
            source,
            self.core,
            self.on_disk.resume,
            max_bytes=config.peer.max_metadata_bytes,
            jobs=self.jobs,
            tasks=self._tasks,
        )
        self.layers = LayersFetch(
            self.core, self.on_disk.resume, pump=self.swarm.pump, jobs=self.jobs, tasks=self._tasks
        )
        self.hashes = HashDesk(
            self.core,
            need_disk=lambda: self.need_content("read").disk,
            pump=self.swarm.pump,
            on_bad=self.events.tell,
            tasks=self._tasks,
        )
        self.swarm.peers.set_filter(parts.ip_filter)
        self.swarm.listen_port = parts.reach.port
        self.swarm.dht_port = self.dht.address.port or None if self.dht is not None else None
        self.sources = Sources(
            source,
            web_urls=(*options.web_seeds, *source.web_seeds),
            typed_web_urls=options.web_seeds,
            dht=self.dht,
            parts=parts,
            swarm=self.swarm,
            left_bytes=lambda: self.left_bytes,
            has_enough=lambda: self.completed.is_reached,
            on_warning=lambda url, text: self.events.tell(TrackerWarned(url, text)),
            is_paused=options.paused,
            tasks=self._tasks,
            rng=rng,
        )

    def prefer_transport(self) -> None:
        """Who brings us together with others must know the port that our datagrams leave from: that takes uTP."""
        self.swarm.dialling.paths.preferred = UTP.transport if self.parts.reach.needs_introductions else None

    @property
    def name(self) -> str:
        return self.metainfo.name if self.metainfo is not None else self.source.name or self.info_hash.hex()

    @property
    def content(self) -> Content | None:
        """The files, once they are open."""
        return self.on_disk.content

    @property
    def left_bytes(self) -> int:
        """What is still missing; trackers count a torrent whose metadata is not here as one byte short."""
        if self.core.picker is not None:
            return self.core.picker.missing_bytes
        return self.metainfo.total_bytes if self.metainfo is not None else 1

    def start(self) -> None:
        """Called once by the session."""
        self.do(self.lifecycle.start())
        self._tasks.start(self.work.run(), name=f"torrent {self.info_hash.hex()}")

    async def aclose(self) -> None:
        """Stops, tells the trackers, closes every connection and file. What was verified is on disk."""
        self.stop(TorrentStoppedError(f"{self.name} was stopped"))
        assert self._ending is not None
        await asyncio.shield(self._ending)

    async def delete_files(self) -> None:
        """Removes what a torrent has on disk that has ended, and what is remembered of it.

        Raises:
            StorageError: the system refused, or the files are not this torrent's to delete.
        """
        await self.on_disk.delete(self.metainfo)

    async def pause(self) -> None:
        """Ends every connection, and makes and takes none until `resume`."""
        answers = self.lifecycle.pause()
        self.do(answers)
        if Action.SUSPEND_EXCHANGE in answers:
            await self.sources.pause()
            if self._store is not None:
                await self._store.keep()

    def resume(self) -> None:
        """Goes on after `pause`, and tries the disk that refused again."""
        self.do(self.lifecycle.resume())

    def stop(self, error: BaseException) -> None:
        """Ends the torrent for good; the first reason stays. Called by a task that failed, or by `aclose`."""
        self.do(self.lifecycle.stop(error))

    def do(self, answers: Iterable[Answer]) -> None:
        """Does what the lifecycle answered; what takes its time is left to `TorrentWork`, or to its waiters."""
        for answer in answers:
            if isinstance(answer, Action):
                self._act(answer)
            else:
                self.events.tell(answer)

    def _act(self, action: Action) -> None:
        match action:
            case Action.FETCH_METADATA | Action.CHECK_FILES | Action.SETTLE:
                self.work.add(action)
            case Action.REACH_METADATA:
                self.metadata_known.reach()
            case Action.REACH_BEGUN:
                self.begun.reach()
            case Action.OPEN_SOURCES:
                self.sources.start()
                self.go_on()
                if self.need_content("watch").is_watched:
                    self._tasks.start(self.guard.watch(), name=f"watch the files of {self.info_hash.hex()}")
            case Action.REACH_COMPLETED:
                self.completed.reach()
            case Action.RENEW_COMPLETED:
                self.completed = Milestone()
            case Action.MISS_COMPLETED:
                self._miss(self.completed)
            case Action.MISS_ALL:
                self._miss(self.metadata_known, self.begun, self.sources.announced, self.completed)
            case Action.ANNOUNCE_COMPLETED:
                self.sources.discovery.completed()
            case Action.CALL_PEERS_AGAIN:
                self.swarm.call_again()
            case Action.RETRY_DISK:
                self.need_store().retry()
            case Action.RESUME_EXCHANGE:
                self.sources.resume()
                self.go_on()
            case Action.END:
                self.events.end()
                self._ending = self._loop.create_task(self._end(), name=f"end torrent {self.info_hash.hex()}")
            case Action.SUSPEND_EXCHANGE | Action.CHECK_CHANGED_FILE:
                pass  # done by `pause`, which waits for it, and `_refused`, which knows the file
            case _:
                assert_never(action)

    def _miss(self, *milestones: Milestone) -> None:
        assert self.lifecycle.error is not None
        for milestone in milestones:
            milestone.miss(self.lifecycle.error)
        self.arrivals.reconsider()

    def check_ended(self, *, has_lost: bool = False) -> None:
        """A check is over, the first one or another one, or was given up; `has_lost` says what it came to."""
        core = self.core
        self.do(
            self.lifecycle.check_ended(is_finished=core.is_finished, is_complete=core.is_complete, has_lost=has_lost)
        )

    def learn(self, torrent_id: TorrentId) -> None:
        """The metadata says which hashes the torrent has: a link may have named one of two.

        Raises:
            TorrentCollisionError: another torrent of the session has one of them.
        """
        self.parts.registry.learn(torrent_id)
        if torrent_id != self.torrent_id:
            self.torrent_id = self.on_disk.torrent_id = torrent_id
            self.swarm.learn(torrent_id)
            self.core.hashes.learn(torrent_id, now=self._loop.time())
            self.sources.discovery.learn(torrent_id)

    def trees_of(self, metainfo: Metainfo) -> TreePlaces | None:
        """What peers may ask hashes of; nothing in a torrent of version 1. The layers may come later. Once."""
        if not metainfo.trees:
            return None
        self._layers = dict(metainfo.layers)
        files = [(entry.offset, entry.pieces_root) for entry in metainfo.files if entry.pieces_root is not None]
        places = ((offset // metainfo.piece_length, root) for offset, root in files)
        return TreePlaces(metainfo.trees, self._layers, places)

    def complete(self, metainfo: Metainfo) -> None:
        """Gets the layers of a hybrid torrent, beside the exchange, which its SHA-1 hashes are enough for."""
        self._tasks.start(self._complete(metainfo), name=f"layers of {self.info_hash.hex()}")

    async def _complete(self, metainfo: Metainfo) -> None:
        self.metainfo = complete = await self.layers.run(metainfo)
        self._layers.update(complete.layers)
        self.need_content("complete").disk.verify_by(complete)

    def become_private(self) -> None:
        """Only trackers are asked for peers (BEP 27), as the metadata of a magnet link may say only later."""
        self.dht = None
        self.sources.discovery.become_private()
        self.swarm.become_private()

    def apply_priorities(self, priorities: bytes) -> None:
        """The priority of each piece is another one now."""
        self.core.set_priorities(priorities, now=self._loop.time())
        self.note_pieces()
        self.start_web_seeds()
        self.arrivals.reconsider()
        self.swarm.pump()

    def note_pieces(self) -> None:
        """What is there and what is wanted may have become the same, or no longer be."""
        self.do(self.lifecycle.pieces_changed(is_finished=self.core.is_finished, is_complete=self.core.is_complete))

    def set_deadlines(self, reader: int, deadlines: Mapping[int, float], *, is_urgent: bool) -> None:
        """By when a reader needs which pieces; nothing when it needs none any more."""
        if not self.lifecycle.is_stopped:
            self.core.set_deadlines(reader, deadlines, is_urgent=is_urgent, now=self._loop.time())
            self.swarm.pump()

    def go_on(self) -> None:
        """Fetches what is missing, if anything is."""
        self.start_web_seeds()
        self.swarm.pump()

    def start_web_seeds(self) -> None:
        if self.metainfo is not None and self.begun.is_reached:
            self.sources.start_web_seeds(self.metainfo)

    def need_content(self, action: str) -> Content:
        """The files, for something that cannot be done without.

        Raises:
            StorageError: they are not open yet, or no more.
        """
        if self.content is None or self.lifecycle.is_stopped:
            raise StorageError(f"cannot {action} {self.name}: its files are not open")
        return self.content

    def open_store(self, content: Content, geometry: Geometry) -> PieceStore:
        """Once; what becomes of pieces from now on."""
        self._store = PieceStore(
            content,
            self.core,
            geometry=geometry,
            on_stored=self._stored,
            on_refused=self._refused,
            jobs=self.jobs,
            tasks=self._tasks,
            config=self.config,
        )
        return self._store

    def need_store(self) -> PieceStore:
        """What becomes of pieces; it is there once the check is over."""
        assert self._store is not None
        return self._store

    def _stored(self, pieces: Sequence[tuple[PieceCompleted, bool]]) -> None:
        for piece, is_right in pieces:
            if is_right:
                self.guard.note_stored(piece.index)
                self.core.piece_verified(piece, now=self._loop.time())
                self.note_verified(piece.index)
            else:
                self.core.piece_failed(piece, now=self._loop.time())
                was_kept = NOBODY in piece.senders.values()  # and no peer need be the reason
                senders = dict.fromkeys(sender.address for sender in piece.senders.values() if not was_kept)
                self.events.tell(PieceFailed(piece.index, tuple(senders)))
        self.note_pieces()
        self.swarm.pump()

    def _refused(self, error: StorageError) -> None:
        """The disk is full, say: what was fetched waits, and nothing more is asked for when too much does."""
        answers = self.lifecycle.disk_refused(error)
        self.do(answers)
        if Action.CHECK_CHANGED_FILE in answers:
            assert isinstance(error, FilesChangedError)
            self._tasks.start(self._check_changed(error.number), name=f"check a file of {self.info_hash.hex()}")

    async def _check_changed(self, number: int) -> None:
        await self.guard.look(doubtful=[number])
        self.need_store().retry()

    def note_verified(self, index: int) -> None:
        """A piece is right and on disk."""
        assert self.files is not None
        assert self.metainfo is not None
        self.arrivals.arrived(index)
        self.events.tell(PieceVerified(index))
        self.twins.verified(index)
        for number in self.files.verified(index):
            self.events.tell(FileCompleted(number, str(self.metainfo.files[number])))

    def _note_peer(self, address: Origin, reason: str | None) -> None:
        self.events.tell(PeerConnected(address) if reason is None else PeerDisconnected(address, reason))

    def read_cached(self, blocks: Sequence[Block]) -> list[memoryview] | None:
        """As `BlockReads` has it."""
        assert self.on_disk.content is not None
        return self.on_disk.content.disk.read_cached(blocks)

    async def read(self, blocks: Sequence[Block]) -> list[memoryview]:
        """As `BlockReads` has it."""
        assert self.on_disk.content is not None
        return await self.on_disk.content.disk.read(blocks)

    def note_checked(self, pieces: int) -> None:
        self.checked_pieces = pieces

    async def _end(self) -> None:
        self.twins.end()
        self.jobs.interrupt()
        goodbye = self._loop.create_task(self.sources.discovery.aclose(), name=f"leave {self.info_hash.hex()}")
        await self._tasks.aclose()  # first: a dial that has just succeeded is a connection to be closed
        await self.swarm.aclose()
        await self.metadata.save()
        await self.layers.save()
        if self._store is not None:
            await self._store.finish()
        await self.on_disk.remember(self.core, is_last=True)
        await self.on_disk.aclose()
        await self.jobs.wait_idle()
        await goodbye
