"""The calls of an asyncio loop that open, await and resolve: all of them end in the simulated network."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from transfer.simulation.channel import Channel
from transfer.simulation.datagrams import DatagramEndpoint, bind_datagram
from transfer.simulation.handshake import Handshake
from transfer.simulation.host import WILDCARDS, Endpoint
from transfer.simulation.segments import Kind
from transfer.simulation.server import Reception, StreamServer
from transfer.simulation.signals import SignalCalls
from transfer.simulation.socket_calls import SocketCalls
from transfer.simulation.sockets import SocketOptions
from transfer.simulation.streams import SimulatedStream, SimulatedStreamConfig
from transfer.simulation.tls import tls_options
from transfer.simulation.transport_calls import TransportCalls
from transfer.simulation.unsupported import NO_UNIX, UnsupportedCalls, unsupported

if TYPE_CHECKING:
    from transfer.simulation.names import AddressInfo
    from transfer.simulation.network import Network


class NetworkCalls(SocketCalls, TransportCalls, SignalCalls, UnsupportedCalls):
    """`create_connection` and its family, as asyncio documents them."""

    network: Network
    stream_config = SimulatedStreamConfig()

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Looks the name up in `network.names`; the answer takes as long as a call in an executor."""
        return await self.run_in_executor(
            None,
            lambda: self.network.names.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags),
        )

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """The first name that was added to `network.names` for the address, else the address; ports are numbers."""
        return self.network.names.getnameinfo(sockaddr, flags)

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
        **options: Any,
    ) -> tuple[asyncio.Transport, Any]:
        """Tries the addresses of `host` one after the other (never two at a time, whatever the options say)."""
        if server_hostname is not None and not ssl:
            raise ValueError("server_hostname is only meaningful with ssl")
        if ssl:
            if server_hostname is None and host is None:
                raise ValueError("You must set server_hostname when using ssl without a host")
            name = server_hostname if server_hostname is not None else host
            tls = tls_options(ssl, server_hostname=name, options=options)
            inner, waiter = tls.client(self, protocol_factory)
            await self.create_connection(
                inner,
                host,
                port,
                family=family,
                proto=proto,
                flags=flags,
                sock=sock,
                local_addr=local_addr,
                all_errors=all_errors,
            )
            return await tls.wait(waiter)
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            return await self.adopt_connected(protocol_factory, sock)
        if host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        infos = await self._resolve(host, port, family, socket.SOCK_STREAM, flags)
        failures: list[OSError] = []
        for info in infos:
            try:
                handshake = await self._connect((str(info[4][0]), int(info[4][1])), local_addr)
            except OSError as error:
                failures.append(error)
            else:
                return await self._establish(protocol_factory, handshake)
        if all_errors:
            raise ExceptionGroup("create_connection failed", failures)
        if len(failures) == 1 or all(str(error) == str(failures[0]) for error in failures):
            raise failures[0]
        raise OSError(f"Multiple exceptions: {', '.join(map(str, failures))}")

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: str | Iterable[str] | None = None,
        port: int | None = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: Any = None,
        backlog: int = 100,
        ssl: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> asyncio.Server:
        """Listens on the running host; `0.0.0.0` and `::` stand for all its addresses of that family."""
        if ssl:
            protocol_factory = tls_options(ssl, options=options).server(self, protocol_factory)
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            return await self.adopt_listening(protocol_factory, sock, backlog=backlog, start_serving=start_serving)
        if host is None and port is None:
            raise ValueError("Neither host/port nor sock were specified")
        names: list[str | None]
        names = [host or None] if host is None or isinstance(host, str) else list(host)
        here = self.network.here()
        found: dict[str, int] = {}
        for name in names:
            for info in await self._resolve(name, port, family, socket.SOCK_STREAM, flags):
                if name is not None or any((":" in ip) == (":" in info[4][0]) for ip in here.addresses):
                    found[str(info[4][0])] = int(info[4][1])
        locals_: list[Endpoint] = []
        for ip, number in found.items():
            addresses = here.local_addresses(ip)
            table = here.table_for(addresses[0]).listeners
            locals_.append((ip, number or here.free_port(table, addresses[0])))
        server = StreamServer(self.network, here, locals_, protocol_factory)
        if start_serving:
            await server.start_serving()
        return server

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: tuple[str, int] | str | None = None,
        remote_addr: tuple[str, int] | str | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: Any = None,
    ) -> tuple[Any, Any]:
        """Binds on the running host."""
        if sock is not None:
            if local_addr is not None or remote_addr is not None or family or proto or flags:
                raise ValueError("socket modifier keyword arguments can not be used when sock is specified.")
            return await self.adopt_datagrams(protocol_factory, sock)
        if isinstance(local_addr, str) or isinstance(remote_addr, str):
            unsupported("create_datagram_endpoint() with a Unix socket", NO_UNIX)
        if local_addr is None and remote_addr is None and family == 0:
            raise ValueError("unexpected address family")
        here = self.network.here()
        locals_ = await self._datagram_addresses(local_addr, family, flags)
        remotes = await self._datagram_addresses(remote_addr, family, flags)
        local, remote = _matching(locals_, remotes)
        if remote is not None and (local is None or local[0] in WILDCARDS):  # connecting chooses the address
            is_inner = here.table_for(remote[0]) is here.loopback
            local = (remote[0] if is_inner else here.source_for(remote[0]), local[1] if local is not None else 0)
        elif local is None:
            local = (WILDCARDS[family == socket.AF_INET6], 0)
        local = bind_datagram(here, *local)
        protocol = protocol_factory()
        socket_options = SocketOptions()
        if reuse_port:
            socket_options.set(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if allow_broadcast:
            socket_options.set(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        endpoint = DatagramEndpoint(self.network, here, local, remote, protocol, options=socket_options)
        try:
            await asyncio.sleep(0)
        except BaseException:
            endpoint.close()
            raise
        return endpoint, protocol

    def knock(self, target: Endpoint, local_addr: Any) -> Handshake:
        """Begins a connection attempt from the running host."""
        return Handshake(self.network, self.network.here(), target, local_addr, self.stream_config)

    async def _connect(self, target: Endpoint, local_addr: tuple[str, int] | None) -> Handshake:
        handshake = self.knock(target, local_addr)
        try:
            await handshake.done
        finally:
            handshake.close()
        return handshake

    async def _establish(
        self, protocol_factory: Callable[[], Any], handshake: Handshake
    ) -> tuple[asyncio.Transport, Any]:
        waiter = cast("asyncio.Future[None]", self.create_future())
        transport, protocol = self.open_stream(protocol_factory, handshake, waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def open_stream(
        self,
        protocol_factory: Callable[[], Any],
        handshake: Handshake,
        waiter: asyncio.Future[None] | None = None,
    ) -> tuple[asyncio.Transport, Any]:
        """The transport of a connection that the other side has accepted."""
        config = self.stream_config
        protocol = protocol_factory()
        here, route = handshake.host, handshake.route
        transport = SimulatedStream(
            self.network, here, handshake.local, handshake.target, contextvars.copy_context(), config=config
        )
        reception = Reception(self.network, route.host, route.realm, route.target, route.source, config)
        transport.channel = Channel(
            self.network,
            transport,
            reception,
            handshake.local,
            handshake.target,
            give_up_us=round(config.give_up_s * 1e6),
        )
        reception.attach(transport.channel)
        transport.control(here.congestion or config.congestion)
        transport.channel.send(Kind.OPEN)
        transport.start(protocol, waiter)
        return transport, protocol

    async def _resolve(self, host: Any, port: Any, family: int, kind: int, flags: int) -> list[AddressInfo]:
        """At once for what is an address already, as asyncio does."""
        if host is None or _is_address(host):
            return self._lookup(host, port, family, kind, flags)
        return await self.getaddrinfo(host, port, family=family, type=kind, flags=flags)

    async def _datagram_addresses(self, address: tuple[str, int] | None, family: int, flags: int) -> list[Endpoint]:
        if address is None:
            return []
        if len(address) != 2:
            raise TypeError("2-tuple is expected")
        infos = await self._resolve(address[0], address[1], family, socket.SOCK_DGRAM, flags)
        return [(str(info[4][0]), int(info[4][1])) for info in infos]

    def _lookup(self, host: Any, port: Any, family: int, kind: int, flags: int) -> list[AddressInfo]:
        return self.network.names.getaddrinfo(host, port, family=family, type=kind, flags=flags)


def _matching(locals_: list[Endpoint], remotes: list[Endpoint]) -> tuple[Endpoint | None, Endpoint | None]:
    """The first pair of one family."""
    if not locals_ or not remotes:
        return (locals_ or [None])[0], (remotes or [None])[0]  # type: ignore[list-item]  # one of both is missing
    for local in locals_:
        for remote in remotes:
            if (":" in local[0]) == (":" in remote[0]):
                return local, remote
    raise ValueError("can not get address information")


def _is_address(host: Any) -> bool:
    text = host.decode("ascii") if isinstance(host, bytes) else host
    return isinstance(text, str) and (":" in text or text.replace(".", "").isdigit())
