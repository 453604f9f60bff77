"""What one end of a stream may do now, whatever carries its bytes: flow control and the order of closing.

Theory of operation. A stream has two directions and one life. In our direction, bytes wait in `queue` until whatever
carries them (the medium: a kernel, a window, a layer below) takes them; above a mark the protocol is told to pause, and
below another to resume. In the other direction, bytes wait in `inbox`, if the medium keeps them itself, until the
protocol reads; while reading is paused nothing leaves the inbox, the end neither. The life is a table:

| phase    | `close()`               | everything has left | `abort()` |
|----------|-------------------------|---------------------|-----------|
| OPEN     | FLUSHING                | OPEN                | ENDED     |
| FLUSHING | FLUSHING                | ENDED: hang up      | ENDED     |
| ENDED    | ENDED                   | ENDED               | ENDED     |

The caller that drives this asks after each input what is due, and each answer is given once: `pause_due` after writing,
`closing_due` and `resume_due` after bytes have left, `end_due` after bytes or an end have arrived. The protocol hears
of the end of everything exactly once because ENDED is entered once: by `closing_due` with HANG_UP, or by `abort`.
"""

from __future__ import annotations

from enum import Enum

from transfer.flow.byte_queue import ByteQueue
from transfer.flow.watermarks import write_buffer_limits


class Phase(Enum):
    """The life of one end."""

    OPEN = "open"
    FLUSHING = "flushing"  # close() was called: what was written goes out, nothing more comes in
    ENDED = "ended"  # the medium is done with; the protocol was told, or will be from the event loop


class Closing(Enum):
    """What has to be said to the other side behind the last byte."""

    END = "end"  # nothing follows in our direction
    HANG_UP = "hang up"  # nothing follows, and nothing is read any more


class StreamCore:
    """The state of one end. It moves no bytes of its own accord and calls nothing.

    Args:
        queue: what is written goes here; a medium in the same memory may let the other end read from it.
        inbox: what has arrived, if the medium keeps it here.
        free_bytes: so much in the queue does not count as waiting, as if a kernel held it.

    Attributes:
        phase: see the table of this module.
        is_writing_paused: the protocol was told to pause, and not yet to resume.
        is_reading_paused: the protocol wants nothing now.
        wrote_end: `write_eof` was called.
        end_arrived: the other side sends nothing more.
        has_ended: the protocol knows that the other side sends nothing more.
        is_broken: it ended without sending what was written.

    Invariants:
        0 <= low <= high
        a broken end has an empty queue and is ENDED
        the end of our direction is due only when nothing waits, and so is hanging up
    """

    __slots__ = (
        "_end_sent",
        "_free_bytes",
        "end_arrived",
        "has_ended",
        "high",
        "inbox",
        "is_broken",
        "is_reading_paused",
        "is_writing_paused",
        "low",
        "phase",
        "queue",
        "wrote_end",
    )

    def __init__(self, *, queue: ByteQueue | None = None, inbox: ByteQueue | None = None, free_bytes: int = 0) -> None:
        self.queue = ByteQueue() if queue is None else queue
        self.inbox = ByteQueue() if inbox is None else inbox
        self.low, self.high = write_buffer_limits(None, None)
        self.phase = Phase.OPEN
        self.is_writing_paused = False
        self.is_reading_paused = False
        self.wrote_end = False
        self.has_ended = False
        self.is_broken = False
        self._free_bytes = free_bytes
        self._end_sent = False
        self.end_arrived = False

    # What the protocol asks for.

    def admits_writing(self) -> bool:
        """Whether what is written now is to be sent: not after `close`.

        Raises:
            RuntimeError: the protocol said itself that nothing would follow.
        """
        if self.wrote_end:
            raise RuntimeError("Cannot call write() after write_eof()")
        return self.phase is Phase.OPEN

    def write_eof(self) -> None:
        """Ends our direction behind what was written. Harmless twice, and after `close`."""
        if self.phase is Phase.OPEN:
            self.wrote_end = True

    def close(self) -> None:
        """Ends everything behind what was written. Harmless twice."""
        if self.phase is Phase.OPEN:
            self.phase = Phase.FLUSHING

    def abort(self) -> bool:
        """Ends everything now and drops what waits; False when it has ended already."""
        if self.phase is Phase.ENDED:
            return False
        self.phase = Phase.ENDED
        self.is_broken = True
        self.queue.clear()
        return True

    def pause_reading(self) -> bool:
        """False when that changes nothing."""
        if not self.is_reading:
            return False
        self.is_reading_paused = True
        return True

    def resume_reading(self) -> bool:
        """False when that changes nothing."""
        if self.phase is not Phase.OPEN or not self.is_reading_paused:
            return False
        self.is_reading_paused = False
        return True

    def set_limits(self, high: int | None, low: int | None) -> None:
        """The marks in bytes, as `write_buffer_limits` completes them.

        Raises:
            ValueError: not high >= low >= 0.
        """
        self.low, self.high = write_buffer_limits(high, low)

    # What the medium brings.

    def receive_end(self) -> None:
        """The other side sends nothing more, behind what is in the inbox."""
        self.end_arrived = True

    def lose_end(self) -> None:
        """What came before the end is lost, so that it must not look like one."""
        self.end_arrived = False

    # What is due.

    def pause_due(self) -> bool:
        """Whether the protocol has to be told now that it must pause; to be asked after writing, or lower marks."""
        if self.is_writing_paused or self.size <= self.high:
            return False
        self.is_writing_paused = True
        return True

    def resume_due(self) -> bool:
        """Whether the protocol has to be told now that it may write on; to be asked after bytes have left."""
        if not self.is_writing_paused or self.is_broken or self.size > self.low:
            return False
        self.is_writing_paused = False
        return True

    def closing_due(self) -> Closing | None:
        """What the other side has to be told now; to be asked after bytes have left, and after closing."""
        if self.phase is Phase.ENDED or self.size:
            return None
        if self.phase is Phase.FLUSHING:
            self.phase = Phase.ENDED
            return Closing.HANG_UP
        if self.wrote_end and not self._end_sent:
            self._end_sent = True
            return Closing.END
        return None

    def end_due(self) -> bool:
        """Whether the protocol has to be told now that the other side has ended."""
        if self.has_ended or not self.end_arrived or self.inbox.size or not self.is_reading:
            return False
        self.has_ended = True
        return True

    # Views.

    @property
    def size(self) -> int:
        """Bytes that wait to leave."""
        return max(0, self.queue.size - self._free_bytes)

    @property
    def is_reading(self) -> bool:
        return self.phase is Phase.OPEN and not self.is_reading_paused

    @property
    def is_closing(self) -> bool:
        return self.phase is not Phase.OPEN

    @property
    def has_sent_end(self) -> bool:
        """Whether END was due once."""
        return self._end_sent

    @property
    def is_end_waiting(self) -> bool:
        """The other side has ended, and the protocol was not told."""
        return self.end_arrived and not self.has_ended

    @property
    def is_finishing(self) -> bool:
        """Something has to be said to the other side once nothing waits to leave."""
        return self.phase is Phase.FLUSHING or (self.wrote_end and not self._end_sent)

    def check_invariants(self) -> None:
        assert 0 <= self.low <= self.high
        assert not self.is_broken or (self.phase is Phase.ENDED and not self.queue.size)
        assert not self._end_sent or (self.wrote_end and not self.size)
        assert self.phase is not Phase.ENDED or not self.size
        assert not self.has_ended or self.end_arrived
