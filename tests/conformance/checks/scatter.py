"""Protocols that lend several buffers: served in vectors or one at a time, they get the same bytes."""

from __future__ import annotations

import asyncio

from tests.conformance.checks.data import LARGE
from tests.conformance.plugs import Plug
from tests.conformance.protocols import BufferedRecorder, Recorder, ScatterRecorder


async def check_what_does_not_fit_one_buffer_goes_on_in_the_next(plug: Plug) -> None:
    async with plug.pair(lambda: ScatterRecorder(sizes=(3, 1, 5)), Recorder) as pair:
        pair.client.transport.write(b"0123456789" * 20)
        assert await pair.server.has(200) == b"0123456789" * 20
        assert 0 in pair.server.reads.values()  # a transport does one or the other


async def check_a_large_transfer_into_many_buffers(plug: Plug) -> None:
    async with plug.pair(lambda: ScatterRecorder(sizes=(13, 16384) * 30), Recorder) as pair:
        pair.client.transport.write(LARGE)
        pair.client.transport.write_eof()
        assert await pair.server.lost() is None
        assert pair.server.data == LARGE
        assert pair.server.calls == ["made", "data", "eof", "lost"]


async def check_a_scattering_protocol_may_come_and_go(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        second, third = ScatterRecorder(sizes=(2, 2)), BufferedRecorder(buffer_bytes=3)
        pair.client.transport.write(b"first")
        await pair.server.has(5)
        second.take_over(pair.server.transport)
        pair.client.transport.write(b"second")
        assert await second.has(6) == b"second"
        third.take_over(pair.server.transport)
        pair.client.transport.write(b"third")
        assert await third.has(5) == b"third"
        pair.server.transport.set_protocol(pair.server)
        assert second.violations == third.violations == []


async def check_a_scattering_protocol_may_pause_all_the_time(plug: Plug) -> None:
    loop = asyncio.get_running_loop()

    def breathe(record: ScatterRecorder) -> None:
        record.transport.pause_reading()
        loop.call_soon(record.transport.resume_reading)

    async with plug.pair(lambda: ScatterRecorder(sizes=(9_000, 1, 9_000), on_data=breathe), Recorder) as pair:
        pair.client.transport.write(LARGE[: 1 << 20])
        assert await pair.server.has(1 << 20) == LARGE[: 1 << 20]
