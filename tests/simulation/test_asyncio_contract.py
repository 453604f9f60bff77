"""One suite, two worlds: what asyncio does on loopback sockets, the simulation does too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from transfer import simulation

Program = Callable[[], Awaitable[Any]]
World = Callable[[Program], Any]


@pytest.fixture(params=["sockets", "simulation"])
def world(request: pytest.FixtureRequest) -> World:
    """Runs a program to its end and returns its result."""

    async def bounded(program: Program) -> Any:
        async with asyncio.timeout(20):
            return await program()

    def on_sockets(program: Program) -> Any:
        return asyncio.run(bounded(program))

    def simulated(program: Program) -> Any:
        return simulation.run(lambda _: bounded(program)).result

    return on_sockets if request.param == "sockets" else simulated


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, keep_open: bool = False) -> None:
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: Any = None
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
        self._keep_open = keep_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.calls[-1] != "data":
            self.calls.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.calls.append("eof")
        self.ended.set()
        return self._keep_open

    def pause_writing(self) -> None:
        self.calls.append("pause")
        self.paused.set()

    def resume_writing(self) -> None:
        self.calls.append("resume")
        self.resumed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.lost.set_result(exc)


class Buffered(asyncio.BufferedProtocol):
    """Takes data in pieces of seven bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray(7)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self._buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def _pair(
    server_side: Callable[[], Any], client_side: Callable[[], Any]
) -> tuple[asyncio.Server, Any, asyncio.Transport, Any]:
    """(server, its protocol, the client's transport, the client's protocol), connected."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Any] = loop.create_future()

    def accept() -> Any:
        protocol = server_side()
        accepted.set_result(protocol)
        return protocol

    server = await loop.create_server(accept, "127.0.0.1", 0)
    transport, client = await loop.create_connection(client_side, *server.sockets[0].getsockname()[:2])
    protocol = await accepted
    if isinstance(protocol, Recorder):
        await protocol.made
    return server, protocol, transport, client


async def _end(server: asyncio.Server, *protocols: Any) -> list[Exception | None]:
    server.close()
    lost = [await protocol.lost for protocol in protocols]
    await server.wait_closed()
    return lost


def test_names_of_both_ends_match(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        assert transport.get_extra_info("peername") == server.sockets[0].getsockname()
        assert theirs.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
        assert transport.get_extra_info("socket").getsockname() == transport.get_extra_info("sockname")
        assert transport.get_extra_info("no such thing", "default") == "default"
        transport.close()
        await _end(server, theirs, ours)

    world(program)


def test_data_arrives_in_order_and_close_flushes(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        sent = b"".join(bytes([number % 256]) * 1000 for number in range(2000))
        transport.writelines([sent[:10], memoryview(sent)[10:1000]])
        transport.write(bytearray(sent[1000:]))
        transport.close()
        assert transport.is_closing()
        transport.write(b"too late")
        assert await _end(server, theirs, ours) == [None, None]
        assert theirs.data == sent
        assert theirs.calls == ["made", "data", "eof", "lost"]
        assert ours.calls[-1] == "lost"

    world(program)


def test_half_close_lets_the_other_side_answer(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(lambda: Recorder(keep_open=True), Recorder)
        assert transport.can_write_eof()
        transport.write(b"question")
        transport.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            transport.write(b"more")
        await theirs.ended.wait()
        assert theirs.data == b"question"
        theirs.transport.write(b"answer")
        theirs.transport.close()
        assert await _end(server, theirs, ours) == [None, None]
        assert ours.data == b"answer"
        assert ours.calls == ["made", "data", "eof", "lost"]

    world(program)


def test_abort_discards_and_tells_both_sides(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        theirs.transport.pause_reading()
        transport.write(bytes(20_000_000))
        assert transport.get_write_buffer_size() > 0
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        assert await ours.lost is None
        theirs.transport.resume_reading()
        await _end(server, theirs)
        assert len(theirs.data) < 20_000_000

    world(program)


def test_a_paused_reader_pauses_the_writer(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        theirs.transport.pause_reading()
        assert not theirs.transport.is_reading()
        transport.set_write_buffer_limits(high=100_000, low=50_000)
        transport.write(bytes(20_000_000))
        await ours.paused.wait()
        await asyncio.sleep(0.05)
        assert theirs.data == b""
        assert transport.get_write_buffer_size() > 100_000
        theirs.transport.resume_reading()
        await ours.resumed.wait()
        assert transport.get_write_buffer_size() <= 50_000
        transport.close()
        await _end(server, theirs, ours)
        assert len(theirs.data) == 20_000_000
        assert ours.calls == ["made", "pause", "resume", "lost"]

    world(program)


def test_data_that_came_during_a_pause_is_not_lost(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        theirs.transport.pause_reading()
        transport.write(b"early")
        await asyncio.sleep(0.05)
        assert theirs.data == b""
        theirs.transport.resume_reading()
        theirs.transport.resume_reading()
        await asyncio.sleep(0.05)
        assert theirs.data == b"early"
        transport.close()
        await _end(server, theirs, ours)

    world(program)


def test_closing_with_unread_data_resets_the_other_side(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        theirs.transport.pause_reading()
        transport.write(b"never read")
        await asyncio.sleep(0.05)
        theirs.transport.close()
        lost = await _end(server, theirs, ours)
        assert lost[0] is None
        assert isinstance(lost[1], ConnectionResetError)

    world(program)


def test_writing_to_a_closed_connection_is_an_error_in_the_end(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, lambda: Recorder(keep_open=True))
        theirs.transport.close()
        await ours.ended.wait()
        for _ in range(10):
            transport.write(b"is anybody there?")
            await asyncio.sleep(0.03)
        assert isinstance((await _end(server, ours))[0], ConnectionResetError | BrokenPipeError)

    world(program)


def test_buffered_protocol_gets_everything(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Buffered, Recorder)
        transport.write(bytes(range(256)) * 40)
        transport.close()
        await _end(server, theirs, ours)
        assert theirs.data == bytes(range(256)) * 40

    world(program)


def test_the_protocol_can_be_changed(world: World) -> None:
    async def program() -> None:
        server, theirs, transport, ours = await _pair(Recorder, Recorder)
        second = Buffered()
        theirs.transport.set_protocol(second)
        assert theirs.transport.get_protocol() is second
        transport.write(b"for the second")
        transport.close()
        await _end(server, second, ours)
        assert second.data == b"for the second"
        assert theirs.data == b""

    world(program)


def test_nobody_listening_is_connection_refused(world: World) -> None:
    async def program() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        assert server.sockets == ()
        with pytest.raises(ConnectionRefusedError, match="Connect call failed"):
            await loop.create_connection(Recorder, "127.0.0.1", port)

    world(program)


def test_an_address_cannot_be_bound_twice(world: World) -> None:
    async def program() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(Recorder, "127.0.0.1", server.sockets[0].getsockname()[1])
        server.close()

    world(program)


def test_a_foreign_address_cannot_be_bound(world: World) -> None:
    async def program() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match=r"(?i)address"):
            await loop.create_server(Recorder, "203.0.113.77", 0)

    world(program)


def test_streams_and_server_context(world: World) -> None:
    async def program() -> bytes:
        async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(upper, "127.0.0.1", 0) as server:
            assert server.is_serving()
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"one\ntwo\n")
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        assert not server.is_serving()
        return answer

    assert world(program) == b"ONE\nTWO\n"


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams(world: World, address: str) -> None:
    async def program() -> None:
        loop = asyncio.get_running_loop()
        first, heard = await loop.create_datagram_endpoint(Datagrams, (address, 0))
        name = first.get_extra_info("sockname")
        second, answered = await loop.create_datagram_endpoint(Datagrams, remote_addr=name[:2])
        second.sendto(b"ping")
        data, source = await heard.received.get()
        assert (data, source) == (b"ping", second.get_extra_info("sockname"))
        first.sendto(bytearray(b"pong"), source)
        assert await answered.received.get() == (b"pong", name)
        with pytest.raises(ValueError, match="Invalid address"):
            second.sendto(b"x", (address, 1))
        with pytest.raises(TypeError):
            first.sendto("text", source)  # type: ignore[arg-type]  # the point
        first.close()
        assert first.is_closing()
        assert await heard.lost is None
        second.sendto(b"to nobody")
        assert isinstance(await answered.errors.get(), ConnectionRefusedError)
        second.close()
        assert await answered.lost is None

    world(program)
