"""asyncio's `StreamReader` and `StreamWriter` over any stream transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.transports import Listener, StreamTransport

DEFAULT_LIMIT_BYTES = 65_536  # what asyncio.open_connection takes


async def open_stream(
    transport: StreamTransport, address: Address, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """`asyncio.open_connection` over `transport`.

    Args:
        limit_bytes: the reader stops reading from the connection when it holds twice as much.

    Raises:
        OSError: as `StreamTransport.connect`.

    Cancellation: leaves no connection.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit_bytes, loop=loop)
    connection, protocol = await transport.connect(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), address)
    return reader, asyncio.StreamWriter(connection, protocol, reader, loop)


async def listen_streams(
    transport: StreamTransport,
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    address: Address,
    *,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    door: Door | None = None,
) -> Listener:
    """`asyncio.start_server` over `transport`: each connection runs `serve(reader, writer)` in a task of its own.

    Args:
        limit_bytes: as for `open_stream`.
        door: says who may come in, `Limits` for example.

    Raises:
        OSError: as `StreamTransport.listen`.
    """
    loop = asyncio.get_running_loop()

    def accept() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit_bytes, loop=loop)
        return asyncio.StreamReaderProtocol(reader, serve, loop=loop)

    return await transport.listen(accept, address, door=door)
