"""The connections of one torrent: adopts them, moves bytes, serves blocks.

What to do, two cores decide: `SwarmCore` what is exchanged, `DiallingCore` which peers there is a connection with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from bittorrent.aio.peers.dialler import Dialler
from bittorrent.aio.peers.encryption import CoveredTransports
from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.aio.storage.block_server import BlockReads, BlockServer
from bittorrent.config import SessionConfig
from bittorrent.dialling.core import DiallingCore
from bittorrent.dialling.decisions import Call, Eviction
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_list import PeerList, PeerSource
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.origin import Origin, ServerUrl
from bittorrent.peer.events import HandshakeReceived
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import SwarmEvent
from bittorrent.wire.handshake import Handshake
from transfer.address import Address
from transfer.aio.tasks import TaskSet
from transfer.path_stats import PathStats


class Swarm:
    """Drives a `SwarmCore` and a `DiallingCore` over asyncio.

    Args:
        core: decides what is exchanged.
        dialling: decides which peers are called, which may come in, and which have to go.
        handshake: ours for this torrent, by its first hash; others are named as `dialling` or the peer does.
        v2_hash: the first 20 bytes of its version 2 hash, if it is known.
        config: bounds.
        on_event: the torrent's part: pieces, metadata, bans.
        on_peer: told of a peer that takes part from now on, or with a reason of one that is gone.
        reads: of the content, for uploads.
        transports: carry calls.
        tasks: where dials and uploads run; their errors stop the torrent.
    """

    def __init__(
        self,
        *,
        core: SwarmCore,
        dialling: DiallingCore,
        handshake: Handshake,
        v2_hash: bytes | None = None,
        config: SessionConfig,
        on_event: Callable[[SwarmEvent], None],
        on_peer: Callable[[Origin, str | None], None],
        reads: BlockReads,
        transports: CoveredTransports,
        tasks: TaskSet,
    ) -> None:
        self.core = core
        self.dialling = dialling
        self.listen_port: int | None = None
        self.dht_port: int | None = None
        self.is_started = False
        self._handshake = handshake
        self.v2_hash = v2_hash
        self._config = config
        self._on_event = on_event
        self._on_peer = on_peer
        self._server = BlockServer(core, reads, pump=self.pump, tasks=tasks)
        self._dialler = Dialler(
            dialling,
            transport_of=transports.of,
            new_connection=self._new_call,
            on_outcome=self._call_ended,
            timeout_s=config.connect_timeout_s,
            asks_system=config.only_proxy is None,
            tasks=tasks,
        )
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, PeerConnection] = {}  # by the number that `dialling` gave them
        self._connections: dict[int, PeerConnection] = {}  # those that take part, by the number that `core` gave them
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False

    @property
    def connection_count(self) -> int:
        """The connections that there are, or may be soon."""
        return self.dialling.connection_count

    @property
    def dialling_count(self) -> int:
        """Connections that are being opened."""
        return self.dialling.half_open_count

    @property
    def last_met_at(self) -> float | None:
        """When a peer was met that was not there already; None before."""
        return self.dialling.last_met_at

    def encryption_of(self, number: int) -> str | None:
        """What hides the stream of the peer with this number."""
        connection = self._connections.get(number)
        return connection.encryption if connection is not None else None

    def path_of(self, number: int) -> PathStats | None:
        """What the carrier of a connection knows of its path; the number is the one that `core` gave the peer."""
        connection = self._connections.get(number)
        return connection.path_stats if connection is not None else None

    @property
    def peers(self) -> PeerList:
        """The endpoints that are known."""
        return self.dialling.peers

    def readdress(self, port: int) -> None:
        """Peers reach us at another port from now on: those that are here hear it, too."""
        self.listen_port = port
        for peer in self.core.peers.values():
            peer.core.announce_extensions(listen_port=port)
            self._connections[peer.number].flush()

    def start(self) -> None:
        """Starts the clock, and dials the peers that the list names."""
        self.is_started = True
        self._tick()

    def adopt(self, connection: PeerConnection) -> None:
        """Takes over an incoming connection whose handshake names this torrent."""
        core = connection.core
        assert isinstance(core.address, Address)  # a server is never heard, only asked
        assert connection.entry is not None  # the reception saw to it
        admission = self.dialling.admit(
            core.address, connection.entry.seat, since=core.opened_at, now=self._loop.time()
        )
        self._evict(admission.evicted)
        if admission.number is None:
            connection.abort()
            return
        connection.owner = self
        connection.ticket = admission.number
        self._take(connection)
        assert core.remote is not None
        core.welcome(replace(self._handshake, info_hash=self._answer_to(core.remote)))
        if core.remote.peer_id == self._handshake.peer_id:
            connection.finish("connected to ourselves")  # once our other end has read who we are
        else:
            self._settle(connection)
        self.pump()

    def _answer_to(self, asked: Handshake) -> bytes:
        """The hash as the peer calls the torrent, or the version 2 hash if the peer offers to go on under that."""
        return self.v2_hash if asked.supports_v2 and self.v2_hash is not None else asked.info_hash

    def learn(self, torrent_id: TorrentId) -> None:
        """The torrent turned out to have another hash as well: from now on peers are greeted by both."""
        self._handshake = replace(self._handshake, info_hash=torrent_id.info_hash)
        self.v2_hash = torrent_id.v2_short
        self.dialling.greetings.learn(torrent_id)

    def add_addresses(
        self, addresses: Iterable[Address], source: PeerSource, *, info_hash: bytes | None = None
    ) -> None:
        """Endpoints from anywhere; those that are news are dialled as soon as there is room.

        Args:
            info_hash: the hash of the torrent that they were found under, if they were.
        """
        if info_hash is not None:
            addresses = list(addresses)
            for address in addresses:
                self.dialling.greetings.found(address, info_hash)
        self.peers.add_all(addresses, source, now=self._loop.time())
        if self.is_started:
            self._dial()
            if not self._closed:
                self._arm()

    def invite(self, address: Address) -> bool:
        """The peer at this endpoint calls us now, and is called at once; False if it is not to be called."""
        if not self.is_started or self._closed or not self.dialling.invite(address, now=self._loop.time()):
            return False
        self._loop.call_soon(self._dial)
        return True

    def new_connection(self, server: ServerUrl) -> PeerConnection:
        """Our end of a connection that the caller makes, to a peer in this process that stands for a server.

        That peer may say as much as it likes.
        """
        config = replace(self._config.peer, control_rate_per_s=1e6, control_burst=1e6)
        return PeerConnection(self, handshake=self._handshake, config=config, transport="http", server=server)

    def _new_call(self, call: Call) -> PeerConnection:
        info_hash, offers_upgrade = call.greeting
        handshake = replace(
            self._handshake,
            info_hash=info_hash,
            supports_v2=offers_upgrade,
            upgrade_to=self.v2_hash if offers_upgrade else None,
        )
        connection = PeerConnection(self, handshake=handshake, config=self._config.peer, transport=call.path.transport)
        connection.ticket = call.number
        return connection

    def call_again(self) -> None:
        """Dials every peer that is not connected, without waiting for its turn."""
        self.peers.call_again(now=self._loop.time())
        if self.is_started:
            self._dial()

    async def pause(self) -> None:
        """Ends every connection, and makes and takes none until `resume`; returns when all are gone."""
        self.hold()
        for connection in self._standing():
            connection.core.close("the torrent is paused")
            connection.abort()
        await self._all_gone.wait()

    def hold(self) -> None:
        """Makes and takes no connections until `resume`."""
        self.dialling.hold()

    def resume(self) -> None:
        """Dials again."""
        self.dialling.resume(now=self._loop.time())
        if self.is_started:
            self._dial()

    def become_private(self) -> None:
        """The torrent is private (BEP 27): peers hear of no DHT, and those that only strangers named are forgotten."""
        self.dht_port = None
        self._handshake = replace(self._handshake, supports_dht=False)
        self._evict(self.dialling.become_private())

    def ban(self, address: Origin) -> None:
        """Has nothing to do with a host any more: its connections end, and there will be no others."""
        self._evict(self.dialling.ban(address))

    def set_ip_filter(self, blocked: IpFilter) -> None:
        """Has nothing to do with the hosts on this list any more."""
        self._evict(self.dialling.set_filter(blocked))

    def pump(self) -> None:
        """Carries out everything the core decided: to be called after each call to it."""
        while (event := self.core.next_event()) is not None:
            self._on_event(event)
        while touched := self.core.peers_to_flush():
            for peer in touched:
                connection = self._connections.get(peer.number)
                if connection is not None:
                    connection.flush()
                    self._server.serve(connection)
        if not self._closed and self.is_started:
            self._arm()

    async def aclose(self) -> None:
        """Ends every connection and waits until each is gone. The tasks have ended already."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.dialling.close()
        for connection in self._standing():
            connection.abort()
        await self._all_gone.wait()

    # ConnectionOwner

    def connection_opened(self, connection: PeerConnection) -> None:
        now = self._loop.time()
        if connection.ticket:
            is_wanted = self.dialling.opened(connection.ticket, now=now)
            self._dialler.give_up()
        else:
            connection.ticket = self.dialling.join(connection.core.address, now=now)
            is_wanted = self.dialling.takes_connections
        self._take(connection)
        if not is_wanted:
            connection.abort()

    def _take(self, connection: PeerConnection) -> None:
        self._all_gone.clear()
        self._open[connection.ticket] = connection
        if self.is_started and not self._closed:
            self._arm()

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        now = self._loop.time()
        if connection.number:
            self.core.receive(connection.number, size, now=now)
        else:
            connection.core.buffer_updated(size, now=now)
            self._settle(connection)
        self.pump()

    def connection_writable(self, connection: PeerConnection) -> None:
        self._server.serve(connection)
        self.pump()

    def connection_lost(self, connection: PeerConnection) -> None:
        now, core, number = self._loop.time(), connection.core, connection.number
        is_seed = bool(number) and self.core.is_seed(number)
        if self._connections.pop(number, None) is not None:
            self.core.remove_peer(number, now=now)
            self._on_peer(core.address, core.closed_because or "the connection was closed")
        self.dialling.ended(
            connection.ticket,
            peer_id=core.remote.peer_id if core.remote is not None else None,
            was_turned_away=core.was_turned_away,
            is_seed=is_seed,
            now=now,
        )
        del self._open[connection.ticket]
        if not self._open:
            self._all_gone.set()
        if not self._closed:
            self._dial_again(now=now)
            self.pump()

    # Handshakes

    def _settle(self, connection: PeerConnection) -> None:
        """Hands a connection over to the core once both handshakes are done."""
        core = connection.core
        if core.is_ready and isinstance(core.next_event(), HandshakeReceived):
            assert core.remote is not None
            now = self._loop.time()
            meeting = self.dialling.met(connection.ticket, core.remote.peer_id, now=now)
            self._evict(meeting.evicted)
            if meeting.is_kept:
                number = connection.number = self.core.add_peer(
                    core,
                    listen_port=self.listen_port,
                    dht_port=self.dht_port,
                    is_dialled=self.dialling.is_called(connection.ticket),
                    transport=connection.carrier,
                    is_encrypted=connection.encryption == "rc4",
                    now=now,
                )
                self._connections[number] = connection
                self.dialling.joined(connection.ticket, self.core.peers[number], now=now)
                self._on_peer(core.address, None)
                return
            core.close("connected to this peer already")
        if core.is_closed or core.has_output:
            connection.flush()

    def _evict(self, evictions: Iterable[Eviction]) -> None:
        for number, reason in evictions:
            self._open[number].core.close(reason)
            self._open[number].flush()

    def _standing(self) -> list[PeerConnection]:
        """Every connection: first those that take part."""
        return [*self._connections.values(), *(one for one in self._open.values() if not one.number)]

    # Dialling

    def _dial(self) -> None:
        if not self._closed:
            self._dialler.dial(wants_seeds=not self.core.is_finished)

    def _dial_again(self, *, now: float) -> None:
        """A peer that is to be called by another path does not wait for the clock."""
        if self.dialling.is_path_due(now=now):
            self._loop.call_soon(self._dial)

    def _call_ended(self) -> None:
        if not self._closed:
            self._dial_again(now=self._loop.time())
            self._arm()

    # The clock

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        for number, connection in self._connections.items():
            undelivered_bytes = connection.undelivered_bytes
            self.core.note_backlog(
                number,
                delivered_bytes=connection.written_bytes - undelivered_bytes,
                undelivered_bytes=undelivered_bytes,
                is_full=not connection.is_writable,
                now=now,
            )
        self.core.handle_timer(now=now)
        for connection in list(self._connections.values()):
            if connection.is_stalled(self._config.write_timeout_s, now=now):
                connection.core.close("the peer takes nothing of what is sent to it")
                connection.flush()
        for connection in [one for one in self._open.values() if not one.number]:
            connection.core.handle_timer(now=now)
            if connection.core.is_closed:
                connection.abort()
        evicted = self.dialling.handle_timer(wants_seeds=not self.core.is_finished, now=now)
        self._evict(evicted)
        if evicted:
            self._loop.call_soon(self._dial)  # before another peer takes the place
        self.pump()
        self._dial()
        if not self._closed:
            self._arm()

    def _arm(self) -> None:
        due = self._next_due()
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due  # the handle cannot be asked: uvloop's has no `when` for a time that is now
        self._timer = self._loop.call_at(due, self._tick)

    def _next_due(self) -> float:
        """A thousand idle torrents must cost nothing: without a peer to look after there is only the next dial."""
        if not self._connections:
            return self.dialling.next_timer(now=self._loop.time())
        race_at = self.dialling.race_at
        return self.core.next_timer() if race_at is None else min(self.core.next_timer(), race_at)
