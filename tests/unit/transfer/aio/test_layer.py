"""Layers: what they may do with bytes from below before and after they open, and what passes them by."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tests.conformance.layers import KEY_BYTES, MAGIC, Xor, table, xored
from tests.conformance.plugs import Plug, through_layer
from tests.conformance.protocols import BufferedRecorder, Recorder, ScatterRecorder, recorders_into
from transfer.address import Address
from transfer.aio.layer import Layer
from transfer.aio.layered import LayerConfig, LayeredTransport
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import StreamTransport
from transfer.errors import RemoteProtocolError
from transfer.simulation import Simulation, run

HERE = Address("127.0.0.1", 0)


def memory(**options: int) -> MemoryTransport:
    return MemoryTransport(MemoryNetwork(MemoryConfig(**options)))


def plug(transport: StreamTransport) -> Plug:
    return Plug(transport, "127.0.0.1")


async def until(condition: Any) -> None:
    """Lets the loop turn."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


async def test_the_wire_has_the_handshake_and_then_what_the_layer_makes_of_the_bytes() -> None:
    bare = memory()
    served: list[Recorder] = []
    async with await xored(bare).listen(recorders_into(served), HERE) as listener:
        raw, client = await bare.connect(Recorder, listener.addresses[0])
        raw.write(MAGIC + b"dial")
        assert await client.has(len(MAGIC) + KEY_BYTES) == MAGIC + b"hear"
        raw.write(b"question".translate(table(b"dial")))
        await until(lambda: served)
        assert await served[0].has(8) == b"question"
        assert served[0].transport.get_extra_info("key") == b"dial"
        assert served[0].transport.get_extra_info("peername") == raw.get_extra_info("sockname")
        assert served[0].transport.get_extra_info("nothing", 5) == 5
        client.data.clear()
        served[0].transport.writelines([b"ans", b"wer"])
        assert (await client.has(6)).translate(table(b"hear")) == b"answer"
        raw.close()
        assert await served[0].lost() is None
        assert served[0].calls == ["made", "data", "eof", "lost"]


@pytest.mark.parametrize("read_bytes", [1, 4, 100])
async def test_a_payload_right_behind_the_handshake_is_delivered_however_it_is_cut(read_bytes: int) -> None:
    bare = memory(read_bytes=read_bytes)
    served: list[Recorder] = []
    async with await xored(bare).listen(recorders_into(served), HERE) as listener:
        raw, client = await bare.connect(Recorder, listener.addresses[0])
        raw.write(MAGIC + b"dial" + b"payload".translate(table(b"dial")))
        await client.has(9)
        await until(lambda: served and len(served[0].data) == 7)
        assert served[0].data == b"payload"
        raw.abort()
        await served[0].lost()


async def test_who_breaks_the_rules_of_the_handshake_comes_to_nobody() -> None:
    bare = memory()
    served: list[Recorder] = []
    made: list[Recorder] = []
    async with await xored(bare).listen(recorders_into(served), HERE) as listener:
        raw, client = await bare.connect(Recorder, listener.addresses[0])
        raw.write(b"GET /")
        assert isinstance(await client.lost(), ConnectionResetError)
        assert listener.refused == 1

    def answer(record: Recorder) -> None:
        record.transport.write(b"HTTP")

    async with await bare.listen(lambda: Recorder(on_made=answer), HERE) as other:
        with pytest.raises(RemoteProtocolError, match="does not speak"):
            await xored(bare).connect(recorders_into(made), other.addresses[0])
    assert served == made == []


@pytest.mark.parametrize("ending", ["close", "abort", "write_eof"])
async def test_an_end_or_a_reset_during_the_handshake_is_an_error_of_the_dial(ending: str) -> None:
    bare = memory()
    async with await bare.listen(lambda: Recorder(on_made=_ending(ending)), HERE) as listener:
        with pytest.raises(ConnectionResetError):
            await xored(bare).connect(Recorder, listener.addresses[0])


def _ending(how: str) -> Any:
    return lambda record: getattr(record.transport, how)()


def test_silence_in_the_handshake_has_a_time_limit() -> None:
    async def scenario(simulation: Simulation) -> tuple[float, int]:
        layered = LayeredTransport(
            TcpTransport(),
            dial=lambda _: Layer(),
            accept=lambda: Xor(b"hear"),
            config=LayerConfig(handshake_timeout_s=7),
        )
        async with await layered.listen(Recorder, Address("127.0.0.1", 6881)) as listener:
            _, client = await TcpTransport().connect(Recorder, listener.addresses[0])
            await client.lost()
            return simulation.now, listener.refused

    ended_s, refused = run(scenario).result
    assert 7 <= ended_s < 7.1
    assert refused == 1


def test_an_open_connection_has_no_time_limit() -> None:
    async def scenario(simulation: Simulation) -> int:
        layered = xored(TcpTransport())
        async with plug(layered).pair(Recorder, Recorder) as pair:
            await asyncio.sleep(1000)
            pair.client.transport.write(b"still here")
            return len(await pair.server.has(10))

    assert run(scenario).result == 10


async def test_one_handshake_too_many_ends_the_oldest() -> None:
    bare = memory()
    layered = LayeredTransport(
        bare, dial=lambda _: Layer(), accept=lambda: Xor(b"hear"), config=LayerConfig(max_handshaking=2)
    )
    served: list[Recorder] = []
    async with await layered.listen(recorders_into(served), HERE) as listener:
        clients = [(await bare.connect(Recorder, listener.addresses[0]))[1] for _ in range(3)]
        assert isinstance(await clients[0].lost(), ConnectionResetError)
        clients[1].transport.write(MAGIC + b"dial")
        await until(lambda: served)
        clients += [(await bare.connect(Recorder, listener.addresses[0]))[1]]
        await clients[3].has(9)
        assert [client.is_lost for client in clients] == [True, False, False, False]
        assert listener.refused == 1
        listener.close()  # whoever is not through has nobody to come to
        for client in clients[2:]:
            assert isinstance(await client.lost(), ConnectionResetError)
        served[0].transport.write(b"still here")
        assert (await clients[1].has(19))[9:].translate(table(b"hear")) == b"still here"
        clients[1].transport.close()
        await served[0].lost()


async def test_what_is_below_the_handshake_decides_what_is_above() -> None:
    """One listener for plain and for transformed connections, and a key that chooses who serves."""
    services = {b"blue": Recorder(), b"grey": Recorder()}

    class Chooser(Xor):
        def open(self, above: asyncio.BaseProtocol | None = None, **options: Any) -> None:
            if self.extra["key"] not in services:
                self.fail(RemoteProtocolError("unknown key"))
            else:
                super().open(services[self.extra["key"]])

    class Sniffer(Layer):
        """Whoever begins with the magic word is transformed; what was read to find that out is not lost."""

        def begin(self) -> None:
            pass

        def receive(self, data: bytes) -> None:
            if not self.is_open:
                is_plain = not data.startswith(MAGIC[:1])
                self.open(None if is_plain else Chooser(b"hear"), hands_through=is_plain)
            self.deliver(data)

    bare = memory(read_bytes=1)
    served: list[Recorder] = []
    layered = LayeredTransport(bare, dial=lambda _: Layer(), accept=Sniffer)
    async with await layered.listen(recorders_into(served), HERE) as listener:
        address = listener.addresses[0]
        plain, _ = await bare.connect(Recorder, address)
        plain.write(b"plain text")
        await until(lambda: served)
        assert await served[0].has(10) == b"plain text"
        for key, service in services.items():
            dialling = LayeredTransport(bare, dial=lambda _, key=key: Xor(key), accept=Layer)  # type: ignore[misc]
            ours, _ = await dialling.connect(Recorder, address)
            ours.write(b"for " + key)
            assert await service.has(8) == b"for " + key
            ours.abort()
            await service.lost()
        assert listener.refused == 0
        stranger, client = await bare.connect(Recorder, address)
        stranger.write(MAGIC + b"pink")
        assert isinstance(await client.lost(), ConnectionResetError)
        assert listener.refused == 1
        plain.close()
        await served[0].lost()
    assert len(served) == 1


async def test_a_dial_has_its_own_keys() -> None:
    keys: dict[Address, bytes] = {}
    bare = memory()
    layered = LayeredTransport(bare, dial=lambda address: Xor(keys[address]), accept=lambda: Xor(b"hear"))
    served: list[Recorder] = []
    async with await layered.listen(recorders_into(served), HERE) as listener:
        keys[listener.addresses[0]] = b"open"
        transport, client = await layered.connect(Recorder, listener.addresses[0])
        assert transport.get_extra_info("key") == b"hear"
        assert served[0].transport.get_extra_info("key") == b"open"
        transport.abort()
        await served[0].lost()
        await client.lost()


@pytest.mark.every_event_loop
async def test_lent_buffers_pass_any_number_of_layers() -> None:
    layered = through_layer(through_layer(through_layer(TcpTransport())))
    content = bytes(range(256)) * 1000
    async with plug(layered).pair(lambda: ScatterRecorder(sizes=(13, 16384) * 3), Recorder) as pair:
        pair.client.transport.write(content)
        assert await pair.server.has(len(content)) == content
        assert pair.server.reads["plain"] == 0
        assert pair.server.reads["scattered"] > 0
        second = BufferedRecorder()
        second.take_over(pair.server.transport)
        pair.client.transport.write(b"second")
        assert await second.has(6) == b"second"
        pair.server.transport.set_protocol(pair.server)


async def test_what_was_delivered_to_who_has_paused_waits_and_nothing_more_is_read() -> None:
    class Chopper(Layer):
        """Gives what it receives a byte at a time."""

        def begin(self) -> None:
            self.open()

        def receive(self, data: bytes) -> None:
            for byte in data:
                self.deliver(bytes([byte]))

    def pause(record: Recorder) -> None:
        record.transport.pause_reading()

    bare = memory(read_bytes=100)
    layered = LayeredTransport(bare, dial=lambda _: Layer(), accept=Chopper)
    async with plug(layered).pair(lambda: Recorder(on_data=pause), Recorder) as pair:
        pair.client.transport.write(bytes(range(250)))
        pair.client.transport.write_eof()
        for size in range(1, 251):
            assert await pair.server.has(size) == bytes(range(size))
            await plug(memory()).settle()
            assert len(pair.server.data) == size
            assert "eof" not in pair.server.calls
            pair.server.transport.resume_reading()
        assert await pair.server.lost() is None
        assert pair.server.calls == ["made", "data", "eof", "lost"]


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_closing_drops_what_was_delivered_and_not_taken(ending: str) -> None:
    class Doubler(Layer):
        def begin(self) -> None:
            self.open()

        def receive(self, data: bytes) -> None:
            self.deliver(data)
            self.deliver(data)

    layered = LayeredTransport(memory(), dial=lambda _: Layer(), accept=Doubler)
    async with plug(layered).pair(lambda: Recorder(on_data=_ending(ending)), Recorder) as pair:
        pair.client.transport.write(b"x")
        assert await pair.server.lost() is None
        assert pair.server.data == b"x"


async def test_rules_broken_in_mid_stream_are_what_the_protocol_loses_its_connection_with() -> None:
    class Strict(Layer):
        def begin(self) -> None:
            self.open()

        def receive(self, data: bytes) -> None:
            self.fail(RemoteProtocolError("a wrong tag"))

    layered = LayeredTransport(memory(), dial=lambda _: Layer(), accept=Strict)
    async with plug(layered).pair(Recorder, Recorder) as pair:
        pair.client.transport.write(b"x")
        assert isinstance(await pair.server.lost(), RemoteProtocolError)
        assert isinstance(await pair.client.lost(), ConnectionResetError)


async def test_a_protocol_is_told_of_a_pause_that_is_older_than_itself() -> None:
    class Chatty(Layer):
        def begin(self) -> None:
            self.below.write(bytes(1 << 20))
            self.open()

    layered = LayeredTransport(memory(), dial=lambda _: Chatty(), accept=Layer)
    async with plug(layered).pair(Recorder, Recorder) as pair:
        assert pair.client.calls[:2] == ["made", "pause"]
        await pair.client.has_called("resume")
        assert pair.client.pauses == 1


async def test_a_pause_in_connection_made_is_told_once() -> None:
    def write_much(record: Recorder) -> None:
        record.transport.write(bytes(1 << 20))

    async with plug(through_layer(memory())).pair(Recorder, lambda: Recorder(on_made=write_much)) as pair:
        await pair.server.has(1 << 20)
        await pair.client.until(lambda: not pair.client.is_paused)
        assert (pair.client.pauses, pair.client.resumes) == (1, 1)


async def test_a_factory_that_fails_behind_a_handshake_is_reported_and_its_payload_dropped() -> None:
    def fail() -> Recorder:
        raise ArithmeticError("on purpose")

    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context["exception"])))
    bare = memory()
    async with await xored(bare).listen(fail, HERE) as listener:
        raw, client = await bare.connect(Recorder, listener.addresses[0])
        raw.write(MAGIC + b"dial" + b"payload")
        assert isinstance(await client.lost(), ConnectionResetError)
        assert listener.refused == 1
    assert failures == ["on purpose"]


@pytest.mark.parametrize("fault", ["factory", "connection_made", "begin"])
async def test_what_fails_on_this_side_is_told_here_and_leaves_no_connection(fault: str) -> None:
    class Failing(Recorder):
        def __init__(self) -> None:
            super().__init__()
            if fault == "factory":
                raise ArithmeticError("on purpose")

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            if fault == "connection_made":
                raise ArithmeticError("on purpose")

    class Begins(Layer):
        def begin(self) -> None:
            if fault == "begin":
                raise ArithmeticError("on purpose")
            super().begin()

    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context["exception"])))
    network = MemoryNetwork()
    bare = MemoryTransport(network)
    good, bad = through_layer(bare), LayeredTransport(bare, dial=lambda _: Begins(), accept=Begins)
    async with await good.listen(Recorder, HERE) as listener:
        with pytest.raises(ArithmeticError, match="on purpose"):
            await bad.connect(Failing, listener.addresses[0])
        assert failures == []
        await until(lambda: network.streams == 0)
    async with await bad.listen(Failing, HERE) as listener:
        _, client = await good.connect(Recorder, listener.addresses[0])
        assert isinstance(await client.lost(), ConnectionResetError)
        await until(lambda: network.streams == 0)
    assert failures == ["on purpose"]


async def test_a_cancelled_handshake_leaves_nothing() -> None:
    network = MemoryNetwork()
    bare = MemoryTransport(network)
    async with await bare.listen(Recorder, HERE) as listener:  # which never answers
        attempt = asyncio.create_task(xored(bare).connect(Recorder, listener.addresses[0]))
        await until(lambda: network.streams == 2)
        for _ in range(10):
            await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await until(lambda: network.streams == 0)


def _layers_in_memory() -> int:
    return sum(isinstance(thing, Layer) for thing in gc.get_objects())


async def test_ended_connections_need_no_garbage_collector() -> None:
    layered = xored(through_layer(memory()))
    gc.collect()
    gc.disable()
    try:
        before = _layers_in_memory()
        async with plug(layered).pair(ScatterRecorder, Recorder) as pair:
            pair.client.transport.write(b"x")
            await pair.server.has(1)
        pair.client.transport = pair.server.transport = asyncio.Transport()
        del pair
        assert _layers_in_memory() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("values", [{"handshake_timeout_s": 0.0}, {"max_handshaking": 0}])
def test_impossible_bounds_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        LayerConfig(**values)
