"""Several protocols on one socket: who hears what, who is told of errors, and in which order things close."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
from typing import Any

import pytest

from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort, PortTransport
from transfer.aio.datagrams import BatchProtocol
from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig
from transfer.simulation import Simulation, run

pytestmark = pytest.mark.every_event_loop
LOCAL = Address("127.0.0.1", 0)


class Recorder(BatchProtocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        self.is_full = False
        self.changed = asyncio.Event()
        self.transport: PortTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, PortTransport)
        self.transport = transport

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self.heard += [data for data, _ in datagrams]
        self.changed.set()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self.changed.set()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self.changed.set()

    async def wait_for(self, count: int) -> list[bytes]:
        while len(self.heard) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.heard


def shares(port: DatagramPort, first_bytes: bytes, **more: Any) -> Recorder:
    recorder = Recorder()
    assert port.join(recorder, DatagramClaim(first_bytes=first_bytes, **more)) is recorder.transport
    return recorder


def sender(port: DatagramPort) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if port.address.is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(port.address)
    return sock


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_each_hears_its_own_and_all_speak_from_one_port(host: str) -> None:
    async with await DatagramPort.bind(Address(host, 0)) as port:
        letters, digits, toy = shares(port, b"abc"), shares(port, b"123"), shares(port, b"T")
        with sender(port) as other:
            for data in (b"a", b"1", b"T", b"x", b"", b"b", b"2"):
                other.send(data)
            other.send(b"c")
            assert await letters.wait_for(3) == [b"a", b"b", b"c"]
            assert digits.heard == [b"1", b"2"]
            assert toy.heard == [b"T"]
            assert port.statistics().unclaimed == 2
            for recorder in (letters, digits):
                assert recorder.transport is not None
                recorder.transport.sendto(b"hello", other.getsockname())
                assert other.recvfrom(10)[1][:2] == port.address
                assert recorder.transport.get_extra_info("sockname")[:2] == port.address
                assert recorder.transport.get_protocol() is recorder


async def test_who_leaves_leaves_the_others_and_may_come_back() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        leaving, staying = shares(port, b"l"), shares(port, b"s")
        assert leaving.transport is not None
        leaving.transport.close()
        leaving.transport.abort()
        assert leaving.transport.is_closing()
        leaving.transport.sendto(b"s unsent", port.address)
        assert leaving.lost == [], "never from within close"
        with sender(port) as other:
            other.send(b"l")
            other.send(b"s")
            await staying.wait_for(1)
            assert leaving.lost == [None]
            again = shares(port, b"l")
            other.send(b"l2")
            assert await again.wait_for(1) == [b"l2"]
        assert leaving.heard == []
        assert staying.lost == []


async def test_closing_the_port_ends_everybody_and_frees_the_address() -> None:
    port = await DatagramPort.bind(LOCAL)
    recorders = [shares(port, b"a"), shares(port, b"b")]
    port.close()
    port.close()
    assert port.is_closing
    for recorder in recorders:
        assert recorder.transport is not None
        assert recorder.transport.is_closing()
        recorder.transport.sendto(b"unsent", port.address)
    await port.wait_closed()
    assert [recorder.lost for recorder in recorders] == [[None], [None]]
    with pytest.raises(ConnectionAbortedError, match="is closed"):
        port.join(Recorder(), DatagramClaim(first_bytes=b"c"))
    again = await DatagramPort.bind(port.address)
    again.close()
    await again.wait_closed()
    gc.collect()  # an unclosed socket would warn here, and warnings are errors


async def test_a_taken_address_is_named_in_one_line() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        expected = f"cannot bind UDP on 127.0.0.1 port {port.address.port}: address already in use"
        with pytest.raises(OSError, match=expected) as caught:
            await DatagramPort.bind(port.address)
        assert caught.value.errno == errno.EADDRINUSE
        assert "\n" not in str(caught.value)


async def test_an_error_is_told_to_whoever_sends() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        loud, quiet = shares(port, b"l"), shares(port, b"q")
        assert loud.transport is not None
        loud.transport.sendto(bytes(70_000), port.address)
        assert [type(error) for error in loud.errors] == [OSError]
        assert quiet.errors == []
        port._protocol.error_received(ConnectionResetError())  # as on Windows, about nobody knows which datagram
        assert len(loud.errors) == 2
        assert len(quiet.errors) == 1


async def test_a_full_socket_is_told_to_all_and_to_newcomers() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        first = shares(port, b"f")
        port._protocol.pause_writing()
        second = shares(port, b"s")
        assert [first.is_full, second.is_full] == [True, True]
        port._protocol.resume_writing()
        assert [first.is_full, second.is_full] == [False, False]


async def test_an_exception_of_one_does_not_keep_the_others_from_theirs() -> None:
    class Broken(Recorder):
        def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
            super().datagrams_received(datagrams)
            raise RuntimeError("its own fault")

    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    async with await DatagramPort.bind(LOCAL) as port:
        broken = Broken()
        port.join(broken, DatagramClaim(first_bytes=b"b"))
        fine = shares(port, b"f")
        with sender(port) as other:
            other.send(b"b1")
            other.send(b"f1")
            other.send(b"b2")
            await fine.wait_for(1)
            await broken.wait_for(2)
    loop.set_exception_handler(None)
    assert {str(context["exception"]) for context in reported} == {"its own fault"}


async def test_a_flood_for_one_lets_the_others_have_their_turns() -> None:
    """The flooded one is not through with its own when the other has been heard, though that came last."""
    config = DatagramPortConfig(max_share=2, max_waiting=16)
    async with await DatagramPort.bind(LOCAL, config=config) as port:
        flooded, quiet = shares(port, b"f"), shares(port, b"q")
        with sender(port) as other:
            for _ in range(100):
                other.send(b"f")
            other.send(b"q")
            await quiet.wait_for(1)
            assert len(flooded.heard) < 100 - port.statistics().dropped
            await flooded.wait_for(16)
            assert port.statistics().dropped > 50
            assert port.statistics().received == 101


async def test_leaving_in_the_middle_of_a_batch() -> None:
    """A datagram may close any of them: nothing reaches it any more."""
    async with await DatagramPort.bind(LOCAL) as port:
        victim = Recorder()

        class Killer(Recorder):
            def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
                super().datagrams_received(datagrams)
                assert victim.transport is not None
                victim.transport.close()

        port.join(killer := Killer(), DatagramClaim(first_bytes=b"k"))
        port.join(victim, DatagramClaim(first_bytes=b"v"))
        port._protocol.datagrams_received([(b"v", LOCAL), (b"k", LOCAL)])
        assert killer.heard == [b"k"]
        assert victim.heard == []


async def test_closing_the_port_in_the_middle_of_a_batch() -> None:
    async with await DatagramPort.bind(LOCAL, config=DatagramPortConfig(max_share=1)) as port:

        class Killer(Recorder):
            def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
                super().datagrams_received(datagrams)
                port.close()

        port.join(killer := Killer(), DatagramClaim(first_bytes=b"k"))
        victim = shares(port, b"v")
        port._protocol.datagrams_received([(b"k1", LOCAL), (b"k2", LOCAL), (b"v", LOCAL)])
    assert killer.heard == [b"k1"]
    assert victim.heard == []
    assert killer.lost == victim.lost == [None]


async def test_who_takes_all_alone_hears_garbage_until_somebody_joins() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        owner = shares(port, b"o", takes_all_alone=True)
        with sender(port) as other:
            other.send(b"noise")
            assert await owner.wait_for(1) == [b"noise"]
            guest = shares(port, b"g")
            for data in (b"noise", b"g", b"o"):
                other.send(data)
            assert await owner.wait_for(2) == [b"noise", b"o"]
            assert guest.heard == [b"g"]
            assert guest.transport is not None
            guest.transport.close()
            other.send(b"more noise")
            assert await owner.wait_for(3) == [b"noise", b"o", b"more noise"]


async def test_a_port_without_anybody_drops_and_counts() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        with sender(port) as other:
            other.send(b"nobody there")
            for _ in range(1000):
                await asyncio.sleep(0)
                if port.statistics().received:
                    break
        assert port.statistics().unclaimed == 1


def test_elsewhere_the_loop_does_the_work() -> None:
    async def exchange(simulation: Simulation) -> tuple[list[bytes], list[bytes], int]:
        with simulation.host("10.0.0.1"):
            port = await DatagramPort.bind(Address("0.0.0.0", 6881))
            letters, digits = shares(port, b"a"), shares(port, b"1")
        with simulation.host("10.0.0.2"):
            speaking = await DatagramPort.bind(Address("0.0.0.0", 6881))
            speaker = shares(speaking, b"x")
        assert speaker.transport is not None
        speaker.transport.send_all([(data, ("10.0.0.1", 6881)) for data in (b"a", b"1", b"?", b"a2")])
        await letters.wait_for(2)
        speaking.close()
        port.close()
        await speaking.wait_closed()
        await port.wait_closed()
        assert digits.lost == [None]
        return letters.heard, digits.heard, port.statistics().unclaimed

    assert run(exchange, seed=1).result == ([b"a", b"a2"], [b"1"], 1)
