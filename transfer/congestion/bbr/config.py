"""The constants of BBR version 3, each under its name in draft-ietf-ccwg-bbr. Those of a state are in `table.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BbrConfig:
    """What the draft fixes, and three choices it leaves to the sender. Figures without a note are the draft's.

    Attributes:
        pacing_margin: so much slower than the estimate does it send, to drain what rounding leaves in the queue.
        loss_threshold: LossThresh, of a round trip, while probing.
        beta: Beta, of a round trip with losses.
        headroom: Headroom, of inflight_longterm.
        min_pipe_packets: MinPipeCwnd.
        max_bw_cycles: MaxBwFilterLen.
        extra_acked_rounds: ExtraAckedFilterLen; one round until the pipe was full.
        min_rtt_filter_s, probe_rtt_interval_s, probe_rtt_duration_s: MinRTTFilterLen, ProbeRTTInterval and
            ProbeRTTDuration.
        startup_full_loss_ranges: StartupFullLossCnt.
        full_growth, full_rounds: a pipe is full when so many rounds grow by less than this factor.
        drain_rounds: DRAIN ends after so many.
        probe_wait_s, probe_wait_spread_s: between two looks for bandwidth: the one, and by chance up to the other more.
        reno_rounds: the wait in rounds is a BDP of packets, at most this.
        send_quantum_s, max_send_quantum_bytes: what leaves at once: this time of the pacing rate, at most so much.
        ecn_gain, ecn_factor, ecn_threshold, ecn_startup_rounds: the draft says nothing of ECN but that marks must be
            taken for congestion. These are of `tcp_bbr` version 3 (google/bbr): the mean of the marked part moves by
            1/16 a round, a round with marks cuts inflight_shortterm by a third of that mean, and half of a round marked
            is as bad as losses above the threshold. There it holds on paths below 5 ms only, here on all.
        min_packets_per_s: our own floor of the pacing rate. An estimate that a blackout ruined must not take minutes
            to send the packet that would better it.
    """

    pacing_margin: float = 0.01
    loss_threshold: float = 0.02
    beta: float = 0.7
    headroom: float = 0.15
    min_pipe_packets: int = 4
    max_bw_cycles: int = 2
    extra_acked_rounds: int = 10
    min_rtt_filter_s: float = 10.0
    probe_rtt_interval_s: float = 5.0
    probe_rtt_duration_s: float = 0.2
    startup_full_loss_ranges: int = 6
    full_growth: float = 1.25
    full_rounds: int = 3
    drain_rounds: int = 3
    probe_wait_s: float = 2.0
    probe_wait_spread_s: float = 1.0
    reno_rounds: int = 63
    send_quantum_s: float = 0.001
    max_send_quantum_bytes: int = 65_536
    ecn_gain: float = 1 / 16
    ecn_factor: float = 1 / 3
    ecn_threshold: float = 0.5
    ecn_startup_rounds: int = 2
    min_packets_per_s: float = 1.0

    def __post_init__(self) -> None:
        if min(self.min_pipe_packets, self.max_bw_cycles, self.extra_acked_rounds) < 1:
            raise ValueError("windows and filters of BBR hold at least one packet, cycle or round")
        if not 0 <= self.pacing_margin < 1 or not 0 <= self.headroom < 1:
            raise ValueError("pacing_margin and headroom are parts of 1")
        if not 0 < self.loss_threshold < 1 or not 0 < self.beta < 1:
            raise ValueError("loss_threshold and beta are between 0 and 1")
        if self.probe_rtt_interval_s > self.min_rtt_filter_s:
            raise ValueError("min_rtt_filter_s must cover a ProbeRTT, so it is no shorter than probe_rtt_interval_s")
        if self.full_growth <= 1 or self.full_rounds < 1 or self.min_packets_per_s <= 0:
            raise ValueError("full_growth is above 1, full_rounds at least 1, min_packets_per_s above 0")
