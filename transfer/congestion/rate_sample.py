"""How fast a path delivers: delivery-rate estimation that tags flights, not packets. Pure.

Source: draft-cheng-iccrg-delivery-rate-estimation, which is section 4.1 of draft-ietf-ccwg-bbr by now. Its packet state
is the same for all packets that leave at one moment, so a sender in Python keeps it once for them: a `Flight`.
"""

from __future__ import annotations

from transfer.congestion.controller import RateSample


class Flight:
    """What leaves at one moment, and what was known then. Packets refer to it; it is kept as long as one of them does.

    Attributes:
        sent_at: when, in seconds of `now`.
        first_sent_at: when that was sent whose delivery was the newest one known then (P.first_sent_time).
        delivered_bytes, delivered_at: all that was delivered by then, and since when (P.delivered, P.delivered_time).
        lost_bytes: all that was lost by then (P.lost).
        in_flight: bytes on their way with it (P.tx_in_flight).
        is_app_limited: the sender had too little to send (P.is_app_limited).
    """

    __slots__ = (
        "delivered_at",
        "delivered_bytes",
        "first_sent_at",
        "in_flight",
        "is_app_limited",
        "lost_bytes",
        "sent_at",
    )

    def __init__(
        self,
        *,
        sent_at: float,
        first_sent_at: float,
        delivered_bytes: int,
        delivered_at: float,
        lost_bytes: int,
        in_flight: int,
        is_app_limited: bool,
    ) -> None:
        self.sent_at = sent_at
        self.first_sent_at = first_sent_at
        self.delivered_bytes = delivered_bytes
        self.delivered_at = delivered_at
        self.lost_bytes = lost_bytes
        self.in_flight = in_flight
        self.is_app_limited = is_app_limited


class RateSampler:
    """Counts what is delivered and lost, and says at each acknowledgement how fast that went.

    A sample's rate is the smaller one of how fast its bytes were sent and how fast they were acknowledged:
    acknowledgements that were held back and come in a burst do not make a path fast (sections 4.1.1.2 and 4.1.1.3).

    Attributes:
        delivered_bytes, lost_bytes: of the whole connection.

    Cost: two calls for a flight, one for an acknowledgement, whatever the number of packets.
    """

    __slots__ = ("_app_limited_until", "_delivered_at", "_first_sent_at", "_sample", "delivered_bytes", "lost_bytes")

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.lost_bytes = 0
        self._delivered_at = self._first_sent_at = 0.0
        self._app_limited_until = 0  # of delivered_bytes; 0: not limited
        self._sample = RateSample(
            delivered_bytes=0,
            interval_s=0.0,
            lost_bytes=0,
            sent_in_flight=0,
            prior_delivered=0,
            delivered_total=0,
            is_app_limited=False,
        )

    def on_sent(self, size: int, *, in_flight: int, now: float) -> Flight:
        """So many bytes leave now, first or again.

        Args:
            size: of all packets that leave now.
            in_flight: bytes on their way, `size` among them.
        """
        if in_flight <= size:  # after idling a new interval begins: the pause is no slowness of the path
            self._first_sent_at = self._delivered_at = now
        return Flight(
            sent_at=now,
            first_sent_at=self._first_sent_at,
            delivered_bytes=self.delivered_bytes,
            delivered_at=self._delivered_at,
            lost_bytes=self.lost_bytes,
            in_flight=in_flight,
            is_app_limited=self._app_limited_until > 0,
        )

    def on_lost(self, size: int) -> None:
        """So many bytes are taken for lost: call it before the controller's `on_loss`."""
        self.lost_bytes += size

    def on_app_limited(self, *, in_flight: int) -> None:
        """Nothing waits to be sent though the window is open: samples are marked until this is delivered."""
        self._app_limited_until = (self.delivered_bytes + in_flight) or 1

    def on_ack(self, acked_bytes: int, newest: Flight, *, min_rtt_s: float, now: float) -> RateSample:
        """So many bytes were delivered; `newest` is the flight of the packet among them that was sent last.

        Args:
            min_rtt_s: of the connection; an interval that is shorter says nothing (section 4.1.2.3), and is given as 0.

        Returns:
            The sample. It is used again for the next one: keep its numbers, not it.
        """
        self.delivered_bytes = delivered = self.delivered_bytes + acked_bytes
        self._delivered_at = now
        self._first_sent_at = newest.sent_at
        if 0 < self._app_limited_until < delivered:
            self._app_limited_until = 0
        sending_s = newest.sent_at - newest.first_sent_at
        interval_s = now - newest.delivered_at
        if sending_s > interval_s:
            interval_s = sending_s
        sample = self._sample
        sample.delivered_bytes = delivered - newest.delivered_bytes
        sample.interval_s = interval_s if interval_s > min_rtt_s - _ROUNDING_S else 0.0
        sample.lost_bytes = self.lost_bytes - newest.lost_bytes
        sample.sent_in_flight = newest.in_flight
        sample.prior_delivered = newest.delivered_bytes
        sample.delivered_total = delivered
        sample.is_app_limited = newest.is_app_limited
        return sample

    @property
    def is_app_limited(self) -> bool:
        """Whether what leaves now is marked."""
        return self._app_limited_until > 0


_ROUNDING_S = 1e-6  # sums of floats that should be equal differ by less
