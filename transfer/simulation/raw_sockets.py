"""Sockets as programs use them without a transport: what is behind a `socket.socket` that was made inside."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from transfer.simulation.datagrams import DatagramEndpoint, bind_datagram
from transfer.simulation.host import WILDCARDS, Endpoint, Host
from transfer.simulation.names import socket_name
from transfer.simulation.server import StreamServer
from transfer.simulation.socket_ends import Flow, Inbox, Watch
from transfer.simulation.sockets import SocketOptions

if TYPE_CHECKING:
    from transfer.simulation.connections import NetworkCalls
    from transfer.simulation.handshake import Handshake


class RawSocket:
    """One socket; nothing here blocks. What would block returns None, and `changed` is called when it may not any more.

    Attributes:
        host: where it was made.
        local: what it is bound to.
        remote: what it is connected to.
        server: a stream socket that is bound, or listens.
        flow: a stream socket that is connected.
        endpoint: a datagram socket that is bound.
    """

    def __init__(self, loop: NetworkCalls, family: int, kind: int, on_closed: Callable[[], object]) -> None:
        self.host: Host = loop.network.here()
        self.options = SocketOptions()
        self.is_stream = kind == socket.SOCK_STREAM
        self.is_ipv6 = family == socket.AF_INET6
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.server: StreamServer | None = None
        self.flow: Flow | None = None
        self.endpoint: DatagramEndpoint | None = None
        self.handshake: Handshake | None = None
        self.on_closed = on_closed
        self.reader: Watch | None = None
        self.writer: Watch | None = None
        self._inbox = Inbox(self)
        self._accepted: deque[Flow] = deque()
        self._answered_handshake: Handshake | None = None
        self._backlog = 0
        self._loop = loop
        self._waiters: list[asyncio.Future[None]] = []
        self._error: OSError | None = None

    # Names.

    def name(self) -> tuple[Any, ...]:
        """`getsockname`."""
        return socket_name(*(self.local or (WILDCARDS[self.is_ipv6], 0)))

    def peer_name(self) -> tuple[Any, ...]:
        """`getpeername`."""
        if self.remote is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return socket_name(*self.remote)

    def endpoint_of(self, address: Any) -> Endpoint:
        """An address as a program writes it; names are looked up at once.

        Raises:
            OSError: not an address of this family.
        """
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
        name = str(address[0])
        if name in ("", "<broadcast>"):
            return (WILDCARDS[self.is_ipv6] if not name else "255.255.255.255"), int(address[1])
        if ":" in name and not self.is_ipv6:
            raise socket.gaierror(socket.EAI_ADDRFAMILY, f"Address family for hostname not supported: {name}")
        is_mapped = name.lower().startswith("::ffff:") and "." in name  # an IPv4 address, for a socket of both families
        family = socket.AF_INET6 if ":" in name and not is_mapped else socket.AF_INET
        info = self._loop.network.names.getaddrinfo(name, int(address[1]), family=family, type=socket.SOCK_DGRAM)[0]
        return str(info[4][0]), int(info[4][1])

    # Commands.

    def bind(self, address: Any) -> None:
        """As `socket.bind`.

        Raises:
            OSError: in use, not of this host, or bound already.
        """
        if self.local is not None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        ip, port = self.endpoint_of(address)
        if self.is_stream:
            ips = self.host.local_addresses(ip)
            port = port or self.host.free_port(self.host.table_for(ips[0]).listeners, ips[0])
            self.server = StreamServer(self._loop.network, self.host, [(ip, port)], self._new_flow)
        else:
            ip, port = self._open(bind_datagram(self.host, ip, port), None)
        self.local = (ip, port)

    def connect_datagrams(self, address: Any) -> None:
        """Sends nothing: it only says where datagrams go, and from which address."""
        target = self.endpoint_of(address)
        if target[0] in WILDCARDS:
            target = ("127.0.0.1" if target[0] == WILDCARDS[0] else "::1", target[1])
        if self.host.is_group(target[0]):
            source = self.host.source_for(target[0])
        else:
            is_inner = self.host.table_for(target[0]) is self.host.loopback
            source = target[0] if is_inner else self.host.source_for(target[0])
        port = self.local[1] if self.local is not None else 0
        if self.endpoint is not None:
            self.endpoint.close()
        ip = source if self.local is None or self.local[0] in WILDCARDS else self.local[0]
        self.local = self._open(bind_datagram(self.host, ip, port), target)
        self.remote = target

    def listen(self, backlog: int) -> None:
        if self.server is None:
            self.bind((WILDCARDS[self.is_ipv6], 0))
        self._backlog = min(max(backlog, 1), MAX_BACKLOG)
        if self.server is not None:
            self.server.serve()

    def accept(self) -> Flow | None:
        """The connection that has waited longest."""
        if self.server is None or not self.server.is_serving():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        while self._accepted:
            flow = self._accepted.popleft()
            if not flow.is_reset:
                return flow
        return None

    def start_connecting(self, address: Any) -> Handshake:
        """The connection attempt of a stream socket; `finish_connecting` ends it."""
        if self.remote is not None:
            raise OSError(errno.EISCONN, os.strerror(errno.EISCONN))
        local, self.local = self.local, None
        if self.server is not None:
            self.server.close()
            self.server = None
        self.handshake = handshake = self._loop.knock(self.endpoint_of(address), local)
        self.local = handshake.local
        handshake.done.add_done_callback(self._answered)
        return handshake

    def finish_connecting(self) -> bool | None:
        """True once the other side has accepted, None before.

        Raises:
            OSError: it did not.
        """
        handshake = self.handshake
        if handshake is None:
            return True if self.remote is not None else None
        if not handshake.done.done():
            return None
        self.handshake = None
        handshake.close()
        try:
            handshake.done.result()
        except OSError as error:
            raise type(error)(error.errno, os.strerror(error.errno or errno.EIO)) from None
        self.remote = handshake.target
        self._answered_handshake = handshake
        return True

    def take_handshake(self) -> Handshake | None:
        """The accepted attempt, for a transport that takes the place of this socket."""
        self.finish_connecting()
        found, self._answered_handshake = self._answered_handshake, None
        return found

    def connected_flow(self) -> Flow:
        """The flow of a connected socket.

        Raises:
            OSError: not connected.
        """
        if self.flow is None:
            handshake = self.take_handshake()
            if handshake is None:
                raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
            self.adopt(Flow())
            self._loop.open_stream(lambda: cast("Flow", self.flow), handshake)
        assert self.flow is not None
        return self.flow

    def adopt(self, flow: Flow) -> None:
        """This is the socket of a connection."""
        self.flow = flow
        flow.owner = self
        if flow.transport is not None:
            self.local = flow.transport.get_extra_info("sockname")[:2]
            self.remote = flow.transport.get_extra_info("peername")[:2]

    # Data.

    def receive(self, size: int, *, peek: bool = False) -> bytes | None:
        """Bytes of a stream, b"" at its end, or one datagram."""
        if self.is_stream:
            return self.connected_flow().take(size, peek=peek)
        found = self.receive_from(size, peek=peek)
        return found[0] if found is not None else None

    def receive_from(self, size: int, *, peek: bool = False) -> tuple[bytes, Any] | None:
        if self.is_stream:
            data = self.receive(size, peek=peek)
            return (data, None) if data is not None else None
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not self._inbox.datagrams:
            return None
        data, source = self._inbox.datagrams[0] if peek else self._inbox.datagrams.popleft()
        return data[:size], source

    def send(self, data: bytes) -> int | None:
        """How much was taken."""
        if not self.is_stream:
            if self.remote is None:
                raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
            return self.send_to(data, None)
        return self.connected_flow().put(data)

    def send_to(self, data: bytes, address: Any) -> int:
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self.endpoint is None:
            self.bind((WILDCARDS[self.is_ipv6], 0))
        target = None if address is None else self.endpoint_of(address)
        if self.endpoint is not None:
            self.endpoint.sendto(data, target)
        return len(data)

    def shut_down(self, how: int) -> None:
        flow = self.connected_flow()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR) and flow.transport is not None:
            flow.transport.write_eof()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            flow.has_ended = True

    def close(self) -> None:
        self.reader = self.writer = None
        if self.handshake is not None:
            self.handshake.close()
        for closes in (self.server, self.endpoint, self.flow.transport if self.flow is not None else None):
            if closes is not None:
                closes.close()
        for flow in self._accepted:
            if flow.transport is not None:
                flow.transport.abort()
        self._accepted.clear()
        self.changed()

    # Readiness.

    def is_readable(self) -> bool:
        if self.server is not None:
            return bool(self._accepted)
        if self.flow is not None:
            return self.flow.is_readable
        return bool(self._inbox.datagrams) or self._error is not None

    def is_writable(self) -> bool:
        if self.handshake is not None:
            return self.handshake.done.done()
        return self.flow is None or self.flow.is_writable

    def changed(self) -> None:
        """Something may be possible now that was not before."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        for watch in (self.reader, self.writer):
            if watch is not None:
                watch.look()

    def next_change(self) -> asyncio.Future[None]:
        """Resolves when `changed` is called."""
        waiter = cast("asyncio.Future[None]", self._loop.create_future())
        self._waiters.append(waiter)
        return waiter

    def take_inbox(self) -> deque[tuple[bytes, Any]]:
        """What has come in, for a transport that takes the place of this socket."""
        found, self._inbox.datagrams = self._inbox.datagrams, deque()
        return found

    def fail(self, error: Exception) -> None:
        """The next call says it."""
        if isinstance(error, OSError):
            self._error = error
        self.changed()

    def _open(self, local: Endpoint, remote: Endpoint | None) -> Endpoint:
        self.endpoint = DatagramEndpoint(
            self._loop.network, self.host, local, remote, self._inbox, options=self.options, is_dual=self._is_dual()
        )
        return local

    def _is_dual(self) -> bool:
        return self.is_ipv6 and not self.options.get(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)

    def _new_flow(self) -> Flow:
        flow = Flow()

        def made() -> None:
            if len(self._accepted) >= self._backlog and flow.transport is not None:
                flow.transport.abort()
                return
            self._accepted.append(flow)
            self.changed()

        flow.on_made = made
        return flow

    def _answered(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()  # seen: the next call raises it
        self.changed()


def family_and_kind(family: int, kind: int) -> tuple[int, int]:
    """With the defaults of `socket.socket`, and without the flags that Linux mixes in."""
    return (socket.AF_INET if family == -1 else family), (socket.SOCK_STREAM if kind == -1 else kind & 0xF)


MAX_BACKLOG = 4096  # Linux: net.core.somaxconn
