"""What has arrived, cut into frames: payload goes on to its stream as it comes, and no frame is ever put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.limits.token_bucket import TokenBucket
from transfer.muxing.errors import FloodError, FrameError, GoAwayError, StreamResetError, WindowExceededError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    HEADER_BYTES,
    INITIAL_WINDOW_BYTES,
    MAX_VALUE,
    PING,
    RST,
    SESSION,
    SYN,
    VERSION,
    WINDOW_UPDATE,
    GoAwayCode,
)

if TYPE_CHECKING:
    from transfer.muxing.yamux.session import YamuxSession
    from transfer.muxing.yamux.stream import YamuxStream


class Incoming:
    """The frames of the other side, and what each does.

    What moves nothing is counted and costs a token: whoever makes more work than that is a flood. Frames for streams
    that are not there are among it: they come late, behind a reset that has crossed them.

    Attributes:
        idle_frames: how many have moved nothing.
    """

    __slots__ = ("_bucket", "_ends", "_head", "_left", "_max_payload", "_session", "_target", "idle_frames")

    def __init__(self, session: YamuxSession, config: YamuxConfig, *, now: float) -> None:
        self._session = session
        self._max_payload = max(config.max_stream_window_bytes, INITIAL_WINDOW_BYTES)
        self._bucket = TokenBucket(rate_per_s=config.idle_frames_per_s, burst=config.max_idle_frames, now=now)
        self._head = b""
        self._left = 0  # of the payload of a frame
        self._target: YamuxStream | None = None  # whose it is; None: nobody's
        self._ends = False  # the other side's direction ends behind it
        self.idle_frames = 0

    def receive(self, data: bytes, *, now: float) -> None:
        """Bytes, cut anyhow.

        Raises:
            MuxerError: the other side broke the rules, or has ended the connection.
        """
        at, end = 0, len(data)
        while at < end:
            if self._left:
                size = min(self._left, end - at)
                if self._target is not None:
                    self._target.moved_at = now
                    self._target.receive(data[at : at + size])
                at += size
                self._left -= size
                if not self._left:
                    self._finish()
                continue
            if self._head:
                size = min(HEADER_BYTES - len(self._head), end - at)
                self._head += data[at : at + size]
                at += size
                if len(self._head) < HEADER_BYTES:
                    return
                version, kind, flags, number, value = HEADER.unpack(self._head)
                self._head = b""
            elif end - at < HEADER_BYTES:
                self._head = data[at:]
                return
            else:
                version, kind, flags, number, value = HEADER.unpack_from(data, at)
                at += HEADER_BYTES
            if version != VERSION:
                raise FrameError(f"a frame has version {version} of yamux, of which only {VERSION} is known")
            if kind == DATA:
                self._data(number, flags, value, now=now)
            elif kind == WINDOW_UPDATE:
                self._window_update(number, flags, value, now=now)
            elif kind == PING:
                self._ping(flags, value, now=now)
            elif kind == GO_AWAY:
                self._go_away(value, now=now)
            else:
                raise FrameError(f"a frame has type {kind}, which there is not")

    def _data(self, number: int, flags: int, size: int, *, now: float) -> None:
        stream = self._stream(number, flags, now=now)
        if stream is None or flags & RST:
            if size > self._max_payload:
                raise FrameError(f"{size} bytes come for stream {number}, which is not there")
            if stream is not None:
                self._reset(stream, 0, now=now)
            self._left, self._target, self._ends = size, None, False
            return
        if size > stream.credit:
            raise WindowExceededError(f"{size} bytes come for stream {number}, of at most {stream.credit}")
        if size:
            if stream.has_ended:
                self._session.break_off(stream, "the other side sends data behind its end")
                self._left, self._target, self._ends = size, None, False
                return
            stream.credit -= size
            stream.awaited = size
            self._left, self._target, self._ends = size, stream, bool(flags & FIN)
        elif flags & FIN:
            stream.receive_end()
        elif not flags:
            self._idle(now=now)

    def _finish(self) -> None:
        """A frame is complete."""
        stream, self._target = self._target, None
        if self._ends and stream is not None:
            stream.receive_end()

    def _window_update(self, number: int, flags: int, increment: int, *, now: float) -> None:
        stream = self._stream(number, flags, now=now)
        if stream is None:
            return
        if flags & RST:
            self._reset(stream, increment, now=now)  # which newer programs make a code
            return
        if increment:
            stream.send_window = min(stream.send_window + increment, MAX_VALUE)
            stream.push()
        if not stream.has_sent and not flags:
            self._idle(now=now)
        stream.has_sent = False
        if flags & FIN:
            stream.receive_end()

    def _ping(self, flags: int, value: int, *, now: float) -> None:
        """On any stream: some programs ask there, and all but one are answered."""
        self._idle(now=now)
        if flags & SYN:
            self._session.outgoing.pong(value)
        elif flags & ACK:
            self._session.liveness.answer(value, now=now)
            self._session.windows.rtt_s = self._session.liveness.rtt_s

    def _go_away(self, code: int, *, now: float) -> None:
        if code != GoAwayCode.NORMAL:
            raise GoAwayError(code)
        self._idle(now=now)
        self._session.receive_go_away()

    def _stream(self, number: int, flags: int, *, now: float) -> YamuxStream | None:
        """Whose frame that is; None: nobody's."""
        session = self._session
        if flags & SYN:
            if session.is_taking and (taken := session.table.take(number, now=now)) is not None:
                session.opened.append(taken)
                return taken
            self._idle(now=now)
            session.outgoing.reset(number)
            return None
        if number == SESSION:
            raise FrameError("data or a window comes for stream 0, which is the connection")
        stream = session.table.streams.get(number)
        if stream is None:
            self._idle(now=now)
        elif flags & ACK:
            session.table.acknowledge(stream)
        return stream

    def _reset(self, stream: YamuxStream, code: int, *, now: float) -> None:
        self._idle(now=now)
        reason = f" (code {code})" if code else ""
        stream.fail(StreamResetError(f"the other side has reset stream {stream.number}{reason}", code))

    def _idle(self, *, now: float) -> None:
        """A frame has moved nothing."""
        self.idle_frames += 1
        if not self._bucket.spend(now=now):
            raise FloodError(f"the other side sends frames that move nothing, {self.idle_frames} so far")
