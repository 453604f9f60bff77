"""Limits of readers; that they work at all is checked by tests/conformance on every transport."""

from __future__ import annotations

import asyncio

import pytest

from transfer.address import Address
from transfer.aio.memory import MemoryNetwork, MemoryTransport
from transfer.aio.reader_writer import listen_streams, open_stream


async def test_both_sides_limit_what_they_hold() -> None:
    refused: list[str] = []
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readline()
        except ValueError as error:
            refused.append(str(error))
        writer.write(bytes(1000))
        writer.close()
        await writer.wait_closed()
        served.set()

    network = MemoryNetwork()
    transport = MemoryTransport(network)
    async with await listen_streams(transport, serve, Address("127.0.0.1", 0), limit_bytes=100) as listener:
        reader, writer = await open_stream(transport, listener.addresses[0], limit_bytes=200)
        writer.write(bytes(150))
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil(b"\n")
        assert len(refused) == 1
        assert await reader.read() == bytes(1000)
        writer.close()
        await writer.wait_closed()
        await served.wait()
    assert network.streams == 0
