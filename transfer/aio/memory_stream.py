"""The two ends of a connection in memory: `asyncio.Transport` over a pair of pipes."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from transfer.address import Address
from transfer.aio.pipe import Pipe
from transfer.watermarks import write_buffer_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """Sizes of connections in memory.

    Attributes:
        window_bytes: written and unread bytes that do not count as the writer's buffer, as if a kernel held them.
            A writer that heeds `pause_writing` keeps a direction below this, its high-water mark and one write.
        read_bytes: the most that a reader is given at a time. Small values show who relies on message boundaries.
    """

    window_bytes: int = 65_536
    read_bytes: int = 262_144

    def __post_init__(self) -> None:
        if self.window_bytes < 1 or self.read_bytes < 1:
            raise ValueError("window_bytes and read_bytes must be positive")


def stream_pair(
    source: Address,
    target: Address,
    target_context: contextvars.Context,
    config: MemoryConfig,
    on_lost: Callable[[MemoryStream], None],
) -> tuple[MemoryStream, MemoryStream]:
    """The end at `source`, which lives in the current context, and the end at `target`; neither is started."""
    there, back = Pipe(), Pipe()
    ours = MemoryStream((source, target), back, there, contextvars.copy_context(), config, on_lost)
    theirs = MemoryStream((target, source), there, back, target_context, config, on_lost)
    ours._peer, theirs._peer = theirs, ours
    return ours, theirs


class MemoryStream(asyncio.Transport):
    """One end of a connection.

    All calls to the protocol come from the event loop, never out of a method of this class; but `pause_writing` is
    called within `write`, as in asyncio, or else whoever writes and drains in a loop would never be stopped.

    Where TCP leaves it open how the other side learns of `abort`, it always sees ConnectionResetError here, so that
    a stream that was cut off is never taken for a complete one.

    Invariants:
        `connection_made` comes first and `connection_lost` last, each once
        `data_received` and `eof_received` come while reading, never after `close` or `abort`
        get_write_buffer_size() == bytes that the other side has not taken, above window_bytes
    """

    __slots__ = (
        "_closing",
        "_config",
        "_context",
        "_drain_scheduled",
        "_eof_received",
        "_eof_written",
        "_high",
        "_incoming",
        "_is_buffered",
        "_loop",
        "_lost",
        "_low",
        "_on_lost",
        "_outgoing",
        "_paused",
        "_peer",
        "_protocol",
        "_read_scheduled",
        "_started",
        "_writing_paused",
        "addresses",
    )
    _peer: MemoryStream

    def __init__(
        self,
        addresses: tuple[Address, Address],
        incoming: Pipe,
        outgoing: Pipe,
        context: contextvars.Context,
        config: MemoryConfig,
        on_lost: Callable[[MemoryStream], None],
    ) -> None:
        super().__init__({"sockname": _socket_name(addresses[0]), "peername": _socket_name(addresses[1])})
        self.addresses = addresses
        self._incoming = incoming
        self._outgoing = outgoing
        self._context = context
        self._config = config
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._protocol: Any = None
        self._is_buffered = False
        self._started = False
        self._paused = False
        self._closing = False
        self._lost = False
        self._eof_received = False
        self._eof_written = False
        self._writing_paused = False
        self._read_scheduled = False
        self._drain_scheduled = False
        self._low, self._high = write_buffer_limits(None, None)

    def start(self, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[None] | None = None) -> None:
        """Announces the connection to `protocol`, then sets `waiter`, then lets data through."""
        self.set_protocol(protocol)
        self._call_soon(protocol.connection_made, self)
        self._call_soon(self._begin, waiter)

    # Reading.

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._wake_reader()

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # Writing.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._write((_as_bytes(data),))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self._write([_as_bytes(data) for data in list_of_data])

    def write_eof(self) -> None:
        if not self._closing and not self._eof_written:
            self._eof_written = True
            self._outgoing.is_ended = True
            self._peer._wake_reader()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return max(0, self._outgoing.size - self._config.window_bytes)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._low, self._high = write_buffer_limits(high, low)
        self._maybe_pause_protocol()

    # Ending.

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self.get_write_buffer_size():
                self._hang_up(None)

    def abort(self) -> None:
        self._break_off(None)

    def is_closing(self) -> bool:
        return self._closing

    def __repr__(self) -> str:
        state = " closed" if self._lost else " closing" if self._closing else ""
        return f"<MemoryStream {self.addresses[0]} to {self.addresses[1]}{state}>"

    # Reading, inside.

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        self._started = True
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        self._wake_reader()

    def _wake_reader(self) -> None:
        """Makes sure that whatever has arrived is read soon, if it may be read."""
        if self._read_scheduled or self._paused or self._closing or self._eof_received or not self._started:
            return
        pipe = self._incoming
        if pipe.size or pipe.is_broken or pipe.is_ended:
            self._read_scheduled = True
            self._call_soon(self._read)

    def _read(self) -> None:
        """Takes one portion, so that other connections have their turn."""
        self._read_scheduled = False
        if self._paused or self._closing:
            return
        pipe = self._incoming
        if pipe.size:
            if self._is_buffered:
                self._guarded(self._fill_buffer)
            else:
                data = pipe.take(self._config.read_bytes)
                self._peer._has_been_read()
                self._guarded(self._protocol.data_received, data)
        elif pipe.is_ended:
            self._eof_received = True  # nobody reads any more, so a reset is noticed by the next write only
            if not self._guarded(self._protocol.eof_received):
                self.close()
        elif pipe.is_broken:
            self._break_off(self._reset_error())
        self._wake_reader()

    def _fill_buffer(self) -> None:
        size = min(self._incoming.size, self._config.read_bytes)
        buffer = self._protocol.get_buffer(size)
        with memoryview(buffer) as view, view.cast("B")[:size] as room:
            if not len(room):
                raise RuntimeError("get_buffer() returned an empty buffer")
            if self._closing:  # by get_buffer()
                return
            size = self._incoming.take_into(room)
        self._peer._has_been_read()
        self._protocol.buffer_updated(size)

    # Writing, inside.

    def _write(self, chunks: Iterable[bytes]) -> None:
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing:
            return
        if self._incoming.is_broken:
            self._call_soon(self._break_off, self._reset_error())
        elif self._peer._lost:
            self._receive_reset()
        else:
            for chunk in chunks:
                self._outgoing.put(chunk)
            self._peer._wake_reader()
            self._maybe_pause_protocol()

    def _maybe_pause_protocol(self) -> None:
        if not self._writing_paused and self.get_write_buffer_size() > self._high:
            self._writing_paused = True
            self._guarded(self._protocol.pause_writing, is_fatal=False)

    def _has_been_read(self) -> None:
        """The other side has taken bytes."""
        if not self._drain_scheduled and (self._may_resume() or self._may_hang_up()):
            self._drain_scheduled = True
            self._call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_scheduled = False
        if self._may_resume():
            self._writing_paused = False
            self._guarded(self._protocol.resume_writing, is_fatal=False)
        if self._may_hang_up():
            self._hang_up(None)

    def _may_resume(self) -> bool:
        return self._writing_paused and not self._lost and self.get_write_buffer_size() <= self._low

    def _may_hang_up(self) -> bool:
        return self._closing and not self._lost and not self.get_write_buffer_size()

    # Ending, inside.

    def _break_off(self, error: BaseException | None) -> None:
        """Ends at once; what the other side has not read is gone."""
        if not self._lost:
            if self._outgoing.size:
                self._outgoing.clear()
                self._outgoing.is_ended = False  # what was cut off must not look complete
            self._hang_up(error, is_reset=True)

    def _hang_up(self, error: BaseException | None, *, is_reset: bool = False) -> None:
        """Everything is written, or given up. Data that nobody will read resets the connection, as in TCP."""
        self._closing = self._lost = True
        peer = self._peer
        if not peer._lost:
            if is_reset or self._incoming.size:
                peer._receive_reset()
            else:
                self._outgoing.is_ended = True
                peer._wake_reader()
        self._incoming.clear()
        self._call_soon(self._call_connection_lost, error)

    def _receive_reset(self) -> None:
        """The other side takes nothing any more: an error, after what has arrived, or at once for who has to write."""
        self._incoming.is_broken = True
        if self.get_write_buffer_size():
            self._call_soon(self._break_off, self._reset_error())
        else:
            self._wake_reader()

    def _reset_error(self) -> OSError:
        """What TCP says, before and after the other side has ended its direction in good order."""
        if self._incoming.is_ended:
            return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def _call_connection_lost(self, error: BaseException | None) -> None:
        protocol, self._protocol = self._protocol, None
        del self._peer  # no cycle is left: memory is free at once, without the garbage collector
        self._on_lost(self)
        if protocol is not None:
            protocol.connection_lost(error)

    def _call_soon(self, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    def _guarded(self, call: Callable[..., object], *args: object, is_fatal: bool = True) -> object:
        """Calls the protocol. What it raises goes to the loop's exception handler and, when fatal, ends this."""
        try:
            return call(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # no task runs here, and a protocol may raise anything
            if not isinstance(error, OSError) or not is_fatal:
                context = {"exception": error, "transport": self, "protocol": self._protocol}
                self._loop.call_exception_handler({"message": "A protocol failed in a callback", **context})
            if is_fatal:
                self._break_off(error)
            return True


def _as_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """What can change is copied, because the caller may do so after `write`."""
    if type(data) is bytes:
        return data
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"data must be bytes, bytearray or memoryview, not {type(data).__name__!r}")
    return bytes(data)


def _socket_name(address: Address) -> tuple[Any, ...]:
    """As a socket of that family says it."""
    return (*address, 0, 0) if address.is_ipv6 else tuple(address)
