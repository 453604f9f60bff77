"""A muxed connection: a protocol above any stream transport or layer, and many streams above it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from transfer.aio.muxing.stream import MuxedStream
from transfer.limits.refusal import LimitReachedError
from transfer.limits.streams import StreamLimits
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.session import YamuxSession
from transfer.muxing.yamux.stream import YamuxStream
from transfer.muxing.yamux.values import YamuxStats

P = TypeVar("P", bound=asyncio.BaseProtocol)


class YamuxConnection(asyncio.Protocol):
    """A yamux session on whatever carries it: TCP, memory, the simulation, a layer that encrypts.

    It is the protocol of a connection, so `connect(lambda: YamuxConnection(accept, is_initiator=True), address)` makes
    one, and a listener's factory accepts one.

    Args:
        accept: makes the protocol of a stream that the other side has opened; None, or its answer None, resets it.
        is_initiator: this side has dialled.
        on_lost: is called when the connection is lost, after the protocols of all streams, with what went wrong.
        config: bounds.
        limits: how many streams there may be, in the budget of the connection; by default 128 of the other side and 256
            of ours.

    Attributes:
        below: what carries it.
    """

    below: asyncio.Transport

    def __init__(
        self,
        accept: Callable[[], asyncio.BaseProtocol | None] | None = None,
        *,
        is_initiator: bool,
        on_lost: Callable[[BaseException | None], object] | None = None,
        config: YamuxConfig | None = None,
        limits: StreamLimits | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._accept = accept
        self._on_lost = on_lost
        self._session = YamuxSession(is_initiator=is_initiator, config=config, limits=limits, now=self._loop.time())
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._waiting: list[asyncio.Future[None]] = []  # for the other side to take streams of ours
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._error: BaseException | None = None
        self._is_connected = False
        self._is_busy = False  # everything is sent when it is done
        self._is_full = False
        self._is_scheduled = False
        self._is_ending = False

    # What the program calls.

    def open_stream(self, protocol: asyncio.BaseProtocol) -> MuxedStream:
        """A new stream, which `protocol` is told of at once. What it writes then goes out with the first frame.

        Raises:
            MuxerClosedError: the connection takes no more streams.
            LimitReachedError: there are too many, or (`max_unacknowledged`) too many that the other side has not taken.
        """
        transport = MuxedStream(self, self._session.open_stream(now=self._loop.time()), self._loop)
        self._schedule()
        transport.start(protocol)
        return transport

    async def create_stream(self, protocol_factory: Callable[[], P]) -> tuple[MuxedStream, P]:
        """The same; waits while the other side has to take others first.

        Cancellation: no stream was opened.
        """
        stream = await self._acquire()
        try:
            protocol = protocol_factory()
        except BaseException:
            stream.reset()
            raise
        transport = MuxedStream(self, stream, self._loop)
        self._schedule()
        transport.start(protocol)
        return transport, protocol

    def close(self) -> None:
        """Takes no more streams, and ends when those that are open have ended. Harmless twice."""
        self._session.close()
        self._schedule()

    def abort(self) -> None:
        """Resets all streams and ends the connection. Harmless twice."""
        self._session.abort()
        self._schedule()

    def probe(self) -> None:
        """Asks the other side whether it is there; `heard_at` tells what came of it."""
        self._session.probe(now=self._loop.time())
        self._schedule()

    async def wait_closed(self) -> None:
        """Waits until the connection is lost.

        Cancellation: it stays what it is.
        """
        await asyncio.shield(self._closed)

    @property
    def is_closing(self) -> bool:
        """Whether no stream can be opened any more."""
        return self._session.is_going or self._session.is_closed

    @property
    def error(self) -> BaseException | None:
        """What has ended the connection, if not we and not the other side in good order."""
        return self._session.error or self._error

    @property
    def stream_count(self) -> int:
        """Streams that are open."""
        return self._session.stream_count

    @property
    def heard_at(self) -> float:
        """When something came from the other side the last time, in seconds of the loop's clock."""
        return self._session.heard_at

    @property
    def rtt_s(self) -> float | None:
        """The round trip, once it was measured."""
        return self._session.rtt_s

    def statistics(self) -> YamuxStats:
        """How it stands now."""
        return self._session.stats()

    def __repr__(self) -> str:
        state = " closing" if self.is_closing else ""
        return f"<YamuxConnection with {self.stream_count} streams{state}>"

    # From below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.below = transport  # type: ignore[assignment]  # uvloop's do not derive from asyncio.Transport
        self._is_connected = True
        self.flush()
        self._arm()

    def data_received(self, data: bytes) -> None:
        self._session.receive_data(data, now=self._loop.time())
        self._settle()

    def eof_received(self) -> None:
        self._session.receive_eof()
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_connected = False
        self._error = exc
        self._session.receive_eof(exc)
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.call_soon(self._lost)  # behind what the streams have put there

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._settle()

    # What the streams call.

    def flush(self) -> None:
        """Sends what is due, now or when what is below has room; once for everything that one read has brought."""
        session = self._session
        if self._is_busy or not self._is_connected:
            return
        while session.has_output and (not self._is_full or session.is_closed):
            chunks = session.data_to_send(FLUSH_BYTES, now=self._loop.time())
            if not chunks:
                break
            self.below.writelines(chunks)
        if session.touched or session.opened:
            self._schedule()
        if session.is_closed:
            self._end()

    # Inside.

    async def _acquire(self) -> YamuxStream:
        """A stream, once the other side has taken enough of those before."""
        while True:
            try:
                return self._session.open_stream(now=self._loop.time())
            except LimitReachedError as error:
                if error.refusal.limit != "max_unacknowledged":
                    raise
            waiting = self._loop.create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)

    def _settle(self) -> None:
        """Tells streams what has happened, then sends what has become of it."""
        session = self._session
        self._is_scheduled = False
        self._is_busy = True
        try:
            if session.opened:
                for stream in session.take_opened():
                    self._take(stream)
            for stream in session.take_touched():
                if stream.owner is not None:
                    stream.owner.refresh()
        finally:
            self._is_busy = False
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self.flush()
        self._arm()

    def _take(self, stream: YamuxStream) -> None:
        """A stream of the other side."""
        if stream.is_over:
            return  # they have changed their mind
        protocol = None
        try:
            if self._accept is not None:
                protocol = self._accept()
        except Exception as error:  # noqa: BLE001  # a factory may raise anything
            context = {"message": "a stream could not be taken", "exception": error}
            self._loop.call_exception_handler(context)
        if protocol is None:
            stream.reset()
            return
        stream.accept()
        MuxedStream(self, stream, self._loop).start(protocol)
        stream.touch()

    def _schedule(self) -> None:
        """Looks at everything in the next turn of the loop."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._settle)

    def _arm(self) -> None:
        """One timer, for what is due first."""
        due = self._session.next_timer() if self._is_connected else None
        if due is None or (self._timer is not None and self._due_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._session.handle_timer(now=max(self._loop.time(), self._due_at))
        self._settle()

    def _lost(self) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        self._accept = None  # no cycle is left for the garbage collector
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(self.error)

    def _end(self) -> None:
        """The session is over: everything is said."""
        if self._is_ending:
            return
        self._is_ending = True
        self.below.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(FAREWELL_S, self.below.abort)  # if the other side does not read


FLUSH_BYTES = 256 << 10  # what goes below at a time
FAREWELL_S = 5.0
