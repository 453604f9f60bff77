"""A proxy for tests, on whatever loop runs: SOCKS5 with datagrams, and HTTP CONNECT. It does what RFC 1928 says."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from transfer import Address, TaskSet
from transfer.address import is_ip_address
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.proxy.socks5 import SocksError, decode_address, encode_address, split_datagram


@dataclass(eq=False)
class ProxyServer:
    """One proxy, and what it was asked for.

    Attributes:
        names: what it knows about names; the rest it does not find.
        streams, datagrams: the targets that were asked for, as they were named.
        carries_datagrams: whether it does UDP associate.
        bound_host: what it says its relay's address is; None for the truth.
    """

    kind: ProxyKind
    address: Address
    username: str | None = None
    password: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    carries_datagrams: bool = True
    bound_host: str | None = None
    streams: list[Address] = field(default_factory=list)
    datagrams: list[Address] = field(default_factory=list)
    controls: list[asyncio.StreamWriter] = field(default_factory=list)
    relays: list[_Relay] = field(default_factory=list)

    @property
    def proxy(self) -> Proxy:
        """How it is reached, with the right password."""
        return Proxy(kind=self.kind, address=self.address, username=self.username, password=self.password)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self.kind is ProxyKind.HTTP:
                await self._serve_http(reader, writer)
            else:
                await self._serve_socks(reader, writer)
        except (OSError, EOFError, SocksError):
            writer.transport.abort()

    async def _serve_socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 0 if self.username is None else 2
        assert version == 5
        writer.write(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            writer.close()
            return
        if wanted:
            words = []
            await reader.readexactly(1)
            for _ in range(2):
                words.append((await reader.readexactly((await reader.readexactly(1))[0])).decode())
            is_known = words == [self.username, self.password]
            writer.write(bytes([1, 0 if is_known else 1]))
            if not is_known:
                writer.close()
                return
        head = await reader.readexactly(5)
        while (found := decode_address(head, 3)) is None:
            head += await reader.readexactly(1)
        target, _ = found
        if head[1] == 1:
            self.streams.append(target)
            await self._join(target, reader, writer, yes=_socks_answer(0), no=_socks_answer)
        elif head[1] == 3 and self.carries_datagrams:
            await self._relay(reader, writer)
        else:
            writer.write(_socks_answer(7))
            writer.close()

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, authority, _ = head.split("\r\n")[0].split(" ")
        words = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if self.username is not None and f"Proxy-Authorization: Basic {words}\r\n" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            writer.close()
            return
        if method != "CONNECT":
            await self._forward(method, authority, head, reader, writer)
            return
        target = Address.parse(authority)
        self.streams.append(target)
        yes = b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n"
        await self._join(target, reader, writer, yes=yes, no=lambda code: b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    async def _forward(
        self, method: str, url: str, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A request for a whole URL, as browsers send them to proxies for http."""
        host, _, path = url.removeprefix("http://").partition("/")
        target = Address.parse(host if ":" in host else f"{host}:80")
        self.streams.append(target)
        lines = [line for line in head.split("\r\n")[1:] if line and not line.startswith("Proxy-")]
        request = "\r\n".join([f"{method} /{path} HTTP/1.1", *lines, "Connection: close", "", ""]).encode()
        await self._join(target, reader, writer, yes=b"", no=lambda code: b"HTTP/1.1 502 No\r\n\r\n", first=request)

    async def _join(
        self,
        target: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        yes: bytes,
        no: Any,
        first: bytes = b"",
    ) -> None:
        host = self.names.get(target.host, target.host)
        try:
            if not is_ip_address(host):
                raise OSError(f"{host} is no name here")
            far_reader, far = await asyncio.open_connection(host, target.port)
        except OSError as error:
            writer.write(no(5 if isinstance(error, ConnectionRefusedError) else 4))
            writer.close()
            return
        writer.write(yes)
        far.write(first)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, far))
                both.create_task(_copy(far_reader, writer))
        except* OSError:
            far.transport.abort()
            writer.transport.abort()
        finally:
            far.close()
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Address.from_socket(writer.get_extra_info("peername"))
        loop = asyncio.get_running_loop()
        inner, outer = _Relay(self, client.host), _Outer()
        own = writer.get_extra_info("sockname")[0]
        await loop.create_datagram_endpoint(lambda: inner, local_addr=(own, 0))
        await loop.create_datagram_endpoint(lambda: outer, local_addr=(own, 0))
        inner.outer, outer.inner = outer, inner
        bound = Address.from_socket(inner.transport.get_extra_info("sockname"))
        writer.write(b"\5\0\0" + encode_address(Address(self.bound_host or bound.host, bound.port)))
        self.controls.append(writer)
        self.relays.append(inner)
        try:
            await reader.read(1)
        except OSError:
            pass
        finally:
            self.controls.remove(writer)
            self.relays.remove(inner)
            inner.transport.close()
            outer.transport.close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class _Relay(asyncio.DatagramProtocol):
    """Towards the client, of which the first datagram tells the port."""

    transport: asyncio.DatagramTransport
    outer: _Outer

    def __init__(self, server: ProxyServer, client_host: str) -> None:
        self.server = server
        self.client: Any = None
        self._client_host = client_host

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr[0] != self._client_host:
            return
        self.client = addr
        target, start = split_datagram(data)
        self.server.datagrams.append(target)
        host = self.server.names.get(target.host, target.host)
        if is_ip_address(host):
            self.outer.transport.sendto(data[start:], (host, target.port))


class _Outer(asyncio.DatagramProtocol):
    """Towards everybody else."""

    transport: asyncio.DatagramTransport
    inner: _Relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.inner.client is not None and not self.inner.transport.is_closing():
            header = b"\0\0\0" + encode_address(Address.from_socket(addr))
            self.inner.transport.sendto(header + data, self.inner.client)


@asynccontextmanager
async def proxy_server(
    kind: ProxyKind = ProxyKind.SOCKS5, host: str = "127.0.0.1", **fields: Any
) -> AsyncIterator[ProxyServer]:
    """A running proxy; its connections end with it."""
    server = ProxyServer(kind, Address(host, 0), **fields)
    writers: list[asyncio.StreamWriter] = []
    failures: list[BaseException] = []
    tasks = TaskSet(failures.append)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.start(server.serve(reader, writer), name="serve a client of the proxy")

    listening = await asyncio.start_server(accept, host, fields.pop("port", 0))
    server.address = Address.from_socket(listening.sockets[0].getsockname())
    try:
        yield server
    finally:
        listening.close()
        for writer in writers:
            writer.transport.abort()
        await tasks.aclose()
        if failures:
            raise failures[0]


def _socks_answer(code: int) -> bytes:
    return bytes([5, code, 0]) + encode_address(Address("0.0.0.0", 0))
