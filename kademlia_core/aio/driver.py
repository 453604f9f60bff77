"""One core on one UDP port: datagrams, the clock, and what the core reports."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagrams import BatchProtocol, BatchTransport, send_all
from transfer.datagrams.demultiplexer import DatagramClaim

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.datagram.core import NodeCore
    from kademlia_core.engine.events import Event

CoreT = TypeVar("CoreT", bound="NodeCore")


class CoreDriver(BatchProtocol, Generic[CoreT]):
    """Feeds a core from its socket and its clock, and carries out what it wants.

    `on_event` hears each event of the core, `on_lost` that the socket is gone. While the operating system takes no
    more, datagrams are dropped, as a network would.
    """

    def __init__(
        self,
        core: CoreT,
        *,
        on_event: Callable[[CoreDriver[CoreT], Event], None],
        on_lost: Callable[[CoreDriver[CoreT]], None],
    ) -> None:
        self.core = core
        self.address = Address("", 0)
        self.is_open = False
        self._on_event = on_event
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
        self._port: DatagramPort | None = None
        self._owns_port = False
        self._transport: asyncio.DatagramTransport | None = None
        self._send: Callable[[list[tuple[bytes, Address]]], None]  # as long as it is open
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._is_full = False
        self._clock_gap_s = time.time() - self._loop.time()

    async def open(self, place: Address | DatagramPort, first_bytes: bytes) -> None:
        """Binds a port at an address, or joins one, which stays its owner's to close.

        Args:
            first_bytes: what the datagrams of the dialect begin with.

        Raises:
            OSError: the address cannot be bound, or the port is closed.
        """
        self._owns_port = not isinstance(place, DatagramPort)
        if not isinstance(place, DatagramPort):
            # One byte more than the core takes, so that it notices what was cut.
            place = await DatagramPort.bind(place, max_bytes=self.core.config.max_datagram_bytes + 1)
        self._port = place
        place.join(self, DatagramClaim(first_bytes=first_bytes, takes_all_alone=self._owns_port))

    def close(self) -> None:
        self._stop()
        if self._transport is not None:
            self._transport.close()

    async def wait_closed(self) -> None:
        if self._transport is not None:
            await self._closed
            if self._port is not None and self._owns_port:
                await self._port.wait_closed()

    @property
    def port(self) -> DatagramPort:
        """Its UDP socket, which others may share."""
        assert self._port is not None
        return self._port

    @property
    def now(self) -> float:
        return self._loop.time()

    def drive(self) -> None:
        """Carries out what the core wants: datagrams, events, the next timer. Call it after each command."""
        if not self.is_open:
            return
        core = self.core
        datagrams = core.datagrams_to_send()
        if datagrams and not self._is_full:
            self._send(datagrams)
        next_event = core.engine.next_event
        while (event := next_event()) is not None:
            self._on_event(self, event)
        deadline = core.next_timer()
        if self._timer is None or deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = deadline  # the handle cannot be asked: uvloop's has no `when` for a time that is now
            self._timer = self._loop.call_at(deadline, self._on_timer, deadline)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = opened = cast("asyncio.DatagramTransport", transport)  # by contract
        self._send = opened.send_all if isinstance(opened, BatchTransport) else partial(send_all, opened)
        self.address = Address.from_socket(transport.get_extra_info("sockname"))
        self.is_open = True

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        if self.is_open:
            receive, now = self.core.receive_datagram, self._loop.time()
            for data, name in datagrams:
                receive(data, Address.from_socket(name), now=now)
            self.drive()

    def error_received(self, exc: Exception) -> None:
        """An ICMP message about some earlier datagram: its query will time out."""

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        if self._port is not None and self._owns_port:
            self._port.close()
        if not self._closed.done():
            self._closed.set_result(None)

    def _on_timer(self, deadline: float) -> None:
        self._timer = None
        if self.is_open:
            now = max(self._loop.time(), deadline)
            self._look_at_the_wall_clock(now=now)
            self.core.handle_timer(now=now)
            self.drive()

    def _look_at_the_wall_clock(self, *, now: float) -> None:
        """The loop's clock stands still while a machine sleeps, on Linux at least, and nothing else tells."""
        gap_s = time.time() - self._loop.time()
        if gap_s - self._clock_gap_s > self.core.config.max_sleep_s:
            self.core.engine.wake(now=now)
        self._clock_gap_s = gap_s

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.is_open:
            self.is_open = False
            self._on_lost(self)


def places_of(
    host: str | tuple[str, ...], port: int, datagrams: DatagramPort | tuple[DatagramPort, ...]
) -> tuple[Address | DatagramPort, ...]:
    """Where a node has its sockets: bound ports if any are given, or else addresses to bind.

    Raises:
        ValueError: not one, or one of each address family; or both kinds.
    """
    ports = (datagrams,) if isinstance(datagrams, DatagramPort) else datagrams
    hosts = (host,) if isinstance(host, str) else host
    if ports and port:
        raise ValueError("a node takes a port number to bind, or ports that are bound, not both")
    locals_ = [each.address for each in ports] or [Address(each, port) for each in hosts]
    if not locals_ or len({local.is_ipv6 for local in locals_}) < len(locals_):
        raise ValueError("host must name one address, or one of each family")
    return ports or tuple(locals_)
