"""TLS over simulated streams, with asyncio's own protocol and the real OpenSSL.

What OpenSSL makes of the same bytes is different every time, because its randomness is real. So the trace has the
plain bytes that a program writes, and knows of the encrypted ones only when they travel. Sizes on the wire are rounded
up, so that a signature that is a byte longer changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from asyncio import sslproto
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

if TYPE_CHECKING:
    from transfer.simulation.connections import NetworkCalls


class TlsProtocol(sslproto.SSLProtocol):
    """asyncio's, which also tells the trace what the program writes."""

    _loop: Any
    _transport: Any

    def _write_appdata(self, list_of_data: Iterable[Any]) -> None:
        pieces = [bytes(data) for data in list_of_data]
        if self._transport is not None:
            names = [self._transport.get_extra_info(name)[:2] for name in ("sockname", "peername")]
            data = b"".join(pieces)
            self._loop.network.note("tls", names[0], names[1], len(data), crc32(data))
        super()._write_appdata(pieces)


class Tls:
    """How a program wants its connections encrypted."""

    def __init__(self, context: ssl_module.SSLContext | None, server_hostname: str | None, options: dict[str, Any]):
        self._context = context
        self._server_hostname = server_hostname
        self._options = options

    def server(self, loop: NetworkCalls, protocol_factory: Callable[[], Any]) -> Callable[[], Any]:
        """A factory of protocols that encrypt what the ones of `protocol_factory` say."""
        if self._context is None:
            raise TypeError("ssl argument must be an SSLContext or None")
        return lambda: TlsProtocol(
            loop, protocol_factory(), cast("Any", self._context), cast("Any", None), server_side=True, **self._options
        )

    def client(
        self, loop: NetworkCalls, protocol_factory: Callable[[], Any]
    ) -> tuple[Callable[[], Any], asyncio.Future[TlsProtocol]]:
        """A factory for the one connection, and a future for `wait`."""
        made: asyncio.Future[TlsProtocol] = loop.create_future()

        def make() -> TlsProtocol:
            waiter = loop.create_future()
            protocol = TlsProtocol(
                loop,
                protocol_factory(),
                cast("Any", self._context),
                waiter,
                server_side=False,
                server_hostname=self._server_hostname,
                **self._options,
            )
            protocol.handshake = waiter  # type: ignore[attr-defined]
            if not made.done():
                made.set_result(protocol)
            return protocol

        return make, made

    async def wait(self, made: asyncio.Future[TlsProtocol]) -> tuple[asyncio.Transport, Any]:
        """Waits for the end of the handshake."""
        protocol: Any = made.result()
        transport, inner = protocol._app_transport, protocol._app_protocol
        try:
            await protocol.handshake
        except BaseException:
            transport.close()
            raise
        return transport, inner


def tls_options(ssl: Any, *, options: Mapping[str, Any], server_hostname: str | None = None) -> Tls:
    """What `ssl=…` and the options beside it say.

    Raises:
        TypeError: `ssl` is neither True nor a context.
    """
    if ssl is not True and not isinstance(ssl, ssl_module.SSLContext):
        raise TypeError("ssl argument must be an SSLContext or None")
    known = {name: options[name] for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout") if name in options}
    return Tls(None if ssl is True else ssl, server_hostname or None, known)
