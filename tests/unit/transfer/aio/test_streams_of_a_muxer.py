"""Many streams over one transport, plain or below a layer: a medium of its own is written in a few methods."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.conformance.layers import xored
from tests.conformance.muxer import WINDOW_BYTES, Muxer
from tests.conformance.protocols import BufferedRecorder, Record, Recorder
from transfer.address import Address
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.transports import StreamTransport

CONTENT = random.Random(4).randbytes(300_000)


@dataclass
class Muxed:
    """Both ends of one connection."""

    client: Muxer
    server: Muxer
    accepted: asyncio.Queue[Record]

    async def pair(self, protocol: Record) -> Record:
        """Opens a stream with `protocol` at its end; returns what the other side made for it."""
        self.client.open_stream(protocol)
        protocol.transport.write(b"?")
        other = await self.accepted.get()
        await other.has(1)
        other.data.clear()
        return other


@asynccontextmanager
async def muxed(transport: StreamTransport, accept: Callable[[], Record]) -> AsyncIterator[Muxed]:
    muxer: asyncio.Future[Muxer] = asyncio.get_running_loop().create_future()
    accepted: asyncio.Queue[Record] = asyncio.Queue()
    records: list[Record] = []

    def accept_stream() -> Record:
        records.append(accept())
        accepted.put_nowait(records[-1])
        return records[-1]

    def accept_connection() -> Muxer:
        muxer.set_result(Muxer(accept_stream, first_number=2))
        return muxer.result()

    async with await transport.listen(accept_connection, Address("127.0.0.1", 0)) as listener:
        below, client = await transport.connect(lambda: Muxer(Recorder, first_number=1), listener.addresses[0])
        yield Muxed(client, await muxer, accepted)
        below.abort()
        for record in records:
            await record.lost()
            assert record.violations == []


@pytest.fixture(params=["bare", "below a layer"])
def transport(request: pytest.FixtureRequest) -> StreamTransport:
    bare = MemoryTransport(MemoryNetwork(MemoryConfig(window_bytes=5_000, read_bytes=3_001)))
    return bare if request.param == "bare" else xored(bare)


async def test_each_stream_carries_its_own_bytes(transport: StreamTransport) -> None:
    async with muxed(transport, lambda: BufferedRecorder(buffer_bytes=1_000)) as ends:
        ours: list[Record] = [Recorder() for _ in range(20)]
        theirs = [await ends.pair(record) for record in ours]
        for number, record in enumerate(ours):
            record.transport.write(CONTENT[number * 10_000 :][:100_000])
        for number, record in enumerate(theirs):
            assert await record.has(100_000) == CONTENT[number * 10_000 :][:100_000]
            record.transport.write(b"%d" % number)
        for number, record in enumerate(ours):
            assert await record.has(1) == b"%d" % number
            record.transport.close()
            assert await record.lost() is None
        assert ends.client.streams == {}


async def test_who_does_not_read_stops_nobody_else(transport: StreamTransport) -> None:
    async with muxed(transport, Recorder) as ends:
        slow, fast = Recorder(), Recorder()
        not_reading, reading = await ends.pair(slow), await ends.pair(fast)
        not_reading.transport.pause_reading()
        slow.transport.write(CONTENT)
        assert slow.is_paused
        fast.transport.write(CONTENT)
        assert await reading.has(len(CONTENT)) == CONTENT
        assert slow.is_paused
        assert not_reading.data == b""
        assert slow.transport.get_write_buffer_size() >= len(CONTENT) - WINDOW_BYTES
        not_reading.transport.resume_reading()
        assert await not_reading.has(len(CONTENT)) == CONTENT
        await slow.until(lambda: not slow.is_paused)


async def test_a_stream_ends_in_one_direction_and_then_in_the_other(transport: StreamTransport) -> None:
    async with muxed(transport, lambda: Recorder(keep_open=True)) as ends:
        ours = Recorder()
        theirs = await ends.pair(ours)
        ours.transport.write(CONTENT)
        ours.transport.write_eof()
        await theirs.has_called("eof")
        assert theirs.data == CONTENT
        theirs.transport.write(b"answer")
        theirs.transport.close()
        assert await ours.lost() is None
        assert ours.calls == ["made", "pause", "resume", "data", "eof", "lost"]
        assert ours.data == b"answer"


async def test_a_reset_reaches_one_stream_and_the_end_of_the_connection_all(transport: StreamTransport) -> None:
    async with muxed(transport, Recorder) as ends:
        one, other = Recorder(), Recorder()
        first, second = await ends.pair(one), await ends.pair(other)
        first.transport.abort()
        assert isinstance(await one.lost(), ConnectionResetError)
        assert not other.is_lost
        ends.server.below.abort()
        assert isinstance(await other.lost(), ConnectionResetError)
        assert isinstance(await second.lost(), ConnectionResetError)
