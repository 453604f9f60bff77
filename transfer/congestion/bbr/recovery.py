"""The window around a repair: kept before, cut by a time-out, given back after. Pure."""

from __future__ import annotations


class Recovery:
    """Knows whether losses are being repaired, and which window to go back to.

    Source: draft-ietf-ccwg-bbr, "Modulating cwnd in Loss Recovery". The contract tells of losses and not of the end of
    a repair. It ends after a round without losses: when something is acknowledged that was sent after the last loss was
    found (so TCP's does, which lasts until all holes are filled); after a time-out, when besides as much was delivered
    as was on its way at that time.

    Attributes:
        is_active: losses are being repaired.
        saved: the last window that neither a repair nor ProbeRTT had cut.
    """

    __slots__ = ("_delivered_at_end", "_lost_at", "is_active", "saved")

    def __init__(self) -> None:
        self.is_active = False
        self.saved = 0
        self._lost_at = 0.0
        self._delivered_at_end: int | None = None

    def save(self, window: int, *, is_cut: bool = False) -> None:
        """Remembers the window; of two that are cut (`is_cut`, by ProbeRTT) or saved in a repair, the larger."""
        self.saved = max(self.saved, window) if self.is_active or is_cut else window

    def on_loss(self, *, now: float) -> None:
        self.is_active = True
        self._lost_at = now

    @property
    def is_after_timeout(self) -> bool:
        return self._delivered_at_end is not None

    def on_timeout(self, *, delivered: int, in_flight: int, now: float) -> None:
        if self._delivered_at_end is None:
            self._delivered_at_end = delivered + in_flight
        self.is_active = True
        self._lost_at = now

    def on_ack(self, sent_at: float, *, delivered: int) -> bool:
        """Returns whether the repair has just ended."""
        if not self.is_active or sent_at <= self._lost_at:
            return False
        if self._delivered_at_end is not None and delivered < self._delivered_at_end:
            return False
        self.end()
        return True

    def end(self) -> None:
        self.is_active = False
        self._delivered_at_end = None
