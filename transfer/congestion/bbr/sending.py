"""What BBR tells the sender: a window, a pacing rate, and how much may leave at once. Pure."""

from __future__ import annotations

from math import inf

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.reno import initial_window


class Sending:
    """The answers, and how they follow the model (draft-ietf-ccwg-bbr, "Updating Control Parameters").

    Attributes:
        window: bytes that may be on their way.
        pacing_rate: bytes a second.
        packet_bytes: of a packet as the sender counts it.
        was_limited: the window held the sender back in this round or the one before.
    """

    __slots__ = (
        "_config",
        "_has_rtt",
        "_initial_window",
        "_limited_now",
        "_startup_gain",
        "pacing_rate",
        "packet_bytes",
        "was_limited",
        "window",
    )

    def __init__(self, config: BbrConfig, *, packet_bytes: int, startup_gain: float) -> None:
        self._config = config
        self.packet_bytes = packet_bytes
        self.window = self._initial_window = initial_window(packet_bytes)
        self._startup_gain = startup_gain
        self.pacing_rate = startup_gain * self.window / UNKNOWN_RTT_S
        self._has_rtt = False
        self._limited_now = False
        self.was_limited = False

    @property
    def quantum(self) -> int:
        """C.send_quantum: what may leave at once without harm, a millisecond of the pacing rate."""
        most = min(self.pacing_rate * self._config.send_quantum_s, self._config.max_send_quantum_bytes)
        return max(int(most), 2 * self.packet_bytes)

    @property
    def min_pipe(self) -> int:
        return self._config.min_pipe_packets * self.packet_bytes

    def on_first_rtt(self, rtt_s: float) -> None:
        """Paces by the first round trip, before anything is known of the bandwidth."""
        if not self._has_rtt:
            self._has_rtt = True
            self.pacing_rate = self._startup_gain * self._initial_window / rtt_s

    def note_limited(self, is_limited: bool, *, is_round_start: bool) -> None:
        if is_round_start:
            self.was_limited = self._limited_now
            self._limited_now = False
        self._limited_now = self._limited_now or is_limited
        self.was_limited = self.was_limited or is_limited

    def pace(self, gain: float, bw: float, *, is_full: bool) -> None:
        """Follows the model; until the pipe was full only upwards, for what is known by then is too little."""
        rate = gain * bw * (1 - self._config.pacing_margin)
        if rate > 0 and (is_full or rate > self.pacing_rate):
            self.pacing_rate = max(rate, self._config.min_packets_per_s * self.packet_bytes)

    def grow(self, acked: int, max_inflight: float, *, is_full: bool, delivered: int) -> None:
        """Up by no more than was acknowledged, down at once; until the pipe was full only up."""
        if is_full:
            self.window = int(min(self.window + acked, max_inflight))
        elif self.window < max_inflight or delivered < self._initial_window:
            self.window += acked
        self.window = max(self.window, self.min_pipe)

    def cap(self, limit: float) -> None:
        if limit != inf:
            self.window = min(self.window, max(int(limit), self.min_pipe))


UNKNOWN_RTT_S = 0.001  # InitPacingRate: what a round trip is taken for before there was one
