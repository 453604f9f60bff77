"""Whether an answer to losses was right: all that it was about may turn out to have been late only (RFC 4015). Pure."""

from __future__ import annotations

from transfer.congestion.bulk.packets import BulkPacket


class LossEpisode:
    """The losses that a controller answers once, and what became of them."""

    __slots__ = ("_doubtful", "_is_real", "_last_order")

    def __init__(self) -> None:
        self._last_order = -1  # what was sent until the episode began: its losses belong to it
        self._doubtful = 0
        self._is_real = True

    def on_lost(self, packets: list[BulkPacket], *, newest_order: int) -> None:
        """These are taken for lost; `newest_order` is of what was sent last."""
        if packets[-1].order > self._last_order:
            self._begin(newest_order)
        self._doubtful += len(packets)

    def on_timeout(self, count: int, *, newest_order: int) -> None:
        """All that was on its way counts as lost."""
        self._begin(newest_order)
        self._doubtful = count

    def on_late(self, count: int) -> bool:
        """So many of them have arrived by their first sending. Whether none is left to be lost."""
        self._doubtful -= count
        return self._doubtful == 0 and not self._is_real

    def on_repaired(self) -> None:
        """One of them was delivered by its second sending."""
        self._is_real = True

    def _begin(self, newest_order: int) -> None:
        self._last_order = newest_order
        self._doubtful = 0
        self._is_real = False
