"""How a session reaches others: by itself, or through a proxy, beside which nothing may go."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bittorrent.aio.sources.http_proxy import require_http_through
from bittorrent.config import SessionConfig
from kademlia_core.errors import NodeClosedError
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.proxy.datagrams import open_proxy_port
from transfer.aio.proxy.streams import ProxyTransport, reach_proxy
from transfer.aio.transports import StreamDialler, StreamTransport
from transfer.proxy.errors import ProxyError

if TYPE_CHECKING:
    from kademlia_core.aio.mainline.node import MainlineNode


class WayOut:
    """What a session dials with, and which UDP ports it has when all goes through a proxy.

    Args:
        transport: what peers are reached over without a proxy, and what reaches the proxy.
        host: tells the address family of a UDP port that is opened here.

    Attributes:
        error: why nothing can be sent in datagrams; None if it can, or if not everything goes through the proxy.
    """

    def __init__(self, config: SessionConfig, transport: StreamTransport, *, host: str) -> None:
        self.error: str | None = None
        self._proxy = config.proxy
        self._only_proxy = config.only_proxy
        self._transport = transport
        self._is_ipv6 = ":" in host

    @property
    def dialling(self) -> StreamDialler:
        """Dials peers over TCP."""
        return self._transport if self._proxy is None else ProxyTransport(self._proxy, self._transport)

    @property
    def is_sealed(self) -> bool:
        """Whether nothing goes around the proxy."""
        return self._only_proxy is not None

    def check(self, dht: MainlineNode | None, given: tuple[DatagramPort, ...] | None) -> None:
        """What is lent to the session must not lead around the proxy.

        Raises:
            ValueError: it does.
        """
        if self._only_proxy is None:
            return
        for port in given or ():
            if port.proxy != self._only_proxy:
                raise ValueError(f"the UDP port {port.address} {AROUND}")
        for port in ports_of(dht):
            if port.proxy != self._only_proxy:
                raise ValueError(f"the DHT node at {port.address} {AROUND}")

    async def open(
        self, dht: MainlineNode | None, given: tuple[DatagramPort, ...] | None
    ) -> tuple[tuple[DatagramPort, ...], tuple[DatagramPort, ...]]:
        """The ports to use when nothing goes around the proxy, and those of them that were opened here.

        Raises:
            ProxyError: the proxy cannot be reached, or refuses us.
        """
        proxy = self._only_proxy
        assert proxy is not None
        require_http_through(proxy)
        if given or ports_of(dht):
            return given or ports_of(dht), ()
        if given is None and proxy.carries_datagrams:
            try:
                port = await open_proxy_port(proxy, is_ipv6=self._is_ipv6, below=self._transport)
                return (port,), (port,)
            except ProxyError as error:
                reason = str(error)
        else:
            reason = f"the proxy {proxy} carries no datagrams"
        await self._try_proxy()
        self.error = f"{reason}: no DHT, no uTP, and no UDP trackers"
        return (), ()

    async def _try_proxy(self) -> None:
        """Better now, in one line, than later at each peer.

        Raises:
            ProxyError: it cannot be reached.
        """
        assert self._only_proxy is not None
        transport, _ = await reach_proxy(self._only_proxy, self._transport)
        transport.abort()


class NoListener:
    """A `Listener` that nobody reaches."""

    def __init__(self, host: str) -> None:
        self._address = Address("::" if ":" in host else "0.0.0.0", 0)
        self._closed = asyncio.Event()

    @property
    def addresses(self) -> tuple[Address, ...]:
        return (self._address,)

    def close(self) -> None:
        self._closed.set()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def ports_of(dht: MainlineNode | None) -> tuple[DatagramPort, ...]:
    """The UDP ports of a node, none if it is not open."""
    if dht is not None:
        try:
            return dht.datagrams
        except NodeClosedError:
            pass
    return ()


AROUND = "does not go through the proxy, which SessionConfig.proxy_only asks for; open_proxy_port makes one that does"
