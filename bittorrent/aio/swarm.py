"""The connections of one torrent: dials, adopts, moves bytes, serves blocks. What to do is `SwarmCore`'s decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from bittorrent.aio.block_server import BlockReads, BlockServer
from bittorrent.aio.connection_tally import ConnectionTally
from bittorrent.aio.peer_connection import PeerConnection
from bittorrent.aio.private_calls import PrivateCalls
from bittorrent.config import SessionConfig
from bittorrent.ip_filter import IpFilter
from bittorrent.peer import PeerCore
from bittorrent.peer_events import HandshakeReceived
from bittorrent.peer_list import PeerList, PeerSource
from bittorrent.swarm import SwarmCore
from bittorrent.swarm_events import SwarmEvent
from bittorrent.swarm_peer import SwarmPeer
from bittorrent.targets import PRIVATE
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
        self._dialling = 0
        self._turned_over_at = float("-inf")
        self._turned_out: dict[str, None] = {}  # hosts, the latest last
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._closed = False
        self._paused = False

    @property
    def dialling_count(self) -> int:
        """Connections that are being opened."""
        return self._dialling

    @property
    def connection_count(self) -> int:
        return len(self._connections) + len(self._handshaking) + self._dialling

    def count_from(self, host: str) -> int:
        """How many connections with `host` there are."""
        return sum(connection.core.address.host == host for connection in self._connections.values())

    def start(self) -> None:
        """Starts the clock, and dials whom the list names."""
        self.is_started = True
        self._tick()

    def adopt(self, connection: PeerConnection) -> None:
        """Takes over an incoming connection whose handshake names this torrent."""
        is_refused = self._closed or self._paused or self.peers.is_banned(connection.core.address)
        if is_refused or not self._make_room(connection.core.address):
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
        self._dialling = 0  # a dial that was cancelled before its first step never came to its end
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
        self._half_open = self._tally.change_half_open(self._half_open, self._dialling)

    # Dialling

    def _dial(self) -> None:
        if self._closed or self._paused:
            return
        config = self._config
        room = min(
            config.max_connections_per_torrent - self.connection_count,
            config.max_dialling - self._dialling - len(self._handshaking),
            self._tally.room_to_dial,
        )
        if room > 0:
            now, want_seeds = self._loop.time(), not self.core.is_finished
            candidates = self.peers.candidates_to_connect(room, now=now, want_seeds=want_seeds)
            callers = {peer.sender.listen_address for peer in self.core.peers.values()} if candidates else set()
            for address in candidates:
                if address in callers:  # it is connected, from another port
                    self.peers.disconnected(address, now=now)
                    continue
                self._dialling += 1
                self._tasks.start(self._connect(address), name=f"dial {address}")
            self._recount()

    async def _connect(self, address: Address) -> None:
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
            self._dialling -= 1
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

    def _make_room(self, newcomer: Address) -> bool:
        """Whether one more incoming connection may stay: in a full torrent somebody has to give way to it."""
        if self.connection_count < self._config.max_connections_per_torrent:
            return True
        now = self._loop.time()
        victim = self.core.least_useful(before=now - self._config.min_priority_age_s, rank=self.peers.rank)
        if victim is None:
            return False
        if self.peers.rank(victim.core.address) >= self.peers.rank(newcomer):
            if not self._is_turnover_due(now) or self._had_its_turn(newcomer.host):
                return False
            self._turned_over_at = now
        self._end_for_others(victim)
        return True

    def _turn_over(self, now: float) -> None:
        """Strangers must not take every connection and give nothing, while there is somebody else to call."""
        is_full = self.connection_count >= self._config.max_connections_per_torrent or self._tally.room <= 0
        if not is_full or self.core.is_finished or not self._is_turnover_due(now):
            return
        victim = self.core.least_giving(before=now - self._config.min_priority_age_s)
        dial_at = self.peers.next_timer() if victim is not None else None
        if victim is not None and dial_at is not None and dial_at <= now:
            self._turned_over_at = now
            self._end_for_others(victim)
            self._loop.call_soon(self._dial)  # before anybody else takes the place

    def _is_turnover_due(self, now: float) -> bool:
        return now - self._turned_over_at >= self._config.turnover_interval_s

    def _had_its_turn(self, host: str) -> bool:
        """Whether a host is here, or was of no use before: who comes back at once must not have every turn."""
        return host in self._turned_out or self.count_from(host) > 0

    def _end_for_others(self, victim: SwarmPeer) -> None:
        self._turned_out[victim.core.address.host] = None
        if len(self._turned_out) > MOST_TURNED_OUT:
            del self._turned_out[next(iter(self._turned_out))]
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
        if self._handshaking or self._dialling:
            return now + TICK_S
        dial_at = self.peers.next_timer()
        return now + IDLE_TICK_S if dial_at is None else min(max(dial_at, now + TICK_S), now + IDLE_TICK_S)


MOST_TURNED_OUT = 100  # that are remembered
MOST_NAMED = 100
NEIGHBOURLY_SOURCES = PeerSource.MANUAL | PeerSource.LOCAL  # somebody here wants them to be called
TICK_S = 1.0
IDLE_TICK_S = 30.0  # also how soon it is noticed that the session has room for connections again
PUBLIC_SOURCES = PeerSource.DHT | PeerSource.PEX | PeerSource.LOCAL
