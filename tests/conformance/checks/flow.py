"""Back-pressure: who does not read stops who writes, and memory stays bounded on the way."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.checks.data import LARGE
from tests.conformance.plugs import Plug
from tests.conformance.protocols import BufferedRecorder, Record, Recorder

CHUNK = 65_536
HIGH, LOW = 100_000, 30_000


class Producer:
    """Writes `data` over and over, but never while writing is paused: a well-behaved program.

    Attributes:
        sent: bytes given to the transport so far.
    """

    def __init__(self, record: Record, data: bytes, times: int = 1) -> None:
        self.sent = 0
        self.task = asyncio.create_task(self._run(record, data, times))

    async def _run(self, record: Record, data: bytes, times: int) -> None:
        _, high = record.transport.get_write_buffer_limits()
        for _ in range(times):
            for at in range(0, len(data), CHUNK):
                await record.until(lambda: not record.is_paused)
                record.transport.write(data[at : at + CHUNK])
                self.sent += len(data[at : at + CHUNK])
                assert record.transport.get_write_buffer_size() <= high + CHUNK


async def check_a_paused_reader_stops_the_writer_and_gets_all_later(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.set_write_buffer_limits(high=HIGH, low=LOW)
        producer = Producer(pair.client, LARGE, 4)
        stopped_at = -1
        while producer.sent != stopped_at:
            stopped_at = producer.sent
            await plug.settle()
        assert pair.client.is_paused
        assert pair.client.transport.get_write_buffer_size() > LOW
        assert stopped_at < 4 * len(LARGE)
        assert pair.server.data == b""
        pair.server.transport.resume_reading()
        await producer.task
        assert await pair.server.has(4 * len(LARGE)) == LARGE * 4
        await pair.client.until(lambda: not pair.client.is_paused)


async def check_a_buffered_reader_may_pause_and_resume_all_the_time(plug: Plug) -> None:
    loop = asyncio.get_running_loop()

    def breathe(record: Record) -> None:
        record.transport.pause_reading()
        loop.call_soon(record.transport.resume_reading)

    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=30_000, on_data=breathe), Recorder) as pair:
        producer = Producer(pair.client, LARGE[: 1 << 20])
        await producer.task
        assert await pair.server.has(1 << 20) == LARGE[: 1 << 20]


async def check_pause_writing_comes_before_write_returns(plug: Plug) -> None:
    """Or else `write(); await drain()` in a loop would never be stopped."""
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.set_write_buffer_limits(high=HIGH, low=LOW)
        assert pair.client.transport.get_write_buffer_limits() == (LOW, HIGH)
        pair.client.transport.write(LARGE + LARGE)
        assert pair.client.is_paused
        assert pair.client.transport.get_write_buffer_size() > HIGH
        pair.server.transport.resume_reading()
        await pair.client.has_called("resume")
        assert await pair.server.has(2 * len(LARGE)) == LARGE + LARGE


async def check_lowering_the_marks_pauses_at_once(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.set_write_buffer_limits(high=1 << 30)
        pair.client.transport.write(LARGE + LARGE)
        assert pair.client.pauses == 0
        pair.client.transport.set_write_buffer_limits(high=0)
        assert pair.client.pauses == 1
        pair.server.transport.resume_reading()
        await pair.client.has_called("resume")
        assert pair.client.transport.get_write_buffer_size() == 0


async def check_marks_have_asyncios_defaults_and_limits(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        transport = pair.client.transport
        limits = transport.get_write_buffer_limits
        assert limits()[1] == 65_536
        transport.set_write_buffer_limits(low=1000)
        assert limits() == (1000, 4000)
        transport.set_write_buffer_limits(high=400)
        assert limits() == (100, 400)
        transport.set_write_buffer_limits()
        assert limits() == (16_384, 65_536)
        for high, low in ((1, 2), (5, -1)):
            with pytest.raises(ValueError, match="low"):
                transport.set_write_buffer_limits(high=high, low=low)


async def check_pausing_and_resuming_twice_is_harmless(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        transport = pair.server.transport
        transport.resume_reading()
        assert transport.is_reading()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        pair.client.transport.write(b"early")
        await plug.settle()
        assert pair.server.data == b""
        transport.resume_reading()
        transport.resume_reading()
        assert transport.is_reading()
        assert await pair.server.has(5) == b"early"


async def check_a_pause_while_receiving_holds_at_once(plug: Plug) -> None:
    def pause(record: Record) -> None:
        record.transport.pause_reading()

    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=10, on_data=pause), Recorder) as pair:
        pair.client.transport.write(b"0123456789" * 3)
        await pair.server.has(1)
        await plug.settle()
        first = len(pair.server.data)
        assert first <= 10
        pair.server.transport.resume_reading()
        await pair.server.has(first + 1)
        await plug.settle()
        assert len(pair.server.data) <= 20


async def check_a_pause_right_after_a_write_holds(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.write(b"early")
        pair.server.transport.pause_reading()
        await plug.settle()
        assert pair.server.data == b""
        pair.server.transport.resume_reading()
        await pair.server.has(5)


async def check_resuming_does_not_call_back_on_the_spot(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(b"early")
        await plug.settle()
        pair.server.transport.resume_reading()
        assert pair.server.data == b""
        await pair.server.has(5)


async def check_the_end_is_not_told_while_paused(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(b"last words")
        pair.client.transport.write_eof()
        await plug.settle()
        assert pair.server.calls == ["made"]
        pair.server.transport.resume_reading()
        assert await pair.server.lost() is None
        assert pair.server.data == b"last words"
        assert pair.server.calls == ["made", "data", "eof", "lost"]
