"""What is below sees instead of a layer that hands through: the buffers are lent by what is above the layer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from transfer.aio.scatter import ScatterProtocol

Change = Callable[[memoryview], object]  # changes bytes where they lie; called in the order of the stream


def passage(layer: asyncio.Protocol, above: asyncio.BaseProtocol, change: Change | None = None) -> asyncio.BaseProtocol:
    """The protocol that what is below a layer reads for: the layer itself when `above` lends no buffers."""
    if isinstance(above, ScatterProtocol):
        return _ScatterPassage(layer, above) if change is None else _ChangingScatterPassage(layer, above, change)
    if isinstance(above, asyncio.BufferedProtocol):
        return _BufferPassage(layer, above) if change is None else _ChangingPassage(layer, above, change)
    return layer


class _Passage(asyncio.BufferedProtocol):
    """All but reading is the layer's."""

    def __init__(self, layer: asyncio.Protocol) -> None:
        self.eof_received = layer.eof_received  # type: ignore[method-assign]
        self.connection_lost = layer.connection_lost  # type: ignore[method-assign]
        self.pause_writing = layer.pause_writing  # type: ignore[method-assign]
        self.resume_writing = layer.resume_writing  # type: ignore[method-assign]


class _BufferPassage(_Passage):
    """For a protocol that lends one buffer."""

    def __init__(self, layer: asyncio.Protocol, above: Any) -> None:
        super().__init__(layer)
        self.get_buffer = above.get_buffer  # type: ignore[method-assign]  # attributes: no call is added to a read
        self.buffer_updated = above.buffer_updated  # type: ignore[method-assign]


class _ScatterPassage(_BufferPassage, ScatterProtocol):
    """For a protocol that lends several buffers at once."""

    def __init__(self, layer: asyncio.Protocol, above: ScatterProtocol) -> None:
        super().__init__(layer, above)
        self.get_buffers = above.get_buffers  # type: ignore[method-assign]
        self.buffers_updated = above.buffers_updated  # type: ignore[method-assign]


class _ChangingPassage(_Passage):
    """Changes what was read into the buffer of what is above before that hears of it."""

    def __init__(self, layer: asyncio.Protocol, above: Any, change: Change) -> None:
        super().__init__(layer)
        self._above = above
        self._change = change
        self._lent: Sequence[Any] = ()

    def get_buffer(self, sizehint: int) -> Any:
        buffer = self._above.get_buffer(sizehint)
        self._lent = (buffer,)
        return buffer

    def buffer_updated(self, nbytes: int) -> None:
        with memoryview(self._lent[0]) as view, view.cast("B") as octets, octets[:nbytes] as read:
            self._change(read)
        self._lent = ()
        self._above.buffer_updated(nbytes)


class _ChangingScatterPassage(_ChangingPassage, ScatterProtocol):
    """The same in all buffers of what is above."""

    def get_buffers(self) -> Sequence[memoryview]:
        self._lent = self._above.get_buffers()
        return self._lent

    def buffers_updated(self, nbytes: int) -> None:
        left = nbytes
        for buffer in self._lent:
            size = min(left, len(buffer))
            self._change(buffer[:size])
            left -= size
            if not left:
                break
        self._lent = ()
        self._above.buffers_updated(nbytes)
