"""uTP's shell beyond what every stream transport owes (tests/conformance): ports that are shared, names, ends."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest

from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol
from transfer.aio.utp import UtpTransport
from transfer.datagrams.demultiplexer import DatagramClaim
from transfer.path_stats import PathStats
from transfer.utp.config import UtpConfig
from transfer.utp.values import UtpStats

CONTENT = random.Random(3).randbytes(500_000)
pytestmark = pytest.mark.every_event_loop


class Listening(BatchProtocol):
    """Some other protocol of the port."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # by contract

    def datagrams_received(self, datagrams: list[tuple[bytes, object]]) -> None:
        self.got += [data for data, _ in datagrams]


class Accepted:
    """Makes protocols for a listener, and hands them out in the order of their making."""

    def __init__(self, *, keep_open: bool | None = None) -> None:
        self._keep_open = keep_open
        self._made: asyncio.Queue[Recorder] = asyncio.Queue()

    def __call__(self) -> Recorder:
        record = Recorder(keep_open=self._keep_open)
        self._made.put_nowait(record)
        return record

    async def next(self) -> Recorder:
        return await self._made.get()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_sides_may_share_their_ports_with_others(host: str) -> None:
    async with (
        await DatagramPort.bind(Address(host, 0)) as here,
        await DatagramPort.bind(Address(host, 0)) as there,
        UtpTransport(here, rng=random.Random(1)) as dialling,
        UtpTransport(there, rng=random.Random(2)) as listening,
    ):
        other = Listening()
        there.join(other, DatagramClaim(first_bytes=b"d"))
        sender = here.join(Listening(), DatagramClaim(first_bytes=b"d"))
        accept = Accepted(keep_open=True)
        async with await listening.listen(accept, there.address):
            clients = [(await dialling.connect(Recorder, there.address))[1] for _ in range(5)]
            for number, client in enumerate(clients):
                sender.sendto(b"d-%d" % number, there.address)
                client.transport.write(CONTENT + b"%d" % number)
                client.transport.write_eof()
            accepted = [await accept.next() for _ in range(5)]
            for record in accepted:
                await record.has_called("eof")
            assert sorted(bytes(record.data) for record in accepted) == [CONTENT + b"%d" % each for each in range(5)]
            assert {client.transport.get_extra_info("sockname")[1] for client in clients} == {here.address.port}
            assert other.got == [b"d-%d" % number for number in range(5)]
            for record in accepted:
                record.transport.close()
            for record in (*accepted, *clients):
                assert await record.lost() is None
    assert dialling.connections == listening.connections == 0


async def test_a_port_where_nobody_listens_refuses() -> None:
    async with (
        await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
        UtpTransport(port, rng=random.Random(1)) as transport,
        UtpTransport(rng=random.Random(2)) as other,
    ):
        async with await transport.listen(Recorder, port.address):
            _, client = await other.connect(Recorder, port.address)
        with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1 port {port.address.port}"):
            await other.connect(Recorder, port.address)
        client.transport.abort()
        await client.lost()


async def test_silence_is_a_time_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        config = UtpConfig(syn_timeout_s=0.01, syn_attempts=2)
        async with UtpTransport(config=config, rng=random.Random(1)) as transport:
            with pytest.raises(TimeoutError):
                await transport.connect(Recorder, Address(*silent.getsockname()))
        assert transport.connections == 0


async def test_an_address_can_be_listened_on_again_while_connections_of_before_go_on() -> None:
    accept = Accepted()
    async with UtpTransport(rng=random.Random(1)) as transport:
        async with await transport.listen(accept, Address("127.0.0.1", 0)) as listener:
            address = listener.addresses[0]
            _, first = await transport.connect(Recorder, address)
            first.transport.write(b"1")
            theirs = await accept.next()
        async with await transport.listen(accept, address) as again:
            assert again.addresses == (address,)
            with pytest.raises(OSError, match="in use"):
                await transport.listen(accept, address)
            _, second = await transport.connect(Recorder, address)
            first.transport.write(b"2")
            second.transport.write(b"3")
            assert await theirs.has(2) == b"12"
            third = await accept.next()
            assert await third.has(1) == b"3"
            for record in (first, second):
                record.transport.close()
            for record in (first, second, theirs, third):
                assert await record.lost() is None


async def test_closing_the_transport_ends_everything_at_once() -> None:
    accept = Accepted()
    async with UtpTransport(rng=random.Random(1)) as there:
        async with UtpTransport(rng=random.Random(2)) as here:
            listener = await there.listen(accept, Address("127.0.0.1", 0))
            _, client = await here.connect(Recorder, listener.addresses[0])
            client.transport.write(b"?")
            theirs = await accept.next()
            await theirs.has(1)
        await client.lost()
        assert isinstance(await theirs.lost(), ConnectionResetError)
    assert here.connections == there.connections == 0


async def test_what_is_known_of_the_path_can_be_asked_for() -> None:
    async with UtpTransport(config=UtpConfig(congestion="cubic"), rng=random.Random(1)) as transport:
        accept = Accepted()
        async with await transport.listen(accept, Address("127.0.0.1", 0)) as listener:
            _, client = await transport.connect(Recorder, listener.addresses[0])
            client.transport.write(CONTENT)
            client.transport.write_eof()
            await client.lost()
            assert (await accept.next()).data == CONTENT
            path = client.transport.get_extra_info("path_stats")
            stats = client.transport.get_extra_info("utp_stats")
    assert isinstance(path, PathStats)
    assert isinstance(stats, UtpStats)
    assert (path.transport, path.controller, path.in_flight_bytes) == ("utp", "cubic", 0)
    assert path.rtt_s is not None
    assert path.rtt_s >= 0  # uvloop's clock has milliseconds
    assert stats.delivered_bytes == len(CONTENT)
    assert stats.datagram_bytes == 1472


async def test_an_unknown_controller_is_an_error_that_names_those_there_are() -> None:
    async with UtpTransport(config=UtpConfig(congestion="vegas"), rng=random.Random(1)) as transport:
        with pytest.raises(ValueError, match="ledbat"):
            await transport.connect(Recorder, Address("127.0.0.1", 9))


async def test_a_port_that_is_closed_ends_dials_and_connections() -> None:
    accept = Accepted()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with (
            await DatagramPort.bind(Address("127.0.0.1", 0)) as port,
            UtpTransport(port, rng=random.Random(1)) as transport,
            UtpTransport(rng=random.Random(2)) as other,
        ):
            await transport.listen(accept, port.address)
            _, client = await other.connect(Recorder, port.address)
            client.transport.write(b"?")
            theirs = await accept.next()
            dial = asyncio.create_task(transport.connect(Recorder, Address(*silent.getsockname())))
            await theirs.has(1)
            port.close()
            with pytest.raises(ConnectionAbortedError):
                await dial
            assert isinstance(await theirs.lost(), ConnectionAbortedError)
            client.transport.abort()
            await client.lost()
        assert transport.connections == 0
