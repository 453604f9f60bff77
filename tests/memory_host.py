"""A host as nodes of libp2p's DHT need it, over streams in memory: a fake without keys, where ids are believed.

Each stream is a connection of its own, which begins with a line that names the caller and the protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from transfer import Address, MemoryNetwork, MemoryTransport
from transfer.aio.reader_writer import listen_streams, open_stream
from transfer.aio.transports import Listener
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.negotiation.errors import NoCommonProtocolError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Connection:
    """Who is at the other end, and where."""

    peer_id: PeerId
    remote: Multiaddr


@dataclass(frozen=True, slots=True)
class Said:
    """What identify would have told."""

    addresses: tuple[Multiaddr, ...]
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identified:
    """A peer that was met for the first time."""

    peer_id: PeerId
    said: Said


class PeerWriter(asyncio.StreamWriter):
    """Knows the connection."""

    connection: Connection

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        own = {"connection": self.connection, "peer_id": self.connection.peer_id}
        return own[name] if name in own else super().get_extra_info(name, default)


class MemoryHost:
    """One of the hosts on a network; `hosts` are all of them, by their addresses."""

    def __init__(self, network: MemoryNetwork, hosts: dict[Address, MemoryHost], peer_id: PeerId, host: str) -> None:
        self.peer_id = peer_id
        self.where = Address(host, 4001)
        self.addresses: tuple[Multiaddr, ...] = (way_to(self.where) / f"/p2p/{peer_id}",)
        self.protocols: dict[str, Handler] = {}
        self._transport = MemoryTransport(network, host)
        self._hosts = hosts
        self._events: asyncio.Queue[Identified] = asyncio.Queue()
        self._met: set[PeerId] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        self._hosts[self.where] = self
        self._listener = await listen_streams(self._transport, self._serve, self.where)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._listener is not None
        del self._hosts[self.where]
        self._listener.close()
        await self._listener.wait_closed()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def connect(self, target: Any) -> Connection:
        address = target if isinstance(target, Multiaddr) else target[0]
        where = Address(str(address.value("ip4")), int(str(address.value("tcp"))))
        other = self._hosts.get(where)
        if other is None:
            raise ConnectionRefusedError(f"nobody is at {where}")
        if address.peer_id not in (None, other.peer_id):
            raise ConnectionError(f"{other.peer_id} is there, not {address.peer_id}")
        self._meet(other)
        return Connection(other.peer_id, way_to(where))

    def connection_to(self, peer_id: PeerId) -> Connection | None:
        met = peer_id in self._met
        return next(
            (
                Connection(peer_id, way_to(where))
                for where, each in self._hosts.items()
                if met and each.peer_id == peer_id
            ),
            None,
        )

    async def open_stream(
        self, target: Any, protocols: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = await self.connect(target)
        where = Address(str(connection.remote.value("ip4")), 4001)
        reader, writer = await open_stream(self._transport, where)
        writer.write(f"{self.where.host} {protocols[0]}\n".encode())
        try:
            answer = await reader.readline()
        except BaseException:
            writer.transport.abort()
            raise
        if answer != b"ok\n":
            writer.close()
            refusal = ConnectionError(f"no stream to {connection.peer_id}")
            refusal.__cause__ = NoCommonProtocolError(protocols)
            raise refusal
        return reader, known_writer(writer, connection)

    def set_stream_handler(self, protocols: str, handler: Handler, *, max_per_peer: int | None = None) -> None:
        self.protocols[protocols] = handler
        self._tell()

    def remove_stream_handler(self, protocols: str) -> None:
        del self.protocols[protocols]
        self._tell()

    async def events(self) -> AsyncIterator[Identified]:
        while True:
            yield await self._events.get()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            await self._serve_one(reader, writer)
        except (OSError, asyncio.CancelledError):  # asyncio would log a task that was cancelled
            writer.transport.abort()
        else:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, protocol = (await reader.readline()).decode().split()
        handler = self.protocols.get(protocol)
        if handler is None:
            writer.write(b"na\n")
            return
        writer.write(b"ok\n")
        caller = self._hosts.get(Address(host, 4001))
        if caller is None:
            raise ConnectionError("the caller has gone")
        self._meet(caller)
        await handler(reader, known_writer(writer, Connection(caller.peer_id, way_to(caller.where))))

    def _meet(self, other: MemoryHost) -> None:
        for one, two in ((self, other), (other, self)):
            if two.peer_id not in one._met:
                one._met.add(two.peer_id)
                one._learn(two)

    def _learn(self, other: MemoryHost) -> None:
        self._events.put_nowait(Identified(other.peer_id, Said(other.addresses, tuple(other.protocols))))

    def _tell(self) -> None:
        """What identify push does."""
        for other in self._hosts.values():
            if other.peer_id in self._met:
                other._learn(self)


def way_to(where: Address) -> Multiaddr:
    return Multiaddr.parse(f"/ip4/{where.host}/tcp/{where.port}")


def known_writer(writer: asyncio.StreamWriter, connection: Connection) -> asyncio.StreamWriter:
    """The same writer, which now knows the connection: a second one would close the stream when it is collected."""
    writer.__class__ = PeerWriter
    assert isinstance(writer, PeerWriter)
    writer.connection = connection
    return writer
