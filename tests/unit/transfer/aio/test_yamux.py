"""A muxed connection in asyncio: streams beside each other, refusals, ends, limits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.conformance.layers import xored
from tests.conformance.protocols import BufferedRecorder, Record, Recorder
from transfer import simulation
from transfer.address import Address
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.muxing.connection import YamuxConnection
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import StreamTransport
from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.refusal import LimitReachedError
from transfer.limits.streams import StreamLimitConfig, StreamLimits
from transfer.muxing.errors import FrameError, KeepAliveError, MuxerClosedError, StreamResetError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import INITIAL_WINDOW_BYTES

CONTENT = random.Random(4).randbytes(1_000_000)


@dataclass
class Ends:
    """Both ends of one connection."""

    dialler: YamuxConnection
    listener: YamuxConnection
    accepted: list[Record] = field(default_factory=list)
    arrivals: asyncio.Queue[Record] = field(default_factory=asyncio.Queue)

    async def pair(self, record: Record) -> Record:
        """A stream of the dialler with `record` at its end; returns what the other side made for it."""
        self.dialler.open_stream(record)
        while (other := await self.arrivals.get()).is_lost:
            pass
        return other


@asynccontextmanager
async def connected(
    transport: StreamTransport,
    accept: Callable[[], Record] = Recorder,
    *,
    config: YamuxConfig | None = None,
    limits: StreamLimits | None = None,
) -> AsyncIterator[Ends]:
    made: asyncio.Future[YamuxConnection] = asyncio.get_running_loop().create_future()
    accepted: list[Record] = []
    arrivals: asyncio.Queue[Record] = asyncio.Queue()

    def accept_stream() -> Record:
        accepted.append(accept())
        arrivals.put_nowait(accepted[-1])
        return accepted[-1]

    def accept_connection() -> YamuxConnection:
        made.set_result(YamuxConnection(accept_stream, is_initiator=False, config=config, limits=limits))
        return made.result()

    async with await transport.listen(accept_connection, Address("127.0.0.1", 0)) as listening:
        _, dialler = await transport.connect(
            lambda: YamuxConnection(is_initiator=True, config=config), listening.addresses[0]
        )
        ends = Ends(dialler, await made, accepted, arrivals)
        yield ends
        ends.dialler.abort()
        await ends.dialler.wait_closed()
        await ends.listener.wait_closed()
        for record in accepted:
            if "made" in record.calls:
                await record.lost()
            assert record.violations == []


@pytest.fixture(params=["memory", "layer", "tcp"])
def transport(request: pytest.FixtureRequest) -> StreamTransport:
    if request.param == "tcp":
        return TcpTransport()
    bare = MemoryTransport(MemoryNetwork(MemoryConfig(window_bytes=5_000, read_bytes=3_001)))
    return bare if request.param == "memory" else xored(bare)


async def test_each_stream_carries_its_own_bytes(transport: StreamTransport) -> None:
    async with connected(transport, lambda: BufferedRecorder(buffer_bytes=1_000)) as ends:
        ours: list[Record] = [Recorder() for _ in range(20)]
        theirs = [await ends.pair(record) for record in ours]
        for number, record in enumerate(ours):
            record.transport.write(CONTENT[number * 10_000 :][:100_000])
        for number, record in enumerate(theirs):
            assert await record.has(100_000) == CONTENT[number * 10_000 :][:100_000]
            record.transport.write(b"%d" % number)
        for number, record in enumerate(ours):
            assert await record.has(1) == b"%d" % number
            assert record.transport.get_extra_info("stream_number") == 2 * number + 1
            record.transport.close()
            assert await record.lost() is None
        for record in theirs:
            await record.lost()
        assert ends.dialler.stream_count == ends.listener.stream_count == 0
        assert ends.dialler.rtt_s is not None


async def test_a_stream_that_is_not_read_stops_its_writer_and_no_other(transport: StreamTransport) -> None:
    async with connected(transport) as ends:
        slow, fast = Recorder(), Recorder()
        not_reading, reading = await ends.pair(slow), await ends.pair(fast)
        not_reading.transport.pause_reading()
        slow.transport.write(CONTENT)
        assert slow.is_paused
        fast.transport.write(CONTENT)
        assert await reading.has(len(CONTENT)) == CONTENT
        assert slow.is_paused
        assert not_reading.data == b""
        assert slow.transport.get_write_buffer_size() == len(CONTENT) - INITIAL_WINDOW_BYTES
        not_reading.transport.resume_reading()
        assert await not_reading.has(len(CONTENT)) == CONTENT
        await slow.until(lambda: not slow.is_paused)


async def test_a_reset_reaches_one_stream_and_the_end_of_the_connection_all(transport: StreamTransport) -> None:
    async with connected(transport) as ends:
        one, other = Recorder(), Recorder()
        first, second = await ends.pair(one), await ends.pair(other)
        first.transport.abort()
        assert isinstance(await one.lost(), StreamResetError)
        assert not other.is_lost
        ends.listener.abort()
        assert isinstance(await other.lost(), ConnectionResetError)
        assert isinstance(await second.lost(), ConnectionResetError)
        with pytest.raises(MuxerClosedError):
            await ends.dialler.create_stream(Recorder)


async def test_closing_lets_streams_end(transport: StreamTransport) -> None:
    async with connected(transport) as ends:
        ours = Recorder()
        theirs = await ends.pair(ours)
        ends.dialler.close()
        assert ends.dialler.is_closing
        ours.transport.write(CONTENT)
        assert await theirs.has(len(CONTENT)) == CONTENT
        theirs.transport.close()
        assert await ours.lost() is None
        await ends.dialler.wait_closed()
        await ends.listener.wait_closed()
        assert ends.dialler.error is ends.listener.error is None


async def test_streams_are_reset_where_nobody_takes_them() -> None:
    transport = MemoryTransport(MemoryNetwork(MemoryConfig()))
    async with connected(transport) as ends:
        record = Recorder()
        ends.listener.open_stream(record)
        assert isinstance(await record.lost(), StreamResetError)


async def test_a_factory_that_fails_resets_its_stream_and_is_reported() -> None:
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def fail() -> Record:
        raise ArithmeticError("on purpose")

    async with connected(MemoryTransport(MemoryNetwork(MemoryConfig())), fail) as ends:
        record = Recorder()
        ends.dialler.open_stream(record)
        assert isinstance(await record.lost(), StreamResetError)
        with pytest.raises(ArithmeticError):
            await ends.dialler.create_stream(fail)
        assert ends.dialler.stream_count == 0
    assert [str(failure["exception"]) for failure in failures] == ["on purpose"]


async def test_limits_refuse_streams_by_name_and_free_them() -> None:
    scope = Scope(ScopeKind.CONNECTION, "connection")
    limits = StreamLimits(scope, StreamLimitConfig(max_inbound=2, max_outbound=1))
    async with connected(MemoryTransport(MemoryNetwork(MemoryConfig())), limits=limits) as ends:
        records = [Recorder() for _ in range(3)]
        for record in records:
            ends.dialler.open_stream(record)
        assert isinstance(await records[2].lost(), StreamResetError)
        ends.listener.open_stream(Recorder())
        with pytest.raises(LimitReachedError):
            ends.listener.open_stream(Recorder())
        records[0].transport.abort()
        await ends.accepted[0].lost()
        again = Recorder()
        ends.dialler.open_stream(again)
        again.transport.write(b"!")
        arrived = [await ends.arrivals.get() for _ in range(3)]
        await arrived[2].has(1)
    assert scope.is_empty


async def test_opening_waits_while_too_many_streams_are_not_taken() -> None:
    config = YamuxConfig(max_unacknowledged=3)
    async with connected(MemoryTransport(MemoryNetwork(MemoryConfig())), config=config) as ends:
        opened = await asyncio.wait_for(asyncio.gather(*(ends.dialler.create_stream(Recorder) for _ in range(20))), 10)
        assert len(opened) == ends.dialler.stream_count == 20
        for _ in range(3):
            await ends.dialler.create_stream(Recorder)
        waiting = asyncio.create_task(ends.dialler.create_stream(Recorder))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ends.dialler.stream_count == 23


async def test_a_stranger_that_speaks_something_else_is_hung_up_on() -> None:
    transport = MemoryTransport(MemoryNetwork(MemoryConfig()))
    made: list[YamuxConnection] = []

    def accept() -> YamuxConnection:
        made.append(YamuxConnection(Recorder, is_initiator=False))
        return made[-1]

    async with await transport.listen(accept, Address("127.0.0.1", 0)) as listening:
        _, stranger = await transport.connect(Recorder, listening.addresses[0])
        stranger.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        await stranger.lost()
        assert stranger.data.endswith(bytes.fromhex("000300000000000000000001"))
        await made[0].wait_closed()
        assert isinstance(made[0].error, FrameError)


def test_a_peer_that_falls_silent_is_given_up() -> None:
    async def scenario(_: simulation.Simulation) -> None:
        tcp = TcpTransport()
        loop = asyncio.get_running_loop()
        silent = Recorder()
        async with await tcp.listen(lambda: silent, Address("127.0.0.1", 0)) as listening:
            __, ours = await tcp.connect(lambda: YamuxConnection(is_initiator=True), listening.addresses[0])
            start = loop.time()
            record = Recorder()
            ours.open_stream(record)
            assert isinstance(await record.lost(), StreamResetError)
            assert loop.time() - start == pytest.approx(10.0, abs=0.1)
            assert isinstance(ours.error, KeepAliveError)
            await ours.wait_closed()
            await silent.lost()

    simulation.run(scenario)


def test_a_live_connection_is_kept_and_costs_a_ping_in_thirty_seconds() -> None:
    async def scenario(_: simulation.Simulation) -> None:
        async with connected(TcpTransport()) as ends:
            await asyncio.sleep(600)
            assert ends.dialler.error is None
            assert 38 <= ends.dialler.statistics().idle_frames <= 44

    simulation.run(scenario)
