"""A UDP port through a proxy: targets, names, who is heard, and what happens when the way ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.proxy_server import ProxyServer, proxy_server
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort, PortTransport
from transfer.aio.datagrams import BatchProtocol
from transfer.aio.proxy.datagrams import ProxyDatagramStats, open_proxy_port
from transfer.datagrams.demultiplexer import DatagramClaim
from transfer.proxy.errors import ProxyError
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.proxy.socks5 import encode_address
from transfer.simulation import run

ANYTHING = DatagramClaim(first_bytes=bytes(range(256)), takes_all_alone=True)


class Heard(BatchProtocol):
    transport: PortTransport

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: list[Exception] = []
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, PortTransport)
        self.transport = transport

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        for datagram in datagrams:
            self.heard.put_nowait(datagram)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Echo(asyncio.DatagramProtocol):
    transport: Any

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(b"echo " + data, addr)


@asynccontextmanager
async def echo(host: str = "127.0.0.1") -> AsyncIterator[Address]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(host, 0))
    yield Address.from_socket(transport.get_extra_info("sockname"))
    transport.close()


@asynccontextmanager
async def proxied(server: ProxyServer, **options: Any) -> AsyncIterator[tuple[DatagramPort, Heard]]:
    async with await open_proxy_port(server.proxy, rng=random.Random(1), **options) as port:
        member = Heard()
        port.join(member, ANYTHING)
        yield port, member
    assert member.is_lost


async def until(is_so: Callable[[], bool]) -> None:
    """Looks again and again; in virtual time."""
    for _ in range(100_000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never is")


def stats_of(port: DatagramPort) -> ProxyDatagramStats:
    found: ProxyDatagramStats = port.extra_info("proxy_stats")
    return found


@pytest.mark.every_event_loop
async def test_datagrams_go_there_and_back() -> None:
    async with (
        echo() as target,
        proxy_server(username="ann", password="b") as server,
        proxied(server) as (port, member),
    ):
        assert (port.address, port.proxy) == (Address("0.0.0.0", 0), server.proxy)
        assert port.reaches(ipv6=True)
        member.transport.sendto(b"one", target)
        assert await member.heard.get() == (b"echo one", target)
        buffers = [b"head", b"tail", b"head", b"t"]
        assert member.transport.send_run(buffers, target, 8) == 2
        assert {(await member.heard.get())[0], (await member.heard.get())[0]} == {b"echo headtail", b"echo headt"}
        assert server.datagrams == 3 * [target]


@pytest.mark.ipv6
async def test_datagrams_to_ipv6() -> None:
    async with (
        echo("::1") as target,
        proxy_server(host="::1") as server,
        proxied(server, is_ipv6=True) as (port, member),
    ):
        assert port.address == Address("::", 0)
        member.transport.sendto(b"one", target)
        assert await member.heard.get() == (b"echo one", (*target, 0, 0))


def test_names_are_left_to_the_proxy() -> None:
    async def main() -> None:
        names = {"t.example": "127.0.0.1"}
        async with echo() as target, proxy_server(names=names) as server, proxied(server) as (port, member):
            member.transport.sendto(b"one", ("t.example", target.port))
            assert await member.heard.get() == (b"echo one", target)
            assert server.datagrams == [Address("t.example", target.port)]
            member.transport.sendto(b"two", ("no name at all" * 99, 1))
            assert stats_of(port).dropped_to_send == 1

    run(lambda _: main())


def test_a_way_that_ends_is_asked_for_again() -> None:
    async def main() -> None:
        async with echo() as target, proxy_server() as server, proxied(server) as (port, member):
            stats = stats_of(port)
            server.controls[0].transport.abort()
            await until(lambda: stats.error is not None)
            assert "has ended the way for datagrams" in str(stats.error)
            member.transport.sendto(b"lost", target)
            assert stats.dropped_to_send == 1
            await until(lambda: stats.error is None)
            member.transport.sendto(b"again", target)
            assert await member.heard.get() == (b"echo again", target)
            assert stats.associations == 2

    run(lambda _: main())


def test_a_proxy_that_hangs_up_is_not_asked_in_a_hurry() -> None:
    """Each time a longer wait; else a proxy that is broken would be called without a pause."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with proxy_server() as server, proxied(server) as (port, _):
            began_at = loop.time()
            for _ in range(8):
                await until(lambda: bool(server.controls))
                server.controls[0].transport.abort()
                await until(lambda: not server.controls)
            assert loop.time() - began_at > 30
            assert stats_of(port).associations >= 7

    run(lambda _: main())


def test_only_the_proxy_is_heard() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with echo() as target, proxy_server() as server, proxied(server) as (port, member):
            member.transport.sendto(b"one", target)
            await member.heard.get()
            relay = server.relays[0]
            stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            header = b"\0\0\0" + encode_address(target)
            for _ in range(1000):
                stranger.sendto(header + b"forged", relay.client)
            for bad in (b"", b"\0\0\1" + header[3:] + b"a fragment", b"\0\0\0\7garbage", header[:5]):
                relay.transport.sendto(bad, relay.client)
            relay.transport.sendto(b"\0\0\0\3\4name\0\7by name", relay.client)
            assert await member.heard.get() == (b"by name", ("0.0.0.0", 7))
            assert member.heard.empty()
            assert stats_of(port).dropped_received >= 4  # of the flood the network drops some, too
            stranger.close()

    run(lambda _: main())


@pytest.mark.parametrize("bound_host", ["8.8.8.8", "relay.example"])
def test_a_proxy_that_points_elsewhere_is_refused(bound_host: str) -> None:
    async def main() -> None:
        async with proxy_server(bound_host=bound_host) as server:
            with pytest.raises(ProxyError, match="takes datagrams at another host"):
                await open_proxy_port(server.proxy)

    run(lambda _: main())


@pytest.mark.parametrize("bound_host", ["0.0.0.0", "10.9.8.7"])
def test_a_proxy_that_does_not_know_its_address_is_reached_at_the_one_we_know(bound_host: str) -> None:
    async def main() -> None:
        async with echo() as target, proxy_server(bound_host=bound_host) as server, proxied(server) as (_, member):
            member.transport.sendto(b"one", target)
            assert await member.heard.get() == (b"echo one", target)

    run(lambda _: main())


def test_proxies_without_datagrams() -> None:
    async def main() -> None:
        async with proxy_server(carries_datagrams=False) as server:
            with pytest.raises(ProxyError, match=r"carries no datagrams \(UDP associate is not supported\)"):
                await open_proxy_port(server.proxy)
        with pytest.raises(ProxyError, match="HTTP proxies cannot"):
            await open_proxy_port(Proxy(kind=ProxyKind.HTTP, address=Address("127.0.0.1", 1)))

    run(lambda _: main())


def test_a_word_on_the_control_connection_ends_the_way() -> None:
    """Nothing is to be said there: a flood is not read for hours."""

    async def main() -> None:
        async with proxy_server() as server, proxied(server) as (port, _):
            server.controls[0].write(b"x" * 100_000)
            await until(lambda: stats_of(port).error is not None)
            assert "says something where there is nothing to say" in str(stats_of(port).error)

    run(lambda _: main())
