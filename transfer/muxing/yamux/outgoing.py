"""What a session has to send, and in which order: answers first, then a frame of each stream in turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from transfer.muxing.errors import FloodError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import (
    ACK,
    DATA,
    FIN,
    HEADER,
    HEADER_BYTES,
    RST,
    SYN,
    VERSION,
    go_away,
    ping,
    window_update,
)
from transfer.muxing.yamux.stream import UPDATE

if TYPE_CHECKING:
    from transfer.muxing.yamux.stream import YamuxStream
    from transfer.muxing.yamux.table import StreamTable


class Outgoing:
    """Nothing is encoded before it is sent: window updates of a stream become one, and nothing is sent in vain.

    Attributes:
        ready: streams with data and a window, in the order of their turns.
        listed: streams of which something beside data is due.

    Invariants:
        a stream is in each of them at most once
        what waits beside data is bounded by the number of streams and max_answers_waiting
    """

    __slots__ = ("_config", "_go_away", "_pings", "_pongs", "_resets", "_table", "listed", "ready")

    def __init__(self, config: YamuxConfig, table: StreamTable) -> None:
        self._config = config
        self._table = table
        self.ready: deque[YamuxStream] = deque()
        self.listed: dict[YamuxStream, None] = {}
        self._pings: list[int] = []
        self._pongs: list[int] = []
        self._resets: list[int] = []
        self._go_away: int | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to send now."""
        return bool(self.ready or self.listed or self._has_answers)

    @property
    def _has_answers(self) -> bool:
        return bool(self._pongs or self._resets or self._pings or self._go_away is not None)

    def ping(self, value: int) -> None:
        """Asks the other side."""
        self._pings.append(value)

    def pong(self, value: int) -> None:
        """Answers the other side.

        Raises:
            FloodError: it asks, and does not read the answers.
        """
        if len(self._pongs) >= self._config.max_answers_waiting:
            raise FloodError(f"the other side has not read {len(self._pongs)} answers to its pings, and wants more")
        self._pongs.append(value)

    def reset(self, number: int) -> None:
        """Ends a stream that is forgotten, or was never taken.

        Raises:
            FloodError: the other side opens streams, and does not read that they are refused.
        """
        most = self._config.max_answers_waiting + self._table.peak  # all that there were may be reset at once
        if len(self._resets) >= most:
            raise FloodError(f"the other side has not read that {most} streams were reset, and opens more")
        self._resets.append(number)

    def go_away(self, code: int, *, is_last: bool = False) -> None:
        """The last frame. `is_last`: nothing but it is sent any more."""
        if is_last:
            self._pings.clear()
            self._pongs.clear()
            self._resets.clear()
        self._go_away = code

    def forget(self, stream: YamuxStream) -> None:
        """Nothing more is said about a stream: it is over."""
        self.listed.pop(stream, None)
        if stream.is_ready:
            stream.is_ready = False
            self.ready.remove(stream)

    def take(self, most: int, *, now: float | None = None) -> list[bytes | memoryview]:
        """About `most` bytes, fewer if there are no more; what is beside data is not counted."""
        out: list[bytes | memoryview] = []
        if self._has_answers:
            self._answer(out)
        if self.listed:
            listed, self.listed = self.listed, {}
            for stream in listed:
                self._state(stream, out)
        ready = self.ready
        while ready and most > 0:
            stream = ready.popleft()
            queue = stream.queue
            if not queue.size:
                stream.is_ready = False
                continue
            size = min(
                queue.size,
                stream.send_window,
                self._config.max_frame_bytes if ready else self._config.max_lone_frame_bytes,
            )
            flags = stream.due & SYN
            stream.due &= ~SYN
            out.append(HEADER.pack(VERSION, DATA, flags, stream.number, size))
            out += queue.take_parts(size)
            stream.send_window -= size
            stream.has_sent = True
            if now is not None:
                stream.moved_at = now
            most -= size + HEADER_BYTES
            if queue.size and stream.send_window:
                ready.append(stream)
            else:
                stream.is_ready = False
            if not queue.size and stream.is_ending:
                self._end(stream, out)
            if stream.due and stream not in self.listed:
                self._state(stream, out)
            if stream.awaits_room:
                stream.touch()
        return out

    def _answer(self, out: list[bytes | memoryview]) -> None:
        out += [ping(value, is_answer=True) for value in self._pongs]
        out += [window_update(number, flags=RST) for number in self._resets]
        out += [ping(value) for value in self._pings]
        self._pongs.clear()
        self._resets.clear()
        self._pings.clear()
        if self._go_away is not None:
            out.append(go_away(self._go_away))
            self._go_away = None

    def _state(self, stream: YamuxStream, out: list[bytes | memoryview]) -> None:
        """Says what is due of a stream beside data."""
        if stream.is_over:
            return
        if stream.due & SYN and stream.is_ready:
            return  # its first data says it
        flags = stream.due & (SYN | ACK)
        if flags or stream.due & UPDATE:
            increment = stream.consumed if stream.due & UPDATE else 0
            stream.consumed -= increment
            stream.credit += increment
            out.append(window_update(stream.number, increment, flags))
        ends = stream.due & FIN and not stream.queue.size
        stream.due = 0
        if ends:
            self._end(stream, out)

    def _end(self, stream: YamuxStream, out: list[bytes | memoryview]) -> None:
        """Says that nothing follows. In a frame of its own: not everybody takes the data of a frame that ends."""
        if stream.end_sent:
            return
        stream.end_sent = True
        out.append(window_update(stream.number, flags=FIN))
        if stream.has_ended:
            self._table.remove(stream)
