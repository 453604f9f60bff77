"""Several torrents behind one listening port, one DHT node and one set of worker threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bittorrent.aio.peers.encryption import new_gate, possible_encryption
from bittorrent.aio.peers.private_calls import PrivateCalls, is_behind_nat
from bittorrent.aio.peers.reception import Reception
from bittorrent.aio.reachability import Reachability
from bittorrent.aio.session_sockets import SessionSockets
from bittorrent.aio.sources.guarded_http import GuardedHttp, HttpConfig
from bittorrent.aio.sources.session_discovery import SessionDiscovery
from bittorrent.aio.sources.tracker import TrackerClient, TrackerConfig
from bittorrent.aio.storage.disk import DiskJobs
from bittorrent.aio.storage.planned_places import PlannedPlaces
from bittorrent.aio.torrent import Torrent
from bittorrent.aio.torrent_parts import SessionParts, TorrentOptions, replaceable
from bittorrent.aio.way_out import WayOut
from bittorrent.config import LIMIT_ADVICE, SessionConfig
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.paths import PUNCH, TCP, UTP
from bittorrent.dialling.targets import TargetRule
from bittorrent.errors import JobInterruptedError
from bittorrent.files.same_files import SameFiles
from bittorrent.identity.registry import TorrentRegistry
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.selection import FileName
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.rate_limits import RateLimits, SwarmLimits
from bittorrent.reachability import ReachabilityStats
from bittorrent.stats import SessionStats, TorrentState
from bittorrent.storage.claims import PathClaims, Places
from bittorrent.storage.files import FileStorage
from bittorrent.storage.ports import OpenStorage
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.limits import Limits
from transfer.aio.tcp import TcpConfig, TcpTransport
from transfer.aio.transports import Listener, StreamTransport
from transfer.errors import LocalProtocolError
from transfer.portmap.values import PortMapStatus

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


class Session:
    """Downloads and seeds torrents.

    Usage: `async with Session("downloads") as session: torrent = await session.add("magnet:?xt=urn:btih:…")`.

    Args:
        download_dir: where files go; made when the first byte arrives.
        host: the IP address to listen on.
        port: where peers can reach us; 0 takes a free one, and `address` tells which.
        dht: a running node to find and to announce peers with; it stays the caller's to close.
        datagrams: bound UDP ports to ask trackers from, one or one of each address family; they stay the caller's. When
            none are given, the session uses those of `dht` if that has the session's address, and binds its own beside
            TCP if not.
        config: bounds and times.
        rng: where choices come from; by default the system's random source.
        open_storage: makes the storage of each torrent; by default files below the download directory.
        transport: carries the connections with peers; by default TCP.
        state_dir: where is kept what was verified of each torrent, so that the next start need not hash what has not
            changed. Without it, that is kept beside the files, and only while a download is unfinished.
        ip_filter: hosts to have nothing to do with.
        local_discovery: call for peers in the local network, and answer theirs (BEP 14). Private torrents are
            not spoken of. A machine without multicast goes without: `local_discovery_error` says why.

    Attributes:
        torrents: a live, read-only mapping: each torrent once, by its info-hash, and found by any of its hashes.
        limits: of its connections; `session.limits.explain()` says which of them refused whom, and how to change it.

    Raises:
        ProxyError: on entry, when the proxy of the config cannot be reached or refuses us.
        OSError: on entry, when the address cannot be listened on, for TCP or for UDP.
        Rc4UnavailableError: on entry, when encryption is required, and this build of OpenSSL cannot do it. Where it is
            not required, the session goes without.
        CongestionControlError: on entry, when the system's TCP has no such controller as the config names.
    """

    def __init__(
        self,
        download_dir: str | os.PathLike[str] = ".",
        *,
        host: str = "0.0.0.0",
        port: int = 0,
        dht: MainlineNode | None = None,
        datagrams: DatagramPort | tuple[DatagramPort, ...] | None = None,
        config: SessionConfig | None = None,
        rng: Random | None = None,
        open_storage: OpenStorage = FileStorage,
        transport: StreamTransport | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        ip_filter: IpFilter | None = None,
        local_discovery: bool = False,
    ) -> None:
        self.download_dir = Path(download_dir)
        self.torrents: TorrentRegistry[Torrent] = TorrentRegistry()
        self._same_files: SameFiles[Any] = SameFiles()
        self._host = host
        self._port = port
        self._dht = dht
        self._config = (config or SessionConfig()).for_parts()
        self._rng = rng or Random(SystemRandom().getrandbits(128))
        self._open_storage = open_storage
        self._transport = transport or TcpTransport(TcpConfig(congestion=self._config.tcp_congestion))
        self._way_out = WayOut(self._config, self._transport, host=host)
        self._transports = {TCP: self._way_out.dialling}
        given = (datagrams,) if isinstance(datagrams, DatagramPort) else datagrams
        self._way_out.check(dht, given)
        self._sockets = SessionSockets(
            self._transport,
            given=given,
            dht=dht,
            utp=self._config.utp,
            needs_utp={path.transport for path in self._config.paths.paths} == {UTP.transport},
            way_out=self._way_out,
            rng=self._rng,
        )
        self._state_dir = Path(state_dir) if state_dir is not None else None
        self._claims = PathClaims()
        self._places = PlannedPlaces(open_storage, self._claims, state_dir=self._state_dir)
        self.limits = Limits(self._config.admission, advice=LIMIT_ADVICE, settles=False)
        self._targets = TargetRule(allow_private=self._config.allow_private)
        self._ip_filter = ip_filter or IpFilter()
        self.limits.core.blocks = self._ip_filter.blocks
        self._rates = SwarmLimits()
        self._wants_local = local_discovery
        self.local_discovery_error: str | None = None
        self._peer_id = PEER_ID_PREFIX + self._rng.randbytes(12)
        self._listener: Listener | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._own_jobs: DiskJobs | None = None
        self._trackers: TrackerClient | None = None
        self._http: GuardedHttp | None = None
        self._local: SessionDiscovery | None = None
        self._reach: Reachability | None = None
        self._reception: Reception | None = None
        self._closing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._listener is not None:
            raise LocalProtocolError("a session can be entered only once; make a new one")
        unknown = [str(path) for path in self._config.paths.paths if path not in {*self._transports, UTP, PUNCH}]
        if unknown:
            raise ValueError(f"no transport for the path {', '.join(unknown)} of SessionConfig.paths")
        self._config = replace(self._config, encryption=possible_encryption(self._config.encryption))
        gate = new_gate(self.torrents, self._config.encryption)
        self._reception = Reception(
            self.limits, torrents=self.torrents, config=self._config.peer, gate=gate, on_caller=self._note_caller
        )
        self.limits.open()
        address = Address(self._host, self._port)
        await self._sockets.open(self._reception.new_connection, address, door=self.limits)
        if self._sockets.utp is not None:
            self._transports.setdefault(UTP, self._sockets.utp)
            self._transports.setdefault(PUNCH, self._transports[UTP])  # with an introduction first, from each torrent
        self._config = replace(self._config, paths=self._config.paths.among(self._transports))
        self._listener = self._sockets.listener
        self._executor = ThreadPoolExecutor(
            max(self._config.disk_threads, os.cpu_count() or 1), thread_name_prefix="disk"
        )
        self._own_jobs = DiskJobs(self._executor)
        self._reach = Reachability(
            self.address,
            uses_udp=bool(self._sockets.datagrams),
            dht=self._dht,
            config=self._config,
            is_behind_nat=not self._way_out.is_sealed and await is_behind_nat(self._host),
            on_change=self._readdress,
            rng=Random(self._rng.getrandbits(64)),
        )
        self._trackers = TrackerClient(
            config=TrackerConfig.of(self._config), datagrams=self._sockets.datagrams, on_seen=self._reach.receive_vote
        )
        self._http = GuardedHttp(HttpConfig(allow_private=self._config.allow_private, proxy=self._config.proxy))
        if self._wants_local and self._config.speaks_locally:
            self._local = SessionDiscovery(self.torrents, self._sockets.listener, self._config.local_discovery)
            self.local_discovery_error = await self._local.open(cookie=self._rng.randbytes(8).hex())
        await self._reach.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def address(self) -> Address:
        """Where the session listens."""
        if self._listener is None or self._closing is not None:
            raise LocalProtocolError(NOT_OPEN)
        return self._listener.addresses[0]

    @property
    def proxy_error(self) -> str | None:
        """Why the proxy, through which all must go, carries no datagrams; None if it does, or if there is none."""
        return self._way_out.error

    @property
    def datagrams(self) -> tuple[DatagramPort, ...]:
        """The UDP ports of the session, for others to join as well: a DHT node that is opened later, say."""
        if self._listener is None or self._closing is not None:
            raise LocalProtocolError(NOT_OPEN)
        return self._sockets.datagrams

    @property
    def ip_filter(self) -> IpFilter:
        """Hosts to have nothing to do with. A new list takes effect at once: connections with them end."""
        return self._ip_filter

    @ip_filter.setter
    def ip_filter(self, blocked: IpFilter) -> None:
        self._ip_filter = blocked
        self.limits.core.blocks = blocked.blocks
        for torrent in self.torrents.values():
            torrent.swarm.set_ip_filter(blocked)

    def set_rate_limits(self, limits: RateLimits, *, counts_local: bool = False) -> None:
        """How fast all torrents together may be, web seeds included; may be changed at any time.

        Args:
            counts_local: the limits of peers elsewhere hold for them and those in this network together.
        """
        self._rates.set(limits)
        self._rates.count_local(counts_local)

    @property
    def connection_count(self) -> int:
        """Of all torrents, and those that have not said yet which torrent they want."""
        return self.limits.core.inbound + self.limits.core.outbound

    async def add(
        self,
        source: str | os.PathLike[str] | Metainfo | Magnet,
        *,
        peers: Iterable[tuple[str, int]] = (),
        web_seeds: Iterable[str] = (),
        download_dir: str | os.PathLike[str] | None = None,
        seed_only: bool = False,
        overwrite: bool | Iterable[str | os.PathLike[str]] = False,
        super_seed: bool = False,
        select: Iterable[FileName] = (),
        sequential: bool = False,
        paused: bool = False,
    ) -> Torrent:
        """Starts a torrent, or returns it when the session has it already. One that stopped is started anew.

        Args:
            source: the path of a .torrent file, a magnet link, or either of them parsed.
            peers: endpoints to try besides those that trackers and the DHT name.
            web_seeds: HTTP servers to fetch from besides those that the source names (BEP 19).
            download_dir: instead of the session's.
            seed_only: nothing is written; the torrent stops with StorageError unless everything is there.
            overwrite: files that others put where those of the torrent belong are replaced. Without it they stop
                the torrent with StorageError: what was not begun by an earlier run, and has no right piece, is never
                written to. Paths instead of True: only what is there is replaced.
            super_seed: for the first and only seed: each piece is sent once before any is sent twice (BEP 16). Without
                effect unless everything is there.
            select: the files that are wanted, as for `Torrent.select`. Nothing at all means what was wanted the last
                time, or what a magnet link selects (BEP 53), or everything. A file that the torrent of a
                magnet link does not have stops it with SelectionError.
            sequential: pieces are begun in the order of the torrent instead of rarest first.
            paused: nothing is moved until `Torrent.resume`; what is on disk is checked all the same.

        Raises:
            MetainfoError, MagnetError: the source is not usable.
            SelectionError: a file is selected that the torrent does not have.
            TorrentCollisionError: another torrent of the session has one of its hashes.
            StorageError: the .torrent file cannot be read, or another torrent writes to the same place (behind a magnet
                link that is seen later, and stops the torrent).
        """
        if self._executor is None or self._trackers is None or self._http is None or self._closing is not None:
            raise LocalProtocolError(NOT_OPEN)
        parsed = await self._parse(source)
        directory = Path(download_dir) if download_dir is not None else self.download_dir
        wanted = tuple(select)
        places: Places | None = None
        while (torrent := self._find(parsed)) is None or torrent.state is TorrentState.STOPPED:
            if torrent is not None:
                await self.remove(torrent)  # its files have to be closed first
            elif places is None and isinstance(parsed, Metainfo):
                plan = partial(self._places.plan, parsed, directory, wanted)
                places = await self._jobs.compute(plan, files=len(parsed.files))
            else:
                break
        if self._closing is not None:
            raise LocalProtocolError(NOT_OPEN)
        if torrent is None:
            if places and isinstance(parsed, Metainfo):
                self._places.claim(parsed, places, directory, writable=not seed_only)
            options = TorrentOptions(
                download_dir=directory,
                state_dir=self._state_dir,
                seed_only=seed_only,
                overwrite=replaceable(overwrite),
                super_seed=super_seed,
                web_seeds=tuple(web_seeds),
                select=wanted,
                sequential=sequential,
                paused=paused,
            )
            torrent = Torrent(parsed, options, self._parts(), rng=Random(self._rng.getrandbits(64)))
            self.torrents.add(parsed.torrent_id, torrent)
            torrent.start()
        elif torrent.error is not None:  # its disk refused
            torrent.resume()
        torrent.add_peers(list(peers))
        return torrent

    async def remove(self, torrent: Torrent, *, delete_files: bool = False) -> None:
        """Stops a torrent; its files stay where they are, unless `delete_files`.

        Raises:
            StorageError: the files could not be deleted; the torrent is removed.

        Cancellation: the torrent ends all the same, and is removed when it is added again or with the session.
        """
        await torrent.aclose()
        self.torrents.discard(torrent.torrent_id, torrent)  # it may have a successor by now
        if delete_files:
            await torrent.delete_files()

    def reachability(self) -> ReachabilityStats:
        """Where others reach this session, and what shows that they can: a snapshot."""
        return self._need_reach().statistics()

    async def wait_port_mapping(self, known: PortMapStatus | None = None) -> PortMapStatus:
        """What became of the mapping at the gateway, once that is something else than `known`; never without one."""
        return await self._need_reach().wait_mapping(known)

    def statistics(self) -> SessionStats:
        """A snapshot."""
        each = [torrent.statistics() for torrent in self.torrents.values()]
        return SessionStats(
            torrents=len(each),
            connections=self.connection_count,
            refused_connections=self.limits.core.refused,
            downloaded_bytes=sum(stats.downloaded_bytes for stats in each),
            uploaded_bytes=sum(stats.uploaded_bytes for stats in each),
        )

    async def aclose(self) -> None:
        """Stops every torrent and closes every socket, thread and file. May be called twice, at the same time too.

        Cancellation: closing goes on; call again to wait for its end.
        """
        if self._listener is None:
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(self._listener), name="close session")
        await asyncio.shield(self._closing)

    async def _close(self, listener: Listener) -> None:
        assert self._reception is not None
        assert self._trackers is not None
        assert self._http is not None
        assert self._executor is not None
        listener.close()
        await self._reception.aclose()
        self.limits.close()
        if self._local is not None:
            await self._local.aclose()
        torrents = list(self.torrents.values())
        assert self._reach is not None
        closers = [self._reach.aclose(), *(torrent.aclose() for torrent in torrents)]
        ended = await asyncio.gather(*closers, return_exceptions=True)
        await self._trackers.aclose()
        await self._http.aclose()
        self._jobs.interrupt()
        await self._jobs.wait_idle()
        self._executor.shutdown()
        await listener.wait_closed()
        await self._sockets.close_datagrams()
        for error in ended:
            if error is not None:
                raise error

    def _need_reach(self) -> Reachability:
        if self._reach is None or self._closing is not None:
            raise LocalProtocolError(NOT_OPEN)
        return self._reach

    def _note_caller(self, caller: Address) -> None:
        if self._reach is not None:
            self._reach.core.receive_caller(caller)

    def _readdress(self) -> None:
        for torrent in self.torrents.values():
            torrent.readdress()

    def _parts(self) -> SessionParts:
        assert self._executor is not None
        assert self._trackers is not None
        assert self._http is not None
        return SessionParts(
            peer_id=self._peer_id,
            dht=self._dht,
            trackers=self._trackers,
            http=self._http,
            executor=self._executor,
            open_storage=self._open_storage,
            transports=self._transports,
            claims=self._claims,
            admission=self.limits.core,
            ip_filter=self._ip_filter,
            reach=self._need_reach(),
            limits=self._rates,
            local=self._local.discovery if self._local is not None else None,
            registry=self.torrents,
            same_files=self._same_files,
            calls=PrivateCalls(self._targets, own_host=self.address.host, asks_system=not self._way_out.is_sealed),
            config=self._config,
        )

    @property
    def _jobs(self) -> DiskJobs:
        assert self._own_jobs is not None
        return self._own_jobs

    def _find(self, source: Metainfo | Magnet) -> Torrent | None:
        return self.torrents.find(source.torrent_id, name=source.name or source.info_hash.hex())

    async def _parse(self, source: str | os.PathLike[str] | Metainfo | Magnet) -> Metainfo | Magnet:
        if isinstance(source, Metainfo | Magnet):
            return source
        if isinstance(source, str) and source[:7].lower() == "magnet:":
            return Magnet.parse(source)
        try:
            return await self._jobs.run_long(lambda pause: Metainfo.from_file(source, pause=pause))
        except JobInterruptedError:
            raise LocalProtocolError(NOT_OPEN) from None


NOT_OPEN = "the session is not open: use `async with`"
PEER_ID_PREFIX = b"-KC0100-"  # Azureus style: two letters, four digits of version (BEP 20)
