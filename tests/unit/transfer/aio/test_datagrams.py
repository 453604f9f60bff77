from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from transfer.address import Address
from transfer.aio.datagram_socket import MAX_BATCH, DatagramSocket, bind_datagrams
from transfer.aio.datagrams import BatchProtocol
from transfer.simulation import Simulation, run

pytestmark = pytest.mark.every_event_loop
LOCAL = Address("127.0.0.1", 0)


class Recorder(BatchProtocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[bytes, Any]]] = []
        self.errors: list[Exception] = []
        self.arrived = asyncio.Event()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.is_connected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_connected = True

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self.batches.append(datagrams)
        self.arrived.set()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def wait_for(self, count: int) -> list[tuple[bytes, Any]]:
        while sum(map(len, self.batches)) < count:
            self.arrived.clear()
            await self.arrived.wait()
        return [datagram for batch in self.batches for datagram in batch]


def address_of(transport: asyncio.BaseTransport) -> Address:
    return Address.from_socket(transport.get_extra_info("sockname"))


async def test_what_has_arrived_comes_in_bounded_batches_and_in_order() -> None:
    protocol = Recorder()
    transport = await bind_datagrams(protocol, LOCAL)
    assert protocol.is_connected
    sent = [str(number).encode() for number in range(MAX_BATCH + 10)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in sent:
            sender.sendto(data, address_of(transport))
        received = await protocol.wait_for(len(sent))
        assert received == [(data, ("127.0.0.1", sender.getsockname()[1])) for data in sent]
    assert max(map(len, protocol.batches)) <= MAX_BATCH
    assert len(protocol.batches) < 12
    transport.close()
    assert await protocol.lost is None


async def test_datagrams_are_sent_and_cut_to_what_the_receiver_cares_for() -> None:
    protocol = Recorder()
    receiver = await bind_datagrams(protocol, LOCAL, max_bytes=10)
    sender = await bind_datagrams(Recorder(), LOCAL)
    sender.sendto(b"", address_of(receiver))
    sender.sendto(bytes(100), address_of(receiver))
    assert [data for data, _ in await protocol.wait_for(2)] == [b"", bytes(10)]
    sender.close()
    receiver.close()


async def test_a_closed_socket_hears_and_sends_nothing() -> None:
    protocol = Recorder()
    transport = await bind_datagrams(protocol, LOCAL)
    address = address_of(transport)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"too late", address)
        transport.close()
        transport.close()
        transport.abort()
        assert transport.is_closing()
        transport.sendto(b"unsent", sender.getsockname())
        assert await protocol.lost is None
        assert protocol.batches == []
        assert protocol.errors == []
    again = await bind_datagrams(Recorder(), address)  # the address is free
    again.close()


async def test_what_cannot_be_sent_is_reported_and_does_no_harm() -> None:
    protocol = Recorder()
    transport = await bind_datagrams(protocol, LOCAL)
    transport.sendto(bytes(70_000), address_of(transport))
    await asyncio.sleep(0)
    (error,) = protocol.errors
    assert isinstance(error, OSError)
    assert error.errno == errno.EMSGSIZE
    transport.sendto(b"still there", address_of(transport))
    assert [data for data, _ in await protocol.wait_for(1)] == [b"still there"]
    transport.close()


async def test_a_full_socket_drops_as_a_network_would() -> None:
    class Full(socket.socket):
        def sendto(self, *args: Any) -> int:
            raise BlockingIOError

    protocol = Recorder()
    sock = Full(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(LOCAL)
    transport = DatagramSocket(asyncio.get_running_loop(), sock, protocol, max_bytes=100)
    transport.sendto(b"dropped", address_of(transport))
    transport.close()
    assert await protocol.lost is None
    assert protocol.errors == []


async def test_a_taken_address_is_refused() -> None:
    transport = await bind_datagrams(Recorder(), LOCAL)
    with pytest.raises(OSError, match=r".") as caught:
        await bind_datagrams(Recorder(), address_of(transport))
    assert caught.value.errno == errno.EADDRINUSE
    transport.close()


async def test_both_families_may_have_the_same_port() -> None:
    sixth = await bind_datagrams(Recorder(), Address("::", 0))
    fourth = await bind_datagrams(Recorder(), Address("0.0.0.0", address_of(sixth).port))
    fourth.close()
    sixth.close()


def test_elsewhere_the_loop_does_the_work() -> None:
    async def exchange(simulation: Simulation) -> list[tuple[bytes, Any]]:
        with simulation.host("10.0.0.1"):
            protocol = Recorder()
            receiver = await bind_datagrams(protocol, Address("0.0.0.0", 6881))
        with simulation.host("10.0.0.2"):
            sender = await bind_datagrams(Recorder(), Address("0.0.0.0", 6881))
        sender.sendto(b"hello", ("10.0.0.1", 6881))
        received = await protocol.wait_for(1)
        sender.close()
        receiver.close()
        return received

    assert run(exchange, seed=1).result == [(b"hello", ("10.0.0.2", 6881))]
