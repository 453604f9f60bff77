"""Datagram transports of a simulated host."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from typing import TYPE_CHECKING, Any

from transfer.simulation.host import Endpoint, Host, Realm, canonical_ip
from transfer.simulation.sockets import SimulatedSocket

if TYPE_CHECKING:
    from transfer.simulation.network import Network


class DatagramEndpoint(asyncio.DatagramTransport):
    """A bound UDP socket as asyncio's transport; sending never blocks, so `pause_writing` is never called.

    Attributes:
        remote: where it is connected to, or None: it then hears everybody.
    """

    __slots__ = (
        "_bound",
        "_closing",
        "_context",
        "_is_ipv6",
        "_lost",
        "_network",
        "_number",
        "_protocol",
        "_source",
        "host",
        "remote",
    )

    def __init__(
        self,
        network: Network,
        host: Host,
        local: Endpoint,
        remote: Endpoint | None,
        protocol: asyncio.DatagramProtocol,
    ) -> None:
        sock = SimulatedSocket(socket.SOCK_DGRAM, local, remote)
        super().__init__({"socket": sock, "sockname": sock.getsockname(), "peername": sock.peername()})
        self.host = host
        self.remote = remote
        self._network = network
        self._number = network.loop.next_number()
        self._protocol: Any = protocol
        self._is_ipv6 = ":" in local[0]
        self._source: Endpoint | None = None
        self._context = contextvars.copy_context()
        self._closing = False
        self._lost = False
        self._bound: list[tuple[Realm, Endpoint]] = []
        for ip in host.local_addresses(local[0]):
            table, key = host.table_for(ip), (ip, local[1])
            if key in table.udp:
                self._unbind()
                raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {ip}:{local[1]}")
            table.udp[key] = self
            self._bound.append((table, key))
            if self._source is None and table is host.realm:
                self._source = key
        host.udp[self] = None
        network.loop.call_soon(protocol.connection_made, self, context=self._context)

    def receive(self, data: bytes, source: Endpoint) -> None:
        """A datagram from the network."""
        if self._closing or (self.remote is not None and source != self.remote):
            return
        name = (source[0], source[1], 0, 0) if self._is_ipv6 else source
        try:
            self._context.run(self._protocol.datagram_received, data, name)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # a protocol may raise anything, as in asyncio
            self._report("datagram_received() failed", error)

    def refuse(self) -> None:
        """The other side says that nobody listens there."""
        if not self._closing:
            error = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            self._context.run(self._protocol.error_received, error)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not isinstance(data, bytes):
            if not isinstance(data, bytearray | memoryview):
                raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
            data = bytes(data)
        if not data or self._lost:
            return
        if self.remote is not None:
            if addr is not None and (addr[0], addr[1]) != self.remote:
                raise ValueError(f"Invalid address: must be None or {self.remote}")
            target = self.remote
        elif addr is None:
            raise ValueError("sendto() needs an address: this endpoint is not connected")
        else:
            target = (addr[0], addr[1])
        if len(data) > MAX_DATAGRAM_BYTES:
            self._fail(OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE)))
            return
        source = self._source
        ip = target[0]
        if source is None or ip not in self.host.realm.hosts or (":" in ip) is not self._is_ipv6:
            resolved = self._resolve(target)
            if resolved is None:
                return
            source, target = resolved
        self._network.send_datagram(self.host, source, target, data)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._unbind()
        self._network.loop.call_soon(self._lose, None, context=self._context)

    def abort(self) -> None:
        self.close()

    def drop(self, error: OSError) -> None:
        """The host is going down."""
        if not self._closing:
            self._closing = True
            self._unbind()
            self._network.loop.call_soon(self._lose, error, context=self._context)

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (16_384, 65_536)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Accepted: there is no buffer to limit."""

    def _resolve(self, target: tuple[Any, Any]) -> tuple[Endpoint, Endpoint] | None:
        """Source and target of an address that is spelled unusually, or is not in the sender's own network."""
        try:
            ip = canonical_ip(str(target[0]))
        except ValueError:
            error = socket.gaierror(socket.EAI_NONAME, f"sendto() needs an IP address, not {target[0]!r}")
            raise error from None
        if (":" in ip) != self._is_ipv6:
            self._fail(OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT)))
            return None
        realm = self.host.table_for(ip)
        for table, key in self._bound:
            if table is realm:
                return key, (ip, target[1])
        self._fail(OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: no way from {self._bound[0][1][0]} to {ip}"))
        return None

    def _fail(self, error: OSError) -> None:
        self._network.loop.call_soon(self._protocol.error_received, error, context=self._context)

    def _unbind(self) -> None:
        for table, key in self._bound:
            del table.udp[key]
        self._bound.clear()

    def _lose(self, error: OSError | None) -> None:
        self._lost = True
        self.host.udp.pop(self, None)
        self._protocol.connection_lost(error)

    def _report(self, message: str, error: BaseException) -> None:
        context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        self._network.loop.call_exception_handler(context)

    def __hash__(self) -> int:
        """A number, so that a set of transports has the same order in every run."""
        return self._number

    def __repr__(self) -> str:
        sockname = self.get_extra_info("sockname")
        return f"<DatagramEndpoint {sockname[0]}:{sockname[1]} of {self.host}{' closing' if self._closing else ''}>"


def bind_datagram(host: Host, ip: str, port: int) -> Endpoint:
    """The endpoint to bind: port 0 becomes a free one.

    Raises:
        OSError: the address is not this host's, or no port is free.
    """
    addresses = host.local_addresses(ip)
    if port == 0:
        port = host.free_port(host.table_for(addresses[0]).udp, addresses[0])
    return ip, port


MAX_DATAGRAM_BYTES = 65_507  # RFC 768 over RFC 791: 65535 - 20 - 8
