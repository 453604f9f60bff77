"""The life of one torrent: from its source to the last verified piece, and on as a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import Random

from bittorrent.aio.arrivals import Arrivals
from bittorrent.aio.content import Content, Totals
from bittorrent.aio.discovery import Discovery
from bittorrent.aio.disk import DiskJobs
from bittorrent.aio.milestone import Milestone
from bittorrent.aio.named_peers import NamedPeers
from bittorrent.aio.piece_writer import PieceWriter
from bittorrent.aio.swarm import Swarm
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions
from bittorrent.aio.tracker import TrackerAnnouncer, TransferTotals
from bittorrent.aio.wanted import Wanted
from bittorrent.aio.web_seed import WebSeeds
from bittorrent.errors import NoPeersError, StorageError, TorrentStoppedError
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.peer_list import PeerList, PeerSource
from bittorrent.picker.geometry import Block, Geometry, zero_blocks_of
from bittorrent.stats import TorrentState
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm import SwarmCore
from bittorrent.swarm_events import (
    DhtNodeFound,
    MetadataCompleted,
    PeerBanned,
    PeersNamed,
    PieceCompleted,
    SeenAs,
    SwarmEvent,
)
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
        self.info_hash = source.info_hash
        self.metainfo = source if isinstance(source, Metainfo) else None
        self.source = source
        self.options = options
        self._parts = parts
        self._config = config
        self._rng = rng
        self._jobs = DiskJobs(parts.executor)
        self._web_urls = (*options.web_seeds, *source.web_seeds)
        self.web_seeds: WebSeeds | None = None
        self.sequential = options.sequential
        suggested = source.selected if isinstance(source, Magnet) else ()
        self.wanted = Wanted(asked_for=options.select, suggested=suggested)
        self.state = TorrentState.METADATA if self.metainfo is None else TorrentState.CHECKING
        self.error: BaseException | None = None
        self._metadata: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._all_verified = asyncio.Event()
        self.metadata_known = Milestone()
        self.announced = Milestone()
        self.completed = Milestone()
        self.begun = Milestone()  # it is known what is on disk, and the exchange goes on
        self.arrivals = Arrivals()
        if self.metainfo is not None:
            self.metadata_known.reach()
        self._ending: asyncio.Task[None] | None = None
        self.checked_pieces = 0
        self.content: Content | None = None
        self._writer: PieceWriter | None = None
        self._stored_in_check: set[int] = set()  # which a check that runs may have missed
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._tasks = TaskSet(self._stop)
        self.core = SwarmCore(info_hash=self.info_hash, rng=rng, config=config.swarm)
        self._dht = None if self.metainfo is not None and self.metainfo.private else parts.dht
        self.swarm = Swarm(
            core=self.core,
            peers=PeerList(rng=rng),
            handshake=Handshake(
                info_hash=self.info_hash, peer_id=parts.peer_id, supports_dht=self._dht is not None, supports_fast=True
            ),
            config=config,
            tally=parts.tally,
            on_event=self._handle,
            reads=self,
            transport=parts.transport,
            tasks=self._tasks,
        )
        self.swarm.peers.set_filter(parts.ip_filter)
        self.swarm.listen_port = parts.listen_port
        self.swarm.dht_port = self._dht.address.port if self._dht is not None else None
        self.named_peers = NamedPeers(on_addresses=self.swarm.add_addresses, tasks=self._tasks)
        self.discovery = Discovery(
            info_hash=self.info_hash,
            port=parts.listen_port,
            dht=self._dht,
            local=None if self.metainfo is not None and self.metainfo.private else parts.local,
            announcer=self._make_announcer(),
            config=config,
            has_other_sources=self._has_other_sources,
            is_satisfied=self._is_satisfied,
            on_addresses=self.swarm.add_addresses,
            tasks=self._tasks,
        )

    @property
    def name(self) -> str:
        return self.metainfo.name if self.metainfo is not None else self.source.name or self.info_hash.hex()

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

    async def _run(self) -> None:
        resume = ResumeStore(self.options.download_dir, state_dir=self.options.state_dir)
        metainfo = self.metainfo or await self._jobs.run(lambda: resume.load(self.info_hash))
        if metainfo is None:
            self._find_peers()
            metainfo = Metainfo.from_info(await self._metadata, trackers=_tiers(self.source))
            await self._jobs.run(lambda: resume.save(metainfo))
        if metainfo.private:
            self._dht = None
            self.discovery.become_private()
            self.swarm.become_private()
        self.metainfo = metainfo
        self.state = TorrentState.CHECKING
        self.metadata_known.reach()
        async with self.wanted.changing:
            was_complete = await self._begin(metainfo, resume)
        self.begun.reach()
        self._find_peers()
        self._start_web_seeds()
        self.swarm.pump()
        await self._complete(resume, was_complete)

    async def _begin(self, metainfo: Metainfo, resume: ResumeStore) -> bool:
        """Checks what is on disk and starts the exchange; returns whether everything was there."""
        content = self.content = Content(
            metainfo,
            download_dir=self.options.download_dir,
            state_dir=self.options.state_dir,
            seed_only=self.options.seed_only,
            open_storage=self._parts.open_storage,
            claims=self._parts.claims,
            jobs=self._jobs,
            state=await self._jobs.run(lambda: resume.load_state(self.info_hash)),
        )
        self._writer = PieceWriter(
            content.disk,
            on_stored=self._stored,
            on_refused=self._refused,
            tasks=self._tasks,
            trips=self._config.disk_threads,
        )
        selection = self.wanted.decide(metainfo, content)
        have = await content.check(self._note_checked)
        if self.options.seed_only and not have.is_full:
            missing = metainfo.piece_count - have.count
            raise StorageError(
                f"{missing} of {metainfo.piece_count} pieces of {self.name} are missing or damaged in "
                f"{self.options.download_dir}; fetch them with `kad get`, or name the directory that holds the files"
            )
        self.checked_pieces = metainfo.piece_count
        self.state = TorrentState.DOWNLOADING
        self.core.begin(
            _geometry_of(metainfo),
            have,
            metainfo.info_bytes,
            priorities=selection.pieces(),
            is_sequential=self.sequential,
            private=metainfo.private,
            super_seed=self.options.super_seed,
            now=self._loop.time(),
        )
        self._finish_if_complete()
        return have.is_full

    async def _complete(self, resume: ResumeStore, was_complete: bool) -> None:
        """Sees to what has to be done whenever the last wanted piece is there."""
        assert self.content is not None
        while True:
            await self._all_verified.wait()
            self._all_verified.clear()
            is_complete = self.core.is_complete
            if not self.options.seed_only:
                await self.content.disk.flush()  # a disk that is full, or far away, may say so only now
                if is_complete and not resume.is_lasting:
                    with suppress(StorageError):  # a note that stays behind is of no use and does no harm
                        await self._jobs.run(lambda: resume.forget(self.info_hash))
            await self._remember()
            if self.core.is_finished:  # more may be wanted by now
                self.completed.reach()
            if is_complete and not was_complete:
                was_complete = True
                self.discovery.completed()

    def apply_priorities(self, priorities: bytes) -> None:
        """The priority of each piece is another one now."""
        self.core.set_priorities(priorities, now=self._loop.time())
        if not self.core.is_finished and self.state in (TorrentState.FINISHED, TorrentState.SEEDING):
            self.state = TorrentState.DOWNLOADING
            if not self.completed.is_ahead:
                self.completed = Milestone()
            self.swarm.call_again()
        self._finish_if_complete()
        self._start_web_seeds()
        self.arrivals.reconsider()
        self.swarm.pump()

    def set_deadlines(self, reader: int, deadlines: Mapping[int, float], *, is_urgent: bool) -> None:
        """By when a reader needs which pieces; nothing when it needs none any more."""
        if self._ending is None:
            self.core.set_deadlines(reader, deadlines, is_urgent=is_urgent, now=self._loop.time())
            self.swarm.pump()

    def resume(self) -> None:
        """The disk that refused is tried again."""
        if self.state is TorrentState.FAILED:
            assert self._writer is not None
            self.error = None
            self.state = TorrentState.DOWNLOADING
            self.completed = Milestone()
            self._writer.retry()
            self._finish_if_complete()

    async def recheck(self) -> int:
        """Hashes everything again, beside the exchange; returns how many pieces turned out to be lost.

        Raises:
            StorageError: the files are not open, or cannot be read.
        """
        content = self.need_content("check")
        async with self.wanted.changing:
            before = self.state
            self.checked_pieces, self.state = 0, TorrentState.CHECKING
            lost = 0
            try:
                found = await content.recheck(self._note_checked)
                picker, now = self.core.picker, self._loop.time()
                assert picker is not None
                for index in range(picker.have.size):
                    if index in found:
                        self.core.piece_found(index, now=now)
                    elif index in picker.have and index not in self._stored_in_check:
                        self.core.piece_lost(index, now=now)
                        lost += 1
            finally:
                self._stored_in_check.clear()
                if self.state is TorrentState.CHECKING:
                    self.state = before if before is TorrentState.FAILED else TorrentState.DOWNLOADING
        if lost and not self.core.is_finished:
            if not self.completed.is_ahead:
                self.completed = Milestone()
            self.swarm.call_again()
        self._finish_if_complete()
        self._start_web_seeds()
        self.swarm.pump()
        return lost

    async def _remember(self) -> None:
        """Stores what the next start can believe; without it everything is hashed then."""
        picker = self.core.picker
        if self.content is not None and picker is not None:
            before = self.content.totals
            totals = Totals(
                downloaded_bytes=before.downloaded_bytes + self.core.downloaded_bytes,
                uploaded_bytes=before.uploaded_bytes + self.core.uploaded_bytes,
            )
            with suppress(StorageError):
                await self.content.remember(picker.have, totals)

    def need_content(self, action: str) -> Content:
        """The files, for something that cannot be done without.

        Raises:
            StorageError: they are not open yet, or no more.
        """
        if self.content is None or self._ending is not None:
            raise StorageError(f"cannot {action} {self.name}: its files are not open")
        return self.content

    def _make_announcer(self) -> TrackerAnnouncer | None:
        tiers = _tiers(self.source)
        if not tiers:
            return None
        return TrackerAnnouncer(
            tiers,
            self._parts.trackers,
            info_hash=self.info_hash,
            peer_id=self._parts.peer_id,
            port=self._parts.listen_port,
            totals=lambda: TransferTotals(self.core.uploaded_bytes, self.core.downloaded_bytes, self.left_bytes),
            on_peers=lambda addresses: self.swarm.add_addresses(addresses, PeerSource.TRACKER),
        )

    def _find_peers(self) -> None:
        """Starts, once, to dial and to ask for peers."""
        if not self.discovery.is_started:
            self.swarm.start()
            self.discovery.start()
            self._tasks.start(self._note_announced(), name="wait for trackers")
            if isinstance(self.source, Magnet):
                self.named_peers.add(self.source.peers)
            if self._config.no_peers_timeout_s is not None:
                self._tasks.start(self._give_up_alone(self._config.no_peers_timeout_s), name="wait for peers")

    def _start_web_seeds(self) -> None:
        """Once something is wanted of them."""
        if not self._web_urls or self.metainfo is None or self.core.is_finished:
            return
        if self.web_seeds is None:
            self.web_seeds = WebSeeds(
                self._web_urls,
                self.metainfo,
                http=self._parts.http,
                new_connection=self.swarm.new_connection,
                is_banned=self.swarm.peers.is_banned,
                is_wanted=lambda: not self.core.is_finished,
                rng=self._rng,
                tasks=self._tasks,
                config=self._config.web_seed,
            )
        self.web_seeds.start()

    async def _note_announced(self) -> None:
        await self.discovery.wait_announced()
        self.announced.reach()

    async def _give_up_alone(self, timeout_s: float) -> None:
        """Without a DHT nobody may ever come; a program that waits for ever looks broken."""
        while self._has_met_nobody():
            await asyncio.sleep(timeout_s)
            if self._has_met_nobody() and not self.discovery.may_find_more:
                unusable = self.web_seeds.errors if self.web_seeds is not None else {}
                raise NoPeersError(self.discovery.explain_loneliness(self.named_peers.unresolved, unusable))

    def _has_met_nobody(self) -> bool:
        return self.swarm.last_met_at is None and not self.core.is_finished

    def _has_other_sources(self) -> bool:
        """Whether a DHT that fails is not the end. Who has met somebody, or is a seed, may be found by others too."""
        is_told = bool(_tiers(self.source) or self._web_urls)
        has_hope = is_told or len(self.swarm.peers) > 0 or self.named_peers.is_resolving
        return has_hope or not self._has_met_nobody()

    def _is_satisfied(self) -> bool:
        return self.completed.is_reached or len(self.core.peers) >= ENOUGH_PEERS

    def _handle(self, event: SwarmEvent) -> None:
        match event:
            case PieceCompleted():
                assert self._writer is not None
                self._writer.put(event)
            case MetadataCompleted(info_bytes):
                if not self._metadata.done():
                    self._metadata.set_result(info_bytes)
            case PeerBanned(address):
                self.swarm.ban(address)
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
                    self._stored_in_check.add(piece.index)
                self.core.piece_verified(piece, now=self._loop.time())
                self.arrivals.arrived(piece.index)
            else:
                self.core.piece_failed(piece, now=self._loop.time())
        self._finish_if_complete()
        self.swarm.pump()

    def _refused(self, error: StorageError) -> None:
        """The disk is full, say: what was fetched waits, and nothing more is asked for when too much does."""
        self.error = error
        self.state = TorrentState.FAILED
        self.completed.miss(error)
        self.arrivals.reconsider()

    def read_cached(self, blocks: Sequence[Block]) -> list[memoryview] | None:
        """As `BlockReads` has it."""
        assert self.content is not None
        return self.content.disk.read_cached(blocks)

    async def read(self, blocks: Sequence[Block]) -> list[memoryview]:
        """As `BlockReads` has it."""
        assert self.content is not None
        return await self.content.disk.read(blocks)

    def _note_checked(self, pieces: int) -> None:
        self.checked_pieces = pieces

    def _finish_if_complete(self) -> None:
        if self.core.is_finished and self.state in (TorrentState.DOWNLOADING, TorrentState.FINISHED):
            self.state = TorrentState.SEEDING if self.core.is_complete else TorrentState.FINISHED
            self._all_verified.set()

    def _stop(self, error: BaseException) -> None:
        """Ends the torrent for good; the first reason stays. Called by a task that failed, or by `aclose`."""
        if self._ending is None:
            self.error = error
            self.state = TorrentState.STOPPED
            for milestone in (self.metadata_known, self.begun, self.announced, self.completed):
                milestone.miss(error)
            self.arrivals.reconsider()
            self._ending = self._loop.create_task(self._end(), name=f"end torrent {self.info_hash.hex()}")

    async def _end(self) -> None:
        goodbye = self._loop.create_task(self.discovery.aclose(), name=f"leave {self.info_hash.hex()}")
        await self._tasks.aclose()  # first: a dial that has just succeeded is a connection to be closed
        await self.swarm.aclose()
        await self._remember()
        if self.content is not None:
            await self.content.aclose()
        self._parts.claims.release(self.info_hash)
        await self._jobs.wait_idle()
        await goodbye


ENOUGH_PEERS = 10  # with so many connected, the DHT is only asked when the announcement is due


def _geometry_of(metainfo: Metainfo) -> Geometry:
    total_bytes, piece_length = metainfo.total_bytes, metainfo.piece_length
    padding = ((entry.offset, entry.length) for entry in metainfo.files if entry.is_padding)
    zeros = zero_blocks_of(padding, total_bytes=total_bytes, piece_length=piece_length)
    return Geometry(total_bytes, piece_length, zeros)


def _tiers(source: Metainfo | Magnet) -> tuple[tuple[str, ...], ...]:
    """BEP 12 tiers; the trackers of a magnet link are a tier each, as libtorrent has it."""
    return source.trackers if isinstance(source, Metainfo) else tuple((url,) for url in source.trackers)
