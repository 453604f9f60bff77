"""How BBR yields between two looks for bandwidth: limits that every round with losses or marks lowers. Pure."""

from __future__ import annotations

from math import inf

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.controller import RateSample


class ShortTerm:
    """What was delivered in the last round, and the limits that follow from it when the round had losses.

    Source: draft-ietf-ccwg-bbr, "When not Probing for Bandwidth"; marks as in `tcp_bbr` version 3 (see `BbrConfig`).

    Attributes:
        bw, inflight: the limits bw_shortterm and inflight_shortterm; infinite while there is none.
        bw_latest, inflight_latest: the most that a sample of this round has shown.
        is_round_end: the acknowledgement that is being looked at ended a round, as losses count them.
        loss_ranges: runs of lost packets in this round.
        has_loss: in this round.
        marked_part: of the bytes of the last round, those that were marked.
        marked_rounds: rounds in a row, until now, of which too much was marked.
    """

    __slots__ = (
        "_alpha",
        "_config",
        "_delivered",
        "_end",
        "_is_first_loss",
        "_marked",
        "bw",
        "bw_latest",
        "has_loss",
        "inflight",
        "inflight_latest",
        "is_round_end",
        "loss_ranges",
        "marked_part",
        "marked_rounds",
    )

    def __init__(self, config: BbrConfig) -> None:
        self._config = config
        self._alpha = 1.0  # the mean of the marked part; the first mark is taken seriously
        self._delivered = self._marked = 0
        self.marked_part = 0.0
        self.marked_rounds = 0
        self._end = 0
        self._is_first_loss = False
        self.is_round_end = False
        self.loss_ranges = 0
        self.forget_limits()
        self.forget_signals()

    def forget_limits(self) -> None:
        self.bw = self.inflight = inf

    def forget_signals(self) -> None:
        self.has_loss = False
        self.bw_latest = 0.0
        self.inflight_latest = 0

    def note_loss(self, ranges: int) -> bool:
        """Packets were lost. Returns whether they are the first of this round: a loss begins a round of its own."""
        is_first = not self.has_loss
        self._is_first_loss = self._is_first_loss or is_first
        self.has_loss = True
        self.loss_ranges += ranges
        return is_first

    def on_ack(self, sample: RateSample, *, acked: int, marked: int) -> None:
        """To be called before anything else looks at the acknowledgement."""
        if self._is_first_loss:
            self._end = sample.delivered_total
            self._is_first_loss = False
        self.bw_latest = max(self.bw_latest, sample.rate)
        self.inflight_latest = max(self.inflight_latest, sample.delivered_bytes)
        self._delivered += acked
        self._marked += marked
        self.is_round_end = sample.prior_delivered >= self._end
        if self.is_round_end:
            self._end = sample.delivered_total
            self._end_marks()

    def _end_marks(self) -> None:
        self.marked_part = self._marked / self._delivered if self._delivered else 0.0
        self._alpha += self._config.ecn_gain * (self.marked_part - self._alpha)
        self.marked_rounds = self.marked_rounds + 1 if self.marked_part >= self._config.ecn_threshold else 0
        self._delivered = self._marked = 0

    def adapt(self, *, max_bw: float, window: int, is_probing: bool) -> None:
        """At the end of a round: lowers the limits if it had losses or marks, and nobody looked for bandwidth in it."""
        if not is_probing and (self.has_loss or self.marked_part > 0):
            self._lower(max_bw, window)
        self.has_loss = False

    def _lower(self, max_bw: float, window: int) -> None:
        if self.inflight == inf:
            self.inflight = window
        by_marks: float = inf
        if self.marked_part > 0:
            by_marks = self.inflight * (1 - self._alpha * self._config.ecn_factor)
        if self.has_loss:
            if self.bw == inf:
                self.bw = max_bw
            self.bw = max(self.bw_latest, self._config.beta * self.bw)
            self.inflight = max(self.inflight_latest, self._config.beta * self.inflight)
        self.inflight = min(self.inflight, by_marks)

    def end_ack(self, sample: RateSample) -> None:
        """To be called when everything has looked at the acknowledgement."""
        if self.is_round_end:
            self.bw_latest = sample.rate
            self.inflight_latest = sample.delivered_bytes
            self.loss_ranges = 0
