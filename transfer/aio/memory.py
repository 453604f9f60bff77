"""Streams inside one process, with everything that TCP promises and nothing more: for tests and for embedding."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from transfer.address import Address
from transfer.aio.door import Door, source_of
from transfer.aio.memory_stream import MemoryConfig, MemoryStream, stream_pair

__all__ = ["MemoryConfig", "MemoryListener", "MemoryNetwork", "MemoryStream", "MemoryTransport"]

P = TypeVar("P", bound=asyncio.BaseProtocol)


class MemoryNetwork:
    """The hosts of one event loop that can reach each other: where each listens, and which are connected.

    Invariants:
        no two open connections have the same two addresses
        an address has at most one listener
    """

    def __init__(self, config: MemoryConfig | None = None) -> None:
        self.config = config or MemoryConfig()
        self._listeners: dict[Address, MemoryListener] = {}
        self._streams: dict[tuple[Address, Address], MemoryStream] = {}
        self._next_port = FIRST_EPHEMERAL_PORT

    @property
    def streams(self) -> int:
        """Ends of connections that are not lost yet."""
        return len(self._streams)

    @property
    def listeners(self) -> int:
        """Addresses that are listened on."""
        return len(self._listeners)

    def _bind(self, address: Address, listener: MemoryListener) -> Address:
        """Takes the address, or a free port of its host when the port is 0."""
        if address.port == 0:
            address = self._free_port(address.host, lambda free: free not in self._listeners)
        elif address in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{os.strerror(errno.EADDRINUSE)}: {address}")
        self._listeners[address] = listener
        return address

    def _unbind(self, address: Address) -> None:
        self._listeners.pop(address, None)

    def _open(self, host: str, target: Address) -> tuple[MemoryStream, MemoryStream, MemoryListener]:
        """Two connected ends, and the listener that is to have the second one."""
        listener = self._listeners.get(target)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{os.strerror(errno.ECONNREFUSED)}: {target}")
        source = self._free_port(host, lambda free: self._is_free_source(free, target))
        ours, theirs = stream_pair(source, target, listener.context.copy(), self.config, self._lost)
        self._streams[source, target] = ours
        self._streams[target, source] = theirs
        return ours, theirs, listener

    def _lost(self, stream: MemoryStream) -> None:
        del self._streams[stream.addresses]

    def _is_free_source(self, source: Address, target: Address) -> bool:
        ends = ((source, target), (target, source))
        return source not in self._listeners and not any(pair in self._streams for pair in ends)

    def _free_port(self, host: str, is_free: Callable[[Address], bool]) -> Address:
        for _ in range(FIRST_EPHEMERAL_PORT, LAST_PORT + 1):
            address = Address(host, self._next_port)
            self._next_port = FIRST_EPHEMERAL_PORT if self._next_port == LAST_PORT else self._next_port + 1
            if is_free(address):
                return address
        raise OSError(errno.EADDRNOTAVAIL, f"{os.strerror(errno.EADDRNOTAVAIL)}: every port of {host} is taken")


class MemoryTransport:
    """A `StreamTransport` to the other hosts of a `MemoryNetwork`.

    Args:
        host: the one this program is on; any number of transports may be on it.
    """

    __slots__ = ("_host", "_network")

    def __init__(self, network: MemoryNetwork, host: str = "127.0.0.1") -> None:
        self._network = network
        self._host = host

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamTransport.connect`; hosts are compared as text, nothing is resolved."""
        await asyncio.sleep(0)  # like every way to a network, this takes at least a step of the loop
        ours, theirs, listener = self._network._open(self._host, address)
        asyncio.get_running_loop().call_soon(listener._accept, theirs, context=listener.context)
        try:
            protocol = protocol_factory()
        except BaseException:
            ours.abort()
            raise
        waiter = asyncio.get_running_loop().create_future()
        ours.start(protocol, waiter)
        try:
            await waiter
        except BaseException:
            ours.close()
            raise
        return ours, protocol

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> MemoryListener:
        """As `StreamTransport.listen`; `0.0.0.0`, `::` and an empty host stand for this host."""
        if address.host not in (self._host, *WILDCARDS):
            raise OSError(errno.EADDRNOTAVAIL, f"{os.strerror(errno.EADDRNOTAVAIL)}: this is not {address.host}")
        return MemoryListener(self._network, Address(self._host, address.port), protocol_factory, door)


class MemoryListener:
    """A `Listener` on a `MemoryNetwork`."""

    def __init__(
        self,
        network: MemoryNetwork,
        address: Address,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        door: Door | None = None,
    ) -> None:
        self.context = contextvars.copy_context()  # connections are accepted on behalf of the listener
        self._network = network
        self._protocol_factory = protocol_factory
        self._door = door
        self._closed = asyncio.Event()
        self._address = network._bind(address, self)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return (self._address,)

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._network._unbind(self._address)

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()

    def _accept(self, stream: MemoryStream) -> None:
        if self._closed.is_set():
            stream.abort()
            return
        if self._door is not None:
            entry = self._door.admit(source_of(stream))
            if entry is None:
                stream.abort()
                return
            stream.hold(entry)
        try:
            protocol = self._protocol_factory()
        except Exception as error:  # noqa: BLE001  # a factory may raise anything; the listener goes on
            stream.abort()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "The factory of an accepted connection failed", "exception": error, "transport": stream}
            )
        else:
            stream.start(protocol)


FIRST_EPHEMERAL_PORT = 49_152  # RFC 6335, section 6
LAST_PORT = 65_535
WILDCARDS = ("0.0.0.0", "::", "")
