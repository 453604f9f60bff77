"""A stream transport that dials through a proxy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.layer import Layer
from transfer.aio.layered import LayerConfig, LayeredDialler
from transfer.aio.tcp import TcpTransport
from transfer.aio.transports import Listener, StreamDialler
from transfer.errors import HandshakeTimeoutError, LocalProtocolError
from transfer.proxy.errors import ProxyError, ProxyTimeoutError
from transfer.proxy.handshake import ProxyHandshake, new_handshake
from transfer.proxy.proxy import Proxy
from transfer.proxy.relay import ProxyConfig

P = TypeVar("P", bound=asyncio.BaseProtocol)


class ProxyTransport:
    """A `StreamTransport` whose connections go through a proxy. It only dials, and says so to whoever wants to listen.

    Names are looked up by the proxy; only its own name, if it has one, is looked up here. `get_extra_info("peername")`
    is the target as it was named, `get_extra_info("proxy")` the `Proxy`.

    Args:
        below: what reaches the proxy; TCP by default. A `ProxyTransport` makes a chain.
    """

    def __init__(self, proxy: Proxy, below: StreamDialler | None = None, *, config: ProxyConfig | None = None) -> None:
        self.proxy = proxy
        self._below = below or TcpTransport()
        self._config = config or ProxyConfig()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamDialler.connect`; returns when the proxy says that it is connected.

        Raises:
            ProxyTargetRefusedError: a `ConnectionRefusedError`: the proxy says that no program listens there.
            ProxyTargetError: any other reason why the proxy does not reach it.
            ProxyError: the proxy itself is not there, refuses us, or speaks something else.
            ProxyTimeoutError: it did not answer in time.
        """
        return await dial_through(self.proxy, self._below, protocol_factory, address, config=self._config)

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        """Raises LocalProtocolError: a proxy hands out no address where others could call us."""
        raise LocalProtocolError("through a proxy nobody can be listened to; listen on another transport")


async def reach_proxy(proxy: Proxy, below: StreamDialler) -> tuple[asyncio.Transport, asyncio.Protocol]:
    """A connection to the proxy itself, on which nothing has been said.

    Raises:
        ProxyError: it cannot be reached.
    """
    return await _To(proxy, below).connect(asyncio.Protocol, proxy.address)


async def dial_through(
    proxy: Proxy,
    below: StreamDialler,
    protocol_factory: Callable[[], P],
    target: Address | None,
    *,
    config: ProxyConfig,
) -> tuple[asyncio.Transport, P]:
    """A connection to a target, as `ProxyTransport.connect`; without a target the one that keeps a way for datagrams.

    `get_extra_info("proxy_bound")` is then where the proxy takes them.
    """
    handshake = new_handshake(proxy, target)
    layered = LayeredDialler(
        _To(proxy, below),
        dial=lambda _: ProxyLayer(handshake, proxy, target),
        config=LayerConfig(handshake_timeout_s=config.handshake_timeout_s),
    )
    try:
        return await layered.connect(protocol_factory, proxy.address)
    except HandshakeTimeoutError:
        text = f"the proxy {proxy} did not answer within {config.handshake_timeout_s:g} s"
        raise ProxyTimeoutError(text) from None
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        raise ProxyError(f"the proxy {proxy} broke off before it had answered") from None


class ProxyLayer(Layer):
    """A stream that has the handshake with a proxy at its beginning, and is handed through after it."""

    def __init__(self, handshake: ProxyHandshake, proxy: Proxy, target: Address | None) -> None:
        super().__init__()
        self._handshake: ProxyHandshake | None = handshake
        self.extra["proxy"] = proxy
        if target is not None:
            self.extra["peername"] = (target.host, target.port, 0, 0) if target.is_ipv6 else tuple(target)

    def begin(self) -> None:
        if self._handshake is not None:
            self.below.write(self._handshake.data_to_send())

    def receive(self, data: bytes) -> None:
        if self.is_open:
            self.deliver(data)
            return
        if self._handshake is not None:
            self._handshake.receive_data(data)
            self._go_on(self._handshake)

    def receive_end(self) -> None:
        if self.is_open:
            self.deliver_end()
        elif self._handshake is not None:
            self._handshake.receive_eof()
            self._go_on(self._handshake)

    def _go_on(self, handshake: ProxyHandshake) -> None:
        answer = handshake.data_to_send()
        if handshake.error is not None:
            self._handshake = None
            self.fail(handshake.error)
            return
        if answer:
            self.below.write(answer)
        if handshake.bound is not None:
            self._handshake = None
            self.extra["proxy_bound"] = handshake.bound
            self.open(hands_through=True)
            self.deliver(handshake.received)


class _To:
    """Dials the proxy, whatever the target, and says so when it is not there."""

    def __init__(self, proxy: Proxy, below: StreamDialler) -> None:
        self._proxy = proxy
        self._below = below

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        try:
            return await self._below.connect(protocol_factory, self._proxy.address)
        except OSError as error:
            known = error.errno is not None and error.errno > 0
            reason = os.strerror(error.errno or 0) if known else error.strerror or str(error)
            raise ProxyError(f"the proxy {self._proxy} cannot be reached: {reason.lower()}; is it running?") from error
