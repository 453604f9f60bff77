"""Stream transports: asyncio's transport contract over two channels, with a receive window."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from asyncio.sslproto import SSLProtocol
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfer.simulation.channel import Channel, Kind
from transfer.simulation.host import Endpoint, Host
from transfer.simulation.sockets import SimulatedSocket
from transfer.watermarks import write_buffer_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from transfer.simulation.network import Network
    from transfer.simulation.server import StreamServer


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConfig:
    """How the simulated hosts speak their stream protocol.

    Args:
        window_bytes: what may be under way or unread at the other side; it bounds a flow to this much a round trip.
        segment_bytes: the most that travels as one event.
        connect_timeout_s: silence after which a connection attempt fails (Linux: 127 s).
        give_up_s: silence after which a connection fails that has something to send (Linux: about 924 s).
    """

    window_bytes: int = 262_144
    segment_bytes: int = 16_384
    connect_timeout_s: float = 127.0
    give_up_s: float = 924.0

    def __post_init__(self) -> None:
        if not 0 < self.segment_bytes <= self.window_bytes // 4:
            raise ValueError("segment_bytes must be positive and at most a quarter of window_bytes")
        if self.connect_timeout_s <= 0 or self.give_up_s <= 0:
            raise ValueError("connect_timeout_s and give_up_s must be positive")


class StreamTransport(asyncio.Transport):
    """One end of a connection.

    Invariants:
        bytes under way or unread at the other side <= window_bytes
        nothing is handed to the protocol before `connection_made` or after `connection_lost`
    """

    __slots__ = (
        "_acknowledged",
        "_buffer",
        "_buffer_bytes",
        "_closing",
        "_config",
        "_consumed",
        "_context",
        "_eof_received",
        "_eof_sent",
        "_eof_wanted",
        "_high",
        "_is_buffered",
        "_is_lost",
        "_low",
        "_network",
        "_number",
        "_paused",
        "_protocol",
        "_read_scheduled",
        "_received",
        "_reported_bytes",
        "_sent",
        "_server",
        "_started",
        "_writing_paused",
        "channel",
        "host",
    )
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
        config: StreamConfig,
        server: StreamServer | None = None,
    ) -> None:
        sock = SimulatedSocket(socket.SOCK_STREAM, local, remote)
        super().__init__({"socket": sock, "sockname": sock.getsockname(), "peername": sock.getpeername()})
        self.host = host
        self._network = network
        self._number = network.loop.next_number()
        self._config = config
        self._context = context
        self._server = server
        self._protocol: Any = None
        self._is_buffered = False
        self._started = False
        self._paused = False
        self._closing = False
        self._is_lost = False
        self._read_scheduled = False
        # Sending.
        self._buffer: deque[bytes | memoryview] = deque()
        self._buffer_bytes = 0
        self._sent = 0
        self._acknowledged = 0
        self._eof_wanted = False
        self._eof_sent = False
        self._writing_paused = False
        self._low, self._high = write_buffer_limits(None, None)
        # Receiving.
        self._received: deque[bytes] = deque()
        self._eof_received = False
        self._consumed = 0
        self._reported_bytes = 0
        host.connections[self] = None

    def start(self, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[None] | None = None) -> None:
        """Announces the connection to `protocol`, then lets data through."""
        self.set_protocol(protocol)
        if self._server is not None:
            self._server.attach()
        self._network.loop.call_soon(self._start, waiter, context=self._context)

    def belongs_to(self, server: StreamServer) -> bool:
        """Whether `server` accepted this connection."""
        return self._server is server

    # What the network brings.

    def receive_segment(self, kind: Kind, data: bytes) -> None:
        if kind is Kind.RESET:
            self.channel.close()
            self._force_close(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
        elif self._is_lost:
            if kind is Kind.DATA:  # nobody will ever read it (RFC 9293, 3.10.7.1)
                self.channel.send(Kind.RESET)
        elif kind is Kind.DATA:
            self._received.append(data)
            if self._started and not self._read_scheduled:
                self._context.run(self._read_ready)
        elif kind is Kind.EOF:
            self._eof_received = True
            if self._started and not self._read_scheduled:
                self._context.run(self._read_ready)

    def receive_acknowledgement(self, total: int) -> None:
        if total > self._acknowledged:
            self._acknowledged = total
            if not self._is_lost and self._buffer:
                self._pump()
                self._resume_protocol()

    def fail(self, error: OSError) -> None:
        """The connection is dead: what was sent does not arrive."""
        self._force_close(error)

    def drop(self, error: OSError) -> None:
        """The host is going down: the other side hears nothing."""
        if self._is_lost:
            return
        self._is_lost = self._closing = True
        self._buffer.clear()
        self._buffer_bytes = 0
        self._received.clear()
        self.channel.forget()
        self._network.loop.call_soon(self._lose, error, context=self._context)

    # Reading.

    def pause_reading(self) -> None:
        if not self._closing:
            self._paused = True

    def resume_reading(self) -> None:
        if self._closing or not self._paused:
            return
        self._paused = False
        self._schedule_reading()

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)
        if isinstance(protocol, SSLProtocol):
            self.channel.is_opaque = True

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # Writing.

    def write(self, data: Any) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not data:
            return
        piece = data if isinstance(data, bytes) else bytes(data)
        self._buffer.append(piece)
        self._buffer_bytes += len(piece)
        self._pump()
        if self._buffer_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            self._guarded(self._protocol.pause_writing, is_fatal=False)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if self._closing or self._eof_wanted:
            return
        self._eof_wanted = True
        if not self._buffer:
            self._send_eof()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._buffer_bytes

    @property
    def unacknowledged_bytes(self) -> int:
        """What has left and was not read yet at the other side."""
        other = self.channel.receiver
        return self._sent - (other._consumed if isinstance(other, StreamTransport) else self._acknowledged)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._low, self._high = write_buffer_limits(high, low)
        if self._buffer_bytes > self._high and not self._writing_paused:
            self._writing_paused = True
            self._guarded(self._protocol.pause_writing, is_fatal=False)

    # Ending.

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._buffer:
            self._hang_up(None)

    def abort(self) -> None:
        self._force_close(None)

    def is_closing(self) -> bool:
        return self._closing

    @property
    def _protocol_paused(self) -> bool:
        """What asyncio asks for before it sends a file."""
        return self._writing_paused

    def _start(self, waiter: asyncio.Future[None] | None) -> None:
        try:
            self._protocol.connection_made(self)
        finally:
            self._started = True
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        self._schedule_reading()

    def _schedule_reading(self) -> None:
        if (self._received or self._eof_received) and not self._read_scheduled:
            self._read_scheduled = True
            self._network.loop.call_soon(self._read_ready, context=self._context)

    def _read_ready(self) -> None:
        self._read_scheduled = False
        while self._received and not self._paused and not self._closing:
            data = self._received.popleft()
            if self._is_buffered:
                self._guarded(self._fill_buffer, data)
            else:
                self._count_read(len(data))
                self._guarded(self._protocol.data_received, data)
        if self._eof_received and not self._received and not self._paused and not self._closing:
            self._eof_received = False
            if not self._guarded(self._protocol.eof_received):
                self.close()

    def _fill_buffer(self, data: bytes) -> None:
        """Hands over as much as the protocol's buffer takes and keeps the rest."""
        buffer = memoryview(self._protocol.get_buffer(len(data)))
        if not len(buffer):
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        buffer.release()
        if size < len(data):
            self._received.appendleft(data[size:])
        self._count_read(size)
        self._protocol.buffer_updated(size)

    def _count_read(self, size: int) -> None:
        self._consumed += size
        if self._consumed - self._reported_bytes >= self._config.window_bytes // 4:
            self._reported_bytes = self._consumed
            self.channel.acknowledge(self._consumed)

    def _pump(self) -> None:
        """Sends what the window admits."""
        buffer, config = self._buffer, self._config
        while buffer:
            room = min(self._acknowledged + config.window_bytes - self._sent, config.segment_bytes)
            if room <= 0:
                return
            first = buffer.popleft()
            if len(first) > room:
                view = memoryview(first)
                buffer.appendleft(view[room:])
                piece = bytes(view[:room])
            elif buffer and len(first) + len(buffer[0]) <= room:
                parts = [first]
                size = len(first)
                while buffer and size + len(buffer[0]) <= room:
                    size += len(buffer[0])
                    parts.append(buffer.popleft())
                piece = b"".join(parts)
            else:
                piece = bytes(first)
            self._buffer_bytes -= len(piece)
            self._sent += len(piece)
            self.channel.send(Kind.DATA, piece)
        if self._closing:
            self._hang_up(None)
        elif self._eof_wanted:
            self._send_eof()

    def _send_eof(self) -> None:
        if not self._eof_sent:
            self._eof_sent = True
            self.channel.send(Kind.EOF)

    def _resume_protocol(self) -> None:
        if self._writing_paused and self._buffer_bytes <= self._low:
            self._writing_paused = False
            self._context.run(self._guarded, self._protocol.resume_writing, is_fatal=False)

    def _guarded(self, call: Callable[..., object], *args: Any, is_fatal: bool = True) -> object:
        """Calls the protocol; what it raises goes to the loop's exception handler and, when fatal, ends this."""
        try:
            return call(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # a protocol may raise anything, as in asyncio
            name = getattr(call, "__name__", "a call")
            context = {"message": f"protocol.{name}() failed", "exception": error}
            if not isinstance(error, OSError) or not is_fatal:
                context |= {"transport": self, "protocol": self._protocol}
                self._network.loop.call_exception_handler(context)
            if is_fatal:
                self._force_close(error)
            return True

    def _force_close(self, error: BaseException | None) -> None:
        if self._is_lost:
            return
        self._closing = True
        self._buffer.clear()
        self._buffer_bytes = 0
        self._hang_up(error)

    def _hang_up(self, error: BaseException | None) -> None:
        """Everything is sent, or given up: the last word to the other side, then to the protocol."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._received:
            self._received.clear()
            self.channel.send(Kind.RESET)  # unread data: the other side must not believe that it was read
        elif error is not None:
            self.channel.send(Kind.RESET)
        else:
            self._send_eof()
        self._network.loop.call_soon(self._lose, error, context=self._context)

    def _lose(self, error: BaseException | None) -> None:
        self.host.connections.pop(self, None)
        try:
            if self._protocol is not None:
                self._protocol.connection_lost(error)
        finally:
            if self._server is not None:
                self._server.detach()
                self._server = None

    def __hash__(self) -> int:
        """A number, so that a set of transports has the same order in every run."""
        return self._number

    def __repr__(self) -> str:
        local, remote = self.get_extra_info("sockname"), self.get_extra_info("peername")
        state = " closed" if self._is_lost else " closing" if self._closing else ""
        return f"<StreamTransport {local[0]}:{local[1]} to {remote[0]}:{remote[1]}{state}>"
