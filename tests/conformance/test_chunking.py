"""However data is cut into writes and reads, and whenever the reader pauses, the same bytes come out."""

from __future__ import annotations

import asyncio
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.plugs import PLUGS, Plug
from tests.conformance.protocols import BufferedRecorder, Record, Recorder, ScatterRecorder
from tests.conformance.suite import run_check
from tests.machine import is_long

sizes = st.lists(st.integers(0, 300) | st.integers(0, 100_000), max_size=12)
# About proxies `test_on_sockets` says enough, about muxers their own property test; Noise cuts sockets like memory.
NOT_CUT = ("muxed-tcp", "muxed-memory", "noisy-tcp")
CUT_PLUGS = [plug for plug in PLUGS if plug != "socks5" and (is_long() or plug not in NOT_CUT)]
buffers = st.none() | st.integers(1, 20) | st.integers(1, 100_000)


@pytest.mark.parametrize("plug", CUT_PLUGS)
@settings(max_examples=20)
@given(
    writes=sizes, joined=st.booleans(), buffer_bytes=buffers, pause_every=st.integers(1, 20), scattered=st.booleans()
)
def test_bytes_are_the_same(
    plug: str, writes: list[int], joined: bool, buffer_bytes: int | None, pause_every: int, scattered: bool
) -> None:
    if plug == "loop-tcp" and sys.version_info >= (3, 12):
        writes = [size for size in writes if size]  # its own `writelines` is wrong about nothing at all; ours is not
    content = random.Random(len(writes)).randbytes(sum(writes))
    if buffer_bytes is not None:
        buffer_bytes = max(buffer_bytes, len(content) // 500)  # a byte at a time is for short content

    async def check(running: Plug) -> None:
        portions = 0
        loop = asyncio.get_running_loop()

        def breathe(record: Record) -> None:
            nonlocal portions
            portions += 1
            if portions % pause_every == 0:
                record.transport.pause_reading()
                loop.call_soon(record.transport.resume_reading)

        def server() -> Record:
            if buffer_bytes is None:
                return Recorder(on_data=breathe)
            if scattered:
                return ScatterRecorder(sizes=(1, buffer_bytes, 13, buffer_bytes), on_data=breathe)
            return BufferedRecorder(buffer_bytes=buffer_bytes, on_data=breathe)

        async with running.pair(server, Recorder) as pair:
            at, pieces = 0, []
            for size in writes:
                pieces.append(content[at : at + size])
                at += size
            if joined:
                pair.client.transport.writelines(pieces)
            else:
                for piece in pieces:
                    pair.client.transport.write(piece)
            pair.client.transport.write_eof()
            assert await pair.server.lost() is None
            assert pair.server.data == content

    asyncio.run(run_check(check, PLUGS[plug]))
