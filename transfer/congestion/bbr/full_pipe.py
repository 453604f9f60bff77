"""Whether the pipe is full: sending faster and faster no longer delivers more. Pure."""

from __future__ import annotations

from transfer.congestion.bbr.config import BbrConfig


class FullPipe:
    """Counts rounds without growth (draft-ietf-ccwg-bbr, "Exiting Acceleration Based on Bandwidth Plateau").

    Three rounds, so that a receiver may grow its window and others may make room before the sender gives up.

    Attributes:
        is_full: since the last `restart`.
        was_full: ever.
    """

    __slots__ = ("_baseline", "_config", "_rounds", "is_full", "was_full")

    def __init__(self, config: BbrConfig) -> None:
        self._config = config
        self.was_full = False
        self.restart()

    def restart(self, baseline: float = 0.0) -> None:
        """Looks anew whether more can be had than `baseline`, in bytes a second."""
        self._baseline = baseline
        self._rounds = 0
        self.is_full = False

    def on_ack(self, rate: float, *, is_round_start: bool) -> None:
        """A sample that nothing but the path held down. Any of a round may show growth, the end of a round counts it.

        The draft's pseudocode looks at the one sample that ends a round. Where acknowledgements come unevenly that one
        says little, and STARTUP would end at a third of the bandwidth; so this is done as `tcp_bbr` version 3 does it.
        """
        if self.is_full or rate <= 0:
            return
        if rate >= self._baseline * self._config.full_growth:
            self.restart(rate)
            return
        if not is_round_start:
            return
        self._rounds += 1
        if self._rounds >= self._config.full_rounds:
            self.found()

    def found(self) -> None:
        """It is full: by this, or because it overflows."""
        self.is_full = self.was_full = True
