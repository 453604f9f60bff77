"""The calls of an asyncio loop on sockets: those that were made inside are simulated, others are refused."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, cast

from transfer.simulation.raw_sockets import RawSocket, family_and_kind
from transfer.simulation.socket_ends import Flow, Watch
from transfer.simulation.unsupported import unsupported

if TYPE_CHECKING:
    from transfer.simulation.connections import NetworkCalls

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SocketCalls(asyncio.AbstractEventLoop):
    """`sock_recv` and its family, `add_reader` and its, and transports made of sockets."""

    def __init__(self) -> None:
        super().__init__()
        self._raw: weakref.WeakKeyDictionary[socket.socket, RawSocket] = weakref.WeakKeyDictionary()
        self._by_descriptor: weakref.WeakValueDictionary[int, socket.socket] = weakref.WeakValueDictionary()

    # What belongs to a socket.

    def make_raw(self, sock: socket.socket, family: int, kind: int) -> RawSocket:
        """A socket was made inside."""
        family, kind = checked_kind(family, kind)
        reference = weakref.ref(sock)

        def close() -> None:
            found = reference()
            if found is not None:
                found.close()

        raw = self._raw[sock] = RawSocket(cast("NetworkCalls", self), family, kind, close)
        self._by_descriptor[sock.fileno()] = sock
        return raw

    def raw(self, sock: Any, call: str) -> RawSocket:
        """What is behind a socket, or behind its descriptor.

        Raises:
            NotSimulatedError: it was not made inside this run.
        """
        found = self._by_descriptor.get(sock) if isinstance(sock, int) else sock
        raw = self._raw.get(found) if isinstance(found, socket.socket) else None
        if raw is None:
            unsupported(f"{call} of what is no socket made inside the simulation", "make the socket in the program")
        return raw

    def forget_raw(self, sock: socket.socket) -> RawSocket | None:
        """The socket is closed."""
        return self._raw.pop(sock, None)

    # Transports that take the place of a socket.

    async def adopt_connected(self, protocol_factory: Callable[[], Any], sock: Any) -> tuple[asyncio.Transport, Any]:
        """`create_connection(sock=…)`."""
        raw = self.raw(sock, "create_connection(sock=…)")
        if not raw.is_stream:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        handshake = raw.take_handshake()
        loop = cast("NetworkCalls", self)
        if handshake is not None:
            raw.local = None
            sock.close()
            return await loop._establish(protocol_factory, handshake)
        return await self._hand_over(protocol_factory, raw.connected_flow(), sock)

    async def connect_accepted_socket(
        self, protocol_factory: Callable[[], Any], sock: Any, *, ssl: Any = None, **options: Any
    ) -> tuple[asyncio.Transport, Any]:
        """A transport for a connection that `sock_accept` gave."""
        raw = self.raw(sock, "connect_accepted_socket()")
        if ssl:
            unsupported("connect_accepted_socket(ssl=…)", "use create_server(ssl=…), or start_tls() afterwards")
        return await self._hand_over(protocol_factory, raw.connected_flow(), sock)

    async def adopt_listening(
        self, protocol_factory: Callable[[], Any], sock: Any, *, backlog: int, start_serving: bool
    ) -> asyncio.Server:
        """`create_server(sock=…)`."""
        raw = self.raw(sock, "create_server(sock=…)")
        if not raw.is_stream:
            raise ValueError(f"A Stream Socket was expected, got {sock!r}")
        if raw.server is None:
            raw.bind(("", 0))
        server, raw.server = raw.server, None
        assert server is not None
        server.protocol_factory = protocol_factory
        server.on_closed = raw.on_closed
        server.kept = sock
        if start_serving:
            await server.start_serving()
        return server

    async def adopt_datagrams(self, protocol_factory: Callable[[], Any], sock: Any) -> tuple[Any, Any]:
        """`create_datagram_endpoint(sock=…)`."""
        raw = self.raw(sock, "create_datagram_endpoint(sock=…)")
        if raw.is_stream:
            raise ValueError(f"A UDP Socket was expected, got {sock!r}")
        if raw.endpoint is None:
            raw.bind(("", 0))
        endpoint, raw.endpoint = raw.endpoint, None
        assert endpoint is not None
        protocol = protocol_factory()
        endpoint.on_closed = lambda: (raw.on_closed(), sock)
        endpoint.hand_over(protocol, raw.take_inbox())
        await asyncio.sleep(0)
        return endpoint, protocol

    async def _hand_over(
        self, protocol_factory: Callable[[], Any], flow: Flow, sock: socket.socket
    ) -> tuple[asyncio.Transport, Any]:
        raw = self.raw(sock, "a transport")
        while flow.transport is None:
            await raw.next_change()
        protocol = protocol_factory()
        transport = flow.transport
        raw.flow = None
        sock.close()
        transport.pause_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        rest = flow.take(1 << 30, peek=False) if flow.is_readable else None
        if rest:
            protocol.data_received(rest)
        transport.resume_reading()
        return transport, protocol

    # Receiving and sending.

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        raw = self.raw(sock, "sock_recv()")
        return await self._until(raw, lambda: raw.receive(nbytes))

    async def sock_recv_into(self, sock: Any, buf: Any) -> int:
        view = memoryview(buf).cast("B")
        data = await self.sock_recv(sock, len(view))
        view[: len(data)] = data
        return len(data)

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> tuple[bytes, Any]:
        raw = self.raw(sock, "sock_recvfrom()")
        return await self._until(raw, lambda: raw.receive_from(bufsize))

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> tuple[int, Any]:
        view = memoryview(buf).cast("B")
        data, source = await self.sock_recvfrom(sock, nbytes or len(view))
        view[: len(data)] = data
        return len(data), source

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        raw = self.raw(sock, "sock_sendall()")
        rest = bytes(data)
        while rest:
            here = rest
            sent = await self._until(raw, lambda: raw.send(here))  # noqa: B023  # awaited at once
            rest = rest[sent:]

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> int:
        return self.raw(sock, "sock_sendto()").send_to(bytes(data), address)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        raw = self.raw(sock, "sock_connect()")
        if not raw.is_stream:
            raw.connect_datagrams(address)
            return
        if not _is_literal(address[0]):
            infos = await self.getaddrinfo(address[0], address[1], family=sock.family, type=socket.SOCK_STREAM)
            address = infos[0][4]
        handshake = raw.start_connecting(address)
        try:
            await handshake.done
        finally:
            raw.handshake = raw.handshake if handshake.done.done() else None
            handshake.close()
        raw.finish_connecting()

    async def sock_accept(self, sock: Any) -> tuple[socket.socket, Any]:
        raw = self.raw(sock, "sock_accept()")
        flow = await self._until(raw, raw.accept)
        return self.accepted(raw, flow)

    def accepted(self, listening: RawSocket, flow: Flow) -> tuple[socket.socket, Any]:
        """A socket for a connection that was accepted."""
        sock = socket.socket(socket.AF_INET6 if listening.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        raw = self.raw(sock, "accept()")
        raw.host = listening.host
        raw.adopt(flow)
        return sock, raw.peer_name()

    async def sock_sendfile(
        self, sock: Any, file: Any, offset: int = 0, count: int | None = None, *, fallback: bool | None = None
    ) -> int:
        """Reads blocks and sends them."""
        self.raw(sock, "sock_sendfile()")
        if fallback is False:
            raise asyncio.SendfileNotAvailableError("the simulated network has no sendfile()")
        file.seek(offset)
        sent = 0
        while count is None or sent < count:
            data = file.read(65_536 if count is None else min(65_536, count - sent))
            if not data:
                break
            await self.sock_sendall(sock, data)
            sent += len(data)
        return sent

    async def _until(self, raw: RawSocket, attempt: Callable[[], T | None]) -> T:
        while (result := attempt()) is None:
            await raw.next_change()
        return result

    # Watching.

    def add_reader(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> None:
        raw = self.raw(fd, "add_reader()")
        raw.reader = watch = self._watch(callback, args, raw.is_readable, lambda: raw.reader)
        watch.look()

    def remove_reader(self, fd: Any) -> bool:
        raw = self._watched(fd)
        was_there = raw is not None and raw.reader is not None
        if raw is not None:
            raw.reader = None
        return was_there

    def add_writer(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> None:
        raw = self.raw(fd, "add_writer()")
        raw.writer = watch = self._watch(callback, args, raw.is_writable, lambda: raw.writer)
        watch.look()

    def remove_writer(self, fd: Any) -> bool:
        raw = self._watched(fd)
        was_there = raw is not None and raw.writer is not None
        if raw is not None:
            raw.writer = None
        return was_there

    def _watched(self, fd: Any) -> RawSocket | None:
        """None for what was closed already, as a selector would not know it either."""
        found = self._by_descriptor.get(fd) if isinstance(fd, int) else fd
        return self._raw.get(found) if isinstance(found, socket.socket) else None

    def _watch(
        self, callback: Any, args: Any, is_ready: Callable[[], bool], current: Callable[[], Watch | None]
    ) -> Watch:
        handle = asyncio.Handle(callback, args, self, contextvars.copy_context())
        return Watch(handle, is_ready, lambda watch: current() is watch)


def checked_kind(family: int, kind: int) -> tuple[int, int]:
    """The two with the defaults of `socket.socket`.

    Raises:
        NotSimulatedError: it is neither TCP nor UDP over IP.
    """
    family, kind = family_and_kind(family, kind)
    if family not in (socket.AF_INET, socket.AF_INET6):
        unsupported(f"socket.socket() of family {_name(family)}", "use AF_INET or AF_INET6")
    if kind not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        unsupported(f"socket.socket() of type {_name(_kind(kind))}", "use SOCK_STREAM or SOCK_DGRAM")
    return family, kind


def _is_literal(host: Any) -> bool:
    return isinstance(host, str) and (":" in host or host.replace(".", "").isdigit())


def _kind(value: int) -> int:
    try:
        return socket.SocketKind(value)
    except ValueError:
        return value


def _name(value: int) -> str:
    return str(getattr(value, "name", value))
