"""The door of an HTTP server: lets connections in, and puts those out that hold a place for nothing.

aiohttp behind it reads requests and writes answers; it has no bound on connections, and waits for the rest of a request
for an hour.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from fileshare.visitors import VisitorConfig, Visitors
from transfer import Address, AddressError, subscriber_of


class HttpDoor:
    """Makes the protocol of each connection, in front of aiohttp's.

    Args:
        server: makes aiohttp's protocols; known once its runner was set up.
    """

    def __init__(self, config: VisitorConfig) -> None:
        self.server: Callable[[], asyncio.Protocol] | None = None
        self.visitors = Visitors(config)
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._visits: dict[int, _Visit] = {}
        self._by_transport: dict[asyncio.BaseTransport, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    def new_connection(self) -> asyncio.Protocol:
        """For `loop.create_server`."""
        assert self.server is not None
        return _Visit(self, next(self._numbers), self.server())

    def middleware(self) -> Middleware:
        """Tells the door when requests begin and end."""

        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            number = self._by_transport.get(request.transport) if request.transport is not None else None
            if number is None:
                return await handler(request)
            self.visitors.asked(number, now=self._loop.time())
            try:
                return await handler(request)
            finally:
                self.visitors.answered(number, now=self._loop.time())
                self._arm()

        return watch

    def close(self) -> None:
        """Looks at no clock any more. Connections are ended by aiohttp's runner."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Called by connections

    def enter(self, visit: _Visit, transport: asyncio.Transport) -> bool:
        name = transport.get_extra_info("peername")
        whom = _subscriber(Address.from_socket(name).host) if isinstance(name, tuple) else b""
        may_stay, victim = self.visitors.arrived(visit.number, whom, now=self._loop.time())
        if victim is not None:
            self._visits[victim].put_out()
        if may_stay:
            self._visits[visit.number] = visit
            self._by_transport[transport] = visit.number
            self._arm()
        return may_stay

    def leave(self, visit: _Visit, transport: asyncio.Transport) -> None:
        self.visitors.left(visit.number)
        self._visits.pop(visit.number, None)
        self._by_transport.pop(transport, None)

    def received(self, visit: _Visit) -> None:
        self.visitors.sent(visit.number, now=self._loop.time())
        self._arm()

    def stalled(self, visit: _Visit) -> None:
        self.visitors.stalled(visit.number, now=self._loop.time())
        self._arm()

    # The clock

    def _arm(self) -> None:
        due = self.visitors.next_timer()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        self.close()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for number in self.visitors.overdue(now=max(self._loop.time(), self._timer_due)):
            self._visits[number].put_out()
        self._arm()


class _Visit(asyncio.Protocol):
    """One connection: hands everything on to aiohttp's protocol."""

    def __init__(self, door: HttpDoor, number: int, inner: asyncio.Protocol) -> None:
        self.number = number
        self._door = door
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._is_in = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._is_in = self._door.enter(self, self._transport)
        if self._is_in:
            self._inner.connection_made(transport)
        else:
            self._transport.write(BUSY)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_in:
            self._door.received(self)
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._is_in else None

    def pause_writing(self) -> None:
        if self._is_in:
            self._door.stalled(self)
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._is_in:
            self._door.visitors.took(self.number)
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_in:
            assert self._transport is not None
            self._door.leave(self, self._transport)
            self._inner.connection_lost(exc)

    def put_out(self) -> None:
        """Ends the connection now."""
        if self._transport is not None:
            self._transport.abort()


def _subscriber(host: str) -> bytes:
    try:
        return subscriber_of(host)
    except AddressError:
        return host.encode()


def quiet_logger() -> logging.Logger:
    """For aiohttp: what strangers send that is no HTTP is no news; a handler that fails is."""
    logger = logging.Logger("fileshare.http")
    logger.addFilter(_is_our_fault)
    return logger


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)


BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
