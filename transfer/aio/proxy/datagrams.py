"""Datagrams through a SOCKS5 proxy: a UDP port whose datagrams all go to the proxy, and come from there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from transfer.address import Address, is_ip_address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagram_socket import bind_datagrams
from transfer.aio.datagrams import BatchProtocol, BatchTransport, send_all, send_run
from transfer.aio.proxy.streams import dial_through
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import StreamDialler
from transfer.datagrams.demultiplexer import DatagramPortConfig
from transfer.datagrams.runs import Buffer, gathered_datagrams
from transfer.proxy.errors import ProxyError, ProxyTargetError
from transfer.proxy.proxy import Proxy
from transfer.proxy.relay import ProxyConfig, relay_at
from transfer.proxy.socks5 import MAX_HEADER_BYTES, SocksError, datagram_header, split_datagram


async def open_proxy_port(
    proxy: Proxy,
    *,
    is_ipv6: bool = False,
    below: StreamDialler | None = None,
    config: ProxyConfig | None = None,
    port_config: DatagramPortConfig | None = None,
    rng: random.Random | None = None,
) -> DatagramPort:
    """A port whose datagrams go through a SOCKS5 proxy (UDP associate); others join it like any other.

    A datagram may be sent to a name, which the proxy looks up. While the proxy is away, what is sent is dropped, as a
    network would, and the proxy is asked again and again.

    Args:
        is_ipv6: the address family that the port says it has: `0.0.0.0` or `::`, and port 0, since it is not known
            where others see us.
        below: what reaches the proxy for the control connection; TCP by default.
        rng: when the proxy is asked again.

    Raises:
        ProxyError: the proxy cannot be reached, refuses us, or carries no datagrams.
    """

    async def open_transport(protocol: BatchProtocol) -> None:
        transport = ProxyDatagrams(
            proxy, protocol, is_ipv6=is_ipv6, below=below or TcpTransport(), config=config or ProxyConfig(), rng=rng
        )
        await transport.open()

    return await DatagramPort.over(open_transport, config=port_config)


@dataclass(slots=True)
class ProxyDatagramStats:
    """What became of datagrams, and of the ways for them.

    Attributes:
        associations: ways for datagrams that the proxy has given.
        dropped_to_send: there was no way, or the target's name is none.
        dropped_received: not from the proxy, without its header, or a fragment.
        error: why there is no way now.
    """

    associations: int = 0
    dropped_to_send: int = 0
    dropped_received: int = 0
    error: ProxyError | None = None


class ProxyDatagrams(BatchTransport):
    """A datagram transport through a SOCKS5 proxy, kept alive until it is closed.

    The way lasts as long as its control connection (RFC 1928, section 7). A datagram is taken only from the very
    address where the proxy takes ours. Of a sender that the proxy knows by name only, the host is told as 0.0.0.0.
    """

    def __init__(
        self,
        proxy: Proxy,
        protocol: BatchProtocol,
        *,
        is_ipv6: bool,
        below: StreamDialler,
        config: ProxyConfig,
        rng: random.Random | None,
    ) -> None:
        self.stats = ProxyDatagramStats()
        sockname = ("::", 0, 0, 0) if is_ipv6 else (UNKNOWN_HOST, 0)
        super().__init__({"sockname": sockname, "proxy": proxy, "proxy_stats": self.stats})
        self._proxy = proxy
        self._protocol = protocol
        self._below = below
        self._config = config
        self._rng = rng or random.Random()
        self._loop = asyncio.get_running_loop()
        self._way: _Way | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._is_full = False
        self._is_closing = False

    async def open(self) -> None:
        """Returns when datagrams can be sent; the protocol has been told of its transport then.

        Raises:
            ProxyError: the proxy gives no way for them.
        """
        way = await self._associate()
        self._protocol.connection_made(self)
        if self._is_closing:
            way.close()
            return
        self._keeper = self._loop.create_task(self._keep(way), name=f"datagrams through {self._proxy}")

    # From above.

    def send_all(self, datagrams: Iterable[tuple[bytes, Any]]) -> None:
        """As `BatchTransport.send_all`."""
        way = self._way
        if way is None:
            self.stats.dropped_to_send += sum(1 for _ in datagrams)
            return
        wrapped: list[tuple[bytes, Any]] = []
        for data, name in datagrams:
            header = self._header(name)
            if header is not None:
                wrapped.append((header + data, way.relay))
        send_all(way.transport, wrapped)

    def send_run(self, buffers: Sequence[Buffer], address: Any, segment_bytes: int) -> int:
        """As `BatchTransport.send_run`."""
        way, header = self._way, self._header(address)
        if way is None or header is None:
            count = sum(1 for _ in gathered_datagrams(buffers, segment_bytes))
            self.stats.dropped_to_send += count
            return count
        wrapped: list[Buffer] = []
        for parts in gathered_datagrams(buffers, segment_bytes):
            wrapped += [header, *parts]
        return send_run(way.transport, wrapped, way.relay, segment_bytes + len(header))

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            if self._keeper is not None:
                self._keeper.cancel()
            self._drop_way()
            self._loop.create_task(self._lose(), name=f"close datagrams through {self._proxy}")

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._is_closing

    def get_protocol(self) -> BatchProtocol:
        return self._protocol

    def get_write_buffer_size(self) -> int:
        return 0

    # From the way.

    def receive(self, way: _Way, datagrams: list[tuple[bytes, Any]]) -> None:
        """What came to the socket, from anybody."""
        if way is not self._way:
            return
        found: list[tuple[bytes, Any]] = []
        for data, name in datagrams:
            if name[:2] != way.relay[:2]:
                self.stats.dropped_received += 1
                continue
            try:
                sender, start = split_datagram(data)
            except SocksError:
                self.stats.dropped_received += 1
                continue
            if sender.is_ipv6:
                found.append((data[start:], (sender.host, sender.port, 0, 0)))
            else:
                host = sender.host if is_ip_address(sender.host) else UNKNOWN_HOST
                found.append((data[start:], (host, sender.port)))
        if found:
            self._protocol.datagrams_received(found)

    def receive_error(self, error: Exception) -> None:
        """The system could not send, or tells of an earlier datagram."""
        self._protocol.error_received(error)

    def set_full(self, *, is_full: bool) -> None:
        """The socket takes no more, or again."""
        if is_full is not self._is_full and not self._is_closing:
            self._is_full = is_full
            if is_full:
                self._protocol.pause_writing()
            else:
                self._protocol.resume_writing()

    # The way itself.

    def _header(self, name: Any) -> bytes | None:
        try:
            return datagram_header(Address(name[0], name[1]))
        except ProxyTargetError:
            self.stats.dropped_to_send += 1
            return None

    async def _associate(self) -> _Way:
        """Asks the proxy for a way, and opens our end of it.

        Raises:
            ProxyError: it gives none.
        """
        proxy, config = self._proxy, self._config
        control, watcher = await dial_through(proxy, self._below, _ControlWatcher, None, config=config)
        try:
            peer, own = (Address.from_socket(control.get_extra_info(name)) for name in ("peername", "sockname"))
            relay = relay_at(control.get_extra_info("proxy_bound"), proxy, host=peer.host)
            way = _Way(self, watcher, control, relay)
            max_bytes = config.max_datagram_bytes + MAX_HEADER_BYTES
            try:
                await bind_datagrams(way, Address(own.host, 0), max_bytes=max_bytes)
            except OSError as error:
                raise ProxyError(f"no socket for datagrams to the proxy {proxy}: {error.strerror or error}") from error
        except BaseException:
            control.abort()
            raise
        _keep_alive(control)
        self._way = way
        self.stats.associations += 1
        self.stats.error = None
        return way

    async def _keep(self, way: _Way) -> None:
        """Asks for a new way whenever one has ended."""
        retry, failures = self._config.retry, 0
        while True:
            opened_at = self._loop.time()
            reason = await way.wait_lost()
            self.stats.error = ProxyError(f"the proxy {self._proxy} {reason}")
            self._drop_way()
            failures = 0 if self._loop.time() - opened_at >= retry.max_s else failures
            while True:
                failures += 1
                await asyncio.sleep(retry.delay_s(failures, rng=self._rng))
                try:
                    way = await self._associate()
                    break
                except ProxyError as error:
                    self.stats.error = error

    def _drop_way(self) -> None:
        way, self._way = self._way, None
        if way is not None:
            way.close()
        self.set_full(is_full=False)

    async def _lose(self) -> None:
        if self._keeper is not None:
            await asyncio.wait([self._keeper])
            if not self._keeper.cancelled() and (error := self._keeper.exception()) is not None:
                context = {"message": "datagrams through a proxy failed", "exception": error}
                self._loop.call_exception_handler(context)
        self._drop_way()  # one that came in the same moment
        self._protocol.connection_lost(None)


class _ControlWatcher(asyncio.Protocol):
    """Above the control connection, on which nothing is said any more."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._end("says something where there is nothing to say")

    def eof_received(self) -> None:
        self._end("has ended the way for datagrams")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("has ended the way for datagrams")

    def _end(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()


class _Way(BatchProtocol):
    """Our socket, and the control connection that keeps the proxy's open."""

    transport: asyncio.DatagramTransport

    def __init__(
        self, owner: ProxyDatagrams, watcher: _ControlWatcher, control: asyncio.Transport, relay: Address
    ) -> None:
        self._owner = owner
        self._watcher = watcher
        self._control = control
        self.relay: tuple[Any, ...] = (relay.host, relay.port, 0, 0) if relay.is_ipv6 else (relay.host, relay.port)

    async def wait_lost(self) -> str:
        """Returns when the proxy has ended it, with what happened."""
        return await asyncio.shield(self._watcher.lost)

    def close(self) -> None:
        self._control.abort()
        self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # its class may be unrelated

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self._owner.receive(self, datagrams)

    def error_received(self, exc: Exception) -> None:
        self._owner.receive_error(exc)

    def pause_writing(self) -> None:
        self._owner.set_full(is_full=True)

    def resume_writing(self) -> None:
        self._owner.set_full(is_full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The control connection tells when it is over."""


def _keep_alive(control: asyncio.Transport) -> None:
    """Nothing is said on it for hours: a NAT that forgets it would leave us without a word."""
    sock = control.get_extra_info("socket")
    if sock is not None and os.name == "posix":
        with contextlib.suppress(OSError, NotImplementedError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


UNKNOWN_HOST = "0.0.0.0"
