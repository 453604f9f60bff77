"""Datagram transports of a simulated host."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from transfer.simulation.host import (
    LOOPBACK,
    WILDCARDS,
    Endpoint,
    Host,
    Realm,
    canonical_ip,
    is_multicast,
)
from transfer.simulation.sockets import SimulatedSocket, SocketOptions

if TYPE_CHECKING:
    from transfer.simulation.network import Network


class DatagramEndpoint(asyncio.DatagramTransport):
    """A bound UDP socket as asyncio's transport; sending never blocks, so `pause_writing` is never called.

    Attributes:
        local: what it is bound to.
        remote: where it is connected to, or None: it then hears every sender.
        options: of its socket.
        on_closed: called when it is closed.
    """

    __slots__ = (
        "_bound",
        "_closing",
        "_context",
        "_is_dual",
        "_is_ipv6",
        "_lost",
        "_network",
        "_number",
        "_protocol",
        "_source",
        "host",
        "local",
        "on_closed",
        "options",
        "remote",
    )

    def __init__(
        self,
        network: Network,
        host: Host,
        local: Endpoint,
        remote: Endpoint | None,
        protocol: asyncio.DatagramProtocol,
        *,
        options: SocketOptions | None = None,
        is_dual: bool = False,
    ) -> None:
        self.options = options if options is not None else SocketOptions()
        sock = SimulatedSocket(socket.SOCK_DGRAM, local, remote, self.options)
        super().__init__({"socket": sock, "sockname": sock.getsockname(), "peername": sock.peername()})
        self.host = host
        self.local = local
        self.remote = (canonical_ip(remote[0]), remote[1]) if remote is not None else None
        self.on_closed: Callable[[], object] | None = None
        self._network = network
        self._number = network.loop.next_number()
        self._protocol: Any = protocol
        self._is_ipv6 = ":" in local[0]
        self._is_dual = is_dual
        self._source: Endpoint | None = None
        self._context = contextvars.copy_context()
        self._closing = False
        self._lost = False
        self._bound: list[tuple[Realm, Endpoint]] = []
        addresses = host.local_addresses(local[0])
        if is_dual and local[0] == "::":
            addresses += host.local_addresses("0.0.0.0")
        for ip in addresses:
            table, key = host.table_for(ip), (ip, local[1])
            other = table.udp.get(key)
            if other is not None and not (self.options.shares_port and other.options.shares_port):
                self._unbind()
                raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {ip}:{local[1]}")
            table.udp[key] = self
            self._bound.append((table, key))
            if self._source is None and table is host.realm and not host.is_group(ip):
                self._source = key
        host.udp[self] = None
        network.loop.call_soon(protocol.connection_made, self, context=self._context)

    def hand_over(self, protocol: asyncio.DatagramProtocol, received: Iterable[tuple[bytes, Any]]) -> None:
        """From now on this is the transport of `protocol`, which first gets what a socket has `received` before."""
        self._context = contextvars.copy_context()
        self._network.loop.call_soon(self._begin, protocol, list(received), context=self._context)

    def _begin(self, protocol: asyncio.DatagramProtocol, received: list[tuple[bytes, Any]]) -> None:
        self._protocol = protocol
        protocol.connection_made(self)
        for data, source in received:
            if not self._closing:
                protocol.datagram_received(data, source)

    def receive(self, data: bytes, source: Endpoint) -> None:
        """A datagram from the network."""
        if self._closing or (self.remote is not None and source != self.remote):
            return
        name = self._name(source) if self._is_ipv6 else source
        try:
            self._context.run(self._protocol.datagram_received, data, name)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # a protocol may raise anything, as in asyncio
            self._report("datagram_received() failed", error)

    def refuse(self) -> None:
        """The other side says that no program listens there."""
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
            resolved = self._resolve(target, data)
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

    def _name(self, source: Endpoint) -> tuple[Any, ...]:
        """How an IPv6 socket sees a sender."""
        return (source[0] if ":" in source[0] else f"::ffff:{source[0]}", source[1], 0, 0)

    def _resolve(self, target: tuple[Any, Any], data: bytes) -> tuple[Endpoint, Endpoint] | None:
        """Source and target of an address that is spelled unusually, or is not in the sender's own network.

        None when there is nothing more to do: it cannot be reached, or `data` went to a group.
        """
        try:
            ip = canonical_ip(str(target[0]))
        except ValueError:
            error = socket.gaierror(socket.EAI_NONAME, f"sendto() needs an IP address, not {target[0]!r}")
            raise error from None
        is_ipv6 = ":" in ip
        if is_ipv6 is not self._is_ipv6 and not (self._is_dual and not is_ipv6):
            self._fail(OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT)))
            return None
        if ip in WILDCARDS:  # what Linux takes it for
            ip = LOOPBACK[ip]
        if self.host.is_group(ip) and ip not in self.host.realm.hosts:
            self._send_to_group((ip, target[1]), data)
            return None
        realm = self.host.table_for(ip)
        for table, key in self._bound:
            if table is realm and (":" in key[0]) is is_ipv6:
                return (key if not self.host.is_group(key[0]) else (self.host.source_for(ip), key[1])), (ip, target[1])
        self._fail(OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)}: no way from {self._bound[0][1][0]} to {ip}"))
        return None

    def _send_to_group(self, group: Endpoint, data: bytes) -> None:
        from transfer.simulation.multicast import send_to_group

        is_ipv6 = ":" in group[0]
        if not is_multicast(group[0]) and not self.options.is_set(socket.SOL_SOCKET, socket.SO_BROADCAST):
            self._fail(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
            return
        ip = self.local[0]
        if is_multicast(group[0]) and self.options.sends_on_loopback(is_ipv6=is_ipv6):
            ip = "::1" if is_ipv6 else "127.0.0.1"
        elif ip in WILDCARDS or self.host.is_group(ip):
            try:
                ip = self.host.source_for(group[0])
            except OSError as error:
                self._fail(error)
                return
        source = (ip, self.local[1])
        send_to_group(self._network, self.host, source, group, data, hears_itself=self.options.hears_itself)

    def _fail(self, error: OSError) -> None:
        self._network.loop.call_soon(self._protocol.error_received, error, context=self._context)

    def _unbind(self) -> None:
        for table, key in self._bound:
            if table.udp.get(key) is self:
                del table.udp[key]
                if self.options.shares_port:
                    self._leave_to_another(table, key)
        self._bound.clear()

    def _leave_to_another(self, table: Realm, key: Endpoint) -> None:
        """Of several sockets with one address the last one gets what comes; now it is the one before."""
        for other in self.host.udp:
            if other is not self and (table, key) in other._bound:
                table.udp[key] = other

    def _lose(self, error: OSError | None) -> None:
        self._lost = True
        self.host.udp.pop(self, None)
        if self.on_closed is not None:
            self.on_closed()
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
