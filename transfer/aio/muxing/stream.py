"""One stream of a muxed connection as asyncio's transport."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from transfer.aio.stream import Stream
from transfer.flow.byte_queue import frozen
from transfer.flow.stream import Phase, StreamCore
from transfer.muxing.errors import StreamResetError
from transfer.muxing.yamux.stream import YamuxStream

if TYPE_CHECKING:
    from transfer.aio.muxing.connection import YamuxConnection


class MuxedStream(Stream):
    """A stream, on which any protocol of asyncio runs.

    What is written waits here as long as the other side's window or the connection has no room: watermarks are about
    that. While reading is paused the window of the other side is not opened, so it stops. `write_eof` ends our
    direction, `close` both, `abort` resets; a stream that is closed while bytes wait unread is reset, as in TCP. What
    is read-only is not copied when it is written, and must not change.

    `get_extra_info` tells "stream_number", "muxer" and "moved_at" (when data came, was read, or left), and else what
    the connection below tells.
    """

    __slots__ = ("_connection", "_error", "_stream")

    def __init__(self, connection: YamuxConnection, stream: YamuxStream, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(StreamCore(queue=stream.queue, inbox=stream.inbox), loop)
        self._connection = connection
        self._stream = stream
        self._error: StreamResetError | None = None  # the other side takes nothing any more
        stream.owner = self

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """Tells `protocol` of its connection. An error of it ends the stream."""
        self.set_protocol(protocol)
        self._guarded(protocol.connection_made, self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "stream_number":
            return self._stream.number
        if name == "muxer":
            return MUXER
        if name == "moved_at":
            return self._stream.moved_at
        return self._connection.below.get_extra_info(name, default)

    def __repr__(self) -> str:
        phase = self._core.phase
        state = " closed" if phase is Phase.ENDED else " closing" if phase is Phase.FLUSHING else ""
        return f"<MuxedStream {self._stream.number}{state}>"

    # What the connection calls.

    def refresh(self) -> None:
        """Looks at what has changed; called from the event loop."""
        core, stream = self._core, self._stream
        if core.phase is Phase.ENDED:
            return
        if stream.has_ended:
            core.receive_end()
        if stream.error is not None and self._error is None:
            self._error = stream.error
            if core.size or not core.inbox.size:
                self._read_inbox()
                self._force_close(stream.error)
                return
        if core.is_reading:
            self._read_inbox()
        if core.is_finishing:
            self._finish()
        self._resume_if_drained()
        stream.awaits_room = core.is_writing_paused or core.is_finishing

    # What the stream contract asks for.

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        queue = self._core.queue
        size = queue.size
        for chunk in chunks:
            if type(chunk) is memoryview:
                view = chunk.cast("B")
                queue.put(view if view.readonly else bytes(view))
            else:
                queue.put(frozen(chunk))
        if queue.size == size:
            return
        if self._error is not None:
            self._call_soon(self._force_close, self._error)
            return
        self._stream.push()
        self._connection.flush()

    def _pause_if_full(self) -> None:
        super()._pause_if_full()
        self._stream.awaits_room = self._core.is_writing_paused or self._core.is_finishing

    def _finish(self) -> None:
        super()._finish()
        self._stream.awaits_room = self._core.is_writing_paused or self._core.is_finishing

    def _send_end(self) -> None:
        self._stream.end()
        self._connection.flush()

    def _hang_up(self, error: BaseException | None) -> None:
        stream = self._stream
        if self._core.is_broken or self._core.inbox.size:
            stream.reset()
        else:
            stream.close(now=self._loop.time())
        self._core.inbox.clear()
        self._connection.flush()
        self._lose(error)

    def _consumed(self, size: int) -> None:
        self._stream.consume(size, now=self._loop.time())

    def _read_inbox(self) -> None:
        super()._read_inbox()
        if self._error is not None and not self._core.inbox.size and self._core.phase is not Phase.ENDED:
            self._force_close(self._error)
        self._connection.flush()

    def _lost(self, error: BaseException | None) -> None:
        self._stream.owner = None
        super()._lost(error)


MUXER = "/yamux/1.0.0"
