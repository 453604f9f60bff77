"""A toy multiplexer: one transport below, many streams above, each with a window of its own."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from itertools import count

from transfer.aio.stream import Stream
from transfer.flow.byte_queue import frozen
from transfer.flow.stream import StreamCore

HEADER = struct.Struct(">BII")
WINDOW_BYTES = 10_000
FRAME_BYTES = 4_000


class Kind(IntEnum):
    DATA = 0
    CREDIT = 1
    END = 2
    CLOSE = 3
    RESET = 4


class Muxer(asyncio.Protocol):
    """All streams of one connection. A number is new when it is first seen: the dialling side counts 1, 3, 5 …"""

    def __init__(self, accept: Callable[[], asyncio.BaseProtocol], *, first_number: int) -> None:
        self.streams: dict[int, MuxedStream] = {}
        self.below: asyncio.Transport
        self.is_full = False
        self._accept = accept
        self._numbers = count(first_number, 2)
        self._buffer = bytearray()

    def open_stream(self, protocol: asyncio.BaseProtocol) -> MuxedStream:
        return self._begin(next(self._numbers), protocol)

    def send(self, kind: Kind, number: int, data: bytes = b"", value: int = 0) -> None:
        self.below.writelines((HEADER.pack(kind, number, value or len(data)), data))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.below = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, number, value = HEADER.unpack_from(self._buffer)
            end = HEADER.size + (value if kind == Kind.DATA else 0)
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            if number not in self.streams and kind in (Kind.DATA, Kind.END):
                self._begin(number, self._accept())
            if number in self.streams:
                self.streams[number].receive(Kind(kind), payload, value)

    def connection_lost(self, exc: Exception | None) -> None:
        for stream in list(self.streams.values()):
            stream.receive(Kind.RESET, b"", 0)

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        for stream in list(self.streams.values()):
            stream.drain()

    def _begin(self, number: int, protocol: asyncio.BaseProtocol) -> MuxedStream:
        self.streams[number] = stream = MuxedStream(self, number, protocol)
        return stream


class MuxedStream(Stream):
    """What a medium has to say beside the core: 40 lines."""

    def __init__(self, muxer: Muxer, number: int, protocol: asyncio.BaseProtocol) -> None:
        super().__init__(StreamCore(), asyncio.get_running_loop(), {"stream": number})
        self._muxer = muxer
        self._number = number
        self._window = WINDOW_BYTES
        self.set_protocol(protocol)
        protocol.connection_made(self)

    def receive(self, kind: Kind, data: bytes, value: int) -> None:
        """A frame for this stream."""
        if kind is Kind.CREDIT:
            self._window += value
            self.drain()
        elif kind is Kind.RESET:
            self._force_close(ConnectionResetError("the other side has reset the stream"))
        else:
            if kind is Kind.DATA:
                self._core.inbox.put(data)
            else:
                self._core.receive_end()
            self._read_inbox()

    def drain(self) -> None:
        """There may be room."""
        self._pump()
        self._resume_if_drained()

    def _pump(self) -> None:
        queue = self._core.queue
        while queue.size and self._window and not self._muxer.is_full:
            piece = queue.take(min(self._window, FRAME_BYTES))
            self._window -= len(piece)
            self._muxer.send(Kind.DATA, self._number, piece)
        self._finish()

    def _put(self, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
        for chunk in chunks:
            self._core.queue.put(frozen(chunk))
        self._pump()

    def _consumed(self, size: int) -> None:
        self._muxer.send(Kind.CREDIT, self._number, value=size)

    def _send_end(self) -> None:
        self._muxer.send(Kind.END, self._number)

    def _hang_up(self, error: BaseException | None) -> None:
        is_reset = self._core.is_broken or self._core.inbox.size
        self._muxer.send(Kind.RESET if is_reset else Kind.CLOSE, self._number)
        del self._muxer.streams[self._number]
        self._lose(error)
