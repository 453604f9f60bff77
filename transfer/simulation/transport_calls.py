"""The calls of an asyncio loop on a transport that is there already: TLS in mid-stream, and whole files."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, cast

from transfer.simulation.tls import TlsProtocol

if TYPE_CHECKING:
    from transfer.simulation.connections import NetworkCalls


class TransportCalls(asyncio.AbstractEventLoop):
    """`start_tls` and `sendfile`."""

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Encrypts a connection from here on."""
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter = self.create_future()
        tls: Any = TlsProtocol(
            cast("NetworkCalls", self),
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made=False,
            ssl_handshake_timeout=cast("Any", ssl_handshake_timeout),
            ssl_shutdown_timeout=cast("Any", ssl_shutdown_timeout),
        )
        transport.pause_reading()  # nothing may come to the new protocol before it knows of the connection
        transport.set_protocol(tls)
        made = self.call_soon(tls.connection_made, transport)
        goes_on = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            made.cancel()
            goes_on.cancel()
            raise
        result: asyncio.Transport = tls._app_transport
        return result

    async def sendfile(
        self, transport: Any, file: Any, offset: int = 0, count: int | None = None, *, fallback: bool = True
    ) -> int:
        """Sends a file, or `count` bytes of it, a block at a time; returns how many bytes that were.

        Raises:
            SendfileNotAvailableError: `fallback` is False: there is no system call to do it.
        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        _check_file(file, offset, count)
        if not fallback:
            raise asyncio.SendfileNotAvailableError("the simulated network has no sendfile()")
        if offset:
            file.seek(offset)
        flow = FileFlow(self, transport)
        sent = 0
        try:
            while count is None or sent < count:
                size = BLOCK_BYTES if count is None else min(BLOCK_BYTES, count - sent)
                data = await self.run_in_executor(None, file.read, size)
                if not data:
                    break
                await flow.room()
                transport.write(data)
                sent += len(data)
            await flow.room()  # or the protocol would hear that it may go on without having heard that it must stop
            return sent
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)
            flow.end()


class FileFlow(asyncio.Protocol):
    """Takes the place of a protocol while a file is sent in its name."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._was_reading = transport.is_reading()
        self._was_paused = bool(transport._protocol_paused)
        self._room: asyncio.Future[None] | None = loop.create_future() if self._was_paused else None
        self._error: BaseException | None = None
        self._is_lost = False
        transport.pause_reading()
        transport.set_protocol(self)

    async def room(self) -> None:
        """Waits until the transport has sent enough of what it has."""
        if self._is_lost:
            raise ConnectionError("Connection closed by peer") from self._error
        if self._room is not None:
            await self._room

    def end(self) -> None:
        """The protocol has its transport back."""
        if not self._is_lost:
            self._transport.set_protocol(self._protocol)
        if self._was_reading and not self._is_lost:
            self._transport.resume_reading()
        if self._room is not None:
            self._room.cancel()
        if self._was_paused and not self._is_lost:
            self._protocol.resume_writing()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._error = exc
        if self._room is not None and not self._room.done():
            self._room.set_exception(exc or ConnectionError("Connection is closed by peer"))
        self._protocol.connection_lost(exc)


def _check_file(file: Any, offset: int, count: int | None) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if count is not None and not isinstance(count, int):
        raise TypeError(f"count must be a positive integer (got {count!r})")
    if count is not None and count <= 0:
        raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")


BLOCK_BYTES = 65_536
