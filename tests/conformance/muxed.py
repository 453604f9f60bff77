"""Streams of yamux as a transport, each of them on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.muxing.connection import YamuxConnection
from transfer.aio.transports import Listener, StreamTransport

P = TypeVar("P", bound=asyncio.BaseProtocol)


class MuxedTransport:
    """Dials a yamux connection and opens a stream on it; the connection ends with the stream."""

    def __init__(self, below: StreamTransport) -> None:
        self._below = below
        self._connections: list[YamuxConnection] = []

    def _new(self, *, accept: Callable[[], asyncio.BaseProtocol] | None = None) -> YamuxConnection:
        self._connections.append(YamuxConnection(accept, is_initiator=accept is None))
        return self._connections[-1]

    async def wait_closed(self) -> None:
        """Waits until the connections below have ended with their streams."""
        for connection in self._connections:
            if hasattr(connection, "below"):
                await connection.wait_closed()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        transport, connection = await self._below.connect(self._new, address)
        try:
            stream, protocol = await connection.create_stream(protocol_factory)
        except BaseException:
            transport.abort()
            raise
        connection.close()
        return stream, protocol

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        return await self._below.listen(lambda: self._new(accept=protocol_factory), address, door=door)
