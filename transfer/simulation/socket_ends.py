"""What a socket without a transport does with what comes in: it waits until the program asks, or calls it back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfer.simulation.raw_sockets import RawSocket


class Watch:
    """A callback of `add_reader` or `add_writer`: called again and again as long as the socket is ready."""

    def __init__(
        self, handle: asyncio.Handle, is_ready: Callable[[], bool], is_wanted: Callable[[Watch], bool]
    ) -> None:
        self.handle = handle
        self._is_ready = is_ready
        self._is_wanted = is_wanted
        self._is_scheduled = False

    def look(self) -> None:
        if not self._is_scheduled and self._is_wanted(self) and self._is_ready():
            self._is_scheduled = True
            self.handle._loop.call_soon(self._call)  # type: ignore[attr-defined]  # every handle has its loop

    def _call(self) -> None:
        self._is_scheduled = False
        if self._is_wanted(self) and self._is_ready():
            self.handle._run()
            self.look()


class Inbox(asyncio.DatagramProtocol):
    """Datagrams until the program receives them; more than a receive buffer holds are dropped."""

    def __init__(self, owner: RawSocket) -> None:
        self.datagrams: deque[tuple[bytes, Any]] = deque()
        self._owner = owner

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if sum(len(kept) for kept, _ in self.datagrams) + len(data) <= RECEIVE_BUFFER_BYTES:
            self.datagrams.append((data, addr))
            self._owner.changed()

    def error_received(self, exc: Exception) -> None:
        self._owner.fail(exc)


class Flow(asyncio.Protocol):
    """The stream of a connected socket."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.owner: RawSocket | None = None
        self.on_made: Callable[[], None] | None = None
        self.has_ended = False
        self.error: Exception | None = None
        self._data = bytearray()
        self._is_full = False
        self._is_lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self.on_made is not None:
            self.on_made()
        self._changed()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > RECEIVE_BUFFER_BYTES and self.transport is not None:
            self.transport.pause_reading()
        self._changed()

    def eof_received(self) -> bool:
        self.has_ended = True
        self._changed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self.error = exc
        self._changed()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._changed()

    @property
    def is_reset(self) -> bool:
        return self._is_lost and not self._data

    @property
    def is_readable(self) -> bool:
        return bool(self._data) or self.has_ended or self._is_lost

    @property
    def is_writable(self) -> bool:
        return self.transport is not None and (self._is_lost or not self._is_full)

    def take(self, size: int, *, peek: bool) -> bytes | None:
        if self._data:
            data = bytes(self._data[:size])
            if not peek:
                del self._data[:size]
                if self.transport is not None and len(self._data) <= RECEIVE_BUFFER_BYTES:
                    self.transport.resume_reading()
            return data
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return b"" if self.has_ended or self._is_lost else None

    def put(self, data: bytes) -> int | None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self._is_lost:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self.transport is None or self._is_full:
            return None
        piece = data[:SEND_BUFFER_BYTES]
        self.transport.write(piece)
        return len(piece)

    def _changed(self) -> None:
        if self.owner is not None:
            self.owner.changed()


RECEIVE_BUFFER_BYTES = 212_992  # Linux: net.core.rmem_default
SEND_BUFFER_BYTES = 65_536
