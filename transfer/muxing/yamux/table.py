"""The streams that a session has, and how many there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.limits.budget import Scope
from transfer.limits.refusal import LimitReachedError, Refusal
from transfer.limits.streams import StreamLimits
from transfer.muxing.errors import FrameError, MuxerClosedError
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import MAX_VALUE, SESSION
from transfer.muxing.yamux.stream import YamuxStream

if TYPE_CHECKING:
    from transfer.muxing.yamux.session import YamuxSession


class StreamTable:
    """Opens, finds and forgets streams.

    Attributes:
        streams: by number.
        waiting: inbound streams that were not accepted yet.
        unacknowledged: outbound streams that the other side has not taken yet.
        counts: outbound and inbound streams.
        refused: inbound streams for which there was no room.
        peak: the most streams that were open at a time.

    Invariants:
        no more streams than the limits and the config allow
    """

    __slots__ = (
        "_config",
        "_is_initiator",
        "_limits",
        "_lingering",
        "_next_number",
        "_session",
        "counts",
        "peak",
        "refused",
        "streams",
        "unacknowledged",
        "waiting",
    )

    def __init__(self, session: YamuxSession, config: YamuxConfig, limits: StreamLimits, *, is_initiator: bool) -> None:
        self._session = session
        self._config = config
        self._limits = limits
        self._is_initiator = is_initiator
        self._next_number = 1 if is_initiator else 2
        self._lingering: dict[YamuxStream, float] = {}  # the one that is due first is the first
        self.streams: dict[int, YamuxStream] = {}
        self.waiting = 0
        self.unacknowledged = 0
        self.counts = [0, 0]
        self.refused = 0
        self.peak = 0

    def open(self, *, now: float) -> YamuxStream:
        """A stream of ours.

        Raises:
            LimitReachedError: there are too many.
            MuxerClosedError: the numbers are used up.
        """
        if self.unacknowledged >= self._config.max_unacknowledged:
            most = self._config.max_unacknowledged
            raise LimitReachedError(
                Refusal(
                    limit="max_unacknowledged",
                    scope="the connection",
                    what="streams that the other side has not taken yet",
                    in_use=most,
                    most=most,
                )
            )
        number = self._next_number
        if number > MAX_VALUE:
            raise MuxerClosedError("the connection has used all numbers for streams: make another one")
        scope = self._limits.open(f"stream {number}", is_inbound=False)
        if isinstance(scope, Refusal):
            raise LimitReachedError(scope)
        self._next_number += 2
        self.unacknowledged += 1
        return self._add(number, scope, is_inbound=False, now=now)

    def take(self, number: int, *, now: float) -> YamuxStream | None:
        """A stream that the other side opens; None: there is no room for it.

        Raises:
            FrameError: it must not open one with this number.
        """
        if number == SESSION or (number % 2 == 1) is self._is_initiator:
            raise FrameError(f"the other side opens a stream with the number {number}, which is ours to choose")
        if number in self.streams:
            raise FrameError(f"the other side opens stream {number}, which is open")
        scope: Scope | Refusal | None = None
        if self.waiting < self._config.accept_backlog:
            scope = self._limits.open(f"stream {number}", is_inbound=True)
        if scope is None or isinstance(scope, Refusal):
            self.refused += 1
            return None
        self.waiting += 1
        return self._add(number, scope, is_inbound=True, now=now)

    def acknowledge(self, stream: YamuxStream) -> None:
        """The other side has taken a stream of ours. Harmless twice."""
        if not stream.is_acknowledged:
            stream.is_acknowledged = True
            self.unacknowledged -= 1
            stream.touch()

    def remove(self, stream: YamuxStream) -> None:
        """Forgets a stream; harmless twice."""
        if stream.is_over:
            return
        stream.is_over = True
        del self.streams[stream.number]
        self.counts[stream.is_inbound] -= 1
        if not stream.is_acknowledged:
            self.unacknowledged -= 1
        if not stream.is_accepted:
            self.waiting -= 1
        self._lingering.pop(stream, None)
        self._session.outgoing.forget(stream)
        self._session.windows.close(stream)
        stream.scope.close()

    def linger(self, stream: YamuxStream, *, now: float) -> None:
        """The stream waits for the last word of the other side, but not for ever."""
        self._lingering[stream] = now + self._config.close_timeout_s

    def next_timer(self) -> float | None:
        """When the next stream has waited long enough."""
        return next(iter(self._lingering.values()), None)

    def handle_timer(self, *, now: float) -> None:
        """Resets streams that have waited long enough."""
        while (due := self.next_timer()) is not None and due <= now:
            next(iter(self._lingering)).reset()

    def _add(self, number: int, scope: Scope, *, is_inbound: bool, now: float) -> YamuxStream:
        stream = YamuxStream(self._session, number, scope, is_inbound=is_inbound, now=now)
        self.streams[number] = stream
        self.counts[is_inbound] += 1
        self.peak = max(self.peak, len(self.streams))
        self._session.windows.open()
        return stream

    def check_invariants(self) -> None:
        streams = self.streams.values()
        assert self.counts == [sum(each.is_inbound is side for each in streams) for side in (False, True)]
        assert self.unacknowledged == sum(not each.is_acknowledged for each in streams)
        assert self.waiting == sum(not each.is_accepted for each in streams)
        assert 0 <= self.unacknowledged <= self._config.max_unacknowledged
        assert 0 <= self.waiting <= self._config.accept_backlog
        assert all(not each.is_over for each in self._lingering)
        for stream in streams:
            stream.check_invariants()
