"""TCP as a stream transport: sockets of our own where the running loop can watch them, and what it offers elsewhere."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from transfer.address import Address, is_ip_address
from transfer.aio.door import Door, guarded
from transfer.aio.kernel_congestion import choose_congestion_control
from transfer.aio.resolver import resolve
from transfer.aio.socket_listener import SocketListener, bind_listening_sockets
from transfer.aio.socket_stream import SocketStream
from transfer.aio.transports import Listener

P = TypeVar("P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpConfig:
    """How TCP is spoken. TCP_NODELAY is always on: asyncio and uvloop both set it.

    Attributes:
        backlog: connections that the kernel has accepted and this program has not seen yet.
        happy_eyeballs_delay_s: for a host name with several addresses, the head start of each over the next
            (RFC 8305, section 8: 0.25 s); None tries one after the other.
        local_host: the address that connections come from; None lets the system choose.
        reuse_port: several listeners, even in other processes, may share an address.
        congestion: which of the kernel's congestion controllers sends, by its name there ("cubic", "bbr"); what a
            listener accepts inherits it. None leaves the system's choice. `available_congestion_controls` lists them.
    """

    backlog: int = 512
    happy_eyeballs_delay_s: float | None = 0.25
    local_host: str | None = None
    reuse_port: bool = False
    congestion: str | None = None

    def __post_init__(self) -> None:
        if self.backlog < 1:
            raise ValueError("backlog must be positive")
        if self.happy_eyeballs_delay_s is not None and self.happy_eyeballs_delay_s <= 0:
            raise ValueError("happy_eyeballs_delay_s must be positive, or None")


class TcpTransport:
    """A `StreamTransport` over the sockets of the running event loop, simulated or real.

    On asyncio's selector loop and on uvloop connections are `SocketStream`s, which know `ScatterProtocol`. Any other
    loop gets the loop's `create_connection` and `create_server`.
    """

    __slots__ = ("_config",)

    def __init__(self, config: TcpConfig | None = None) -> None:
        self._config = config or TcpConfig()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamTransport.connect`; host names are resolved.

        Raises:
            CongestionControlError: the system cannot give the connection the controller of the config.
        """
        loop = asyncio.get_running_loop()
        config = self._config
        is_ip = is_ip_address(address.host)
        if watches_descriptors(loop):
            sock = await (self._connect(loop, address) if is_ip else self._connect_by_name(loop, address))
            try:
                protocol = protocol_factory()
                return SocketStream(loop, sock, protocol), protocol
            except BaseException:
                sock.close()
                raise
        options: dict[str, Any] = {}
        if config.local_host is not None:
            options["local_addr"] = (config.local_host, 0)
        has_happy_eyeballs = isinstance(loop, asyncio.BaseEventLoop)  # other loops do not know the argument
        if has_happy_eyeballs and config.happy_eyeballs_delay_s is not None and not is_ip:
            options["happy_eyeballs_delay"] = config.happy_eyeballs_delay_s
        transport, made = await loop.create_connection(protocol_factory, address.host, address.port, **options)
        if config.congestion is not None:
            try:
                choose_congestion_control(transport.get_extra_info("socket"), config.congestion)
            except BaseException:
                transport.abort()
                raise
        return transport, made

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        """As `StreamTransport.listen`; an empty host stands for all addresses of both families.

        Raises:
            CongestionControlError: the system cannot give connections the controller of the config.
        """
        loop = asyncio.get_running_loop()
        config = self._config
        if watches_descriptors(loop):
            sockets = await bind_listening_sockets(
                address, backlog=config.backlog, reuse_port=config.reuse_port, congestion=config.congestion
            )
            return SocketListener(loop, sockets, protocol_factory, door=door)
        if door is not None:
            protocol_factory = guarded(protocol_factory, door)
        options: dict[str, Any] = {"reuse_port": True} if config.reuse_port else {}
        try:
            server = await loop.create_server(
                protocol_factory, address.host or None, address.port, backlog=config.backlog, **options
            )
        except OSError as error:
            if error.errno is not None:
                raise
            # Python 3.13 goes on to the next address, and at the end tells all of them but no number.
            raise OSError(errno.EADDRNOTAVAIL, str(error)) from error
        listener = TcpListener(server)
        if config.congestion is not None:
            try:
                for listening in server.sockets:
                    choose_congestion_control(listening, config.congestion)
            except BaseException:
                listener.close()
                raise
        return listener

    async def _connect_by_name(self, loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
        """A connected socket: the first of the addresses of a name to accept, each with a head start over the next."""
        found = await resolve(address.host, address.port, purpose="connections")
        targets = deque(dict.fromkeys(Address(str(name[0]), address.port) for *_, name in found))
        attempts: dict[asyncio.Task[socket.socket], None] = {}
        failures: list[OSError] = []
        try:
            while targets or attempts:
                if targets:
                    attempts[loop.create_task(self._connect(loop, targets.popleft()))] = None
                head_start_s = self._config.happy_eyeballs_delay_s if targets else None
                done, _ = await asyncio.wait(attempts, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    del attempts[attempt]
                    error = attempt.exception()
                    if not isinstance(error, OSError):
                        return attempt.result()
                    failures.append(error)
        finally:
            for attempt in attempts:
                attempt.cancel()
            for connected in await asyncio.gather(*attempts, return_exceptions=True):
                if isinstance(connected, socket.socket):
                    connected.close()
        raise failures[0]

    async def _connect(self, loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
        """A connected socket. Not with `loop.sock_connect`: uvloop's asks the name service even about IP addresses."""
        *_, name = (await resolve(address.host, address.port, purpose="connections"))[0]
        sock = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self._config.congestion is not None:
                choose_congestion_control(sock, self._config.congestion)
            if self._config.local_host is not None:
                sock.bind((self._config.local_host, 0))
            try:
                sock.connect(name)
            except (BlockingIOError, InterruptedError):
                await _writable(loop, sock)
                if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(number, f"{os.strerror(number)}: {address}") from None
            return sock
        except BaseException:
            sock.close()
            raise


async def _writable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def watches_descriptors(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether `loop` has `add_reader` for real sockets, and the system reads into several buffers."""
    is_known = isinstance(loop, asyncio.SelectorEventLoop) or "uvloop" in {kind.__module__ for kind in type(loop).mro()}
    return is_known and sys.platform != "win32" and hasattr(socket.socket, "recvmsg_into")


class TcpListener:
    """A `Listener` over an `asyncio.Server`."""

    __slots__ = ("_addresses", "_closed", "_server")

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self._addresses = tuple(Address.from_socket(listening.getsockname()) for listening in server.sockets)
        self._closed = asyncio.Event()

    @property
    def addresses(self) -> tuple[Address, ...]:
        return self._addresses

    def close(self) -> None:
        self._server.close()
        self._closed.set()

    async def wait_closed(self) -> None:
        await self._closed.wait()  # Server.wait_closed waits for the connections as well, since Python 3.12

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()
