"""How connections begin, how attempts fail, and what a listener owes."""

from __future__ import annotations

import asyncio
import errno

import pytest

from tests.conformance.plugs import Plug
from tests.conformance.protocols import Record, Recorder, recorders_into
from transfer.address import Address


async def check_both_sides_are_told_before_connect_returns(plug: Plug) -> None:
    made: list[Recorder] = []
    async with plug.pair(Recorder, recorders_into(made)) as pair:
        assert made == [pair.client]
        assert pair.client.calls == ["made"]
        assert pair.server.calls == ["made"]
        assert pair.client.transport.get_protocol() is pair.client
        assert not pair.client.transport.is_closing()
        assert pair.client.transport.is_reading()
        assert pair.client.transport.get_write_buffer_size() == 0


async def check_data_written_in_connection_made_arrives_after_it(plug: Plug) -> None:
    def greet(record: Record) -> None:
        record.transport.write(b"hello")

    async with plug.pair(lambda: Recorder(on_made=greet), lambda: Recorder(on_made=greet)) as pair:
        assert await pair.server.has(5) == b"hello"
        assert await pair.client.has(5) == b"hello"
        assert pair.server.calls == pair.client.calls == ["made", "data"]


async def check_each_side_knows_both_names(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        client, server = pair.client.transport, pair.server.transport
        assert Address.from_socket(client.get_extra_info("peername")) == pair.listener.addresses[0]
        assert client.get_extra_info("sockname") == server.get_extra_info("peername")
        assert client.get_extra_info("peername") == server.get_extra_info("sockname")
        assert client.get_extra_info("sockname") != client.get_extra_info("peername")
        assert client.get_extra_info("no such thing") is None
        assert client.get_extra_info("no such thing", "default") == "default"


async def check_nobody_listening_refuses_and_tells_no_protocol(plug: Plug) -> None:
    made: list[Recorder] = []
    listener = await plug.transport.listen(Recorder, plug.address)
    listener.close()
    await listener.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await plug.transport.connect(recorders_into(made), listener.addresses[0])
    assert [record.calls for record in made] == [[]] * len(made)  # uvloop makes it first, asyncio not at all


async def check_listeners_name_the_port_they_got(plug: Plug) -> None:
    async with (
        await plug.transport.listen(Recorder, plug.address) as first,
        await plug.transport.listen(Recorder, plug.address) as second,
    ):
        assert first.addresses[0].host == second.addresses[0].host == plug.host
        assert 0 < first.addresses[0].port != second.addresses[0].port > 0


async def check_an_address_in_use_is_an_error_until_it_is_closed(plug: Plug) -> None:
    async with await plug.transport.listen(Recorder, plug.address) as listener:
        address = listener.addresses[0]
        with pytest.raises(OSError, match=r"(?i)in use") as caught:
            await plug.transport.listen(Recorder, address)
        assert caught.value.errno == errno.EADDRINUSE
    async with await plug.transport.listen(Recorder, address) as again:
        assert again.addresses == (address,)


async def check_an_address_of_somebody_else_cannot_be_bound(plug: Plug) -> None:
    with pytest.raises(OSError, match=r"(?i)address") as caught:
        await plug.transport.listen(Recorder, Address("2001:db8::7" if ":" in plug.host else "203.0.113.7", 0))
    assert caught.value.errno == errno.EADDRNOTAVAIL


async def check_a_closed_listener_accepts_nobody_and_keeps_its_connections(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        addresses = pair.listener.addresses
        pair.listener.close()
        pair.listener.close()
        await pair.listener.wait_closed()
        await pair.listener.wait_closed()
        assert pair.listener.addresses == addresses
        with pytest.raises(ConnectionRefusedError):
            await plug.transport.connect(Recorder, addresses[0])
        pair.client.transport.write(b"still here")
        assert await pair.server.has(10) == b"still here"


async def check_wait_closed_waits(plug: Plug) -> None:
    listener = await plug.transport.listen(Recorder, plug.address)
    waiting = asyncio.create_task(listener.wait_closed())
    await plug.settle()
    assert not waiting.done()
    listener.close()
    await waiting


async def check_a_listener_survives_cancelled_waiters(plug: Plug) -> None:
    served: list[Recorder] = []
    async with await plug.transport.listen(recorders_into(served), plug.address) as listener:
        waiting = asyncio.create_task(listener.wait_closed())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        _, client = await plug.transport.connect(Recorder, listener.addresses[0])
        plug.records.append(client)
        client.transport.write(b"x")
        await _until_made(plug, served, 1)
    await plug.end(client, *served)


async def check_many_connections_at_once(plug: Plug) -> None:
    served: list[Recorder] = []
    number = 300

    def echo(record: Record) -> None:
        record.transport.write(bytes(record.data))
        record.data.clear()

    def accept() -> Recorder:
        served.append(Recorder(on_data=echo))
        return served[-1]

    async with await plug.transport.listen(accept, plug.address) as listener:

        async def dial() -> Recorder:
            transport, client = await plug.transport.connect(Recorder, listener.addresses[0])
            assert transport is client.transport
            return client

        clients = await asyncio.gather(*(dial() for _ in range(number)))
        plug.records.extend(clients)
        names = {client.transport.get_extra_info("sockname") for client in clients}
        assert len(names) == number
        for index, client in enumerate(clients):
            client.transport.write(b"%06d" % index)
        for index, client in enumerate(clients):
            assert await client.has(6) == b"%06d" % index
    plug.records.extend(served)
    assert len(served) == number
    for client in clients:
        client.transport.close()
    for record in (*clients, *served):
        assert await record.lost() is None


async def check_cancelled_attempts_leave_nothing(plug: Plug) -> None:
    served: list[Recorder] = []
    made: list[Recorder] = []
    async with await plug.transport.listen(recorders_into(served), plug.address) as listener:
        for steps in range(12):
            attempt = asyncio.create_task(plug.transport.connect(recorders_into(made), listener.addresses[0]))
            for _ in range(steps):
                await asyncio.sleep(0)
            if attempt.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await attempt
            else:
                transport, _ = await attempt
                transport.close()
        await plug.settle()
        for record in served:
            if "made" in record.calls:
                assert isinstance(await record.lost(), ConnectionResetError | None)
        before = len(served)
        _, client = await plug.transport.connect(Recorder, listener.addresses[0])
        await _until_made(plug, served, before + 1)
        plug.records.extend((client, *served))
        await plug.end(client, served[-1])
    assert not any(record.violations for record in made)
    assert all(record.calls in ([], ["made"], ["made", "lost"]) for record in made)  # uvloop may forget `lost`


async def _until_made(plug: Plug, records: list[Recorder], number: int) -> None:
    while len(records) < number:
        await plug.settle()
    for record in records:
        await record.has_called("made")
