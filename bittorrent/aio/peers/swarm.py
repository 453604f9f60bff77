"""The connections of one torrent: dials, adopts, moves bytes, serves blocks. What to do is `SwarmCore`'s decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.aio.peers.private_calls import PrivateCalls
from bittorrent.aio.storage.block_server import BlockReads, BlockServer
from bittorrent.config import SessionConfig
from bittorrent.dialling.connection_tally import ConnectionTally
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_list import PeerList, PeerSource
from bittorrent.dialling.targets import PRIVATE
from bittorrent.dialling.turnover import Turnover
from bittorrent.peer.core import PeerCore
from bittorrent.peer.events import HandshakeReceived
from bittorrent.shares import share_of
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.events import SwarmEvent
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.wire.handshake import Handshake
from transfer.address import Address
from transfer.aio.tasks import TaskSet
from transfer.aio.transports import StreamTransport


class Swarm:
    """Drives a `SwarmCore` over asyncio.

    Args:
        core: decides.
        peers: endpoints to dial.
        handshake: ours for this torrent.
        config: bounds.
        tally: the connections of the whole session.
        on_event: the torrent's part: pieces, metadata, bans.
        on_peer: told of a peer that takes part from now on, or with a reason of one that is gone.
        reads: of the content, for uploads.
        calls: says which peers in private networks may be called.
        transport: dials.
        tasks: where dials and uploads run; their errors stop the torrent.
    """

    def __init__(
        self,
        *,
        core: SwarmCore,
        peers: PeerList,
        handshake: Handshake,
        config: SessionConfig,
        tally: ConnectionTally,
        on_event: Callable[[SwarmEvent], None],
        on_peer: Callable[[Address, str | None], None],
        reads: BlockReads,
        calls: PrivateCalls,
        transport: StreamTransport,
        tasks: TaskSet,
    ) -> None:
        self.core = core
        self.peers = peers
        self.listen_port: int | None = None
        self.dht_port: int | None = None
        self.last_met_at: float | None = None
        self.is_started = False
        self.private: list[Address] = []  # some of the endpoints that may not be called
        self.turned_away_by: dict[Address, None] = {}  # some that could be called and hung up on our handshake
        self._handshake = handshake
        self._config = config
        self._tally = tally
        self._counted = 0
        self._half_open = 0
        self._on_event = on_event
        self._on_peer = on_peer
        self._calls = calls
        self._transport = transport
        self._tasks = tasks
        self._server = BlockServer(core, reads, pump=self.pump, tasks=tasks)
        self._loop = asyncio.get_running_loop()
        self._connections: dict[int, PeerConnection] = {}
        self._handshaking: dict[PeerConnection, None] = {}
        self._dials: dict[int, float] = {}  # that are under way: since when
        self._dial_numbers = count(1)
        self._turnover = Turnover(core.peers, rank=peers.rank, config=config.turnover)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False
        self._paused = False

    @property
    def dialling_count(self) -> int:
        """Connections that are being opened."""
        return len(self._dials)

    @property
    def connection_count(self) -> int:
        return len(self._connections) + len(self._handshaking) + len(self._dials)

    def count_from(self, share: bytes) -> int:
        """How many connections with a host there are: what counts is its share (`share_of`)."""
        return sum(share_of(connection.core.address.host) == share for connection in self._connections.values())

    def start(self) -> None:
        """Starts the clock, and dials whom the list names."""
        self.is_started = True
        self._tick()

    def adopt(self, connection: PeerConnection, *, is_host_full: bool) -> None:
        """Takes over an incoming connection whose handshake names this torrent.

        Args:
            is_host_full: its host has all connections that one host may have: one of them has to go.
        """
        is_refused = self._closed or self._paused or self.peers.is_banned(connection.core.address)
        if is_refused or not self._make_room(connection.core.address, is_host_full):
            connection.abort()
            return
        connection.owner = self
        self.connection_opened(connection)
        connection.core.welcome(self._handshake)
        remote = connection.core.remote
        if remote is not None and remote.peer_id == self._handshake.peer_id:
            connection.finish("connected to ourselves")  # once our other end has read who we are
        else:
            self._settle(connection)
        self.pump()

    def add_addresses(self, addresses: Iterable[Address], source: PeerSource) -> None:
        """Endpoints from anywhere; those that are news are dialled as soon as there is room."""
        self.peers.add_all(addresses, source, now=self._loop.time())
        if self.is_started:
            self._dial()
            if not self._closed:
                self._arm()

    def new_connection(self) -> PeerConnection:
        """Our end of a connection that somebody else makes, to a peer in this process, which may say as much as it
        likes."""
        config = replace(self._config.peer, control_rate_per_s=1e6, control_burst=1e6)
        return PeerConnection(self, handshake=self._handshake, config=config)

    def call_again(self) -> None:
        """Dials whoever is not connected, without waiting for its turn."""
        self.peers.call_again(now=self._loop.time())
        if self.is_started:
            self._dial()

    async def pause(self) -> None:
        """Ends every connection, and makes and takes none until `resume`; returns when all are gone."""
        self.hold()
        for connection in [*self._connections.values(), *self._handshaking]:
            connection.core.close("the torrent is paused")
            connection.abort()
        await self._all_gone.wait()

    def hold(self) -> None:
        """Makes and takes no connections until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Dials again."""
        self._paused = False
        self.call_again()

    def become_private(self) -> None:
        """The torrent is private (BEP 27): peers hear of no DHT, and whom only strangers named is forgotten."""
        self.dht_port = None
        self._handshake = replace(self._handshake, supports_dht=False)
        strangers = set(self.peers.forget(PUBLIC_SOURCES))
        for connection in [*self._connections.values(), *self._handshaking]:
            if connection.dialled in strangers:
                connection.core.close("the torrent is private, and no tracker named this peer")
                connection.flush()

    def ban(self, address: Address) -> None:
        """Has nothing to do with a host any more: its connections end, and there will be no others."""
        self.peers.ban(address)
        self._drop_banned("the peer is banned")

    def set_ip_filter(self, blocked: IpFilter) -> None:
        """Has nothing to do with the hosts on this list any more."""
        self.peers.set_filter(blocked)
        self._drop_banned("the peer is on the list of blocked addresses")

    def _drop_banned(self, reason: str) -> None:
        for connection in [*self._connections.values(), *self._handshaking]:
            if self.peers.is_banned(connection.core.address):
                connection.core.close(reason)
                connection.flush()

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
        for connection in [*self._connections.values(), *self._handshaking]:
            connection.abort()
        await self._all_gone.wait()
        self._dials.clear()  # one that was cancelled before its first step never came to its end
        self._recount()

    # ConnectionOwner

    def connection_opened(self, connection: PeerConnection) -> None:
        self._all_gone.clear()
        self._handshaking[connection] = None
        self._recount()
        if self._closed or self._paused:
            connection.abort()
        elif self.is_started:
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
        now = self._loop.time()
        was_useful = bool(connection.number) and self.core.peers[connection.number].was_useful
        if connection.dialled is not None and connection.number:
            self.peers.note_seed(connection.dialled, self.core.is_seed(connection.number))
        self._handshaking.pop(connection, None)
        if self._connections.pop(connection.number, None) is not None:
            self.core.remove_peer(connection.number, now=now)
            self._on_peer(connection.core.address, connection.core.closed_because or "the connection was closed")
        if connection.dialled is not None:
            self._note_end(connection.dialled, connection.core, was_useful, now)
        self._recount()
        if not self._connections and not self._handshaking:
            self._all_gone.set()
        if not self._closed:
            self.pump()

    # Handshakes

    def _settle(self, connection: PeerConnection) -> None:
        """Hands a connection over to the core once both handshakes are done."""
        core = connection.core
        if core.is_ready and isinstance(core.next_event(), HandshakeReceived):
            assert core.remote is not None
            if self._is_duplicate(connection, core.remote.peer_id):
                core.close("connected to this peer already")
            else:
                now = self._loop.time()
                self.last_met_at = now
                if connection.dialled is not None:
                    self.peers.connected(connection.dialled)
                    self.turned_away_by.pop(connection.dialled, None)
                self._handshaking.pop(connection, None)
                number = self.core.add_peer(
                    core,
                    listen_port=self.listen_port,
                    dht_port=self.dht_port,
                    is_dialled=connection.dialled is not None,
                    now=now,
                )
                connection.number = number
                self._connections[number] = connection
                self._on_peer(core.address, None)
                return
        if core.is_closed or core.has_output:
            connection.flush()

    def _is_duplicate(self, connection: PeerConnection, peer_id: bytes) -> bool:
        """Two peers that dial each other must both keep the same connection: the one that the larger id opened."""
        for other in list(self._connections.values()):
            if other.core.is_closed or other.core.remote is None or other.core.remote.peer_id != peer_id:
                continue
            ours_is_larger = self._handshake.peer_id > peer_id
            if (connection.dialled is not None) == (other.dialled is not None):
                return True
            if (other.dialled is not None) == ours_is_larger:
                return True
            other.core.close("replaced by a connection that the peer also keeps")
            other.flush()
        return False

    def _recount(self) -> None:
        self._counted = self._tally.change(self._counted, self.connection_count)
        self._half_open = self._tally.change_half_open(self._half_open, len(self._dials))

    # Dialling

    def _dial(self) -> None:
        if self._closed or self._paused:
            return
        config, now = self._config, self._loop.time()
        begun = [*self._dials.values(), *(connection.core.opened_at for connection in self._handshaking)]
        slow = sum(now - began_at >= config.slow_dial_s for began_at in begun)  # they hold nobody up, up to a point
        room = min(
            config.max_connections_per_torrent - self.connection_count,
            config.max_dialling - len(begun) + min(slow, config.max_dialling),
            self._tally.room_to_dial,
        )
        if room > 0:
            want_seeds = not self.core.is_finished
            candidates = self.peers.candidates_to_connect(room, now=now, want_seeds=want_seeds)
            callers = {peer.sender.listen_address for peer in self.core.peers.values()} if candidates else set()
            for address in candidates:
                if address in callers:  # it is connected, from another port
                    self.peers.disconnected(address, now=now)
                    continue
                number = next(self._dial_numbers)
                self._dials[number] = now
                self._tasks.start(self._connect(address, number), name=f"dial {address}")
            self._recount()

    async def _connect(self, address: Address, number: int) -> None:
        connection = PeerConnection(self, handshake=self._handshake, config=self._config.peer)
        connection.dialled = address
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                await self._check_private(address)
                await self._transport.connect(lambda: connection, address)
        except (OSError, TimeoutError):
            if not connection.abandon():
                self.peers.failed(address, now=self._loop.time())
        except asyncio.CancelledError:
            connection.abandon()
            raise
        finally:
            self._dials.pop(number, None)
            self._recount()
            if not self._closed:
                self._arm()

    async def _check_private(self, address: Address) -> None:
        """Peers that strangers name must not lead us into private networks that we are not in.

        Raises:
            OSError: this one would.
        """
        if self.peers.sources(address) & NEIGHBOURLY_SOURCES or await self._calls.allows(address):
            return
        if address not in self.private and len(self.private) < MOST_NAMED:
            self.private.append(address)
        raise OSError(PRIVATE)

    def _make_room(self, newcomer: Address, is_host_full: bool) -> bool:
        """Whether one more incoming connection may stay: in a full torrent somebody has to give way to it."""
        is_full = self.connection_count >= self._config.max_connections_per_torrent or self._tally.room <= 0
        if not is_full and not is_host_full:
            return True
        now = self._loop.time()
        slow = next(iter(self._handshaking), None)
        if not is_host_full and slow is not None and now - slow.core.opened_at >= self._config.slow_dial_s:
            slow.abort()  # we called it, and it has not answered yet
            return True
        victim = self._turnover.for_newcomer(newcomer, is_host_full=is_host_full, now=now)
        if victim is not None:
            self._end_for_others(victim)
        return victim is not None

    def _turn_over(self, now: float) -> None:
        """Strangers must not take every connection and give nothing, while there is somebody else to call."""
        is_full = self.connection_count >= self._config.max_connections_per_torrent or self._tally.room <= 0
        if not is_full or self.core.is_finished:
            return
        dial_at = self.peers.next_timer()
        victim = self._turnover.for_call(now=now) if dial_at is not None and dial_at <= now else None
        if victim is not None:
            self._end_for_others(victim)
            self._loop.call_soon(self._dial)  # before anybody else takes the place

    def _end_for_others(self, victim: SwarmPeer) -> None:
        victim.core.close("the torrent is full, and there are others who may be of more use")
        self._connections[victim.number].flush()

    def _note_end(self, dialled: Address, core: PeerCore, was_useful: bool, now: float) -> None:
        if core.was_turned_away and len(self.turned_away_by) < MOST_NAMED:
            self.turned_away_by[dialled] = None
        if core.remote is not None and core.remote.peer_id == self._handshake.peer_id:
            self.peers.add_own(dialled)
        elif was_useful:
            self.peers.disconnected(dialled, now=now)
        else:
            self.peers.failed(dialled, now=now)

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
        for connection in list(self._handshaking):
            connection.core.handle_timer(now=now)
            if connection.core.is_closed:
                connection.abort()
        self._turn_over(now)
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
        """A thousand idle torrents must cost nothing: without anybody to look after there is only the next dial."""
        if self._connections:
            return self.core.next_timer()
        now = self._loop.time()
        if self._handshaking or self._dials:
            return now + TICK_S
        dial_at = self.peers.next_timer()
        return now + IDLE_TICK_S if dial_at is None else min(max(dial_at, now + TICK_S), now + IDLE_TICK_S)


MOST_NAMED = 100
NEIGHBOURLY_SOURCES = PeerSource.MANUAL | PeerSource.LOCAL  # somebody here wants them to be called
TICK_S = 1.0
IDLE_TICK_S = 30.0  # also how soon it is noticed that the session has room for connections again
PUBLIC_SOURCES = PeerSource.DHT | PeerSource.PEX | PeerSource.LOCAL
