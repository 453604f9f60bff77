"""Connections over sockets of our own, for loops that watch file descriptors: reads and writes in vectors."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from transfer.aio.kernel_path import kernel_path_stats
from transfer.aio.kernel_queue import unacknowledged_bytes
from transfer.aio.scatter import MAX_BUFFERS, ScatterProtocol
from transfer.aio.stream import Stream
from transfer.flow.stream import Phase, StreamCore

if TYPE_CHECKING:
    from transfer.aio.door import Entry


class SocketStream(Stream):
    """What asyncio's own socket transport does, with two differences that matter at high rates.

    A `ScatterProtocol` gets what one system call read straight into all of its buffers. What is written is not copied
    if it is read-only, and so must not change: what the kernel does not take at once waits where it is, and leaves in
    vectors.

    Args:
        sock: connected and not blocking; it is the stream's from now on.
        protocol: `connection_made` is called before this returns.
        entry: what it holds as long as it lasts.
    """

    __slots__ = ("_read", "_sock")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        *,
        entry: Entry | None = None,
    ) -> None:
        extra = {"socket": sock, "sockname": sock.getsockname(), "peername": sock.getpeername()}
        super().__init__(StreamCore(), loop, extra)
        self._sock = sock
        if entry is not None:
            self.hold(entry)
        self.set_protocol(protocol)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio and uvloop have it
        protocol.connection_made(self)
        self._start_reading()

    @property
    def unacknowledged_bytes(self) -> int:
        """What the kernel has taken and the other side has not acknowledged; 0 where the system does not tell."""
        return unacknowledged_bytes(self._sock) if self._core.phase is not Phase.ENDED else 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's; "path_stats" is a `PathStats` of this moment, where the kernel tells."""
        if name == "path_stats":
            stats = kernel_path_stats(self._sock) if self._core.phase is not Phase.ENDED else None
            return default if stats is None else stats
        return super().get_extra_info(name, default)

    # Reading

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        self._read: Callable[[SocketStream], int]
        if isinstance(protocol, ScatterProtocol):
            self._read = SocketStream._read_scattered
        elif self._is_buffered:
            self._read = SocketStream._read_buffered
        else:
            self._read = SocketStream._read_bytes

    def _start_reading(self) -> None:
        if self._core.is_reading and not self._core.has_ended:
            self._loop.add_reader(self._sock, self._readable)

    def _stop_reading(self) -> None:
        self._loop.remove_reader(self._sock)

    def _readable(self) -> None:
        if not self._core.is_reading:
            return  # stopped by a callback of the same turn of the loop
        try:
            is_end = not self._read(self)
        except (BlockingIOError, InterruptedError):
            return
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # of the socket, or of the protocol, which may raise anything
            self._failed(error)
        else:
            if is_end:
                self._stop_reading()
                self._core.receive_end()
                self._tell_end()

    def _read_scattered(self) -> int:
        size = self._sock.recvmsg_into(self._protocol.get_buffers())[0]
        if size:
            self._protocol.buffers_updated(size)
        return size

    def _read_buffered(self) -> int:
        buffer = self._protocol.get_buffer(-1)
        if not len(buffer):
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = self._sock.recv_into(buffer)
        if size:
            self._protocol.buffer_updated(size)
        return size

    def _read_bytes(self) -> int:
        data = self._sock.recv(READ_BYTES)
        if data:
            self._protocol.data_received(data)
        return len(data)

    # Writing

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        views = [view for data in chunks if len(view := memoryview(data).cast("B"))]
        if not views:
            return
        queue, taken = self._core.queue, 0
        is_first = not queue.size
        if is_first:
            try:
                taken = self._send(views)
            except OSError as error:
                self._force_close(error)
                return
        for view in views:
            if taken >= len(view):
                taken -= len(view)
                continue
            rest = view[taken:]
            taken = 0
            queue.put(rest if view.readonly else bytes(rest))
        if is_first and queue.size:
            self._loop.add_writer(self._sock, self._writable)

    def _writable(self) -> None:
        core = self._core
        if core.phase is Phase.ENDED:
            return
        try:
            taken = self._send(core.queue.vectors(MAX_BUFFERS))
        except OSError as error:
            self._force_close(error)
            return
        core.queue.discard(taken)
        if not core.queue.size:
            self._loop.remove_writer(self._sock)
        self._finish()
        self._resume_if_drained()

    def _send(self, chunks: list[bytes | memoryview] | list[memoryview]) -> int:
        try:
            return self._sock.sendmsg(chunks[:MAX_BUFFERS]) if len(chunks) > 1 else self._sock.send(chunks[0])
        except (BlockingIOError, InterruptedError):
            return 0

    # Ending

    def _send_end(self) -> None:
        with suppress(OSError):  # the other side has reset the connection: reading will tell
            self._sock.shutdown(socket.SHUT_WR)

    def _hang_up(self, error: BaseException | None) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._lose(error)

    def _lost(self, error: BaseException | None) -> None:
        try:
            super()._lost(error)
        finally:
            self._sock.close()


READ_BYTES = 256 << 10
