"""asyncio's transport contract over a `StreamCore`: what the ends of all our connections have in common."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from transfer.flow.stream import Closing, StreamCore

if TYPE_CHECKING:
    from transfer.aio.door import Entry


class Stream(asyncio.Transport):
    """One end of a connection. A subclass knows the medium: how bytes get to the other side and come from there.

    It defines `_put`, `_send_end` and `_hang_up`, and calls `_finish` and `_resume_if_drained` when bytes have left the
    core's queue. What arrives it puts into the core's inbox and calls `_read_inbox`, unless it hands it over by itself.
    What the protocol raises goes to the loop's exception handler, unless it is an OSError, and costs it its connection.

    Args:
        core: decides what is allowed and what is due.
        extra: what `get_extra_info` answers.
        context: where callbacks run that come from the event loop; None stands for the one they are made in.
    """

    __slots__ = ("_context", "_core", "_entry", "_is_buffered", "_loop", "_protocol", "_read_scheduled")

    def __init__(
        self,
        core: StreamCore,
        loop: asyncio.AbstractEventLoop,
        extra: Mapping[str, Any] | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        super().__init__(extra)
        self._core = core
        self._loop = loop
        self._context = context
        self._protocol: Any = None
        self._entry: Entry | None = None
        self._is_buffered = False
        self._read_scheduled = False

    # Reading.

    def is_reading(self) -> bool:
        return self._core.is_reading

    def pause_reading(self) -> None:
        if self._core.pause_reading():
            self._stop_reading()

    def resume_reading(self) -> None:
        if self._core.resume_reading():
            self._start_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # Writing.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        if self._core.admits_writing():
            self._put(list_of_data)
            self._pause_if_full()

    def write_eof(self) -> None:
        self._core.write_eof()
        self._finish()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._core.size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._core.low, self._core.high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._core.set_limits(high, low)
        self._pause_if_full()

    # Ending.

    def close(self) -> None:
        if not self._core.is_closing:
            self._core.close()
            self._stop_reading()
            self._finish()

    def abort(self) -> None:
        self._force_close(None)

    def is_closing(self) -> bool:
        return self._core.is_closing

    # Limits.

    def hold(self, entry: Entry) -> None:
        """What the connection holds as long as it lasts; `get_extra_info("entry")` tells it."""
        self._entry = entry
        entry.attach(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "entry":
            return self._entry if self._entry is not None else default
        return super().get_extra_info(name, default)

    # What a subclass defines.

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        """Sends, or puts into the core's queue, what was written."""
        raise NotImplementedError

    def _send_end(self) -> None:
        """Tells the other side that nothing follows in this direction."""
        raise NotImplementedError

    def _hang_up(self, error: BaseException | None) -> None:
        """Says the last word to the other side, then calls `_lose`: all is sent, or given up if the core is broken."""
        raise NotImplementedError

    def _start_reading(self) -> None:
        """Reading may go on; nothing may be handed over before the next turn of the loop."""
        if (self._core.inbox.size or self._core.is_end_waiting) and not self._read_scheduled:
            self._read_scheduled = True
            self._call_soon(self._read_inbox)

    def _stop_reading(self) -> None:
        """Nothing may be handed over any more."""

    def _consumed(self, size: int) -> None:
        """The protocol is about to get so much out of the core's inbox."""

    # What a subclass calls.

    def _finish(self) -> None:
        """Closes what is due: to be called when bytes have left."""
        closing = self._core.closing_due()
        if closing is Closing.END:
            self._send_end()
        elif closing is Closing.HANG_UP:
            self._hang_up(None)

    def _resume_if_drained(self) -> None:
        """To be called from the event loop when bytes have left."""
        if self._core.resume_due():
            self._guarded(self._protocol.resume_writing, is_fatal=False)

    def _read_inbox(self) -> None:
        """Gives the protocol all that has arrived, as long as it wants it, a chunk at a time."""
        self._read_scheduled = False
        core, inbox = self._core, self._core.inbox
        while inbox.size and core.is_reading:
            if self._is_buffered:
                self._guarded(self._fill, inbox.first_size)
            else:
                data = inbox.take_first()
                self._consumed(len(data))
                self._guarded(self._protocol.data_received, data)
        if core.end_arrived:
            self._tell_end()

    def _hand_over(self, most: int) -> None:
        """Gives the protocol one portion of the inbox."""
        if self._is_buffered:
            self._guarded(self._fill, most)
        else:
            data = self._core.inbox.take(most)
            self._consumed(len(data))
            self._guarded(self._protocol.data_received, data)

    def _tell_end(self) -> None:
        """Tells the protocol that the other side has ended, if that is due."""
        if self._core.end_due() and not self._guarded(self._protocol.eof_received):
            self.close()

    def _force_close(self, error: BaseException | None) -> None:
        """Ends at once; what waits to be written is dropped. By this name asyncio's TLS calls it."""
        if self._core.abort():
            self._hang_up(error)

    def _lose(self, error: BaseException | None) -> None:
        """The medium is done with: the protocol hears of it in the next turn of the loop."""
        self._call_soon(self._lost, error)

    def _lost(self, error: BaseException | None) -> None:
        protocol, self._protocol = self._protocol, None  # no cycle is left for the garbage collector
        entry, self._entry = self._entry, None
        try:
            if protocol is not None:
                protocol.connection_lost(error)
        finally:
            if entry is not None:
                entry.leave()

    def _call_soon(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    def _guarded(self, call: Callable[..., object], *args: object, is_fatal: bool = True) -> object:
        """Calls the protocol; True stands for the answer of a call that failed."""
        try:
            return call(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # no task runs here, and a protocol may raise anything
            self._failed(error, is_fatal=is_fatal)
            return True

    def _failed(self, error: BaseException, *, is_fatal: bool = True) -> None:
        """The protocol raised `error`."""
        if not isinstance(error, OSError) or not is_fatal:
            context = {"exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler({"message": "a protocol failed in a callback", **context})
        if is_fatal:
            self._force_close(error)

    def _pause_if_full(self) -> None:
        if self._core.pause_due():
            self._guarded(self._protocol.pause_writing, is_fatal=False)

    def _fill(self, most: int) -> None:
        """Hands over as much as the protocol's buffer takes and keeps the rest."""
        inbox = self._core.inbox
        size = min(inbox.size, most)
        with memoryview(self._protocol.get_buffer(size)) as view, view.cast("B")[:size] as room:
            if not len(room):
                raise RuntimeError("get_buffer() returned an empty buffer")
            if self._core.is_closing:  # by get_buffer()
                return
            size = inbox.take_into(room)
        self._consumed(size)
        self._protocol.buffer_updated(size)
