"""One connection through a layer: a protocol towards what is below, a transport towards what is above.

Theory of operation. What is below may be any `asyncio.Transport`: TCP, memory, a stream of a multiplexer, another
layer. A layer begins with a handshake, in which it talks to the layer of the other side alone, then `open`s: what is
above it comes into being, and from now on each `receive` may `deliver` and each `send` writes below.

A layer holds nothing that is written. Watermarks and back-pressure are those of what is below, which tells the layer to
pause, and the layer tells on. What was delivered while the protocol above had paused waits in the inbox, and meanwhile
what is below is not read: so no more waits than came out of one read. Closing is below's as well: the last word to the
protocol above is said when below has said it to the layer.

A layer that has nothing to do with what it receives after its handshake `open`s with `hands_through`. Then a protocol
above that lends buffers (a `BufferedProtocol`, a `ScatterProtocol`) lends them to what is below, through any number of
such layers, and a read costs no call more than without them. A layer that changes each byte to another one (a stream
cipher) hands through with `change`: what was read into the lent buffers is changed where it lies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from transfer.aio.passage import Change, passage
from transfer.aio.stream import Stream
from transfer.flow.stream import StreamCore

Chunks = Iterable[bytes | bytearray | memoryview]


class Opening(Protocol):
    """What waits until a connection is ready for the protocol above all layers. It hears `opened` or `failed`, once."""

    def make_above(self) -> asyncio.BaseProtocol:
        """The protocol that was asked for."""
        ...

    def waits(self, layer: Layer) -> None:
        """There is a connection, and the handshake of `layer` takes time. Comes for each layer that needs time."""
        ...

    def opened(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        """`protocol` has its connection."""
        ...

    def failed(self, error: BaseException) -> None:
        """There will be none."""
        ...


class Layer(Stream, asyncio.Protocol):
    """A layer without a handshake that changes nothing. Others override what they do differently:

    `begin`, `receive`, `receive_end`, `send` and `send_end`; in which they call `open`, `deliver`, `deliver_end` and
    `fail`, and write to `below`. What a connection needs to know (keys, the expected peer) are arguments of its
    constructor: there is one object for each connection. What others may know of it goes into `extra`.

    Attributes:
        below: the transport that carries this.
        extra: what `get_extra_info` answers before it asks below.
        is_open: there is something above.
    """

    below: asyncio.Transport

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.is_open = False
        super().__init__(StreamCore(), asyncio.get_running_loop(), self.extra)
        self._opening: Opening | None = None
        self._is_connected = False
        self._hands_through = False
        self._change: Change | None = None
        self._error: BaseException | None = None

    def prepare(self, opening: Opening) -> None:
        """Says which opening waits for this layer; the maker of the layer calls that."""
        self._opening = opening

    # What a layer overrides.

    def begin(self) -> None:
        """There is a connection below."""
        self.open(hands_through=True)

    def receive(self, data: bytes) -> None:
        """Bytes from below, cut anyhow; not called after `close`, nor while above has paused."""
        self.deliver(data)

    def receive_end(self) -> None:
        """Nothing more comes from below."""
        if self.is_open:
            self.deliver_end()
        else:
            self.fail(ConnectionResetError("the other side ended the connection during the handshake"))

    def send(self, chunks: Chunks) -> None:
        """Bytes from above. They must not change when they are written below."""
        self.below.writelines(chunks)

    def send_end(self) -> None:
        """Nothing more comes from above."""
        self.below.write_eof()

    def can_write_eof(self) -> bool:
        return self.below.can_write_eof()

    # What a layer calls.

    def open(
        self,
        above: asyncio.BaseProtocol | None = None,
        *,
        hands_through: bool = False,
        change: Change | None = None,
    ) -> None:
        """The handshake is done: makes what is above, and tells it of its connection.

        Args:
            above: what is to be there instead of what was asked for; another layer gets what was asked for above it.
            hands_through: what is received is no business of this layer any more; `send` still is.
            change: with `hands_through`: called in the order of the stream for what was received, before above sees it.
                A protocol above that lends no buffers gets its bytes through `receive` all the same.
        """
        opening = self._opening
        if opening is None:
            return  # it has failed already
        self._opening = None
        was_paused = self._core.is_writing_paused
        try:
            if isinstance(above, Layer):
                above.prepare(opening)
            protocol = opening.make_above() if above is None else above
            self.is_open = True
            self._hands_through = hands_through
            self._change = change
            self.set_protocol(protocol)
            protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  # a factory may raise anything
            opening.failed(error)
            self._force_close(error)
            return
        if was_paused and self._core.is_writing_paused:
            self._guarded(protocol.pause_writing, is_fatal=False)
        if not isinstance(above, Layer):
            opening.opened(self, protocol)

    def deliver(self, data: bytes) -> None:
        """Gives above what is for it, now or when it reads on."""
        core = self._core
        if not core.is_reading or core.inbox.size or self._is_buffered:
            if not core.is_closing:
                core.inbox.put(data)
                self._read_inbox()
        elif data:
            self._guarded(self._protocol.data_received, data)

    def deliver_end(self) -> None:
        """Nothing more will be delivered."""
        self._core.receive_end()
        self._tell_end()

    def fail(self, error: BaseException) -> None:
        """Breaks off: the other side has broken the rules, or must not come in. What is above hears of the error."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.failed(error)
        self._force_close(error)

    # From below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.below = transport  # type: ignore[assignment]  # uvloop's do not derive from asyncio.Transport
        self._is_connected = True
        if self._core.is_closing:
            self.below.abort()  # it has failed before there was a connection
            return
        try:
            self.begin()
        except Exception as error:  # noqa: BLE001  # nothing else would tell the opening
            self.fail(error)
        if self._opening is not None:
            self._opening.waits(self)

    def data_received(self, data: bytes) -> None:
        self.receive(data)

    def eof_received(self) -> bool:
        self.receive_end()
        return True  # closing is for above to decide

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_connected = False
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.failed(exc or ConnectionResetError("the connection was lost during the handshake"))
        self._core.abort()
        self._core.inbox.clear()
        self._lost(exc if exc is not None else self._error)

    def pause_writing(self) -> None:
        self._core.is_writing_paused = True
        if self.is_open:
            self._guarded(self._protocol.pause_writing, is_fatal=False)

    def resume_writing(self) -> None:
        self._core.is_writing_paused = False
        if self.is_open:
            self._guarded(self._protocol.resume_writing, is_fatal=False)

    # From above.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.extra[name] if name in self.extra else self.below.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        super().set_protocol(protocol)
        if self._hands_through:
            self.below.set_protocol(passage(self, protocol, self._change))

    def get_write_buffer_size(self) -> int:
        return self.below.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self.below.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.below.set_write_buffer_limits(high, low)

    @property
    def unacknowledged_bytes(self) -> int:
        """As far as what is below can tell."""
        return int(getattr(self.below, "unacknowledged_bytes", 0))

    # A stream whose medium is what is below.

    def _put(self, chunks: Chunks) -> None:
        self.send(chunks)

    def _send_end(self) -> None:
        self.send_end()

    def _hang_up(self, error: BaseException | None) -> None:
        self.below.close()  # which tells us in the end

    def _force_close(self, error: BaseException | None) -> None:
        if self._error is None:
            self._error = error
        self._core.abort()
        if self._is_connected:
            self.below.abort()

    def _start_reading(self) -> None:
        super()._start_reading()
        if not self._read_scheduled:
            self.below.resume_reading()

    def _stop_reading(self) -> None:
        if not self._core.is_closing:
            self.below.pause_reading()

    def _read_inbox(self) -> None:
        was_scheduled = self._read_scheduled
        super()._read_inbox()
        if was_scheduled and self._core.is_reading and not self._core.has_ended:
            self.below.resume_reading()
