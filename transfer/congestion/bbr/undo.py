"""What BBR goes back to when a loss proves to be none. Pure."""

from __future__ import annotations

from transfer.congestion.bbr.long_term import LongTerm
from transfer.congestion.bbr.short_term import ShortTerm
from transfer.congestion.bbr.table import State


class Undo:
    """The limits before the losses of this round (draft-ietf-ccwg-bbr, "Saving State Upon Loss Recovery").

    Attributes:
        state: the one that these losses ended, STARTUP or UP; None if they ended none.
    """

    __slots__ = ("_bw", "_inflight", "_longterm", "state")

    def __init__(self) -> None:
        self.state: State | None = None
        self._bw = self._inflight = self._longterm = 0.0

    def save(self, short: ShortTerm, long: LongTerm) -> None:
        self.state = None
        self._bw, self._inflight, self._longterm = short.bw, short.inflight, long.inflight

    def restore(self, short: ShortTerm, long: LongTerm) -> State | None:
        """Gives the limits back where they are lower now. Returns the state that the losses ended."""
        short.bw = max(short.bw, self._bw)
        short.inflight = max(short.inflight, self._inflight)
        long.inflight = max(long.inflight, self._longterm)
        state, self.state = self.state, None
        return state
