"""How much the other side may send ahead on a stream: as much as its reader keeps up with, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.limits.resources import Priority, Resource
from transfer.muxing.yamux.config import YamuxConfig
from transfer.muxing.yamux.frames import INITIAL_WINDOW_BYTES

if TYPE_CHECKING:
    from transfer.muxing.yamux.stream import YamuxStream


class Windows:
    """The receive windows of all streams.

    A window doubles when half of it was read within four round trips: then it is the window that holds the other side
    up (go-yamux has the same rule, stream.go). It never shrinks: what was granted is granted.

    Attributes:
        total_bytes: what all windows come to.
        rtt_s: the round trip; None: not measured, and no window grows.

    Invariants:
        beyond 256 KiB for each stream, total_bytes <= max_session_window_bytes, and each <= max_stream_window_bytes
    """

    __slots__ = ("_config", "rtt_s", "total_bytes")

    def __init__(self, config: YamuxConfig) -> None:
        self._config = config
        self.total_bytes = 0
        self.rtt_s: float | None = None

    def open(self) -> None:
        """There is one stream more."""
        self.total_bytes += INITIAL_WINDOW_BYTES

    def close(self, stream: YamuxStream) -> None:
        """There is one less."""
        self.total_bytes -= stream.window

    def tune(self, stream: YamuxStream, *, now: float) -> None:
        """Half of the window of `stream` was read: it grows if the other side could have sent more meanwhile."""
        elapsed_s = now - stream.epoch_at
        stream.epoch_at = now
        if self.rtt_s is None or elapsed_s >= ROUND_TRIPS * self.rtt_s:
            return
        grown = min(2 * stream.window, self._config.max_stream_window_bytes)
        growth = grown - stream.window
        if growth <= 0 or self.total_bytes + growth > self._config.max_session_window_bytes:
            return
        if stream.scope.try_reserve({Resource.MEMORY: growth}, priority=Priority.MEDIUM) is not None:
            return  # memory is short: others need it more
        stream.window = grown
        stream.consumed += growth
        self.total_bytes += growth


ROUND_TRIPS = 4
