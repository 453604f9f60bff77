"""One end of a uTP connection as asyncio's transport."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from transfer.aio.scatter import ScatterProtocol
from transfer.aio.stream import Stream
from transfer.flow.stream import Phase, StreamCore
from transfer.path_stats import PathStats
from transfer.utp.connection import UtpConnection
from transfer.utp.values import Ending, State

if TYPE_CHECKING:
    from transfer.aio.door import Entry
    from transfer.aio.utp.hub import UtpHub


class UtpStream(Stream):
    """Bytes in order over the datagrams of a socket that many connections share.

    What is written goes on to the connection as long as that has room, as into a kernel's buffer, and leaves in the
    next turn of the event loop together with what is written until then. What is read-only is not copied, and must not
    change. `connection_lost` comes after `close` when the other side has acknowledged everything.

    Args:
        hub: of the socket.
        connection: it is there already.
        protocol: `connection_made` is called before this returns.
        entry: what it holds as long as it lasts.
    """

    __slots__ = ("_connection", "_hub", "_is_flushing", "_is_scattering", "_reset")

    def __init__(
        self,
        hub: UtpHub,
        connection: UtpConnection,
        protocol: asyncio.BaseProtocol,
        loop: asyncio.AbstractEventLoop,
        extra: Mapping[str, Any],
        *,
        entry: Entry | None = None,
    ) -> None:
        super().__init__(StreamCore(), loop, extra)
        self._hub = hub
        self._connection = connection
        self._is_flushing = False  # all is said, and not all is acknowledged
        self._is_scattering = False
        self._reset: Ending | None = None  # the other side takes nothing any more
        if entry is not None:
            self.hold(entry)
        self.set_protocol(protocol)
        protocol.connection_made(self)

    def __repr__(self) -> str:
        phase = self._core.phase
        state = " closed" if phase is Phase.ENDED else " closing" if phase is Phase.FLUSHING else ""
        return f"<UtpStream to {self.get_extra_info('peername')}{state}>"

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Besides what every stream tells: "path_stats" (`PathStats`), and "utp_stats" (`UtpStats`)."""
        if name == "path_stats":
            return self._path_stats()
        if name == "utp_stats":
            return self._connection.stats()
        return super().get_extra_info(name, default)

    @property
    def unacknowledged_bytes(self) -> int:
        """What the connection has taken and the other side has not acknowledged."""
        return self._connection.sender.unacknowledged_bytes if self._core.phase is not Phase.ENDED else 0

    # What the hub calls.

    def receive(self) -> None:
        """Hands over what has arrived, and the end, as far as the protocol wants it."""
        receiving = self._connection.receiving
        core = self._core
        if receiving.chunks:
            chunks = receiving.take_chunks()
            core.inbox.put(b"".join(chunks) if len(chunks) > 1 else bytes(chunks[0]))
        if receiving.has_ended and not core.end_arrived:
            core.receive_end()
        if core.is_reading:
            self._read_inbox()

    def feed(self) -> None:
        """Gives the connection what has waited for room there."""
        core, sender = self._core, self._connection.sender
        queue = core.queue
        room = sender.room if queue.size else 0
        while room > 0 and queue.size:
            chunk = memoryview(queue.vectors(1)[0])[:room]
            sender.put(chunk)
            queue.discard(len(chunk))
            room -= len(chunk)
        if core.is_finishing:
            self._finish()
        self._resume_if_drained()

    def flushed(self) -> None:
        """The other side has acknowledged everything."""
        if self._is_flushing:
            self._is_flushing = False
            self._lose(None)

    def ended(self, ending: Ending) -> None:
        """The connection is over, though this end has not closed it, or not yet heard that all has arrived."""
        core = self._core
        if self._is_flushing:
            self._is_flushing = False
            self._lose(self._error(ending))
        elif core.phase is not Phase.ENDED:
            self._reset = ending
            if ending is Ending.TIMED_OUT or core.size or not core.inbox.size:
                self._force_close(self._error(ending))

    # What the stream contract asks for.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        self._is_scattering = isinstance(protocol, ScatterProtocol)

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        core, connection = self._core, self._connection
        views = [view for data in chunks if len(view := memoryview(data).cast("B"))]
        if not views:
            return
        if self._reset is not None:
            self._call_soon(self._force_close, self._error(self._reset))
            return
        room = 0 if core.queue.size else connection.sender.room
        for view in views:
            data = view if view.readonly else memoryview(bytes(view))
            if room > 0:
                connection.write(data[:room])
                data, room = data[room:], room - len(data)
            core.queue.put(data)
        self._hub.touch(connection)

    def _send_end(self) -> None:
        self._connection.end()
        self._hub.touch(self._connection)

    def _hang_up(self, error: BaseException | None) -> None:
        connection = self._connection
        self._core.inbox.clear()
        if self._core.is_broken:
            connection.abort()
            self._lose(error)
        elif connection.state is State.CLOSED:
            self._lose(error)
        else:
            self._is_flushing = True
            connection.close(now=self._loop.time())
        self._hub.touch(connection)

    def _force_close(self, error: BaseException | None) -> None:
        if self._is_flushing:
            self._is_flushing = False
            self._connection.abort()
            self._hub.touch(self._connection)
            self._lose(error)
        else:
            super()._force_close(error)

    def _consumed(self, size: int) -> None:
        self._connection.consume(size)
        self._hub.touch(self._connection)

    def _read_inbox(self) -> None:
        super()._read_inbox()
        if self._reset is not None and not self._core.inbox.size and self._core.phase is not Phase.ENDED:
            self._force_close(self._error(self._reset))

    def _fill(self, most: int) -> None:
        """As much of what has arrived as all buffers of the protocol take, in one call."""
        if not self._is_scattering:
            super()._fill(most)
            return
        inbox, filled = self._core.inbox, 0
        buffers = self._protocol.get_buffers()
        for buffer in buffers:
            filled += inbox.take_into(memoryview(buffer)[: inbox.size])
            if not inbox.size:
                break
        if not filled:
            raise RuntimeError("get_buffers() returned no room")
        self._consumed(filled)
        self._protocol.buffers_updated(filled)

    def _lost(self, error: BaseException | None) -> None:
        try:
            super()._lost(error)
        finally:
            self._hub.release(self._connection)

    def _error(self, ending: Ending) -> OSError | None:
        """What the protocol is told."""
        if ending is Ending.CLEAN:
            return None
        if ending is Ending.TIMED_OUT:
            return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if self._core.end_arrived:
            return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def _path_stats(self) -> PathStats:
        stats = self._connection.stats()
        return PathStats(
            transport="utp",
            controller=stats.congestion,
            window_bytes=stats.window_bytes,
            in_flight_bytes=stats.in_flight_bytes,
            rtt_s=stats.rtt_s,
            min_rtt_s=stats.min_rtt_s,
            delivery_rate_bytes_per_s=stats.delivery_rate,
            retransmitted_bytes=stats.resent_bytes,
        )
