"""Protocols that write down what a transport tells them, and notice when it breaks the rules of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from transfer.aio.scatter import ScatterProtocol


class Record(asyncio.BaseProtocol):
    """What both kinds of protocol have in common.

    Args:
        keep_open: what `eof_received` answers.
        on_made: called with this protocol at the end of `connection_made`.
        on_data: called with this protocol whenever data has arrived.

    Attributes:
        calls: names of callbacks in order, `data` once for a run of them.
        data: everything received.
        pauses, resumes: how often each was called.
        lost_with: what `connection_lost` brought, once it came.
        notes: for whoever uses this.
        violations: rules that the transport broke; the runner of the checks fails when there are any.
    """

    def __init__(
        self,
        *,
        keep_open: bool | None = None,
        on_made: Callable[[Any], object] | None = None,
        on_data: Callable[[Any], object] | None = None,
    ) -> None:
        self.keep_open = keep_open
        self.calls: list[str] = []
        self.data = bytearray()
        self.notes: set[str] = set()
        self.violations: list[str] = []
        self.transport: asyncio.Transport = _NOT_YET
        self.pauses = 0
        self.resumes = 0
        self.is_lost = False
        self.lost_with: Exception | None = None
        self._on_made = on_made
        self._on_data = on_data
        self._inside = ""
        self._changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._expect(not self.calls, "connection_made is not the first callback")
        missing = [name for name in METHODS if not callable(getattr(transport, name, None))]
        self._expect(not missing, f"the transport has no {missing}")  # uvloop's do not derive from asyncio.Transport
        self.transport = transport  # type: ignore[assignment]  # the line above
        with self._note("made"):
            if self._on_made is not None:
                self._on_made(self)

    def eof_received(self) -> bool | None:
        self._expect("eof" not in self.calls, "eof_received twice")
        with self._note("eof"):
            return self.keep_open

    def pause_writing(self) -> None:
        self.pauses += 1
        self._expect(self.is_paused and self.pauses - self.resumes == 1, "pause_writing twice")
        self._expect(not self.is_lost, "pause_writing after connection_lost")
        low, high = self.transport.get_write_buffer_limits()
        self._expect(self.transport.get_write_buffer_size() > high >= low, "pause_writing below the high mark")
        self.calls.append("pause")  # may come out of write(), so it may be inside another callback
        self._changed.set()

    def resume_writing(self) -> None:
        self.resumes += 1
        self._expect(self.pauses == self.resumes, "resume_writing without pause_writing")
        low, _ = self.transport.get_write_buffer_limits()
        self._expect(self.transport.get_write_buffer_size() <= low, "resume_writing above the low mark")
        with self._note("resume"):
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(not self.is_lost, "connection_lost twice")
        self._expect("made" in self.calls, "connection_lost before connection_made")
        self._expect(self.transport.is_closing(), "connection_lost, and is_closing() is False")
        self.lost_with = exc
        with self._note("lost"):
            self.is_lost = True

    def take_over(self, transport: asyncio.Transport) -> None:
        """Becomes the protocol of a connection that another one saw begin."""
        self.transport = transport
        self.calls.append("made")
        transport.set_protocol(self)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until a callback has made `condition` true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def has(self, size: int) -> bytearray:
        """Waits for so much data."""
        await self.until(lambda: len(self.data) >= size)
        return self.data

    async def has_called(self, name: str) -> None:
        """Waits for a callback."""
        await self.until(lambda: name in self.calls)

    async def lost(self) -> Exception | None:
        """Waits for the end and returns what it brought."""
        await self.until(lambda: self.is_lost)
        return self.lost_with

    @property
    def is_paused(self) -> bool:
        """Between `pause_writing` and `resume_writing`."""
        return self.pauses > self.resumes

    def _receive(self, data: bytes | bytearray | memoryview) -> None:
        self._expect(len(data) > 0, "data without bytes")
        self._expect("eof" not in self.calls, "data after eof_received")
        self._expect(not self.is_lost, "data after connection_lost")
        self._expect(self.transport.is_reading(), "data while not reading")
        self.data += data
        with self._note("data"):
            if self._on_data is not None:
                self._on_data(self)

    def _note(self, name: str) -> _Inside:
        if self._inside:
            self.violations.append(f"{name} inside {self._inside}")
        if self.is_lost:
            self.violations.append(f"{name} after connection_lost")
        if name != "data" or self.calls[-1] != "data":
            self.calls.append(name)
        self._inside = name
        self._changed.set()
        return _Inside(self)

    def _expect(self, is_right: bool, otherwise: str) -> None:
        if not is_right:
            self.violations.append(otherwise)


class Recorder(Record, asyncio.Protocol):
    """Gets bytes."""

    def data_received(self, data: bytes) -> None:
        self._expect(type(data) is bytes, f"data_received({type(data).__name__})")
        self._receive(data)


class BufferedRecorder(Record, asyncio.BufferedProtocol):
    """Lends a buffer of `buffer_bytes`, filled with a pattern that must not come back."""

    def __init__(self, *, buffer_bytes: int = 4096, **options: Any) -> None:
        super().__init__(**options)
        self._buffer = bytearray(buffer_bytes)
        self._is_lent = False

    def get_buffer(self, sizehint: int) -> bytearray:
        self._expect(not self._inside, f"get_buffer inside {self._inside}")
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._expect(0 < nbytes <= len(self._buffer), f"buffer_updated({nbytes})")
        self._receive(memoryview(self._buffer)[:nbytes])


class ScatterRecorder(BufferedRecorder, ScatterProtocol):
    """Lends several buffers of these sizes to a transport that can fill them at once, and one to any other.

    Attributes:
        reads: how often several were filled, and how often one.
    """

    def __init__(self, *, sizes: Sequence[int] = (13, 4096, 1, 700), **options: Any) -> None:
        super().__init__(buffer_bytes=sum(sizes), **options)
        self.reads = {"scattered": 0, "plain": 0}
        self._sizes = sizes

    def get_buffer(self, sizehint: int) -> bytearray:
        self.reads["plain"] += 1
        return super().get_buffer(sizehint)

    def get_buffers(self) -> list[memoryview]:
        view, at = memoryview(super().get_buffer(-1)), 0
        self.reads["scattered"] += 1
        buffers = []
        for size in self._sizes:
            buffers.append(view[at : at + size])
            at += size
        return buffers

    def buffers_updated(self, nbytes: int) -> None:
        self.buffer_updated(nbytes)


def recorders_into(records: list[Recorder]) -> Callable[[], Recorder]:
    """A factory of protocols that remembers what it made."""

    def factory() -> Recorder:
        records.append(Recorder())
        return records[-1]

    return factory


class _Inside:
    """While a callback runs."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._record._inside = ""


METHODS = tuple(name for name in dir(asyncio.Transport) if not name.startswith("_"))
_NOT_YET = asyncio.Transport()
