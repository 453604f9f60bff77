"""One side of a yamux connection, without I/O.

Theory of operation. Bytes from below go to `receive_data`. What they change is told in three ways: `take_opened` are
streams that the other side has opened, `take_touched` are streams of which something is to be looked at (data in the
inbox, an end, a reset, room to send), and `error` and `is_closed` are about all. Bytes for below come from
`data_to_send`, which is to be asked after each input and command and whenever there is room below; nothing is encoded
before that, so what waits is bounded, and each stream gets its turn. Time comes as `now`, and `next_timer` tells when
`handle_timer` is due. Nothing that the other side sends makes an input raise: a broken rule ends the session, with an
error that names it and a last frame that tells the other side.

How data flows on a stream. The other side may send as much as its `credit`. What arrives waits in the stream's inbox
until it is read, and only then, when it comes to half a window, is the credit given back in a window update. So a
program that does not read stops its own stream and no other, and memory is bounded by the windows.

How a stream ends.

| our side | their side | the stream |
|---|---|---|
| `end()`, and all is sent | goes on | sends nothing more, and is read on |
| goes on | FIN | is read to its end, and written on |
| `end()`, and all is sent | FIN | is over |
| `close()` | goes on | waits for their FIN; data, or too long a wait, resets it |
| `reset()` | | is over at once, on both sides |
| | RST | is over at once; what has arrived may be read |
"""

from __future__ import annotations

from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.streams import StreamLimits
from transfer.muxing.errors import (
    FloodError,
    GoAwayError,
    KeepAliveError,
    MuxerClosedError,
    MuxerError,
    StreamResetError,
)
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import SYN, GoAwayCode
from transfer.muxing.yamux.incoming import Incoming
from transfer.muxing.yamux.liveness import Liveness
from transfer.muxing.yamux.outgoing import Outgoing
from transfer.muxing.yamux.stream import YamuxStream
from transfer.muxing.yamux.table import StreamTable
from transfer.muxing.yamux.values import YamuxStats
from transfer.muxing.yamux.windows import Windows


class YamuxSession:
    """Composes the parts of a session.

    Args:
        is_initiator: this side has dialled: its streams have odd numbers.
        limits: of the streams, in the budget of their connection; by default those of `StreamLimitConfig`.

    Attributes:
        error: the fault of the other side that has ended the session.
        is_closed: nothing is received any more, and nothing follows the last bytes to send.
        is_going: no stream is opened any more, by either side.
        touched, opened, table, windows, liveness, outgoing: for the parts.
    """

    def __init__(
        self,
        *,
        is_initiator: bool,
        config: YamuxConfig | None = None,
        limits: StreamLimits | None = None,
        now: float,
    ) -> None:
        config = config or YamuxConfig()
        limits = limits or StreamLimits(Scope(ScopeKind.CONNECTION, "the connection"))
        self.config = config
        self.windows = Windows(config)
        self.table = StreamTable(self, config, limits, is_initiator=is_initiator)
        self.outgoing = Outgoing(config, self.table)
        self.liveness = Liveness(config, now=now)
        self._incoming = Incoming(self, config, now=now)
        self.opened: list[YamuxStream] = []
        self.touched: list[YamuxStream] = []
        self.error: MuxerError | None = None
        self.is_closed = False
        self.is_going = False
        self._they_go = False
        self.handle_timer(now=now)

    # Inputs

    def receive_data(self, data: bytes, *, now: float) -> None:
        """Bytes from below, cut anyhow."""
        if self.is_closed:
            return
        self.liveness.heard_at = now
        try:
            self._incoming.receive(data, now=now)
        except MuxerError as error:
            self.fail(error)

    def receive_eof(self, error: BaseException | None = None) -> None:
        """Nothing more comes from below, and nothing can be sent: streams that are not over have failed."""
        if not self.is_closed:
            self.is_closed = True
            why = f": {error}" if error is not None else ""
            self._end_streams(f"the connection that carries the stream has ended{why}")

    def receive_go_away(self) -> None:
        """The other side opens no streams any more, and takes none; those that are open go on."""
        self._they_go = True

    # Clock

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; None: not at all."""
        if self.is_closed:
            return None
        times = [due for due in (self.liveness.next_timer(), self.table.next_timer()) if due is not None]
        return min(times, default=None)

    def handle_timer(self, *, now: float) -> None:
        """Pings, gives up, and forgets what has waited long enough."""
        if self.is_closed:
            return
        try:
            self.liveness.check(now=now)
        except MuxerError as error:
            self.fail(error)
            return
        if (value := self.liveness.ask(now=now)) is not None:
            self.outgoing.ping(value)
        self.table.handle_timer(now=now)

    # Commands

    def open_stream(self, *, now: float) -> YamuxStream:
        """A new stream. Its first frame goes out with its first data, if that is written before more is sent.

        Raises:
            MuxerClosedError: the session takes no more streams.
            LimitReachedError: there are too many.
        """
        if self.is_closed or self.is_going:
            raise MuxerClosedError(f"the connection is closed{'' if self.error is None else f': {self.error}'}")
        if self._they_go:
            raise MuxerClosedError("the other side takes no more streams: it is about to end the connection")
        stream = self.table.open(now=now)
        stream.demand(0)
        return stream

    def probe(self, *, now: float) -> None:
        """Asks the other side whether it is there, unless it is asked already: `heard_at` tells what came of it."""
        if not self.is_closed and (value := self.liveness.ask(is_wanted=True, now=now)) is not None:
            self.outgoing.ping(value)

    def close(self) -> None:
        """Takes no more streams, and ends when those that are open are over. Harmless twice."""
        self.is_going = True
        self._finish()

    def abort(self, code: int = GoAwayCode.NORMAL) -> None:
        """Ends everything now. Harmless twice."""
        if not self.is_closed:
            self.is_going = True
            self.is_closed = True
            self.outgoing.go_away(code, is_last=True)
            self._end_streams("the connection that carries the stream was closed here")

    # Outputs

    def data_to_send(self, most: int = 1 << 18, *, now: float | None = None) -> list[bytes | memoryview]:
        """What is to be sent next: about `most` bytes of data, in buffers that do not change; empty for nothing.

        When it is asked, and it answers less than everything, the rest waits until it is asked again.

        Args:
            now: then streams whose data is in it have moved (`YamuxStream.moved_at`). None: that is not told.
        """
        if not self.outgoing:
            return []
        chunks = self.outgoing.take(most, now=now)
        self._finish()
        return chunks

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` has anything."""
        return bool(self.outgoing)

    def take_opened(self) -> list[YamuxStream]:
        """Streams that the other side has opened, each once: `accept` or `reset` them."""
        opened, self.opened = self.opened, []
        return opened

    def take_touched(self) -> list[YamuxStream]:
        """Streams that have changed since they were taken the last time, each once."""
        touched, self.touched = self.touched, []
        for stream in touched:
            stream.is_touched = False
        self._finish()
        return touched

    # What the parts call

    @property
    def is_taking(self) -> bool:
        """Whether streams of the other side are welcome."""
        return not self.is_going

    def reset(self, stream: YamuxStream) -> None:
        """A stream ends at our wish."""
        was_said = not stream.due & SYN
        self.table.remove(stream)
        if was_said and not self.is_closed:
            try:
                self.outgoing.reset(stream.number)
            except FloodError as error:
                self.fail(error)

    def break_off(self, stream: YamuxStream, why: str) -> None:
        """The other side has broken a rule of one stream."""
        self.outgoing.reset(stream.number)
        stream.fail(StreamResetError(f"stream {stream.number} was reset: {why}"))

    def fail(self, error: MuxerError) -> None:
        """The other side has broken a rule, or the connection: everything ends."""
        if self.is_closed:
            return
        self.error = error
        self.is_going = True
        self.is_closed = True
        code = GoAwayCode.PROTOCOL_ERROR
        if isinstance(error, GoAwayError | KeepAliveError):  # an answer, or a farewell
            code = GoAwayCode.NORMAL
        self.outgoing.go_away(code, is_last=True)
        self._end_streams(f"the connection that carries the stream has ended: {error}")

    # Views

    @property
    def stream_count(self) -> int:
        """Streams that are not over."""
        return len(self.table.streams)

    @property
    def heard_at(self) -> float:
        """When something came from the other side the last time."""
        return self.liveness.heard_at

    @property
    def rtt_s(self) -> float | None:
        """The round trip, once it was measured."""
        return self.liveness.rtt_s

    def stats(self) -> YamuxStats:
        """How it stands now."""
        outbound, inbound = self.table.counts
        return YamuxStats(
            inbound=inbound,
            outbound=outbound,
            rtt_s=self.liveness.rtt_s,
            window_bytes=self.windows.total_bytes,
            unread_bytes=sum(stream.inbox.size for stream in self.table.streams.values()),
            idle_frames=self._incoming.idle_frames,
            refused=self.table.refused,
        )

    def check_invariants(self) -> None:
        """Asserts what the docstrings of the parts promise."""
        self.table.check_invariants()
        assert self.windows.total_bytes == sum(stream.window for stream in self.table.streams.values())
        assert not self.is_closed or not self.table.streams
        ready = [stream for stream in self.outgoing.ready if not stream.is_over]
        assert len(set(map(id, ready))) == len(ready)
        for stream in self.table.streams.values():
            assert not (stream.queue.size and stream.send_window) or stream.is_ready

    def _finish(self) -> None:
        """Says the last word of a session that closes when nothing is open and nothing else is to be said."""
        if self.is_going and not self.is_closed and not self.table.streams:
            self.is_closed = True
            self.outgoing.go_away(GoAwayCode.NORMAL)

    def _end_streams(self, text: str) -> None:
        for stream in list(self.table.streams.values()):
            stream.fail(StreamResetError(text))
