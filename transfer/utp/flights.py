"""What the sending half keeps of packets that left together, and what it tells of an acknowledgement."""

from __future__ import annotations

from transfer.datagrams.runs import Buffer


class Flight:
    """Packets that left together.

    Attributes:
        start, end: sequence numbers, from the first to behind the last.
        payloads: of each packet.
        size, last_size: bytes of each payload but the last; of the last.
        sent_at: when, in seconds of `now`.
        in_flight: bytes on their way when they had just left.
        lost_before: bytes lost until then, of the whole connection.
        tag: of the rate sampler, if there is one.
    """

    __slots__ = ("end", "in_flight", "last_size", "lost_before", "payloads", "sent_at", "size", "start", "tag")

    def __init__(
        self, start: int, payloads: list[Buffer], *, sent_at: float, in_flight: int, lost_before: int, tag: object
    ) -> None:
        self.start = start
        self.end = start + len(payloads)
        self.payloads = payloads
        self.size = len(payloads[0])
        self.last_size = len(payloads[-1])
        self.sent_at = sent_at
        self.in_flight = in_flight
        self.lost_before = lost_before
        self.tag = tag


class Delivered:
    """What one acknowledgement told. It is used again: keep its numbers, not it.

    Attributes:
        acked_bytes: arrived by it for the first time.
        prior_in_flight: bytes on their way before it.
        newest: the flight that the newest of these packets belongs to, as it was last sent.
        newest_sent_at: when that packet was sent.
        rtt_s: of a packet that was sent once; None without one.
        lost_bytes: taken for lost because of it.
        lost_flight: the newest flight that lost something.
        lost_packets: of these.
        late_packets: had been taken for lost, and were only late.
        probe_delivered, probe_lost: what became of the probe of the path's MTU.
    """

    __slots__ = (
        "acked_bytes",
        "late_packets",
        "lost_bytes",
        "lost_flight",
        "lost_packets",
        "newest",
        "newest_sent_at",
        "prior_in_flight",
        "probe_delivered",
        "probe_lost",
        "rtt_s",
    )

    def __init__(self) -> None:
        self.acked_bytes = self.prior_in_flight = self.lost_bytes = self.lost_packets = self.late_packets = 0
        self.newest: Flight | None = None
        self.lost_flight: Flight | None = None
        self.newest_sent_at = 0.0
        self.rtt_s: float | None = None
        self.probe_delivered = self.probe_lost = False
