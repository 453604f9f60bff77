"""Listening: what a server has bound, and how a connection attempt becomes two transports."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from transfer.simulation.channel import Channel
from transfer.simulation.host import Endpoint, Host, Realm
from transfer.simulation.segments import Kind
from transfer.simulation.sockets import SimulatedSocket
from transfer.simulation.streams import SimulatedStream, SimulatedStreamConfig

if TYPE_CHECKING:
    from transfer.simulation.network import Network


class ListeningAddress:
    """One bound address of a server."""

    __slots__ = ("_bound", "_context", "host", "local", "server", "socket")

    def __init__(self, server: StreamServer, host: Host, local: Endpoint) -> None:
        self.server = server
        self.host = host
        self.local = local
        self.socket = SimulatedSocket(socket.SOCK_STREAM, local)
        self._context = contextvars.copy_context()
        self._bound: list[tuple[Realm, Endpoint]] = []
        for ip in host.local_addresses(local[0]):
            table, key = host.table_for(ip), (ip, local[1])
            if key in table.listeners:
                self.close()
                reason = os.strerror(errno.EADDRINUSE).lower()
                raise OSError(errno.EADDRINUSE, f"error while attempting to bind on address {key}: {reason}")
            table.listeners[key] = self
            self._bound.append((table, key))
        host.listeners[self] = None

    def accept(
        self, network: Network, channel: Channel, local: Endpoint, remote: Endpoint, config: SimulatedStreamConfig
    ) -> SimulatedStream:
        """The server's end of a connection whose first end sends through `channel`."""
        context = self._context.copy()
        transport = SimulatedStream(network, self.host, local, remote, context, config=config, server=self.server)
        transport.channel = Channel(
            network, transport, channel.sender, local, remote, give_up_us=round(config.give_up_s * 1e6)
        )
        channel.receiver = transport
        transport.control(self.socket.congestion or self.host.congestion or config.congestion)
        transport.start(context.run(self.server.protocol_factory))
        return transport

    def close(self) -> None:
        for table, key in self._bound:
            table.listeners.pop(key, None)
        self._bound.clear()
        self.host.listeners.pop(self, None)

    def __repr__(self) -> str:
        return f"<ListeningAddress {self.local[0]}:{self.local[1]} of {self.host}>"


class StreamServer(asyncio.Server):
    """`asyncio.Server` with listeners on simulated hosts. Nothing of the base class is used but its name."""

    def __init__(
        self, network: Network, host: Host, locals_: Sequence[Endpoint], protocol_factory: Callable[[], Any]
    ) -> None:
        self.protocol_factory = protocol_factory
        self.on_closed: Callable[[], object] | None = None
        self.kept: object = None  # the program's own socket, which must not vanish before
        self._number = network.loop.next_number()
        self._network = network
        self._host = host
        self._locals = tuple(locals_)
        self._listeners: list[ListeningAddress] | None = []
        self._connections = 0
        self._is_serving = False
        self._forever: asyncio.Future[None] | None = None
        self._closed_waiters: list[asyncio.Future[None]] = []
        self._open: list[ListeningAddress] = []
        try:
            for local in self._locals:
                self._open.append(ListeningAddress(self, host, local))
        except OSError:
            for listener in self._open:
                listener.close()
            raise
        self._listeners = self._open

    @property
    def sockets(self) -> tuple[Any, ...]:
        return tuple(listener.socket for listener in self._listeners or ())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._network.loop

    def is_serving(self) -> bool:
        return self._is_serving

    def serve(self) -> None:
        """Accepts connections from now on."""
        if self._listeners is not None:
            self._is_serving = True

    async def start_serving(self) -> None:
        self.serve()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._listeners is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._is_serving = True
        self._forever = self._network.loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._forever = None

    def close(self) -> None:
        if self._listeners is None:
            return
        for listener in self._listeners:
            listener.close()
        self._listeners = None
        self._is_serving = False
        if self.on_closed is not None:
            self.on_closed()
            self.kept = None
        if self._forever is not None:
            self._forever.cancel()
        self._wake()

    async def wait_closed(self) -> None:
        """Waits for the connections as well, whatever the running version of Python does: as 3.12 and later."""
        if self._listeners is None and not self._connections:
            return
        waiter = self._network.loop.create_future()
        self._closed_waiters.append(waiter)
        await waiter

    def close_clients(self) -> None:
        for transport in self._transports():
            transport.close()

    def abort_clients(self) -> None:
        for transport in self._transports():
            transport.abort()

    def attach(self) -> None:
        """A connection was accepted."""
        self._connections += 1

    def detach(self) -> None:
        """A connection has ended."""
        self._connections -= 1
        self._wake()

    def _wake(self) -> None:
        if self._listeners is not None or self._connections:
            return
        for waiter in self._closed_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._closed_waiters.clear()

    def _transports(self) -> list[SimulatedStream]:
        return [transport for transport in self._host.connections if transport.belongs_to(self)]

    def __hash__(self) -> int:
        """A number, so that a set of servers has the same order in every run."""
        return self._number

    def __repr__(self) -> str:
        return f"<StreamServer sockets={self.sockets!r}>"


class Reception:
    """What a connection attempt talks to until a listener has accepted it."""

    __slots__ = ("_channel", "_config", "_local", "_network", "_realm", "_remote", "host")

    def __init__(
        self,
        network: Network,
        host: Host,
        realm: Realm,
        local: Endpoint,
        remote: Endpoint,
        config: SimulatedStreamConfig,
    ) -> None:
        self.host = host
        self._network = network
        self._realm = realm
        self._local = local
        self._remote = remote
        self._config = config
        self._channel: Channel | None = None

    def attach(self, channel: Channel) -> None:
        self._channel = channel

    def receive_segment(self, kind: Kind, data: bytes) -> None:
        """The last step of the handshake; an address without a listener answers with a reset."""
        channel = self._channel
        if channel is None or kind is Kind.RESET:
            return
        listener = self._realm.listeners.get(self._local)
        if kind is Kind.OPEN and listener is not None:
            listener.accept(self._network, channel, self._local, self._remote, self._config)
        elif kind is not Kind.EOF:
            back = Channel(self._network, self, channel.sender, self._local, self._remote, give_up_us=0)
            back.send(Kind.RESET)

    def receive_room(self) -> None:
        """Nothing waits here."""

    def fail(self, error: OSError) -> None:
        """The reset found no way back: the other side will find out by itself."""
