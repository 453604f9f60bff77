"""The two ends of a connection in memory: each writes into a queue that the other reads from."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from transfer.address import Address
from transfer.aio.stream import Stream
from transfer.flow.byte_queue import ByteQueue, frozen
from transfer.flow.stream import Phase, StreamCore


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """Sizes of connections in memory.

    Attributes:
        window_bytes: written and unread bytes that do not count as the writer's buffer, as if a kernel held them.
            A writer that heeds `pause_writing` keeps a direction below this, its high-water mark and one write.
        read_bytes: the most that a reader is given at a time. Small values expose a reader that relies on message
            boundaries.
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
    there, back = ByteQueue(), ByteQueue()
    our_core = StreamCore(queue=there, inbox=back, free_bytes=config.window_bytes)
    their_core = StreamCore(queue=back, inbox=there, free_bytes=config.window_bytes)
    ours = MemoryStream((source, target), our_core, contextvars.copy_context(), config, on_lost)
    theirs = MemoryStream((target, source), their_core, target_context, config, on_lost)
    ours._peer, theirs._peer = theirs, ours
    return ours, theirs


class MemoryStream(Stream):
    """One end of a connection.

    All calls to the protocol come from the event loop, never out of a method of this class; but `pause_writing` is
    called within `write`, as in asyncio, or else a program that writes and drains in a loop would never be stopped.

    Where TCP leaves it open how the other side learns of `abort`, it always sees ConnectionResetError here, so that
    a stream that was cut off is never taken for a complete one.

    Invariants:
        `connection_made` comes first and `connection_lost` last, each once
        `data_received` and `eof_received` come while reading, never after `close` or `abort`
        get_write_buffer_size() == bytes that the other side has not taken, above window_bytes
    """

    __slots__ = (
        "_config",
        "_drain_scheduled",
        "_is_reset",
        "_on_lost",
        "_peer",
        "_started",
        "addresses",
    )
    _peer: MemoryStream

    def __init__(
        self,
        addresses: tuple[Address, Address],
        core: StreamCore,
        context: contextvars.Context,
        config: MemoryConfig,
        on_lost: Callable[[MemoryStream], None],
    ) -> None:
        extra = {"sockname": _socket_name(addresses[0]), "peername": _socket_name(addresses[1])}
        super().__init__(core, asyncio.get_running_loop(), extra, context)
        self.addresses = addresses
        self._config = config
        self._on_lost = on_lost
        self._started = False
        self._is_reset = False  # the other side takes nothing any more
        self._drain_scheduled = False

    def start(self, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[None] | None = None) -> None:
        """Announces the connection to `protocol`, then sets `waiter`, then lets data through."""
        self.set_protocol(protocol)
        self._call_soon(protocol.connection_made, self)
        self._call_soon(self._begin, waiter)

    def __repr__(self) -> str:
        phase = self._core.phase
        state = " closed" if phase is Phase.ENDED else " closing" if phase is Phase.FLUSHING else ""
        return f"<MemoryStream {self.addresses[0]} to {self.addresses[1]}{state}>"

    # Reading.

    def _begin(self, waiter: asyncio.Future[None] | None) -> None:
        self._started = True
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        self._start_reading()

    def _start_reading(self) -> None:
        """Makes sure that whatever has arrived is read soon, if it may be read."""
        core = self._core
        if self._read_scheduled or not self._started or not core.is_reading or core.has_ended:
            return  # once the end is told nothing is read, so a reset is noticed by the next write only
        if core.inbox.size or core.end_arrived or self._is_reset:
            self._read_scheduled = True
            self._call_soon(self._read)

    def _read(self) -> None:
        """Takes one portion, so that other connections have their turn."""
        self._read_scheduled = False
        core = self._core
        if not core.is_reading:
            return
        if core.inbox.size:
            self._hand_over(self._config.read_bytes)
        elif core.end_arrived:
            self._tell_end()
        else:
            self._force_close(self._reset_error())
        self._start_reading()

    def _consumed(self, size: int) -> None:
        self._peer._has_been_read()

    # Writing.

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        pieces = [frozen(chunk) for chunk in chunks]
        if self._is_reset:
            self._call_soon(self._force_close, self._reset_error())
        elif self._peer._core.phase is Phase.ENDED:
            self._receive_reset()
        else:
            for piece in pieces:
                self._core.queue.put(piece)
            self._peer._start_reading()

    def _has_been_read(self) -> None:
        """The other side has taken bytes."""
        core = self._core
        if not self._drain_scheduled and core.size <= core.low and (core.is_writing_paused or core.is_finishing):
            self._drain_scheduled = True
            self._call_soon(self._drain)

    def _drain(self) -> None:
        self._drain_scheduled = False
        self._finish()
        self._resume_if_drained()

    # Ending.

    def _send_end(self) -> None:
        self._peer._core.receive_end()
        self._peer._start_reading()

    def _force_close(self, error: BaseException | None) -> None:
        if self._core.phase is not Phase.ENDED and self._core.queue.size:
            self._peer._core.lose_end()  # what is cut off must not look complete
        super()._force_close(error)

    def _hang_up(self, error: BaseException | None) -> None:
        """Data that will never be read resets the connection, as in TCP."""
        if self._peer._core.phase is not Phase.ENDED:
            if self._core.is_broken or self._core.inbox.size:
                self._peer._receive_reset()
            else:
                self._send_end()
        self._core.inbox.clear()
        self._lose(error)

    def _receive_reset(self) -> None:
        """The other side takes nothing any more: an error, after what has arrived, or at once if bytes wait here."""
        self._is_reset = True
        if self._core.size:
            self._call_soon(self._force_close, self._reset_error())
        else:
            self._start_reading()

    def _reset_error(self) -> OSError:
        """What TCP says, before and after the other side has ended its direction in good order."""
        if self._core.end_arrived:
            return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def _lost(self, error: BaseException | None) -> None:
        del self._peer  # no cycle is left: memory is free at once, without the garbage collector
        self._on_lost(self)
        super()._lost(error)


def _socket_name(address: Address) -> tuple[Any, ...]:
    """As a socket of that family says it."""
    return (*address, 0, 0) if address.is_ipv6 else tuple(address)
