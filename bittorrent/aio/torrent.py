"""One torrent from its source to the last verified piece, and on as a seed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from bittorrent.aio.content import Content, Totals
from bittorrent.aio.discovery import Discovery
from bittorrent.aio.disk import DiskJobs
from bittorrent.aio.guarded_http import GuardedHttp
from bittorrent.aio.milestone import Milestone
from bittorrent.aio.swarm import Swarm
from bittorrent.aio.tracker import TrackerAnnouncer, TrackerClient, TransferTotals
from bittorrent.aio.web_seed import WebSeeds
from bittorrent.config import SessionConfig
from bittorrent.errors import NoPeersError, StorageError, TorrentStoppedError
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.peer_list import PeerList, PeerSource
from bittorrent.picker.geometry import Block, Geometry
from bittorrent.stats import SourceStats, TorrentState, TorrentStats
from bittorrent.storage.claims import PathClaims
from bittorrent.storage.ports import OpenStorage
from bittorrent.storage.resume import ResumeStore
from bittorrent.swarm import SwarmCore
from bittorrent.swarm_events import DhtNodeFound, MetadataCompleted, PeerBanned, PieceCompleted, SwarmEvent
from bittorrent.wire.handshake import Handshake
from kademlia_core.errors import NodeClosedError
from transfer.address import Address, is_ip_address
from transfer.aio.tasks import TaskSet
from transfer.aio.transports import StreamTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.aio.mainline import MainlineNode


class Torrent:
    """A torrent of a `Session`, which makes it: see `Session.add`.

    Args:
        source: what to fetch or seed.
        download_dir: where its files are.
        state_dir: where its state is kept for good.
        seed_only: never write; stop with StorageError unless every piece is on disk already.
        super_seed: send each piece once before any twice (BEP 16).
    """

    def __init__(
        self,
        *,
        source: Metainfo | Magnet,
        download_dir: Path,
        state_dir: Path | None,
        seed_only: bool,
        super_seed: bool,
        peer_id: bytes,
        listen_port: int,
        dht: MainlineNode | None,
        web_seeds: tuple[str, ...],
        trackers: TrackerClient,
        http: GuardedHttp,
        executor: Executor,
        open_storage: OpenStorage,
        transport: StreamTransport,
        claims: PathClaims,
        room: Callable[[], int],
        config: SessionConfig,
        rng: Random,
    ) -> None:
        self.info_hash = source.info_hash
        self.metainfo = source if isinstance(source, Metainfo) else None
        self._download_dir = download_dir
        self._state_dir = state_dir
        self._source = source
        self._seed_only = seed_only
        self._super_seed = super_seed
        self._jobs = DiskJobs(executor)
        self._open_storage = open_storage
        self._claims = claims
        self._http = http
        self._rng = rng
        self._web_urls = (*web_seeds, *source.web_seeds)
        self._web_seeds: WebSeeds | None = None
        self._config = config
        self._state = TorrentState.METADATA if self.metainfo is None else TorrentState.CHECKING
        self._error: BaseException | None = None
        self._metadata: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._all_verified = asyncio.Event()
        self._metadata_known = Milestone()
        self._announced = Milestone()
        self._completed = Milestone()
        if self.metainfo is not None:
            self._metadata_known.reach()
        self._ending: asyncio.Task[None] | None = None
        self._checked_pieces = 0
        self._resolving = 0
        self._unresolved: list[str] = []  # names of peers that have no address
        self._content: Content | None = None
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._tasks = TaskSet(self._stop)
        self._core = SwarmCore(info_hash=self.info_hash, rng=rng, config=config.swarm)
        self._dht = None if self.metainfo is not None and self.metainfo.private else dht
        self.swarm = Swarm(
            core=self._core,
            peers=PeerList(rng=rng),
            handshake=Handshake(
                info_hash=self.info_hash, peer_id=peer_id, supports_dht=self._dht is not None, supports_fast=True
            ),
            config=config,
            room=room,
            on_event=self._handle,
            read_blocks=self._read_blocks,
            transport=transport,
            tasks=self._tasks,
        )
        self.swarm.listen_port = listen_port
        self.swarm.dht_port = self._dht.address.port if self._dht is not None else None
        self._discovery = Discovery(
            info_hash=self.info_hash,
            port=listen_port,
            dht=self._dht,
            announcer=self._make_announcer(trackers, peer_id, listen_port),
            config=config,
            has_other_sources=self._has_other_sources,
            is_satisfied=self._is_satisfied,
            on_addresses=self.swarm.add_addresses,
            tasks=self._tasks,
        )

    # Use

    @property
    def name(self) -> str:
        """The name of the file or folder; for a magnet link what the link calls it, or the info-hash."""
        return self.metainfo.name if self.metainfo is not None else self._source.name or self.info_hash.hex()

    @property
    def download_dir(self) -> Path:
        """Where the files are."""
        return self._content.download_dir if self._content is not None else self._download_dir

    @property
    def accepts_peers(self) -> bool:
        """Whether an incoming connection is welcome: not while the check decides what may be offered."""
        return self._state in (TorrentState.METADATA, TorrentState.DOWNLOADING, TorrentState.SEEDING)

    @property
    def state(self) -> TorrentState:
        return self._state

    @property
    def error(self) -> BaseException | None:
        """What stopped the torrent; None while it lives. A seed has nobody else to tell."""
        return self._error

    @property
    def web_seeds_dropped(self) -> dict[str, str]:
        """The web seeds that proved to be of no use, and why."""
        return dict(self._web_seeds.dropped) if self._web_seeds is not None else {}

    @property
    def left_bytes(self) -> int:
        """What is still missing; trackers count a torrent whose metadata is not here as one byte short."""
        if self._core.picker is not None:
            return self._core.picker.missing_bytes
        return self.metainfo.total_bytes if self.metainfo is not None else 1

    async def wait_metadata(self) -> Metainfo:
        """Returns the metainfo as soon as it is known; at once unless the source is a magnet link.

        Raises:
            TransferError: what stopped the torrent before.
        """
        await self._metadata_known.wait()
        assert self.metainfo is not None
        return self.metainfo

    async def wait_complete(self) -> None:
        """Returns once every piece is verified and on disk.

        Raises:
            TransferError: what stopped the torrent: StorageError, NoPeersError, MetainfoError, ….

        Cancellation: only this wait ends; the torrent goes on.
        """
        await self._completed.wait()

    async def wait_announced(self) -> None:
        """Returns once a tracker has accepted an announcement. Without one that works, it waits for the torrent's end.

        Raises:
            TransferError: what stopped the torrent before.
        """
        await self._announced.wait()

    async def progress(self, *, interval_s: float = 0.5) -> AsyncIterator[TorrentStats]:
        """A snapshot now and every `interval_s`, the last one when complete.

        Raises:
            TransferError: as `wait_complete`.
        """
        while self._completed.is_ahead:
            yield self.statistics()
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._completed.wait()
        await self._completed.wait()
        yield self.statistics()

    def add_peers(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Endpoints to try, IP addresses or names; they are tried again for as long as the torrent lives."""
        for host, port in addresses:
            if is_ip_address(host):
                self.swarm.add_addresses([Address(host, port)], PeerSource.MANUAL)
            else:
                self._resolving += 1
                self._tasks.start(self._resolve(host, port), name=f"resolve {host}")

    async def move(self, directory: str | os.PathLike[str]) -> None:
        """Brings the files to another directory, on any file system, while the torrent goes on.

        Raises:
            StorageError: something is there already, or the system refused; everything is where it was.
        """
        await self._need_content("move").move(Path(directory))

    async def rename_file(self, number: int, path: str) -> None:
        """Gives the file `metainfo.files[number]` another path below the download directory, while the torrent goes on.

        Raises:
            StorageError: no safe path, something is there already, or the system refused.
        """
        await self._need_content("rename a file of").rename(number, tuple(path.split("/")))

    def statistics(self) -> TorrentStats:
        """A snapshot; costs a look at every connected peer."""
        now = self._loop.time()
        core, picker = self._core, self._core.picker
        total = self.metainfo.total_bytes if self.metainfo is not None else 0
        rate = core.download_rate_bytes_per_s(now=now)
        left = picker.missing_bytes if picker is not None else total
        sources = [
            SourceStats(address=address, pieces=given.pieces, size_bytes=given.size_bytes)
            for address, given in core.contributions.items()
        ]
        return TorrentStats(
            state=self._state,
            info_hash=self.info_hash,
            name=self.name,
            total_bytes=total,
            done_bytes=total - left,
            piece_count=self.metainfo.piece_count if self.metainfo is not None else 0,
            done_pieces=picker.have.count if picker is not None else 0,
            checked_pieces=self._checked_pieces,
            downloaded_bytes=core.downloaded_bytes,
            uploaded_bytes=core.uploaded_bytes,
            wasted_bytes=core.wasted_bytes,
            failed_pieces=core.failed_pieces,
            download_rate_bytes_per_s=rate,
            upload_rate_bytes_per_s=core.upload_rate_bytes_per_s(now=now),
            peers=len(core.peers),
            known_peers=len(self.swarm.peers),
            eta_s=left / rate if rate > 0 and picker is not None else None,
            sources=tuple(sorted(sources, key=lambda source: -source.size_bytes)),
            lookup=self._discovery.lookup,
        )

    # Life

    def start(self) -> None:
        """Called once by the session."""
        self._tasks.start(self._run(), name=f"torrent {self.info_hash.hex()}")

    async def aclose(self) -> None:
        """Stops, tells the trackers, closes every connection and file. What was verified is on disk."""
        self._stop(TorrentStoppedError(f"{self.name} was stopped"))
        assert self._ending is not None
        await asyncio.shield(self._ending)

    async def _run(self) -> None:
        resume = ResumeStore(self._download_dir, state_dir=self._state_dir)
        metainfo = self.metainfo or await self._jobs.run(lambda: resume.load(self.info_hash))
        if metainfo is None:
            self._find_peers()
            metainfo = Metainfo.from_info(await self._metadata, trackers=_tiers(self._source))
            await self._jobs.run(lambda: resume.save(metainfo))
        if metainfo.private:
            self._dht = None
            self._discovery.leave_dht()
            self.swarm.leave_dht()
        self.metainfo = metainfo
        self._state = TorrentState.CHECKING
        self._metadata_known.reach()
        content = self._content = Content(
            metainfo,
            download_dir=self._download_dir,
            state_dir=self._state_dir,
            seed_only=self._seed_only,
            open_storage=self._open_storage,
            claims=self._claims,
            jobs=self._jobs,
            state=await self._jobs.run(lambda: resume.load_state(self.info_hash)),
        )
        have = await content.check(self._note_checked)
        if self._seed_only and not have.is_full:
            missing = metainfo.piece_count - have.count
            raise StorageError(
                f"{missing} of {metainfo.piece_count} pieces of {self.name} are missing or damaged in "
                f"{self.download_dir}; fetch them with `kad get`, or name the directory that holds the files"
            )
        self._checked_pieces = metainfo.piece_count
        self._state = TorrentState.DOWNLOADING
        geometry = Geometry(metainfo.total_bytes, metainfo.piece_length)
        self._core.begin(geometry, have, metainfo.info_bytes, super_seed=self._super_seed, now=self._loop.time())
        was_complete = have.is_full
        self._finish_if_complete()
        self._find_peers()
        self._start_web_seeds(metainfo)
        self.swarm.pump()
        await self._all_verified.wait()
        if not self._seed_only:
            await content.disk.flush()  # a disk that is full, or far away, may say so only now
            if not resume.is_lasting:
                with suppress(StorageError):  # a note that stays behind is of no use and does no harm
                    await self._jobs.run(lambda: resume.forget(self.info_hash))
        await self._remember()
        self._completed.reach()
        if not was_complete:
            self._discovery.completed()

    async def _remember(self) -> None:
        """Stores what the next start can believe; without it everything is hashed then."""
        picker = self._core.picker
        if self._content is not None and picker is not None:
            before = self._content.totals
            totals = Totals(
                downloaded_bytes=before.downloaded_bytes + self._core.downloaded_bytes,
                uploaded_bytes=before.uploaded_bytes + self._core.uploaded_bytes,
            )
            with suppress(StorageError):
                await self._content.remember(picker.have, totals)

    def _need_content(self, action: str) -> Content:
        if self._content is None or self._ending is not None:
            raise StorageError(f"cannot {action} {self.name}: its files are not open")
        return self._content

    def _make_announcer(self, client: TrackerClient, peer_id: bytes, port: int) -> TrackerAnnouncer | None:
        tiers = _tiers(self._source)
        if not tiers:
            return None
        return TrackerAnnouncer(
            tiers,
            client,
            info_hash=self.info_hash,
            peer_id=peer_id,
            port=port,
            totals=lambda: TransferTotals(self._core.uploaded_bytes, self._core.downloaded_bytes, self.left_bytes),
            on_peers=lambda addresses: self.swarm.add_addresses(addresses, PeerSource.TRACKER),
        )

    def _find_peers(self) -> None:
        """Starts, once, to dial and to ask for peers."""
        if not self._discovery.is_started:
            self.swarm.start()
            self._discovery.start()
            self._tasks.start(self._note_announced(), name="wait for trackers")
            if isinstance(self._source, Magnet):
                self.add_peers(self._source.peers)
            if self._config.no_peers_timeout_s is not None:
                self._tasks.start(self._give_up_alone(self._config.no_peers_timeout_s), name="wait for peers")

    def _start_web_seeds(self, metainfo: Metainfo) -> None:
        if self._web_urls and not self._core.is_complete:
            self._web_seeds = WebSeeds(
                self._web_urls,
                metainfo,
                http=self._http,
                new_connection=self.swarm.new_connection,
                is_banned=self.swarm.peers.is_banned,
                is_wanted=lambda: not self._core.is_complete,
                rng=self._rng,
                tasks=self._tasks,
                config=self._config.web_seed,
            )
            self._web_seeds.start()

    async def _resolve(self, host: str, port: int) -> None:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            self._unresolved.append(host)
        else:
            addresses = [Address.from_socket((str(name[0]), port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]
            self.swarm.add_addresses(addresses, PeerSource.MANUAL)
        finally:
            self._resolving -= 1

    async def _note_announced(self) -> None:
        await self._discovery.wait_announced()
        self._announced.reach()

    async def _give_up_alone(self, timeout_s: float) -> None:
        """Without a DHT nobody may ever come; a program that waits for ever looks broken."""
        while self._has_met_nobody():
            await asyncio.sleep(timeout_s)
            if self._has_met_nobody() and not self._discovery.may_find_more:
                raise NoPeersError(self._discovery.explain_loneliness(self._unresolved))

    def _has_met_nobody(self) -> bool:
        return self.swarm.last_met_at is None and not self._core.is_complete

    def _has_other_sources(self) -> bool:
        """Whether a DHT that fails is not the end. Who has met somebody, or is a seed, may be found by others too."""
        has_hope = bool(_tiers(self._source) or self._web_urls) or len(self.swarm.peers) > 0 or self._resolving > 0
        return has_hope or not self._has_met_nobody()

    def _is_satisfied(self) -> bool:
        return self._completed.is_reached or len(self._core.peers) >= ENOUGH_PEERS

    def _handle(self, event: SwarmEvent) -> None:
        match event:
            case PieceCompleted():
                self._tasks.start(self._store(event), name=f"store piece {event.index}")
            case MetadataCompleted(info_bytes):
                if not self._metadata.done():
                    self._metadata.set_result(info_bytes)
            case PeerBanned(address):
                self.swarm.ban(address)
            case DhtNodeFound(address):
                if self._dht is not None:
                    with suppress(NodeClosedError):  # it is the caller's, who may close it first
                        self._dht.add_node(address)

    async def _store(self, piece: PieceCompleted) -> None:
        assert self._content is not None
        is_right = await self._content.disk.store(piece.index, piece.buffer)
        if is_right:
            self._core.piece_verified(piece, now=self._loop.time())
            self._finish_if_complete()
        else:
            self._core.piece_failed(piece, now=self._loop.time())
        self.swarm.pump()

    async def _read_blocks(self, blocks: Sequence[Block]) -> list[bytes]:
        assert self._content is not None
        return await self._content.disk.read(blocks)

    def _note_checked(self, pieces: int) -> None:
        self._checked_pieces = pieces

    def _finish_if_complete(self) -> None:
        if self._core.is_complete and self._state is TorrentState.DOWNLOADING:
            self._state = TorrentState.SEEDING
            self._all_verified.set()

    def _stop(self, error: BaseException) -> None:
        """Ends the torrent for good; the first reason stays. Called by a task that failed, or by `aclose`."""
        if self._ending is None:
            self._error = error
            self._state = TorrentState.STOPPED
            for milestone in (self._metadata_known, self._announced, self._completed):
                milestone.miss(error)
            self._ending = self._loop.create_task(self._end(), name=f"end torrent {self.info_hash.hex()}")

    async def _end(self) -> None:
        goodbye = self._loop.create_task(self._discovery.aclose(), name=f"leave {self.info_hash.hex()}")
        await self._tasks.aclose()  # first: a dial that has just succeeded is a connection to be closed
        await self.swarm.aclose()
        await self._remember()
        if self._content is not None:
            await self._content.aclose()
        self._claims.release(self.info_hash)
        await self._jobs.wait_idle()
        await goodbye


MAX_ADDRESSES_PER_NAME = 4
ENOUGH_PEERS = 10  # with so many connected, the DHT is only asked when the announcement is due


def _tiers(source: Metainfo | Magnet) -> tuple[tuple[str, ...], ...]:
    """BEP 12 tiers; the trackers of a magnet link are a tier each, as libtorrent has it."""
    return source.trackers if isinstance(source, Metainfo) else tuple((url,) for url in source.trackers)
