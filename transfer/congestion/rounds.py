"""Round trips counted in packets, as BBR does: by what had been delivered when a packet was sent. Pure."""

from __future__ import annotations

from transfer.congestion.controller import RateSample


class RoundCounter:
    """A round ends when a packet is acknowledged that was sent after the round began. Silence adds no rounds.

    Attributes:
        count: rounds that have ended.
        is_start: the acknowledgement that is being looked at ended one.
        delivered: all bytes delivered so far.
    """

    __slots__ = ("_end", "count", "delivered", "is_start")

    def __init__(self) -> None:
        self.count = 0
        self.is_start = False
        self.delivered = 0
        self._end = 0

    def on_ack(self, sample: RateSample) -> None:
        self.delivered = sample.delivered_total
        self.is_start = sample.prior_delivered >= self._end
        if self.is_start:
            self.count += 1
            self.restart()

    def restart(self) -> None:
        """A round begins now: it ends with the first packet that is sent from now on."""
        self._end = self.delivered


class AppLimited:
    """Which samples say too little, because nothing was sent that might have been: for a round from when that was.

    The sender's samples say it of the application. A controller that keeps the pipe empty itself (ProbeRTT) marks the
    same way what it sends meanwhile.
    """

    __slots__ = ("_from", "_until")

    def __init__(self) -> None:
        self._from = 0
        self._until = -1

    def mark(self, delivered: int, in_flight: int) -> None:
        """All that is sent until so much more is delivered says little."""
        if delivered > self._until:
            self._from = delivered
        self._until = max(delivered + in_flight, 1)

    def is_marked(self, delivered: int) -> bool:
        """Whether a packet says little that was, or is, sent when so much had been delivered."""
        return self._from <= delivered <= self._until
