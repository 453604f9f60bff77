"""Which packets are lost, by the time since they were sent and by what was delivered meanwhile (RFC 8985). Pure.

RACK compares sendings, so each sending of a packet, first or again, has a number of its own here: its `order`. What was
sent before something that has been delivered is lost once it is late by a reordering window. Sequence numbers, be they
of packets or of bytes, do not matter, and a retransmission is found to be lost as well as any other packet.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol, TypeVar

from transfer.congestion.rtt import RttEstimator


class Sent(Protocol):
    """One sending of a packet, as its sender keeps it. A packet that is sent again gets a new one.

    Attributes:
        order: one more than that of the sending before, over the whole connection.
        sent_at: when, in seconds of `now`.
        is_settled: delivered, or already taken for lost: the detector passes over it.
    """

    order: int
    sent_at: float
    is_settled: bool


S = TypeVar("S", bound=Sent)


class LossDetector:
    """RACK: tells which sendings are lost, and when to look again.

    Until reordering has been seen, three packets that were delivered past a hole give the hole away at once (the
    "DupThresh" of RFC 5681 and section 6.2 step 4); afterwards only time does: a quarter of the least round trip, and
    more of them when retransmissions turn out to have been needless.

    Attributes:
        next_at: when `find_lost` has to be called if nothing is acknowledged until then; None: not at all.
        has_seen_reordering: whether counting is given up.
        newest_order: of what is delivered, what was sent last.
    """

    __slots__ = (
        "_duplicates",
        "_newest_rtt_s",
        "_newest_sent_at",
        "_recoveries_left",
        "_recovery_order",
        "_widened_order",
        "_windows",
        "has_seen_reordering",
        "newest_order",
        "next_at",
    )

    def __init__(self, *, duplicates: int = 3) -> None:
        self._duplicates = duplicates
        self.has_seen_reordering = False
        self.newest_order = -1
        self.next_at: float | None = None
        self._newest_sent_at = -math.inf
        self._newest_rtt_s = 0.0
        self._windows = 1  # RACK.reo_wnd_mult
        self._recoveries_left = 0  # RACK.reo_wnd_persist
        self._recovery_order = -1  # what was sent last when the loss was found that is being repaired
        self._widened_order = -1

    def on_delivered(self, order: int, *, sent_at: float, now: float) -> None:
        """Something was delivered: of all that one acknowledgement tells, the sending with the highest order."""
        if order > self.newest_order:
            self.newest_order = order
            self._newest_sent_at = sent_at
            self._newest_rtt_s = now - sent_at

    def on_reordering(self) -> None:
        """What was sent once was delivered later than what was sent after it (section 6.2 step 3)."""
        self.has_seen_reordering = True

    def on_needless(self, *, newest_sent_order: int) -> None:
        """What was taken for lost was not (a D-SACK, or an answer to the first sending after the second one has left).

        The window gets wider by one quarter of the least round trip, once in a round trip, for sixteen recoveries
        (section 6.2 step 4).
        """
        self.has_seen_reordering = True
        if self.newest_order >= self._widened_order:
            self._widened_order = newest_sent_order
            self._windows += 1
            self._recoveries_left = _RECOVERIES

    def find_lost(self, in_order: deque[S], *, sacked: int, rtt: RttEstimator, now: float) -> list[S]:
        """The sendings that are lost as of now; they are marked as settled, and what is settled leaves the front.

        Args:
            in_order: all sendings by their order, those that are settled perhaps among them.
            sacked: packets that were delivered past the first hole.

        Cost: constant, and what it takes off `in_order`.
        """
        lost: list[S] = []
        while in_order and in_order[0].is_settled:
            in_order.popleft()
        self.next_at = None
        if not in_order or in_order[0].order > self.newest_order:
            self._leave_recovery(in_order)
            return lost
        self._leave_recovery(in_order)
        window_s = self.window_s(sacked=sacked, rtt=rtt)
        late = now - self._newest_rtt_s - window_s + _ROUNDING_S
        newest_order = self.newest_order
        for sent in in_order:
            if sent.order > newest_order:
                break
            if sent.is_settled:
                continue
            if sent.sent_at > late:
                self.next_at = self._newest_sent_at + self._newest_rtt_s + window_s  # when the last of them is late
                break
            sent.is_settled = True
            lost.append(sent)
        if lost:
            self._recovery_order = in_order[-1].order
            while in_order and in_order[0].is_settled:
                in_order.popleft()
        return lost

    def window_s(self, *, sacked: int, rtt: RttEstimator) -> float:
        """By how much something may be late (RACK_update_reo_wnd of section 6.2 step 4)."""
        if not self.has_seen_reordering and (self._recovery_order >= 0 or sacked >= self._duplicates):
            return 0.0
        window_s = self._windows * rtt.min_s / 4
        return window_s if window_s < rtt.smoothed_s else rtt.smoothed_s

    @property
    def is_recovering(self) -> bool:
        """Whether something is on its way that was sent before the last loss was found."""
        return self._recovery_order >= 0

    def _leave_recovery(self, in_order: deque[S]) -> None:
        if self._recovery_order >= 0 and (not in_order or in_order[0].order > self._recovery_order):
            self._recovery_order = -1
            if self._windows > 1:
                self._recoveries_left -= 1
                if self._recoveries_left <= 0:
                    self._windows = 1


class TailProbe:
    """When to send once more what was sent last: the loss of a tail gives itself away by nothing else (section 7).

    Attributes:
        at: when a probe is due; None: not at all.
        order: of the probe that is on its way; None: there is none.
    """

    __slots__ = ("_max_ack_delay_s", "at", "order")

    def __init__(self, *, max_ack_delay_s: float = 0.2) -> None:
        self._max_ack_delay_s = max_ack_delay_s
        self.at: float | None = None
        self.order: int | None = None

    def arm(
        self, *, rtt: RttEstimator, packets_in_flight: int, is_recovering: bool, rto_at: float, since: float
    ) -> None:
        """After sending and after each acknowledgement: a probe after two round trips of silence (section 7.2).

        None is due while losses are repaired, while one is on its way, or when the time-out comes first.

        Args:
            since: when something was last sent or delivered.
        """
        self.at = None
        if self.order is not None or is_recovering or packets_in_flight == 0:
            return
        wait_s = 2 * rtt.smoothed_s if rtt.has_sample else 1.0
        if packets_in_flight == 1:  # its answer may be delayed by the receiver
            wait_s += self._max_ack_delay_s
        if since + wait_s < rto_at:
            self.at = since + wait_s

    def on_sent(self, order: int) -> None:
        """The probe has left."""
        self.order = order
        self.at = None

    def on_delivered(self, newest_order: int) -> bool:
        """Something was delivered. Whether the probe, or something sent after it, was: its episode is over."""
        if self.order is None or newest_order < self.order:
            return False
        self.order = None
        return True

    def on_timeout(self) -> None:
        """The time-out came: no probe matters any more."""
        self.order = self.at = None


_RECOVERIES = 16
_ROUNDING_S = 1e-6
