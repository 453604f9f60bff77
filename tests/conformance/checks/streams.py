"""asyncio's readers and writers work over the transport as they do over TCP."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.checks.data import LARGE
from tests.conformance.plugs import Plug
from transfer.aio.reader_writer import listen_streams, open_stream


async def check_lines_there_and_back(plug: Plug) -> None:
    async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await listen_streams(plug.transport, upper, plug.address) as listener:
        reader, writer = await open_stream(plug.transport, listener.addresses[0])
        writer.write(b"one\ntw")
        assert await reader.readexactly(4) == b"ONE\n"
        writer.write(b"o\n")
        writer.write_eof()
        assert await reader.read() == b"TWO\n"
        assert reader.at_eof()
        writer.close()
        await writer.wait_closed()
        await plug.settle()  # the server's task ends


async def check_drain_waits_for_a_slow_reader(plug: Plug) -> None:
    drained: list[int] = []
    finished = asyncio.Event()

    async def produce(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(0, 4 * len(LARGE), 1 << 20):
            writer.write(LARGE[at % len(LARGE) :][: 1 << 20])
            await writer.drain()
            drained.append(at)
        writer.close()
        await writer.wait_closed()
        finished.set()

    async with await listen_streams(plug.transport, produce, plug.address) as listener:
        reader, writer = await open_stream(plug.transport, listener.addresses[0])
        seen = -1
        while len(drained) != seen:
            seen = len(drained)
            await plug.settle()
        assert seen < 32
        assert await reader.read() == LARGE * 4
        await finished.wait()
        writer.close()
        await writer.wait_closed()


async def check_a_broken_promise_is_an_incomplete_read(plug: Plug) -> None:
    async def cut_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"1234")
        writer.close()
        await writer.wait_closed()

    async with await listen_streams(plug.transport, cut_off, plug.address) as listener:
        reader, writer = await open_stream(plug.transport, listener.addresses[0])
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(10)
        assert caught.value.partial == b"1234"
        writer.close()
        await writer.wait_closed()
        await plug.settle()
