"""Dialling through a proxy. What holds for every transport is in `tests/conformance`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tests.conformance.protocols import Recorder
from tests.proxy_server import ProxyServer, proxy_server
from transfer.address import Address
from transfer.aio.proxy.streams import ProxyTransport
from transfer.aio.tcp import TcpTransport
from transfer.errors import LocalProtocolError
from transfer.proxy.errors import ProxyError, ProxyTargetError, ProxyTargetRefusedError, ProxyTimeoutError
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.proxy.relay import ProxyConfig
from transfer.simulation import run

NOWHERE = Address("127.0.0.1", 9)


@asynccontextmanager
async def echo() -> AsyncIterator[Address]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Address.from_socket(server.sockets[0].getsockname())


async def said_through(server: ProxyServer, target: Address) -> bytes:
    transport, client = await ProxyTransport(server.proxy).connect(Recorder, target)
    assert transport.get_extra_info("peername") == target
    assert transport.get_extra_info("proxy") == server.proxy
    transport.write(b"hello")
    transport.write_eof()
    await client.lost()
    return bytes(client.data)


@pytest.mark.every_event_loop
@pytest.mark.parametrize("kind", ProxyKind)
@pytest.mark.parametrize("login", [{}, {"username": "ann", "password": "secret: ü"}])
async def test_bytes_go_there_and_back(kind: ProxyKind, login: dict[str, str]) -> None:
    async with echo() as target, proxy_server(kind, **login) as server:
        assert await said_through(server, target) == b"hello"
        assert server.streams == [target]


@pytest.mark.parametrize("kind", ProxyKind)
def test_names_are_left_to_the_proxy(kind: ProxyKind) -> None:
    async def main() -> None:
        async with echo() as target, proxy_server(kind, names={"echo.example": "127.0.0.1"}) as server:
            named = Address("echo.example", target.port)
            assert await said_through(server, named) == b"hello"
            assert server.streams == [named]

    run(lambda _: main())  # a network that knows no names


def test_a_chain_of_proxies() -> None:
    async def main() -> None:
        async with echo() as target, proxy_server() as first, proxy_server(ProxyKind.HTTP) as second:
            chain = ProxyTransport(second.proxy, ProxyTransport(first.proxy))
            transport, client = await chain.connect(Recorder, target)
            transport.write(b"hello")
            transport.write_eof()
            await client.lost()
            assert client.data == b"hello"
            assert (first.streams, second.streams) == ([second.address], [target])

    run(lambda _: main())


def test_nobody_at_the_target() -> None:
    async def main() -> None:
        async with proxy_server() as server:
            with pytest.raises(ProxyTargetRefusedError, match=r"no program listens at 127\.0\.0\.1:9"):
                await ProxyTransport(server.proxy).connect(Recorder, NOWHERE)
        async with proxy_server(ProxyKind.HTTP) as server:
            with pytest.raises(ProxyTargetError, match="502 Bad Gateway"):
                await ProxyTransport(server.proxy).connect(Recorder, NOWHERE)

    run(lambda _: main())


@pytest.mark.parametrize("kind", ProxyKind)
def test_a_wrong_password(kind: ProxyKind) -> None:
    async def main() -> None:
        async with proxy_server(kind, username="ann", password="right") as server:
            for login in ({}, {"username": "ann", "password": "wrong"}):
                proxy = Proxy(kind=kind, address=server.address, **login)
                with pytest.raises(ProxyError, match=r"user name and (a )?password") as caught:
                    await ProxyTransport(proxy).connect(Recorder, NOWHERE)
                assert not isinstance(caught.value, ProxyTargetError)

    run(lambda _: main())


def test_no_proxy_there() -> None:
    async def main() -> None:
        transport = ProxyTransport(Proxy.parse("socks5://127.0.0.1:1"))
        with pytest.raises(ProxyError, match=r"socks5://127.0.0.1:1 cannot be reached: .*refused; is it running\?"):
            await transport.connect(Recorder, NOWHERE)
        with pytest.raises(LocalProtocolError):
            await transport.listen(Recorder, NOWHERE)

    run(lambda _: main())


@asynccontextmanager
async def liar(says: bytes, *, ends: str = "") -> AsyncIterator[Address]:
    """A server that says something, whatever it is asked, and then waits, ends or breaks off."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(says)
        if ends == "reset":  # which is what closing means while something is unread
            cast("asyncio.Transport", writer.transport).pause_reading()
            await asyncio.sleep(0.1)
            writer.transport.abort()
            return
        await reader.read(1)
        if ends:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Address.from_socket(server.sockets[0].getsockname())
        for writer in writers:
            writer.transport.abort()


LIES = {
    "silence": (b"", "", ProxyTimeoutError, "did not answer within 2 s"),
    "half an answer": (b"\5\0\5\0\0", "", ProxyTimeoutError, "did not answer within 2 s"),
    "garbage": (b"\0" * 100_000, "", ProxyError, "speaks no SOCKS5"),
    "the end at once": (b"", "end", ProxyError, "ended the connection before it had answered"),
    "the end mid-way": (b"\5\0\5", "end", ProxyError, "ended the connection before it had answered"),
    "a reset": (b"", "reset", ProxyError, "broke off before it had answered"),
    "a huge name": (b"\5\0\5\0\0\3\xff" + b"a" * 100, "", ProxyTimeoutError, "did not answer"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_proxy_that_lies(lie: str) -> None:
    says, ends, kind, text = LIES[lie]

    async def main() -> None:
        async with liar(says, ends=ends) as address:
            proxy = Proxy(kind=ProxyKind.SOCKS5, address=address)
            transport = ProxyTransport(proxy, TcpTransport(), config=ProxyConfig(handshake_timeout_s=2.0))
            with pytest.raises(ProxyError, match=text) as caught:
                await transport.connect(Recorder, NOWHERE)
            assert type(caught.value) is kind

    run(lambda _: main())


def test_what_comes_behind_the_answer_in_the_same_bytes_is_the_targets() -> None:
    async def main() -> None:
        async with liar(b"\5\0\5\0\0\1\0\0\0\0\0\0payload") as address:
            proxy = Proxy(kind=ProxyKind.SOCKS5, address=address)
            transport, client = await ProxyTransport(proxy).connect(Recorder, NOWHERE)
            await client.has(7)
            assert client.data == b"payload"
            transport.abort()
            await client.lost()

    run(lambda _: main())


def test_a_call_that_is_given_up_leaves_nothing() -> None:
    async def main() -> None:
        async with liar(b"") as address:
            proxy = Proxy(kind=ProxyKind.SOCKS5, address=address)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await ProxyTransport(proxy).connect(Recorder, NOWHERE)

    run(lambda _: main())
