"""What TCP adds to the contract of all transports: options of sockets and names of hosts."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from tests.conformance.plugs import Plug
from tests.conformance.protocols import Recorder, ScatterRecorder
from transfer.address import Address
from transfer.aio.tcp import TcpConfig, TcpTransport

pytestmark = pytest.mark.every_event_loop

HERE = Address("127.0.0.1", 0)


async def test_small_writes_are_sent_at_once() -> None:
    async with Plug(TcpTransport(), "127.0.0.1").pair(Recorder, Recorder) as pair:
        for record in (pair.client, pair.server):
            connection = record.transport.get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_connections_come_from_the_address_that_was_asked_for() -> None:
    plug = Plug(TcpTransport(TcpConfig(local_host="127.0.0.2")), "127.0.0.1")
    async with plug.pair(Recorder, Recorder) as pair:
        assert pair.server.transport.get_extra_info("peername")[0] == "127.0.0.2"


async def test_our_sockets_fill_several_buffers_in_one_read() -> None:
    async with Plug(TcpTransport(), "127.0.0.1").pair(ScatterRecorder, ScatterRecorder) as pair:
        for here, there in ((pair.client, pair.server), (pair.server, pair.client)):
            here.transport.writelines([bytes(10), bytes(10), bytes(10)])
            await there.has(30)
            assert there.reads["plain"] == 0
            assert 1 <= there.reads["scattered"] <= 30


@pytest.mark.parametrize("delay_s", [0.25, None])
async def test_names_are_resolved(delay_s: float | None) -> None:
    transport = TcpTransport(TcpConfig(happy_eyeballs_delay_s=delay_s))
    async with await transport.listen(Recorder, HERE) as listener:
        stream, client = await transport.connect(Recorder, Address("localhost", listener.addresses[0].port))
        assert Address.from_socket(stream.get_extra_info("peername")) == listener.addresses[0]
        stream.close()
        assert await client.lost() is None


async def test_listeners_may_share_a_port_when_both_say_so() -> None:
    transport = TcpTransport(TcpConfig(reuse_port=True))
    first = await transport.listen(Recorder, HERE)
    async with first, await transport.listen(Recorder, first.addresses[0]) as second:
        assert first.addresses == second.addresses


@pytest.mark.parametrize(("host", "is_given"), [("localhost", True), ("127.0.0.1", False)])
async def test_where_the_loop_dials_only_names_get_a_head_start(
    host: str, is_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    async def create_connection(factory: Any, host: str, port: int, **options: Any) -> Any:
        asked.update(options)
        raise ConnectionRefusedError

    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        return  # the argument is asyncio's own
    monkeypatch.setattr("transfer.aio.tcp.watches_descriptors", lambda loop: False)
    monkeypatch.setattr(loop, "create_connection", create_connection)
    with pytest.raises(ConnectionRefusedError):
        await TcpTransport(TcpConfig(happy_eyeballs_delay_s=0.1)).connect(Recorder, Address(host, 9))
    assert asked == ({"happy_eyeballs_delay": 0.1} if is_given else {})


async def test_an_address_that_cannot_be_bound_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the loop opens the sockets, too, whose `create_server` keeps the number to itself in Python 3.13."""
    for watches in (True, False):
        monkeypatch.setattr("transfer.aio.tcp.watches_descriptors", lambda loop, watches=watches: watches)
        with pytest.raises(OSError, match=r"203\.0\.113\.7") as caught:
            await TcpTransport().listen(Recorder, Address("203.0.113.7", 0))
        assert caught.value.errno == errno.EADDRNOTAVAIL


async def test_a_port_in_use_is_told_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with await TcpTransport().listen(Recorder, HERE) as listener:
        for watches in (True, False):
            monkeypatch.setattr("transfer.aio.tcp.watches_descriptors", lambda loop, watches=watches: watches)
            with pytest.raises(OSError, match="in use") as caught:
                await TcpTransport().listen(Recorder, listener.addresses[0])
            assert caught.value.errno == errno.EADDRINUSE


async def test_an_empty_host_listens_on_all_addresses() -> None:
    async with await TcpTransport().listen(Recorder, Address("", 0)) as listener:
        assert {address.host for address in listener.addresses} <= {"0.0.0.0", "::"}
        port = next(address.port for address in listener.addresses if address.host == "0.0.0.0")
        stream, client = await TcpTransport().connect(Recorder, Address("127.0.0.1", port))
        stream.close()
        assert await client.lost() is None


@pytest.mark.parametrize("values", [{"backlog": 0}, {"happy_eyeballs_delay_s": 0.0}, {"happy_eyeballs_delay_s": -1.0}])
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        TcpConfig(**values)
