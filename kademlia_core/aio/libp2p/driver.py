"""One core on a host: its requests as streams, the streams of others, and the clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from kademlia_core.libp2p.asking import Failure
from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.errors import RequestRefusedError
from transfer.aio.tasks import TaskSet
from transfer.errors import TransferError
from transfer.host.delimited import DelimitedError, DelimitedReader
from transfer.negotiation.errors import NoCommonProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.aio.libp2p.contract import PeerConnection, StreamHost
    from kademlia_core.engine.events import Event
    from kademlia_core.libp2p.asking import StreamRequest
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr

READ_BYTES = 16 << 10
IDLE_S = 60.0  # between two requests on one stream, as in go-libp2p
FAREWELL_S = 2.0  # for a peer to end a stream that is not answered
MAX_STREAMS_PER_PEER = 64
LOOK_INTERVAL_S = 10.0  # at the host's addresses


class KadDriver:
    """Feeds a core from its host and its clock, and carries out what it wants.

    Args:
        core: with which it begins; a server's handler is set when the driver is opened.
        is_server: None: as long as the host has an address that this network is about.
        on_event: hears each event of the core.
        on_error: hears of what should not happen.
    """

    def __init__(
        self,
        core: Libp2pCore,
        host: StreamHost,
        protocol: str,
        *,
        is_server: bool | None,
        on_event: Callable[[KadDriver, Event], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.core = core
        self.protocol = protocol
        self.is_open = False
        self._host = host
        self._is_server = is_server
        self._is_handled = False
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet(on_error)
        self._asking: dict[StreamRequest, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._looked_at = -LOOK_INTERVAL_S
        self._clock_gap_s = time.time() - self._loop.time()

    @property
    def now(self) -> float:
        return self._loop.time()

    def open(self) -> None:
        """Begins."""
        self.is_open = True
        self._look_around()
        self.drive()

    async def aclose(self) -> None:
        """Ends all streams. Harmless twice."""
        if self.is_open:
            self.is_open = False
            if self._is_handled:
                self._host.remove_stream_handler(self.protocol)
            if self._timer is not None:
                self._timer.cancel()
        await self._tasks.aclose()

    def drive(self) -> None:
        """Carries out what the core wants: requests, events, the next timer. Call it after each command."""
        if not self.is_open:
            return
        core = self.core
        for request in core.requests_to_abandon():
            task = self._asking.pop(request, None)
            if task is not None:
                task.cancel()
        for request in core.requests_to_open():
            task = self._tasks.start(self._ask(request), name=f"{request.kind.name} to {request.peer}")
            if task is not None:
                self._asking[request] = task
        while (event := core.next_event()) is not None:
            self._on_event(self, event)
        deadline = core.next_timer()
        if self._timer is None or deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = deadline
            self._timer = self._loop.call_at(deadline, self._on_timer, deadline)

    def learn(self, peer_id: PeerId, addresses: tuple[Multiaddr, ...], protocols: tuple[str, ...]) -> None:
        """A peer has told of itself. Of one that is no longer connected it is not known where it is."""
        connection: PeerConnection | None = self._host.connection_to(peer_id)
        if connection is not None:
            observed = connection.remote.without_peer_id
            self.core.learn(
                peer_id, addresses, is_server=self.protocol in protocols, observed=observed, now=self.now
            )  # fmt: skip
            self.drive()

    def refresh_addresses(self) -> None:
        """The host's addresses may be others now, and with them whether this node is a server."""
        self.core.set_own_addresses(self._host.addresses)
        is_server = self._is_server if self._is_server is not None else bool(self.core.book.own_addresses)
        self.core.is_server = is_server
        if is_server is self._is_handled:
            return
        self._is_handled = is_server
        if is_server:
            self._host.set_stream_handler(self.protocol, self._serve, max_per_peer=MAX_STREAMS_PER_PEER)
        else:
            self._host.remove_stream_handler(self.protocol)

    async def _ask(self, request: StreamRequest) -> None:
        try:
            await self._exchange(request)
        finally:
            self._asking.pop(request, None)
            self.drive()

    async def _exchange(self, request: StreamRequest) -> None:
        core, peer = self.core, request.peer
        target = [address / f"/p2p/{peer.peer_id}" for address in peer.addresses] or peer.peer_id
        try:
            reader, writer = await self._host.open_stream(target, (self.protocol,))
        except (OSError, TransferError) as error:
            is_refused = isinstance(error.__cause__, NoCommonProtocolError)
            core.receive_failure(request, Failure.UNSUPPORTED if is_refused else Failure.UNREACHABLE, now=self.now)
            return
        try:
            observed = _way(writer)
            writer.write(request.data)
            await writer.drain()
            data: bytes | None = None
            if request.is_answered:
                data = await _read_message(reader, DelimitedReader(max_bytes=core.config.max_answer_bytes))
            else:
                await _read_to_end(reader, writer)
        except (OSError, EOFError, TransferError):
            writer.transport.abort()
            core.receive_failure(request, Failure.RESET, now=self.now)
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        writer.close()
        if not request.is_answered:
            core.receive_delivery(request, observed=observed, now=self.now)
        elif data is None:
            core.receive_failure(request, Failure.RESET, now=self.now)
        else:
            core.receive_answer(request, data, observed=observed, now=self.now)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers requests one after the other until the peer has no more."""
        buffer = DelimitedReader(max_bytes=self.core.config.max_request_bytes)
        connection: PeerConnection = writer.get_extra_info("connection")
        try:
            while self.is_open:
                async with asyncio.timeout(IDLE_S):
                    data = await _read_message(reader, buffer)
                if data is None:
                    return
                answer = self.core.serve(data, connection.peer_id, observed=_way(writer), now=self.now)
                self.drive()
                if answer is not None:
                    writer.write(answer)
                    async with asyncio.timeout(IDLE_S):
                        await writer.drain()
        except (RequestRefusedError, DelimitedError, OSError, EOFError):  # TimeoutError is one of the third
            writer.transport.abort()

    def _on_timer(self, deadline: float) -> None:
        self._timer = None
        if self.is_open:
            now = max(self.now, deadline)
            self._look_around()
            self.core.handle_timer(now=now)
            self.drive()

    def _look_around(self) -> None:
        """The wall clock, a sleep of the machine that the loop's clock has missed, and the host's addresses."""
        now, wall_s = self.now, time.time()
        if wall_s - now - self._clock_gap_s > self.core.config.max_sleep_s:
            self.core.engine.wake(now=now)
        self._clock_gap_s = wall_s - now
        self.core.set_wall_clock(wall_s, now=now)
        if now >= self._looked_at + LOOK_INTERVAL_S:
            self._looked_at = now
            self.refresh_addresses()


def _way(writer: asyncio.StreamWriter) -> Multiaddr | None:
    """Where the other side is, without its id."""
    connection: PeerConnection | None = writer.get_extra_info("connection")
    return connection.remote.without_peer_id if connection is not None else None


async def _read_message(reader: asyncio.StreamReader, buffer: DelimitedReader) -> bytes | None:
    """The next message of a stream; None when it has ended in good order.

    Raises:
        DelimitedError: what comes is no message, or too long.
        EOFError: it ended within a message.
    """
    while (message := buffer.next_message()) is None:
        data = await reader.read(READ_BYTES)
        if not data:
            if buffer.is_empty:
                return None
            raise EOFError("the stream ended within a message")
        buffer.feed(data)
    return message


async def _read_to_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lets the other side read what was written and end the stream: a reset of ours might overtake it.

    py-libp2p answers even what is not to be answered; it and js-libp2p reset the stream when no more requests come.
    """
    writer.write_eof()
    read = 0
    try:
        async with asyncio.timeout(FAREWELL_S):
            while (data := await reader.read(READ_BYTES)) and read < READ_BYTES:
                read += len(data)
    except OSError:  # TimeoutError is one
        return
