"""What can go wrong when connections are accepted."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from typing import Any

import pytest

from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.socket_listener import SocketListener, bind_listening_sockets
from transfer.aio.tcp import TcpTransport, watches_descriptors

pytestmark = pytest.mark.every_event_loop

HERE = Address("127.0.0.1", 0)


async def test_a_factory_that_fails_costs_one_connection() -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    served: asyncio.Future[Recorder] = asyncio.get_running_loop().create_future()

    def accept() -> Recorder:
        if not reports:
            raise ArithmeticError("on purpose")
        served.set_result(Recorder())
        return served.result()

    async with await TcpTransport().listen(accept, HERE) as listener:
        _, first = await TcpTransport().connect(Recorder, listener.addresses[0])
        await first.lost()
        stream, second = await TcpTransport().connect(Recorder, listener.addresses[0])
        stream.write(b"hello")
        await (await served).has(5)
        stream.close()
        await second.lost()
        await served.result().lost()
    assert [str(report["exception"]) for report in reports] == ["on purpose"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
async def test_without_descriptors_accepting_pauses_and_closing_ends_the_pause() -> None:
    import resource

    loop = asyncio.get_running_loop()
    reports: list[dict[str, Any]] = []
    is_reported = asyncio.Event()

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        reports.append(context)
        is_reported.set()

    loop.set_exception_handler(report)
    listener = SocketListener(loop, await bind_listening_sockets(HERE, backlog=5, reuse_port=False), Recorder)
    client = socket.socket()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        lowest_free = os.dup(client.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        client.connect(listener.addresses[0])
        async with asyncio.timeout(10):
            await is_reported.wait()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.close()
        listener.close()
        await listener.wait_closed()
    assert [report["exception"].errno for report in reports] == [errno.EMFILE]


async def test_one_address_in_use_frees_the_others() -> None:
    async with await TcpTransport().listen(Recorder, HERE) as listener:
        with pytest.raises(
            OSError, match=f"127.0.0.1 port {listener.addresses[0].port}: address already in use$"
        ) as caught:
            await bind_listening_sockets(listener.addresses[0], backlog=5, reuse_port=False)
    assert caught.value.errno == errno.EADDRINUSE


async def test_loops_with_descriptors_are_known() -> None:
    assert watches_descriptors(asyncio.get_running_loop())
