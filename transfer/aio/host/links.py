"""The connections of a host: how they come into being, who they are with, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from transfer.aio.host.connection import HostConnection, endpoint
from transfer.aio.host.feed import EventFeed
from transfer.aio.host.keeping import Keeping
from transfer.aio.host.plugs import MuxerKind, Security
from transfer.aio.host.serving import StreamServices
from transfer.aio.host.upgrade import Upgrade, Upgraded
from transfer.aio.layer import Layer
from transfer.aio.layered import LayerConfig, LayeredDialler
from transfer.aio.limits import LimitEntry, Limits
from transfer.aio.tasks import TaskSet
from transfer.aio.transports import StreamTransport
from transfer.errors import TransferError
from transfer.host.config import HostConfig
from transfer.host.events import HostEvent, PeerConnected, PeerDisconnected
from transfer.host.peer_book import PeerBook
from transfer.host.route import Carrier, Route, multiaddr_of
from transfer.identity.peer_id import PeerId
from transfer.limits.places import Seat
from transfer.limits.refusal import LimitReachedError, Refusal
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr

if TYPE_CHECKING:
    from transfer.aio.host.services import Identify


class Links:
    """All connections.

    Args:
        own: the id of the host.
        services: what is spoken on streams that peers open.
        identify: asks each peer who has connected to tell of itself.
        keeping: ends those that are idle or too many.
    """

    def __init__(
        self,
        *,
        own: PeerId,
        securities: Sequence[Security],
        muxers: Sequence[MuxerKind],
        services: StreamServices,
        limits: Limits,
        config: HostConfig,
        book: PeerBook,
        feed: EventFeed[HostEvent],
        tasks: TaskSet,
        identify: Identify,
        keeping: Keeping,
        transports: Mapping[Carrier, StreamTransport],
    ) -> None:
        self._own = own
        self._securities = securities
        self._muxers = muxers
        self._services = services
        self._limits = limits
        self._config = config
        self._book = book
        self._feed = feed
        self._tasks = tasks
        self._identify = identify
        self._keeping = keeping
        self._transports = transports
        self._connections: dict[HostConnection, None] = {}
        self._of_peer: dict[PeerId, dict[HostConnection, None]] = {}
        self._followers = TaskSet(self._failed)
        self._is_closed = False

    # Views

    @property
    def all(self) -> tuple[HostConnection, ...]:
        """In the order in which they were made."""
        return tuple(self._connections)

    def to(self, peer_id: PeerId) -> HostConnection | None:
        """The oldest one with a peer that is not about to end."""
        return next((each for each in self._of_peer.get(peer_id, ()) if not each.is_closing), None)

    # Making

    async def call(self, route: Route, address: Multiaddr, expected: PeerId | None) -> HostConnection:
        """Makes a connection.

        Raises:
            LimitReachedError: there are too many.
            OSError, RemoteProtocolError: it came to nothing.
        """
        core, now = self._limits.core, asyncio.get_running_loop().time()
        seat = core.call(route.address.host, now=now)
        if isinstance(seat, Refusal):
            raise LimitReachedError(seat)
        made: list[HostConnection] = []
        upgrade = Upgrade(
            self._securities,
            self._muxers,
            lambda upgraded: self._outbound(upgraded, seat, address, made),
            is_lazy=self._config.is_security_lazy,
        )
        transport = LayeredDialler(
            self._transports[route.carrier],
            dial=lambda _: upgrade.dialling(expected),
            config=LayerConfig(handshake_timeout_s=self._config.dial.timeout_s),
        )
        try:
            await transport.connect(asyncio.Protocol, route.address)
        except BaseException:
            core.leave(seat)
            raise
        return made[0]

    def accepting(self, carrier: Carrier) -> Layer:
        """The first layer of a connection that was accepted."""
        upgrade = Upgrade(self._securities, self._muxers, lambda upgraded: self._inbound(upgraded, carrier))
        return upgrade.accepting()

    def _outbound(
        self, upgraded: Upgraded, seat: Seat, address: Multiaddr, made: list[HostConnection]
    ) -> asyncio.BaseProtocol:
        remote = address.without_peer_id or address
        connection, protocol = self._finish(upgraded, seat, remote)
        self._limits.core.opened(seat)
        made.append(connection)
        self._book.reached(connection.peer_id, remote, now=asyncio.get_running_loop().time())
        return protocol

    def _inbound(self, upgraded: Upgraded, carrier: Carrier) -> asyncio.BaseProtocol:
        entry = upgraded.layer.get_extra_info("entry")
        source = endpoint(upgraded.layer, "peername")
        if not isinstance(entry, LimitEntry) or source is None:
            raise TransferError("the transport of this connection does not tell where it comes from")
        if (refusal := self._limits.settle(entry)) is not None:
            raise LimitReachedError(refusal)
        return self._finish(upgraded, entry.seat, multiaddr_of(carrier, source))[1]

    def _finish(self, upgraded: Upgraded, seat: Seat, remote: Multiaddr) -> tuple[HostConnection, asyncio.BaseProtocol]:
        if self._is_closed:
            raise ConnectionAbortedError("the host is closed")
        if upgraded.layer.get_extra_info("peer_id") == self._own:
            raise ConnectionAbortedError("that is this host itself")
        connection = HostConnection(
            upgraded,
            seat,
            self._config,
            remote=remote,
            local=_local(upgraded.layer),
            speaks=self._services.speaks,
            serve=self._services.serve,
            keeping=self._keeping,
        )
        of_peer = self._of_peer.setdefault(connection.peer_id, {})
        if len(of_peer) >= self._config.max_per_peer:
            refusal = Refusal(
                limit="max_per_peer",
                scope=str(connection.peer_id),
                what="connections",
                in_use=len(of_peer),
                most=self._config.max_per_peer,
            )
            raise LimitReachedError(refusal)
        connection.muxer = upgraded.muxer.make(
            connection.accept, is_initiator=upgraded.is_initiator, limits=connection.stream_limits
        )
        self._connections[connection] = of_peer[connection] = None
        self._book.keep(connection.peer_id)
        if len(of_peer) == 1:
            self._feed.put(PeerConnected(connection.peer_id, connection.remote, connection.is_inbound))
        self._keeping.connected(connection)
        self._followers.start(self._follow(connection, upgraded.layer), name="a connection of a host")
        assert isinstance(connection.muxer, asyncio.BaseProtocol)
        return connection, connection.muxer

    # Its life, and its end

    async def _follow(self, connection: HostConnection, layer: Layer) -> None:
        try:
            if not layer.is_open:
                return  # it ended before there was anything above
            self._tasks.start(self._ask(connection), name="identify")
            await connection.wait_lost()
        finally:
            self._lost(connection)

    async def _ask(self, connection: HostConnection) -> None:
        try:
            await self._identify.ask(connection)
        except (OSError, TransferError) as error:
            connection.identify_error = str(error)
        finally:
            if not connection.identified.done():
                connection.identified.set_result(None)

    def _lost(self, connection: HostConnection) -> None:
        del self._connections[connection]
        reason = self._keeping.lost(connection)
        of_peer = self._of_peer[connection.peer_id]
        del of_peer[connection]
        if not connection.is_inbound:
            self._limits.core.leave(connection.seat)
        self._book.release(connection.peer_id)
        if not of_peer:
            del self._of_peer[connection.peer_id]
            self._feed.put(PeerDisconnected(connection.peer_id, reason))

    async def aclose(self) -> None:
        """Says good-bye to all, and ends them."""
        self._is_closed = True
        for connection in self.all:
            connection.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._config.close_timeout_s
        for connection in self.all:
            try:
                async with asyncio.timeout_at(until):
                    await connection.wait_lost()
            except TimeoutError:
                connection.abort()
        for connection in self.all:
            try:
                async with asyncio.timeout(ABORT_S):
                    await connection.wait_lost()
            except TimeoutError:
                break
        await self._followers.aclose()

    def _failed(self, error: BaseException) -> None:
        context = {"message": "a connection of a host failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def _local(layer: Layer) -> Multiaddr | None:
    own = endpoint(layer, "sockname")
    try:
        return None if own is None else multiaddr_of(Carrier.TCP, own)
    except MultiaddrError:
        return None


ABORT_S = 6.0  # a muxer gives its last words so long
