"""A stream transport over another one, through a layer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from transfer.address import Address
from transfer.aio.door import Door
from transfer.aio.layer import Layer
from transfer.aio.transports import Listener, StreamDialler, StreamTransport
from transfer.errors import HandshakeTimeoutError, TransferError

P = TypeVar("P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerConfig:
    """What strangers may cost before their layer is open.

    Attributes:
        handshake_timeout_s: after so long without being ready for what is above, a connection is broken off, accepted
            or dialled.
        max_handshaking: so many connections at a time; one more breaks off the one that has taken the longest.
    """

    handshake_timeout_s: float = 10.0
    max_handshaking: int = 200

    def __post_init__(self) -> None:
        if self.handshake_timeout_s <= 0 or self.max_handshaking < 1:
            raise ValueError("handshake_timeout_s and max_handshaking must be positive")


class LayeredDialler:
    """A `StreamDialler` whose connections go through a layer.

    It costs nothing to make: a caller that dials with keys, or expects a certain peer, makes one for that.

    Args:
        below: what carries it.
        dial: makes the layer of one connection to an address.
        config: bounds.
    """

    __slots__ = ("_below", "_config", "_dial")

    def __init__(
        self, below: StreamDialler, *, dial: Callable[[Address], Layer], config: LayerConfig | None = None
    ) -> None:
        self._below = below
        self._dial = dial
        self._config = config or LayerConfig()

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamTransport.connect`; returns when all layers are open.

        Raises:
            RemoteProtocolError: the other side broke the rules of a layer.
            HandshakeTimeoutError: its handshake took too long.
        """
        layer = self._dial(address)
        dialling = _Dialling(protocol_factory)
        layer.prepare(dialling)
        try:
            await self._below.connect(lambda: layer, address)
            if not dialling.ready.done():
                await asyncio.wait([dialling.ready], timeout=self._config.handshake_timeout_s)
            if not dialling.ready.done():
                raise HandshakeTimeoutError(f"no handshake within {self._config.handshake_timeout_s:g} s")
            return dialling.ready.result()
        except BaseException:
            layer.abort()
            dialling.forget()
            raise


class LayeredTransport(LayeredDialler):
    """A `StreamTransport` whose connections go through a layer. It may be below another one.

    Args:
        below: what carries it.
        dial: makes the layer of one connection to an address.
        accept: makes the layer of one accepted connection. What it opens with may depend on what it has received.
        config: bounds.
    """

    __slots__ = ("_accept", "_listens")

    def __init__(
        self,
        below: StreamTransport,
        *,
        dial: Callable[[Address], Layer],
        accept: Callable[[], Layer],
        config: LayerConfig | None = None,
    ) -> None:
        super().__init__(below, dial=dial, config=config)
        self._listens = below
        self._accept = accept

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> LayeredListener:
        """As `StreamTransport.listen`; the factory is called when the layers of a connection are open."""
        reception = _Reception(self._accept, protocol_factory, self._config)
        return LayeredListener(await self._listens.listen(reception.new_layer, address, door=door), reception)


class LayeredListener:
    """A `Listener` over another one. Connections whose layers are not open when it is closed are broken off."""

    __slots__ = ("_below", "_reception")

    def __init__(self, below: Listener, reception: _Reception) -> None:
        self._below = below
        self._reception = reception

    @property
    def addresses(self) -> tuple[Address, ...]:
        return self._below.addresses

    @property
    def refused(self) -> int:
        """Accepted connections whose layers did not open."""
        return self._reception.refused

    def close(self) -> None:
        self._below.close()
        self._reception.close()

    async def wait_closed(self) -> None:
        await self._below.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()


class _Dialling:
    """An `Opening` that a coroutine waits for."""

    def __init__(self, protocol_factory: Callable[[], Any]) -> None:
        self.make_above = protocol_factory
        self.ready: asyncio.Future[tuple[asyncio.Transport, Any]] = asyncio.get_running_loop().create_future()

    def waits(self, layer: Layer) -> None:
        """As long as the caller waits."""

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        if not self.ready.done():
            self.ready.set_result((transport, protocol))

    def failed(self, error: BaseException) -> None:
        if not self.ready.done():
            self.ready.set_exception(error)

    def forget(self) -> None:
        """The caller waits no more, and what went wrong is known."""
        if not self.ready.cancel() and not self.ready.cancelled():
            self.ready.exception()


class _Reception:
    """The accepted connections whose layers take time to open."""

    def __init__(
        self, accept: Callable[[], Layer], protocol_factory: Callable[[], asyncio.BaseProtocol], config: LayerConfig
    ) -> None:
        self.config = config
        self.make_above = protocol_factory
        self.refused = 0
        self._accept = accept
        self._waiting: dict[_Accepting, None] = {}  # the one that has waited the longest is the first

    def new_layer(self) -> Layer:
        """The protocol factory of the listener below."""
        layer = self._accept()
        layer.prepare(_Accepting(self))
        return layer

    def enter(self, accepting: _Accepting) -> None:
        if len(self._waiting) >= self.config.max_handshaking:
            next(iter(self._waiting)).give_up(ConnectionAbortedError("too many connections are in their handshake"))
        self._waiting[accepting] = None

    def leave(self, accepting: _Accepting) -> None:
        self._waiting.pop(accepting, None)

    def close(self) -> None:
        for accepting in list(self._waiting):
            accepting.give_up(ConnectionAbortedError("nobody listens any more"))


class _Accepting:
    """An `Opening` of an accepted connection."""

    def __init__(self, reception: _Reception) -> None:
        self.make_above = reception.make_above
        self._reception = reception
        self._layer: Layer | None = None
        self._timer: asyncio.TimerHandle | None = None

    def give_up(self, error: Exception) -> None:
        if self._layer is not None:
            self._layer.fail(error)

    def waits(self, layer: Layer) -> None:
        self._layer = layer
        if self._timer is None:
            timeout_s = self._reception.config.handshake_timeout_s
            error = TimeoutError(f"no handshake within {timeout_s:g} s")
            self._timer = asyncio.get_running_loop().call_later(timeout_s, self.give_up, error)
            self._reception.enter(self)

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        self._end()

    def failed(self, error: BaseException) -> None:
        self._end()
        self._reception.refused += 1
        if not isinstance(error, OSError | TransferError):  # a factory of this program failed, and no stranger
            context = {"message": "a connection could not be taken", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _end(self) -> None:
        self._layer = None
        if self._timer is not None:
            self._timer.cancel()
            self._reception.leave(self)
