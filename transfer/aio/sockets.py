"""An asyncio transport over a connected socket, for loops that watch file descriptors: reads and writes in vectors."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

from transfer.aio.kernel_queue import unacknowledged_bytes
from transfer.aio.scatter import MAX_BUFFERS, ScatterProtocol
from transfer.watermarks import write_buffer_limits


class SocketTransport(asyncio.Transport):
    """What asyncio's own socket transport does, with two differences that matter at high rates.

    A `ScatterProtocol` gets what one system call read straight into all of its buffers. What is written is not copied
    if it is read-only, and so must not change: what the kernel does not take at once waits where it is, and leaves in
    vectors.

    Args:
        sock: connected and not blocking; it is the transport's from now on.
        protocol: `connection_made` is called before this returns.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname(), "peername": sock.getpeername()})
        self._loop = loop
        self._sock = sock
        self._chunks: deque[memoryview] = deque()
        self._size = 0
        self._low, self._high = write_buffer_limits(None, None)
        self._is_paused = False  # we were told not to read
        self._has_paused = False  # the protocol was told not to write
        self._has_ended = False  # the other side will send nothing more
        self._wrote_eof = False
        self._closing = False
        self._broken = False  # nothing can be written any more
        self.set_protocol(protocol)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio and uvloop have it
        protocol.connection_made(self)
        self._watch()

    # Reading

    def is_reading(self) -> bool:
        return not self._closing and not self._is_paused

    def pause_reading(self) -> None:
        if self.is_reading():
            self._is_paused = True
            self._loop.remove_reader(self._sock)

    def resume_reading(self) -> None:
        if not self._closing and self._is_paused:
            self._is_paused = False
            self._watch()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        if isinstance(protocol, ScatterProtocol):
            self._read = self._scatter
        elif isinstance(protocol, asyncio.BufferedProtocol):
            self._read = self._fill
        else:
            self._read = self._receive

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def _watch(self) -> None:
        if self.is_reading() and not self._has_ended:
            self._loop.add_reader(self._sock, self._readable)

    def _readable(self) -> None:
        if not self.is_reading():
            return  # stopped by a callback of the same turn of the loop
        try:
            is_end = not self._read()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._break(error)
        except Exception as error:  # noqa: BLE001  # whatever the protocol raises costs it its connection
            self._fail(error)
        else:
            if is_end:
                self._end()

    def _scatter(self) -> int:
        size = self._sock.recvmsg_into(self._protocol.get_buffers())[0]
        if size:
            self._protocol.buffers_updated(size)
        return size

    def _fill(self) -> int:
        buffer = self._protocol.get_buffer(-1)
        if not len(buffer):
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = self._sock.recv_into(buffer)
        if size:
            self._protocol.buffer_updated(size)
        return size

    def _receive(self) -> int:
        data = self._sock.recv(READ_BYTES)
        if data:
            self._protocol.data_received(data)
        return len(data)

    def _end(self) -> None:
        self._has_ended = True
        self._loop.remove_reader(self._sock)
        try:
            keep_open = self._protocol.eof_received()
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return
        if not keep_open:
            self.close()

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        if self._wrote_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        chunks = [view for data in list_of_data if len(view := memoryview(data).cast("B"))]
        if self._broken or not chunks:
            return
        taken, is_first = 0, not self._chunks
        if is_first:
            try:
                taken = self._send(chunks)
            except OSError as error:
                self._break(error)
                return
        self._size -= taken
        for view in chunks:
            self._size += len(view)
            if taken >= len(view):
                taken -= len(view)
                continue
            rest = view[taken:]
            taken = 0
            self._chunks.append(rest if view.readonly else memoryview(bytes(rest)))
        if self._chunks:
            if is_first:
                self._loop.add_writer(self._sock, self._writable)
            self._pause_if_full()

    def write_eof(self) -> None:
        if not self._closing and not self._wrote_eof:
            self._wrote_eof = True
            if not self._chunks:
                self._shut_down()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._size

    @property
    def unacknowledged_bytes(self) -> int:
        """What the kernel has taken and the other side has not acknowledged; 0 where the system does not tell."""
        return unacknowledged_bytes(self._sock) if not self._broken else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._low, self._high = write_buffer_limits(high, low)
        self._pause_if_full()

    def _writable(self) -> None:
        if self._broken:
            return
        try:
            taken = self._send(list(islice(self._chunks, MAX_BUFFERS)))
        except OSError as error:
            self._break(error)
            return
        self._size -= taken
        while taken:
            first = self._chunks[0]
            if taken < len(first):
                self._chunks[0] = first[taken:]
                break
            taken -= len(first)
            self._chunks.popleft()
        if self._has_paused and self._size <= self._low:
            self._has_paused = False
            self._tell(self._protocol.resume_writing)
        if not self._chunks and not self._broken:
            self._loop.remove_writer(self._sock)
            if self._closing:
                self._lose(None)
            elif self._wrote_eof:
                self._shut_down()

    def _shut_down(self) -> None:
        with suppress(OSError):  # the other side has reset the connection: reading will tell
            self._sock.shutdown(socket.SHUT_WR)

    def _send(self, chunks: list[memoryview]) -> int:
        try:
            return self._sock.sendmsg(chunks[:MAX_BUFFERS]) if len(chunks) > 1 else self._sock.send(chunks[0])
        except (BlockingIOError, InterruptedError):
            return 0

    def _pause_if_full(self) -> None:
        if self._size > self._high and not self._has_paused:
            self._has_paused = True
            self._tell(self._protocol.pause_writing)

    def _tell(self, callback: Any) -> None:
        """An error here is reported, and the connection goes on: as asyncio has it."""
        try:
            callback()
        except Exception as error:  # noqa: BLE001
            self._report(error)

    # Ending

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._sock)
            if not self._chunks:
                self._lose(None)

    def abort(self) -> None:
        self._break(None)

    def _fail(self, error: Exception) -> None:
        self._report(error)
        self._break(error)

    def _report(self, error: Exception) -> None:
        context = {"message": "a protocol failed", "exception": error, "transport": self, "protocol": self._protocol}
        self._loop.call_exception_handler(context)

    def _break(self, error: Exception | None) -> None:
        """Ends at once; what waits to be written is dropped."""
        if self._broken:
            return
        self._chunks.clear()
        self._size = 0
        if not self._closing:
            self._closing = True
            self._loop.remove_reader(self._sock)
        self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        self._broken = True
        self._loop.remove_writer(self._sock)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._sock.close()


READ_BYTES = 256 << 10
