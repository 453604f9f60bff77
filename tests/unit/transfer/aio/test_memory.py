"""What streams in memory promise beyond the contract of all transports, which tests/conformance checks."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.plugs import Pair, Plug
from tests.conformance.protocols import BufferedRecorder, Record, Recorder, recorders_into
from transfer.address import Address
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryStream, MemoryTransport

HERE = Address("127.0.0.1", 0)
where = contextvars.ContextVar("where", default="nowhere")


def plug_into(network: MemoryNetwork) -> Plug:
    return Plug(MemoryTransport(network), "127.0.0.1")


async def test_abort_is_an_error_for_the_other_side_and_drops_everything() -> None:
    async with plug_into(MemoryNetwork()).pair(Recorder, Recorder) as pair:
        pair.client.transport.write(b"on its way")
        pair.client.transport.abort()
        assert isinstance(await pair.server.lost(), ConnectionResetError)
        assert await pair.client.lost() is None
        assert pair.server.calls == ["made", "lost"]


async def test_what_was_cut_off_never_looks_complete() -> None:
    async with plug_into(MemoryNetwork()).pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(bytes(1 << 20))
        pair.client.transport.write_eof()
        pair.client.transport.close()
        pair.client.transport.abort()
        pair.server.transport.resume_reading()
        assert isinstance(await pair.server.lost(), ConnectionResetError)
        assert "eof" not in pair.server.calls


async def test_an_end_that_was_read_stays_an_end_when_the_connection_is_broken_off() -> None:
    async with plug_into(MemoryNetwork()).pair(lambda: Recorder(keep_open=True), Recorder) as pair:
        pair.client.transport.write_eof()
        await pair.server.has_called("eof")
        pair.client.transport.abort()
        await pair.client.lost()
        pair.server.transport.write(b"answer")
        assert isinstance(await pair.server.lost(), BrokenPipeError)


async def test_whole_writes_are_handed_over_without_a_copy() -> None:
    received: list[bytes] = []

    class Keeper(Recorder):
        def data_received(self, data: bytes) -> None:
            received.append(data)
            super().data_received(data)

    data = bytes(100_000)
    async with plug_into(MemoryNetwork()).pair(Keeper, Recorder) as pair:
        pair.client.transport.write(data)
        await pair.server.has(len(data))
    assert len(received) == 1
    assert received[0] is data


@pytest.mark.parametrize("kind", [Recorder, BufferedRecorder])
async def test_small_writes_are_joined_and_large_ones_cut(kind: Callable[..., Record]) -> None:
    portions: list[int] = []

    def note(record: Record) -> None:
        portions.append(len(record.data) - sum(portions))

    plug = plug_into(MemoryNetwork(MemoryConfig(read_bytes=100)))
    async with plug.pair(lambda: kind(on_data=note), Recorder) as pair:
        for _ in range(3):
            pair.client.transport.write(bytes(70))
        pair.client.transport.write(bytes(250))
        await pair.server.has(460)
    assert portions == [100, 100, 100, 100, 60]


async def test_what_is_changed_after_write_is_sent_as_it_was() -> None:
    async with plug_into(MemoryNetwork()).pair(Recorder, Recorder) as pair:
        data = bytearray(b"before")
        pair.client.transport.write(data)
        data[:] = b"after, and longer"
        assert await pair.server.has(6) == b"before"


async def test_the_window_does_not_count_as_the_writers_buffer() -> None:
    async with plug_into(MemoryNetwork(MemoryConfig(window_bytes=1000))).pair(Recorder, Recorder) as pair:
        transport = pair.client.transport
        pair.server.transport.pause_reading()
        transport.set_write_buffer_limits(high=50, low=10)
        transport.write(bytes(1000))
        assert transport.get_write_buffer_size() == 0
        transport.write(bytes(50))
        assert (transport.get_write_buffer_size(), pair.client.pauses) == (50, 0)
        transport.write(b"x")
        assert (transport.get_write_buffer_size(), pair.client.pauses) == (51, 1)
        pair.server.transport.resume_reading()
        await pair.client.has_called("resume")
        assert await pair.server.has(1051) == bytes(1050) + b"x"


async def test_a_pause_in_connection_made_holds() -> None:
    def pause(record: Record) -> None:
        record.transport.pause_reading()

    async with plug_into(MemoryNetwork()).pair(lambda: Recorder(on_made=pause), Recorder) as pair:
        pair.client.transport.write(b"early")
        pair.client.transport.close()
        await pair.client.lost()
        await plug_into(MemoryNetwork()).settle()
        assert pair.server.calls == ["made"]
        pair.server.transport.resume_reading()
        assert await pair.server.lost() is None
        assert pair.server.data == b"early"


async def test_closing_in_get_buffer_is_heeded() -> None:
    class Fickle(BufferedRecorder):
        def get_buffer(self, sizehint: int) -> bytearray:
            assert 0 < sizehint <= 5
            self.transport.abort()
            return super().get_buffer(sizehint)

    async with plug_into(MemoryNetwork()).pair(Fickle, Recorder) as pair:
        pair.client.transport.write(b"never")
        assert await pair.server.lost() is None
        assert pair.server.data == b""
        assert isinstance(await pair.client.lost(), ConnectionResetError)


async def test_protocols_that_fail_when_paused_are_reported_and_live_on() -> None:
    class Grumpy(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            raise ArithmeticError("not now")

    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with plug_into(MemoryNetwork()).pair(Recorder, Grumpy) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(bytes(1 << 20))
        pair.server.transport.resume_reading()
        await pair.server.has(1 << 20)
        assert not pair.client.transport.is_closing()
        assert failures[0]["protocol"] is pair.client
    assert [str(failure["exception"]) for failure in failures] == ["not now"]


async def test_each_side_runs_in_its_own_context() -> None:
    seen: dict[str, set[str]] = {"client": set(), "server": set()}

    made: list[Recorder] = []

    class Noting(Recorder):
        """Notes where each of its callbacks runs."""

        def __init__(self, side: str) -> None:
            super().__init__()
            self.side = side
            seen[side].add(where.get())
            made.append(self)

        def _note(self, name: str) -> Any:
            seen[self.side].add(where.get())
            return super()._note(name)

    network = MemoryNetwork()
    where.set("server's place")
    listener = await MemoryTransport(network).listen(lambda: Noting("server"), HERE)
    where.set("client's place")
    transport, _ = await MemoryTransport(network).connect(lambda: Noting("client"), listener.addresses[0])
    where.set("elsewhere")
    transport.write(bytes(1 << 20))
    transport.close()
    listener.close()
    for record in made:
        await record.lost()
    assert sorted(record.resumes for record in made) == [0, 1]
    assert seen == {"client": {"client's place"}, "server": {"server's place"}}


async def test_hosts_have_their_own_ports() -> None:
    network = MemoryNetwork()
    served: list[Recorder] = []
    transports = [MemoryTransport(network, host) for host in ("10.0.0.1", "fd00::2", "peer-3")]
    listeners = [await transport.listen(recorders_into(served), Address("0.0.0.0", 6881)) for transport in transports]
    assert [str(listener.addresses[0]) for listener in listeners] == ["10.0.0.1:6881", "[fd00::2]:6881", "peer-3:6881"]
    stream, client = await transports[0].connect(Recorder, listeners[1].addresses[0])
    assert stream.get_extra_info("peername") == ("fd00::2", 6881, 0, 0)
    assert stream.get_extra_info("sockname")[0] == "10.0.0.1"
    assert (network.listeners, network.streams) == (3, 2)
    assert repr(stream) == f"<MemoryStream 10.0.0.1:{stream.get_extra_info('sockname')[1]} to [fd00::2]:6881>"
    stream.abort()
    assert isinstance(stream, MemoryStream)
    await client.lost()
    for listener in listeners:
        listener.close()
    await served[0].lost()
    assert (network.listeners, network.streams) == (0, 0)
    with pytest.raises(ConnectionRefusedError, match="fd00::2"):
        await transports[0].connect(Recorder, listeners[1].addresses[0])


async def test_a_listener_that_closes_before_it_accepts_resets() -> None:
    network = MemoryNetwork()
    transport = MemoryTransport(network)
    accepted: list[Recorder] = []
    listener = await transport.listen(recorders_into(accepted), HERE)
    call_soon = asyncio.get_running_loop().call_soon
    call_soon(lambda: call_soon(listener.close))  # when the attempt is made, and before it is accepted
    _, client = await transport.connect(Recorder, listener.addresses[0])
    assert isinstance(await client.lost(), ConnectionResetError)
    assert accepted == []
    assert network.streams == 0


async def test_a_factory_that_fails_is_reported_and_the_listener_goes_on() -> None:
    network = MemoryNetwork()
    transport = MemoryTransport(network)
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    made: list[Recorder] = []

    def factory() -> Recorder:
        if not failures:
            raise ArithmeticError("not yet")
        made.append(Recorder())
        return made[-1]

    async with await transport.listen(factory, HERE) as listener:
        _, first = await transport.connect(Recorder, listener.addresses[0])
        assert isinstance(await first.lost(), ConnectionResetError)
        stream, second = await transport.connect(Recorder, listener.addresses[0])
        stream.close()
        assert await second.lost() is None
        assert await made[0].lost() is None
    assert [str(failure["exception"]) for failure in failures] == ["not yet"]
    assert network.streams == 0


async def test_a_dialling_factory_that_fails_leaves_nothing() -> None:
    network = MemoryNetwork()
    transport = MemoryTransport(network)
    made: list[Recorder] = []

    def fail() -> Recorder:
        raise ArithmeticError("no protocol")

    async with await transport.listen(recorders_into(made), HERE) as listener:
        with pytest.raises(ArithmeticError):
            await transport.connect(fail, listener.addresses[0])
        await asyncio.sleep(0)
        assert isinstance(await made[0].lost(), ConnectionResetError)
    assert network.streams == 0


async def test_ports_run_out_with_an_error_and_come_back() -> None:
    network = MemoryNetwork()
    transport = MemoryTransport(network)
    listeners = [await transport.listen(Recorder, HERE) for _ in range(16_384)]
    with pytest.raises(OSError, match="every port") as caught:
        await transport.listen(Recorder, HERE)
    assert caught.value.errno == errno.EADDRNOTAVAIL
    with pytest.raises(OSError, match="every port"):
        await transport.connect(Recorder, listeners[0].addresses[0])
    freed = listeners[5].addresses[0]
    listeners[5].close()
    async with await transport.listen(Recorder, HERE) as again:
        assert again.addresses == (freed,)


def _streams_in_memory() -> int:
    return sum(type(thing) is MemoryStream for thing in gc.get_objects())


async def test_ended_connections_need_no_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = _streams_in_memory()
        pair: Pair[Recorder, Recorder] | None
        async with Plug(MemoryTransport(MemoryNetwork()), "127.0.0.1").pair(Recorder, Recorder) as pair:
            protocols = [weakref.ref(pair.client), weakref.ref(pair.server)]
            pair.client.transport.write(b"x")
            await pair.server.has(1)
        pair.client.transport = pair.server.transport = asyncio.Transport()
        pair = None
        assert [protocol() for protocol in protocols] == [None, None]
        assert _streams_in_memory() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("values", [{"window_bytes": 0}, {"read_bytes": 0}, {"read_bytes": -1}])
def test_impossible_sizes_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        MemoryConfig(**values)
