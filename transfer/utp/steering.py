"""What a congestion controller is told of a sending half, and what it answers: window, pace, and the rate of late."""

from __future__ import annotations

from transfer.congestion.controller import Acknowledgement, CongestionController, Loss
from transfer.congestion.pacer import Pacer
from transfer.congestion.rate_sample import Flight as RateTag
from transfer.congestion.rate_sample import RateSampler
from transfer.congestion.rtt import RttEstimator
from transfer.utp.flights import Delivered
from transfer.utp.sending import SendingHalf


class Steering:
    """Translates between a sending half and a controller, and keeps the pacer and the rate sampler that it needs.

    Attributes:
        controller: decides how much may be on its way, and how fast it leaves.
        pacer: spreads over time what leaves, if the controller has a rate.
        delivery_rate: bytes a second that were acknowledged of late; None before there is a figure.
    """

    __slots__ = (
        "_ack",
        "_half",
        "_loss",
        "_rate_at",
        "_rate_from",
        "_recovery_end",
        "_sampler",
        "_suspected",
        "controller",
        "delivery_rate",
        "pacer",
    )

    def __init__(self, controller: CongestionController, half: SendingHalf, *, packet_bytes: int, now: float) -> None:
        self.controller = controller
        self.pacer = Pacer(packet_bytes=packet_bytes)
        self.delivery_rate: float | None = None
        self._half = half
        self._sampler = RateSampler() if controller.needs_rate else None
        self._ack = Acknowledgement(acked_bytes=0, in_flight=0, prior_in_flight=0, sent_at=0.0)
        self._loss = Loss(lost_bytes=0, in_flight=0, sent_at=0.0)
        self._suspected = 0  # packets that were taken for lost in the last recovery, and have not turned up late
        self._recovery_end = -1
        self._rate_at = now
        self._rate_from = 0  # of what was delivered
        controller.on_packet_size(packet_bytes, now=now)

    def budget(self, *, now: float) -> int:
        """How many bytes may leave now for all the pacer says."""
        self.pacer.set_rate(self.controller.pacing_rate, now=now)
        return self.pacer.budget(now=now)

    def on_sent(self, size: int, *, now: float) -> RateTag | None:
        """So many bytes are about to leave; what they have to be tagged with."""
        in_flight = self._half.in_flight + size
        self.controller.on_sent(size, in_flight=in_flight, now=now)
        self.pacer.on_sent(size, now=now)
        return self._sampler.on_sent(size, in_flight=in_flight, now=now) if self._sampler is not None else None

    def on_delivered(
        self, told: Delivered, rtt: RttEstimator, *, delay_s: float | None, is_window_limited: bool, now: float
    ) -> None:
        """What one acknowledgement told, its losses first."""
        half = self._half
        if told.late_packets:
            self._suspected -= told.late_packets
            if not self._suspected:
                self.controller.on_spurious_loss(now=now)
        self.on_lost(told, now=now)
        if now - self._rate_at >= RATE_S:
            self.delivery_rate = (half.delivered_bytes - self._rate_from) / (now - self._rate_at)
            self._rate_at, self._rate_from = now, half.delivered_bytes
        if not told.acked_bytes:
            return
        ack = self._ack
        ack.acked_bytes = told.acked_bytes
        ack.in_flight = half.in_flight
        ack.prior_in_flight = told.prior_in_flight
        ack.sent_at = told.newest_sent_at
        ack.rtt_s = told.rtt_s
        ack.smoothed_rtt_s = rtt.smoothed_s
        ack.min_rtt_s = rtt.min_s
        ack.delay_s = delay_s
        ack.is_window_limited = is_window_limited
        ack.rate = None
        if self._sampler is not None and told.newest is not None and isinstance(told.newest.tag, RateTag):
            ack.rate = self._sampler.on_ack(told.acked_bytes, told.newest.tag, min_rtt_s=rtt.min_s, now=now)
        self.controller.on_ack(ack, now=now)

    def on_lost(self, told: Delivered, *, now: float) -> None:
        """The packets that were found to be lost, if there are any."""
        if not told.lost_packets:
            return
        half = self._half
        if half.base > self._recovery_end:
            self._suspected = 0
            self._recovery_end = half.next
        self._suspected += told.lost_packets
        if self._sampler is not None:
            self._sampler.on_lost(told.lost_bytes)
        loss, flight = self._loss, told.lost_flight
        loss.lost_bytes = told.lost_bytes
        loss.in_flight = half.in_flight
        loss.prior_in_flight = told.prior_in_flight
        if flight is not None:
            loss.sent_at = flight.sent_at
            loss.sent_in_flight = flight.in_flight
            loss.lost_since_sent = half.lost_bytes - flight.lost_before
        self.controller.on_loss(loss, now=now)

    def on_timeout(self, lost_bytes: int, *, now: float) -> None:
        """All that was on its way counts as lost, which the half knows already; 0 if that says nothing of the path."""
        self._suspected, self._recovery_end = self._half.lost.bit_count(), self._half.next
        if lost_bytes:
            if self._sampler is not None:
                self._sampler.on_lost(lost_bytes)
            self.controller.on_timeout(now=now)

    def on_app_limited(self, *, now: float) -> None:
        """Nothing waits to be sent though the window is open."""
        in_flight = self._half.in_flight
        self.controller.on_app_limited(in_flight=in_flight, now=now)
        if self._sampler is not None:
            self._sampler.on_app_limited(in_flight=in_flight)

    def set_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """Packets are of this size from now on."""
        self.controller.on_packet_size(packet_bytes, now=now)
        self.pacer.set_packet_size(packet_bytes, now=now)


RATE_S = 0.25  # what the delivery rate that users see is an average of
