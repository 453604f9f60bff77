"""One question to a UDP tracker on a real socket: drives `bittorrent.tracker.udp`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from bittorrent.dialling.targets import PRIVATE
from bittorrent.errors import TrackerError
from bittorrent.tracker.udp_exchange import Answered, UdpExchange
from transfer.aio.resolver import resolve
from transfer.reach import Reach, is_public, reach_of

T = TypeVar("T")


async def ask_udp(
    host: str, port: int, make: Callable[[bool], UdpExchange[T]], *, public_only: bool = False
) -> tuple[T, Reach]:
    """Asks the UDP tracker at `host`, at one address of each family until one answers.

    Args:
        make: the exchange, given whether it is over IPv6.
        public_only: whether a private address is refused.

    Returns:
        The answer, and how far away who gave it can be.

    Raises:
        TrackerError: it refused, or stayed silent for as long as the exchange's config allows.
        OSError: the name has no address or cannot be looked up, or no datagram could be sent or delivered.

    Cancellation: the exchange is dropped; the tracker may have counted us.
    """
    targets: dict[int, str] = {}
    failure: TrackerError | OSError = TrackerError("its name has no address")
    for found, _, _, _, target in await resolve(host, port, purpose="trackers", kind=socket.SOCK_DGRAM):
        if not public_only or is_public(str(target[0])):
            targets.setdefault(found, str(target[0]))
        else:
            failure = TrackerError(PRIVATE)
    for family, ip in targets.items():
        try:
            return await _ask_at(make(family == socket.AF_INET6), family, (ip, port)), reach_of(ip)
        except (TrackerError, OSError) as error:
            failure = error
    raise failure


async def _ask_at(core: UdpExchange[T], family: int, target: tuple[str, int]) -> T:
    loop = asyncio.get_running_loop()
    exchange = _Exchange(core, loop)
    await loop.create_datagram_endpoint(lambda: exchange, family=family, remote_addr=target)
    async with exchange:
        return await exchange.result


class _Exchange(asyncio.DatagramProtocol, Generic[T]):
    """One `UdpExchange` on a connected socket, so that nobody but the tracker is heard."""

    def __init__(self, core: UdpExchange[T], loop: asyncio.AbstractEventLoop) -> None:
        self.result: asyncio.Future[T] = loop.create_future()
        self._core = core
        self._loop = loop
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] = loop.create_future()

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *failure: object) -> None:
        assert self._transport is not None
        self._transport.abort()
        await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: until Python 3.12 the selector loop's transport is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._drain()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._core.receive_datagram(data, now=self._loop.time())
        self._drain()

    def error_received(self, exc: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.result.cancel()
        if not self._closed.done():
            self._closed.set_result(None)

    def _drain(self) -> None:
        assert self._transport is not None
        for datagram in self._core.datagrams_to_send():
            self._transport.sendto(datagram)
        event = self._core.next_event()
        if event is not None and not self.result.done():
            if isinstance(event, Answered):
                self.result.set_result(event.response)
            else:
                self.result.set_exception(TrackerError(event.message, failure_reason=event.failure_reason))
        if self._timer is not None:
            self._timer.cancel()
        due = self._core.next_timer()
        self._timer = self._loop.call_at(due, self._on_timer, due) if due is not None else None

    def _on_timer(self, due: float) -> None:
        self._core.handle_timer(now=max(due, self._loop.time()))
        self._drain()
