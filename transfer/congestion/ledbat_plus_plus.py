"""LEDBAT++: LEDBAT that shares with its like, by multiplicative decrease and regular slowdowns. Pure.

Source: draft-irtf-iccrg-ledbat-plus-plus (version 01; sections below are its). Delay is that of round trips.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import ClassVar

from transfer.congestion.controller import Acknowledgement, Loss
from transfer.congestion.delay_history import DelayHistory

TARGET_S = 0.06  # section 4.5
SLOW_START_UNTIL = 0.75  # of the target, in the first slow start only (section 4.1)
MAX_DIVISOR = 16  # section 4.2
DECREASE = 1.0  # "Constant" of section 4.3
LEAST_PACKETS = 2
FROZEN_ROUND_TRIPS = 2  # section 4.4
PERIOD = 9  # times the duration of a slowdown lie between two of them: a tenth of the path at most


class Phase(Enum):
    """What a flow does."""

    START = "slow start"
    AVOID = "avoidance"
    FROZEN = "slowdown"  # two packets for two round trips, so that the queue empties and the base can be seen
    RAMP = "slowdown ramp"  # slow start to where the window was


class LedbatPlusPlus:
    """Grows by a constant below its target and shrinks by a part of its window above it: shares become equal.

    A flow that came late sees the queue of the others as part of the path. So each of them slows down two round trips
    after its first slow start, and then every so often, and everybody sees the empty path.

    The ramp after a slowdown is the slow start of section 4.1, with its gain.

    Attributes:
        queue_s: how much longer round trips are now than the least one.

    Invariants:
        window >= two packets
    """

    name: ClassVar[str] = "ledbat++"
    needs_rate: ClassVar[bool] = False
    pacing_rate: float | None = None

    def __init__(self, *, packet_bytes: int) -> None:
        self._packet_bytes = packet_bytes
        self.window = LEAST_PACKETS * packet_bytes
        self._bytes = float(self.window)  # with its fraction
        self._threshold: float = math.inf
        self._phase = Phase.START
        self._history = DelayHistory(minutes=10, latest=4)
        self.queue_s = 0.0
        self._rtt_s = 0.0
        self._next_slowdown_at = math.inf
        self._slowdown_at = 0.0
        self._frozen_until = 0.0
        self._recovery_at = -math.inf  # what was sent until then belongs to the last answer
        self._before = self._bytes
        self._last_sent_at = -math.inf
        self._idle_s = _IDLE_S

    @property
    def state(self) -> str:
        """One word for people."""
        return self._phase.value

    @property
    def gain(self) -> float:
        """Packets by which the window grows in a round trip: fewer on short paths, where Reno is fast (section 4.2)."""
        base_s = self._history.base_s
        if not 0 < base_s < math.inf:
            return 1 / MAX_DIVISOR
        return 1 / min(MAX_DIVISOR, math.ceil(2 * TARGET_S / base_s - _ROUNDING))

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        """Sent after a long silence: what the window was says little now, and a ramp leads back to it."""
        if in_flight <= size and now - self._last_sent_at > self._idle_s and self._phase is not Phase.FROZEN:
            if self._phase is Phase.AVOID:
                self._begin_ramp_to(self._bytes, now=now)
            self._set(self._least())
        self._last_sent_at = now

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Goes through its phases, and grows or shrinks by what was acknowledged of a window."""
        self._idle_s = max(_IDLE_S, 4 * ack.smoothed_rtt_s)
        self._rtt_s = ack.smoothed_rtt_s
        if ack.rtt_s is not None:
            self.queue_s = self._history.add(ack.rtt_s, now=now)
        self._move_on(now=now)
        may_grow = ack.is_window_limited
        if ack.sent_at <= self._recovery_at:
            may_grow = False
        elif ack.ce_bytes:
            self._halve(now=now)
            return
        phase = self._phase
        if phase is Phase.FROZEN:
            return
        if phase is Phase.AVOID:
            self._avoid(ack.acked_bytes, may_grow=may_grow)
            return
        if phase is Phase.START and self.queue_s > SLOW_START_UNTIL * TARGET_S:
            self._leave_start(now=now)
            return
        if may_grow:
            self._set(min(self._bytes + self.gain * ack.acked_bytes, self._threshold))
        if self._bytes >= self._threshold:
            self._leave_start(now=now)

    def on_loss(self, loss: Loss, *, now: float) -> None:
        """Halves, once for all that was sent before the last answer."""
        if loss.sent_at > self._recovery_at:
            self._halve(now=now)

    def on_timeout(self, *, now: float) -> None:
        """Two packets, and a ramp to half of what the window was."""
        self._before = max(self._before, self._bytes)
        was = self._bytes if self._phase in (Phase.START, Phase.AVOID) else self._threshold
        self._begin_ramp_to(max(was / 2, self._least()), now=now)
        self._recovery_at = now
        self._set(self._least())

    def on_spurious_loss(self, *, now: float) -> None:
        """Takes the last answer back, unless a slowdown has begun meanwhile."""
        if self._phase is not Phase.FROZEN and self._before > self._bytes:
            self._set(self._before)
        self._recovery_at = -math.inf

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        """Nothing to do: acknowledgements say whether the window was used."""

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """The window keeps its bytes, and holds two packets at least."""
        self._packet_bytes = packet_bytes
        self._set(max(self._bytes, self._least()))

    def _avoid(self, acked_bytes: int, *, may_grow: bool) -> None:
        """The change of one round trip, by the part of a window that was acknowledged (section 4.3)."""
        window = self._bytes
        change = self.gain * self._packet_bytes
        excess = self.queue_s / TARGET_S - 1
        if excess > 0:
            change = max(change - DECREASE * window * excess, -window / 2)
        if change > 0 and not may_grow:
            return
        share = acked_bytes / window if acked_bytes < window else 1.0
        self._set(max(window + change * share, self._least()))

    def _move_on(self, *, now: float) -> None:
        """Slowdowns begin and end by the clock (section 4.4)."""
        if self._phase is Phase.AVOID and now >= self._next_slowdown_at:
            self._phase = Phase.FROZEN
            self._threshold = self._bytes
            self._slowdown_at = now
            self._frozen_until = now + FROZEN_ROUND_TRIPS * self._rtt_s
            self._recovery_at = now  # what is lost of the queue that is left behind is answered by this
            self._set(self._least())
        elif self._phase is Phase.FROZEN and now >= self._frozen_until:
            self._phase = Phase.RAMP

    def _begin_ramp_to(self, window: float, *, now: float) -> None:
        """What is no slowdown by choice counts as one: the queue emptied."""
        self._threshold = window
        if self._phase in (Phase.START, Phase.AVOID):
            self._slowdown_at = now
        self._phase = Phase.RAMP

    def _leave_start(self, *, now: float) -> None:
        if self._phase is Phase.START:
            self._next_slowdown_at = now + FROZEN_ROUND_TRIPS * self._rtt_s
        else:
            self._next_slowdown_at = now + PERIOD * (now - self._slowdown_at)
        self._phase = Phase.AVOID

    def _halve(self, *, now: float) -> None:
        self._before = self._bytes
        self._recovery_at = now
        if self._phase is Phase.FROZEN:
            self._threshold = max(self._threshold / 2, self._least())
        elif self._phase is not Phase.AVOID:
            self._leave_start(now=now)
        self._set(max(self._bytes / 2, self._least()))

    def _least(self) -> float:
        return float(LEAST_PACKETS * self._packet_bytes)

    def _set(self, window: float) -> None:
        self._bytes = window
        self.window = int(window)


_IDLE_S = 1.0  # the least time-out of RFC 6298: a controller is not told the sender's own
_ROUNDING = 1e-9
