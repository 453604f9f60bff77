"""The constants of BBR version 1. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Bbr1Config:
    """The constants of draft-cardwell-iccrg-bbr-congestion-control-00, and of the paper, which are the same.

    Attributes:
        high_gain: of STARTUP, the least that doubles the rate each round; DRAIN paces by its inverse.
        cwnd_gain: of PROBE_BW.
        cycle: pacing gains of PROBE_BW, one shortest round trip each.
        bandwidth_rounds: of the maximum filter of bandwidth.
        min_rtt_filter_s: of the minimum filter of round trips, and the time between two PROBE_RTT.
        probe_rtt_s: at the minimum window.
        min_packets: the minimum window.
        full_growth, full_rounds: the pipe is full when so many rounds grow by less than this factor.
        min_packets_per_s: our own floor of the pacing rate, as in `BbrConfig`.
    """

    high_gain: float = 2 / log(2)
    cwnd_gain: float = 2.0
    cycle: tuple[float, ...] = (1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    bandwidth_rounds: int = 10
    min_rtt_filter_s: float = 10.0
    probe_rtt_s: float = 0.2
    min_packets: int = 4
    full_growth: float = 1.25
    full_rounds: int = 3
    min_packets_per_s: float = 1.0

    def __post_init__(self) -> None:
        if min(self.min_packets, self.bandwidth_rounds, self.full_rounds) < 1:
            raise ValueError("windows and filters of BBR hold at least one packet or round")
        if self.high_gain <= 1 or self.cwnd_gain <= 1 or self.full_growth <= 1 or self.min_packets_per_s <= 0:
            raise ValueError("gains are above 1, min_packets_per_s above 0")
        if len(self.cycle) < 2 or min(self.cycle) <= 0 or not min(self.cycle) < 1 < max(self.cycle):
            raise ValueError("the cycle of gains has one above 1 and one below it")
