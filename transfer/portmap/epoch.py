"""Whether a gateway has forgotten its mappings, by the clock in its answers."""

from __future__ import annotations


class EpochWatch:
    """Compares the epoch of each answer of NAT-PMP or PCP with that of the one before.

    The rule is that of RFC 6887 (8.5), which holds for RFC 6886 (3.6) as well: both clocks may be off by a sixteenth
    and two seconds. A gateway whose clock ran too far is taken for one that began anew, too: at worst a mapping is made
    again.
    """

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def receive_epoch(self, epoch_s: int, *, now: float) -> bool:
        """An answer came. Returns whether the gateway has begun anew since the one before."""
        last, self._last = self._last, (epoch_s, now)
        if last is None:
            return False
        here_s, there_s = now - last[1], epoch_s - last[0]
        if there_s < -1:
            return True
        return there_s + 2 < here_s - here_s / 16 or here_s + 2 < there_s - there_s / 16

    def forget(self) -> None:
        """Another gateway is asked from now on."""
        self._last = None
