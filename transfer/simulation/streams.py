"""Simulated streams: two channels, with a receive window."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from asyncio.sslproto import SSLProtocol
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfer.aio.stream import Stream
from transfer.flow.stream import Phase, StreamCore
from transfer.simulation.channel import Channel
from transfer.simulation.host import Endpoint, Host
from transfer.simulation.packets.flow import known_controller
from transfer.simulation.segments import Kind
from transfer.simulation.sockets import SimulatedSocket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfer.simulation.network import Network
    from transfer.simulation.server import StreamServer


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStreamConfig:
    """How the simulated hosts speak their stream protocol.

    Args:
        window_bytes: what may be under way or unread at the other side; it bounds a flow to this much a round trip.
        controlled_window_bytes: the same where a congestion controller decides what of it is used (Linux: `tcp_rmem`).
        congestion: the congestion controller of hosts that have none of their own; None: nothing is controlled.
        segment_bytes: the most that travels as one event.
        connect_timeout_s: silence after which a connection attempt fails (Linux: 127 s).
        give_up_s: silence after which a connection fails that has something to send (Linux: about 924 s).
    """

    window_bytes: int = 262_144
    controlled_window_bytes: int = 6 << 20
    congestion: str | None = None
    segment_bytes: int = 16_384
    connect_timeout_s: float = 127.0
    give_up_s: float = 924.0

    def __post_init__(self) -> None:
        if not 0 < self.segment_bytes <= self.window_bytes // 4:
            raise ValueError("segment_bytes must be positive and at most a quarter of window_bytes")
        if self.controlled_window_bytes < self.window_bytes:
            raise ValueError("controlled_window_bytes must be at least window_bytes")
        if self.congestion is not None:
            known_controller(self.congestion)
        if self.connect_timeout_s <= 0 or self.give_up_s <= 0:
            raise ValueError("connect_timeout_s and give_up_s must be positive")


class SimulatedStream(Stream):
    """One end of a connection.

    Invariants:
        bytes under way or unread at the other side <= window_bytes
        nothing is handed to the protocol before `connection_made` or after `connection_lost`
    """

    __slots__ = (
        "_acknowledged",
        "_config",
        "_consumed_bytes",
        "_network",
        "_number",
        "_reported_bytes",
        "_sent",
        "_server",
        "_socket",
        "_started",
        "channel",
        "host",
    )
    _context: contextvars.Context
    channel: Channel
    _start_tls_compatible = True  # what asyncio asks for

    def __init__(
        self,
        network: Network,
        host: Host,
        local: Endpoint,
        remote: Endpoint,
        context: contextvars.Context,
        *,
        config: SimulatedStreamConfig,
        server: StreamServer | None = None,
    ) -> None:
        self._socket = sock = SimulatedSocket(socket.SOCK_STREAM, local, remote)
        extra = {"socket": sock, "sockname": sock.getsockname(), "peername": sock.getpeername()}
        super().__init__(StreamCore(), network.loop, extra, context)
        self.host = host
        self._network = network
        self._number = network.loop.next_number()
        self._config = config
        self._server = server
        self._started = False
        # Sending.
        self._sent = 0
        self._acknowledged = 0
        # Receiving.
        self._consumed_bytes = 0
        self._reported_bytes = 0
        host.connections[self] = None

    def start(self, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[None] | None = None) -> None:
        """Announces the connection to `protocol`, then lets data through."""
        self.set_protocol(protocol)
        if self._server is not None:
            self._server.attach()
        self._call_soon(self._start, waiter)

    def belongs_to(self, server: StreamServer) -> bool:
        """Whether `server` accepted this connection."""
        return self._server is server

    # What the network brings.

    def receive_segment(self, kind: Kind, data: bytes) -> None:
        if kind is Kind.RESET:
            self.channel.close()
            self._force_close(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
        elif self._core.phase is Phase.ENDED:
            if kind is Kind.DATA:  # no program will ever read it (RFC 9293, 3.10.7.1)
                self.channel.send(Kind.RESET)
        elif kind is Kind.DATA or kind is Kind.EOF:
            if kind is Kind.DATA:
                self._core.inbox.put(data)
            else:
                self._core.receive_end()
            if self._started and not self._read_scheduled:
                self._context.run(self._read_inbox)

    def receive_acknowledgement(self, total: int) -> None:
        if total > self._acknowledged:
            self._acknowledged = total
            if self._core.queue.size:
                self._pump()
                self._context.run(self._resume_if_drained)

    def receive_room(self) -> None:
        """The congestion controller lets more leave."""
        if self._core.queue.size and self._core.phase is not Phase.ENDED:
            self._pump()
            self._context.run(self._resume_if_drained)

    def fail(self, error: OSError) -> None:
        """The connection is dead: what was sent does not arrive."""
        self._force_close(error)

    def drop(self, error: OSError) -> None:
        """The host is going down: the other side hears nothing."""
        if self._core.abort():
            self._core.inbox.clear()
            self.channel.forget()
            self._lose(error)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        if isinstance(protocol, SSLProtocol):
            self.channel.is_opaque = True

    def control(self, controller: str | None) -> None:
        """What is sent from now on is up to this congestion controller; None: as it was.

        Raises:
            UnknownControllerError: there is none of that name.
        """
        if controller is not None:
            self._socket.congestion = controller
            self.channel.control(controller)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's; "path_stats" is a `PathStats` of this moment where there is a congestion controller."""
        if name == "path_stats":
            return self.channel.flow.path_stats if self.channel.flow is not None else default
        return super().get_extra_info(name, default)

    @property
    def unacknowledged_bytes(self) -> int:
        """What has left and was not read yet at the other side."""
        other = self.channel.receiver
        return self._sent - (other._consumed_bytes if isinstance(other, SimulatedStream) else self._acknowledged)

    @property
    def _protocol_paused(self) -> bool:
        """What asyncio asks for before it sends a file."""
        return self._core.is_writing_paused

    # Reading.

    def _start(self, waiter: asyncio.Future[None] | None) -> None:
        try:
            self._protocol.connection_made(self)
        finally:
            self._started = True
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        self._start_reading()

    def _consumed(self, size: int) -> None:
        self._consumed_bytes += size
        if self._consumed_bytes - self._reported_bytes >= self._config.window_bytes // 4:
            self._reported_bytes = self._consumed_bytes
            self.channel.acknowledge(self._consumed_bytes)

    # Writing.

    def _put(self, chunks: Iterable[Any]) -> None:
        piece = b"".join(chunks)
        if piece:
            self._core.queue.put(piece)
            self._pump()

    def _pump(self) -> None:
        """Sends what the window admits."""
        queue, segment_bytes, channel = self._core.queue, self._config.segment_bytes, self.channel
        window_bytes = self._config.window_bytes
        if self._socket.congestion is not None:
            window_bytes = self._config.controlled_window_bytes
            channel.control(self._socket.congestion)
        while queue.size:
            room = self._acknowledged + window_bytes - self._sent
            if channel.flow is not None and channel.flow.room_bytes < room:
                room = channel.flow.room_bytes
            if room <= 0:
                return
            piece = queue.take_whole(room if room < segment_bytes else segment_bytes)
            self._sent += len(piece)
            channel.send(Kind.DATA, piece)
        self._finish()

    def _send_end(self) -> None:
        self.channel.send(Kind.EOF)

    # Ending.

    def _hang_up(self, error: BaseException | None) -> None:
        core = self._core
        if core.inbox.size:
            core.inbox.clear()
            self.channel.send(Kind.RESET)  # unread data: the other side must not believe that it was read
        elif error is not None:
            self.channel.send(Kind.RESET)
        elif not core.has_sent_end:
            self._send_end()
        self._lose(error)

    def _lost(self, error: BaseException | None) -> None:
        self.host.connections.pop(self, None)
        try:
            super()._lost(error)
        finally:
            if self._server is not None:
                self._server.detach()
                self._server = None

    def __hash__(self) -> int:
        """A number, so that a set of transports has the same order in every run."""
        return self._number

    def __repr__(self) -> str:
        local, remote = self.get_extra_info("sockname"), self.get_extra_info("peername")
        phase = self._core.phase
        state = " closed" if phase is Phase.ENDED else " closing" if phase is Phase.FLUSHING else ""
        return f"<SimulatedStream {local[0]}:{local[1]} to {remote[0]}:{remote[1]}{state}>"
