"""One stream of a yamux session: two directions, each with a window and an end of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transfer.flow.byte_queue import ByteQueue, frozen
from transfer.muxing.errors import StreamResetError
from transfer.muxing.yamux.frames import ACK, FIN, INITIAL_WINDOW_BYTES, SYN

if TYPE_CHECKING:
    from transfer.limits.budget import Scope
    from transfer.muxing.yamux.session import YamuxSession

UPDATE = 16  # beside the flags of frames: a window update is due
JOINED_BYTES = 1024  # what arrives in smaller pieces, and is not read, is joined up to this


class YamuxStream:
    """The state of one stream, and what the program that uses it may ask for.

    What is written waits in `queue` until the window and the connection have room; what has arrived waits in `inbox`
    until it is read. Whoever takes bytes out of the inbox itself says so with `consume`; `read` does both.

    Attributes:
        number: odd when the side that dialled has opened it.
        is_inbound: the other side has opened it.
        send_window: so much may be sent now.
        credit: so much may the other side send now.
        window: what the credit is brought back to.
        moved_at: when data came, was read, or left the last time; or else when the stream was opened.
        is_acknowledged: the other side has taken the stream.
        has_ended: the other side sends nothing more, behind what is in the inbox.
        is_ending: nothing more will be written.
        is_closed: nothing is read any more: what still comes resets the stream.
        is_over: it is no part of the session any more, and nothing is sent.
        error: why it is over, if that was not in good order and not our own doing.
        awaits_room: the driver wants to know when bytes have left the queue: the stream is touched then.
        owner: for whoever drives the session.

    Invariants:
        0 <= send_window, credit, consumed
        credit + consumed + what is in the inbox + what is on its way into it == window, while the other side may send
    """

    __slots__ = (
        "_session",
        "awaited",
        "awaits_room",
        "consumed",
        "credit",
        "due",
        "end_sent",
        "epoch_at",
        "error",
        "has_ended",
        "has_sent",
        "inbox",
        "is_accepted",
        "is_acknowledged",
        "is_closed",
        "is_ending",
        "is_inbound",
        "is_over",
        "is_ready",
        "is_touched",
        "moved_at",
        "number",
        "owner",
        "queue",
        "scope",
        "send_window",
        "window",
    )

    def __init__(self, session: YamuxSession, number: int, scope: Scope, *, is_inbound: bool, now: float) -> None:
        self._session = session
        self.number = number
        self.scope = scope
        self.is_inbound = is_inbound
        self.queue = ByteQueue()
        self.inbox = ByteQueue()
        self.send_window = INITIAL_WINDOW_BYTES
        self.credit = INITIAL_WINDOW_BYTES
        self.window = INITIAL_WINDOW_BYTES
        self.consumed = 0  # read, and not given back to the other side
        self.awaited = 0  # of a data frame, and not arrived
        self.moved_at = now
        self.epoch_at = now  # when the window was last opened, or the stream
        self.due = 0 if is_inbound else SYN
        self.is_accepted = not is_inbound
        self.is_acknowledged = is_inbound
        self.has_sent = False  # data since the other side has opened its window
        self.has_ended = False
        self.is_ending = False
        self.end_sent = False
        self.is_closed = False
        self.is_over = False
        self.is_ready = False  # it waits for its turn to send
        self.is_touched = False
        self.error: StreamResetError | None = None
        self.awaits_room = False
        self.owner: Any = None

    # What the program asks for.

    def accept(self) -> None:
        """Takes a stream that the other side has opened, and tells it."""
        if not self.is_accepted and not self.is_over:
            self.is_accepted = True
            self._session.table.waiting -= 1
            self.demand(ACK)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends bytes behind those before. Nothing is sent on a stream that is over.

        Raises:
            RuntimeError: it was said that nothing would follow.
        """
        if self.is_ending:
            raise RuntimeError("Cannot call write() after end()")
        if not self.is_over:
            self.queue.put(frozen(data))
            self.push()

    def end(self) -> None:
        """Nothing follows what was written. Harmless twice."""
        if not self.is_ending and not self.is_over:
            self.is_ending = True
            if not self.queue.size:
                self.demand(FIN)

    def read(self, most: int, *, now: float) -> bytes:
        """So much of what has arrived, or all; empty where nothing waits."""
        data = self.inbox.take(most)
        if data:
            self.consume(len(data), now=now)
        return data

    def consume(self, size: int, *, now: float) -> None:
        """So many bytes were taken out of the inbox: the other side may send as many."""
        self.consumed += size
        self.moved_at = now
        if 2 * self.consumed >= self.window and not (self.has_ended or self.is_closed or self.is_over):
            if not self.due & UPDATE:
                self._session.windows.tune(self, now=now)
            self.demand(UPDATE)

    def close(self, *, now: float) -> None:
        """Ends our direction behind what was written, and reads nothing more. What comes all the same resets it."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.inbox.size and not self.is_over:
            self.reset()
            return
        self.end()
        if not self.is_over:
            self._session.table.linger(self, now=now)

    def reset(self) -> None:
        """Ends both directions at once and drops what waits. Harmless twice."""
        self.queue.clear()
        self.inbox.clear()
        if not self.is_over:
            self._session.reset(self)

    # What the session calls.

    def push(self) -> None:
        """There may be something to send."""
        if not self.is_ready and self.queue.size and self.send_window:
            self.is_ready = True
            self._session.outgoing.ready.append(self)

    def demand(self, flag: int) -> None:
        """Something beside data is due."""
        self.due |= flag
        self._session.outgoing.listed[self] = None

    def touch(self) -> None:
        """Something has changed that the driver has to look at."""
        if not self.is_touched:
            self.is_touched = True
            self._session.touched.append(self)

    def receive(self, data: bytes) -> None:
        """A part of a data frame, which was within the credit."""
        self.awaited -= len(data)
        if self.is_over:
            return
        if self.is_closed:
            self.reset()
            return
        inbox = self.inbox
        if inbox.size and len(data) < JOINED_BYTES:
            inbox.put_joined(data, JOINED_BYTES)
        else:
            inbox.put(data)
        if not self.is_touched:
            self.is_touched = True
            self._session.touched.append(self)

    def receive_end(self) -> None:
        """Nothing follows from the other side."""
        if not self.has_ended and not self.is_over:
            self.has_ended = True
            self.touch()
            if self.end_sent:
                self._session.table.remove(self)

    def fail(self, error: StreamResetError) -> None:
        """It is over; what has arrived may still be read."""
        self.error = error
        self._session.table.remove(self)
        self.touch()

    def check_invariants(self) -> None:
        assert self.send_window >= 0
        assert self.credit >= 0
        assert self.consumed >= 0
        assert self.awaited >= 0
        if not self.is_over and not self.has_ended and not self.is_closed:
            assert self.credit + self.consumed + self.inbox.size + self.awaited == self.window
        if self.end_sent:
            assert self.is_ending
            assert not self.queue.size
        assert self.is_over or not self.is_ready or self.queue.size

    def __repr__(self) -> str:
        return f"<YamuxStream {self.number}{' over' if self.is_over else ''}>"
