"""One-way delays out of two clocks that nobody has set: 32 bits of microseconds that wrap and may jump."""

from __future__ import annotations

from transfer.utp.packet import MASK_32


def timestamp_us(*, now: float) -> int:
    """A time as packets carry it."""
    return int(now * 1e6) & MASK_32


def difference_us(received_us: int, sent_us: int) -> int:
    """What is told to the sender of a packet: never 0, which stands for "no sample" (libtorrent then never grows)."""
    return (received_us - sent_us) & MASK_32 or 1


class OneWayDelay:
    """Makes a number of seconds, which does not wrap, of each difference that the other side tells.

    The delay of a packet cannot be above the least one by more than its round trip: where it is, a clock was set, and
    from then on differences are counted from the new time. A jump the other way shows as a new least delay.

    Attributes:
        latest_s: the last sample, 0 before the first. The offset of the two clocks is in it, so only changes matter.
    """

    __slots__ = ("_least_us", "_raw_us", "_shifted_us", "latest_s")

    def __init__(self) -> None:
        self._raw_us: int | None = None
        self._shifted_us = 0
        self._least_us = 0
        self.latest_s = 0.0

    def on_difference(self, difference_us: int, *, round_trip_s: float) -> float | None:
        """Seconds of delay and an unknown constant; None when the other side has no sample.

        Args:
            difference_us: as the packet has it.
            round_trip_s: how long the slowest packet of late took there and back; 0 when that is unknown.
        """
        if not difference_us:
            return None
        raw = self._raw_us
        if raw is None:
            self._least_us = self._shifted_us = 0
        else:
            change = (difference_us - raw + 0x80000000 & MASK_32) - 0x80000000
            shifted = self._shifted_us + change
            if shifted < self._least_us:
                self._least_us = shifted
            elif round_trip_s and shifted - self._least_us > (round_trip_s + JUMP_SLACK_S) * 1e6:
                shifted = self._shifted_us  # as long as the one before
            self._shifted_us = shifted
        self._raw_us = difference_us
        self.latest_s = self._shifted_us / 1e6
        return self.latest_s


JUMP_SLACK_S = 1.0  # round trips are measured with other packets than delays
