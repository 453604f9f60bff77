"""The plug: what dials, and what listens as well. Connections themselves are asyncio's `Transport` and `Protocol`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TypeVar

from transfer.address import Address
from transfer.aio.door import Door

P = TypeVar("P", bound=asyncio.BaseProtocol)


class StreamDialler(Protocol):
    """Dials. Some ways lead out only: through a proxy, or to peers that somebody introduces."""

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """Opens a connection, as `loop.create_connection` does.

        Args:
            protocol_factory: called once, and only when the other side has accepted. `connection_made` has been
                called when this returns.

        Raises:
            ConnectionRefusedError: no program listens there.
            OSError: any other reason why there is no connection.

        Cancellation: leaves no connection; a protocol that saw `connection_made` sees `connection_lost`.
        """
        ...


class StreamTransport(StreamDialler, Protocol):
    """Dials and listens: TCP, memory, and whatever else carries ordered bytes.

    `tests/conformance` is the long form of this contract; every implementation passes it. Flow control, half-close,
    and the order of callbacks are those of asyncio's TCP transports.
    """

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], address: Address, *, door: Door | None = None
    ) -> Listener:
        """Accepts connections from now on, as `loop.create_server` does.

        Args:
            protocol_factory: called once for each connection.
            address: port 0 takes a free one.
            door: is asked about each connection before its protocol is made. What it lets in holds its entry until
                it is lost: `get_extra_info("entry")`.

        Raises:
            OSError: the address is in use, or is not one of this host.
        """
        ...


class Listener(Protocol):
    """What accepts connections, until it is closed. `async with` closes it."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is bound, ports filled in; it keeps its value when closed. The host may be a wildcard."""
        ...

    def close(self) -> None:
        """Accepts nothing any more; the address is free at once. Accepted connections go on. Harmless twice."""
        ...

    async def wait_closed(self) -> None:
        """Waits until this is closed. Unlike `asyncio.Server` it never waits for connections.

        Cancellation: has no effect on the listener.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
