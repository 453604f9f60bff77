"""The contract of a congestion controller: what it is told, and its answer, a window and a pacing rate. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(slots=True, kw_only=True)
class RateSample:
    """How fast the path delivered lately (draft-ietf-ccwg-bbr, section 4.1; Cheng et al., delivery rate estimation).

    Attributes:
        delivered_bytes: delivered from when the newest acknowledged packet was sent until now.
        interval_s: the time that took: the longer one of sending and of acknowledging.
        lost_bytes: found to be lost in the same time.
        sent_in_flight: bytes on their way when the newest acknowledged packet had just been sent.
        prior_delivered: all bytes delivered by when the newest acknowledged packet was sent: rounds are counted by it.
        delivered_total: all bytes delivered until now.
        is_app_limited: the sender had too little to send then, so the rate may be below what the path can do.
    """

    delivered_bytes: int
    interval_s: float
    lost_bytes: int
    sent_in_flight: int
    prior_delivered: int
    delivered_total: int
    is_app_limited: bool

    @property
    def rate(self) -> float:
        """Bytes a second; 0 when the interval says nothing: it is shorter than clocks can tell."""
        return self.delivered_bytes / self.interval_s if self.interval_s > LEAST_INTERVAL_S else 0.0


@dataclass(slots=True, kw_only=True)
class Acknowledgement:
    """What one acknowledgement told, of one packet or of hundreds.

    Attributes:
        acked_bytes: delivered by it for the first time, selectively or cumulatively.
        in_flight: bytes on their way after it, without what counts as lost.
        prior_in_flight: bytes on their way before it.
        sent_at: when the newest packet that it acknowledges was sent, in seconds of `now`.
        rtt_s: a round trip of a packet that was sent once; None when there is no such sample.
        smoothed_rtt_s, min_rtt_s: of the connection so far; 0 before the first sample.
        delay_s: one-way delay of the data as its receiver saw it, the clock offset unknown (LEDBAT); None when unknown.
            Differences count: a sender whose protocol has timestamps that wrap around gives them unwrapped.
        ce_bytes: of acked_bytes, those whose packets were marked "congestion experienced" (ECN).
        is_window_limited: the window, and not the application, held the sender back since the acknowledgement before.
        rate: for controllers with `needs_rate` only.
    """

    acked_bytes: int
    in_flight: int
    prior_in_flight: int
    sent_at: float
    rtt_s: float | None = None
    smoothed_rtt_s: float = 0.0
    min_rtt_s: float = 0.0
    delay_s: float | None = None
    ce_bytes: int = 0
    is_window_limited: bool = True
    rate: RateSample | None = None


@dataclass(slots=True, kw_only=True)
class Loss:
    """Packets that were found to be lost at one moment. Told before the acknowledgement that gave them away.

    Attributes:
        lost_bytes: of all of them.
        in_flight: bytes on their way without them.
        sent_at: when the newest of them was sent: a controller answers once to what was sent before its last answer.
        prior_in_flight: bytes on their way before what gave them away, these included; 0: not known.
        sent_in_flight: bytes on their way when the newest of them had just been sent, itself included.
        lost_since_sent: bytes lost, these included, since it was sent.
        ranges: runs of packets, sent one after the other, that they are: what lay beside each other was lost at once.
        is_app_limited: the sender had too little to send when the newest of them was sent.
    """

    lost_bytes: int
    in_flight: int
    sent_at: float
    prior_in_flight: int = 0
    sent_in_flight: int = 0
    lost_since_sent: int = 0
    ranges: int = 1
    is_app_limited: bool = False

    @property
    def flight(self) -> int:
        """What was too much: on its way when the loss was found, or when the lost packet was sent.

        What has just been delivered beyond the hole is part of the former (RFC 5681, FlightSize). At the end of what
        there is to be sent that says little; RFC 9438 (section 4.6) takes the window, if it grows only when it is used.
        """
        return max(self.prior_in_flight, self.in_flight + self.lost_bytes, self.sent_in_flight)


class CongestionController(Protocol):
    """Decides how much may be on its way and how fast it leaves. One for each connection; it sends nothing itself.

    Every size is in bytes of the packets as the sender counts them (payload, or payload and headers: always the same).
    A sender calls it for batches: one `on_sent` for all that leaves at one moment, one `on_ack` for each that arrives.

    Invariants:
        window is at least one packet; pacing_rate is None or positive
    """

    name: ClassVar[str]  # as users write it: "reno", "cubic", "ledbat", "ledbat++", "bbr1", "bbr"
    needs_rate: ClassVar[bool]  # the sender keeps a RateSampler and gives `Acknowledgement.rate`

    @property
    def window(self) -> int:
        """Bytes that may be on their way."""
        ...

    @property
    def pacing_rate(self) -> float | None:
        """Bytes a second; None: the window alone decides, and acknowledgements clock the sender."""
        ...

    @property
    def state(self) -> str:
        """One word for people: "slow start", "avoidance", "recovery", "startup", "probe up", …"""
        ...

    def on_sent(self, size: int, *, in_flight: int, now: float) -> None:
        """So many bytes have just left, first or again; `in_flight` counts them. If they are all: after idling.

        A window may get smaller by that: after idling, a sender tells of a first packet before it sends more.
        """
        ...

    def on_ack(self, ack: Acknowledgement, *, now: float) -> None:
        """Something was delivered. `ack` and its sample are used again by the sender: keep their numbers, not them."""
        ...

    def on_loss(self, loss: Loss, *, now: float) -> None:
        """Packets are taken for lost (reordering aside); more of the same flight may follow."""
        ...

    def on_timeout(self, *, now: float) -> None:
        """Nothing was acknowledged for a retransmission time-out: all that was on its way counts as lost."""
        ...

    def on_spurious_loss(self, *, now: float) -> None:
        """All that the last answer to a loss or a time-out was about has arrived after all: it was late, not lost.

        The answer may be taken back. A sender that cannot know never calls it.
        """
        ...

    def on_app_limited(self, *, in_flight: int, now: float) -> None:
        """The sender has nothing more to send though it might: what follows says little about the path."""
        ...

    def on_packet_size(self, packet_bytes: int, *, now: float) -> None:
        """Packets are of this size from now on (path-MTU discovery)."""
        ...


LEAST_INTERVAL_S = 1e-7  # what is shorter is rounding, and dividing by it gives any rate
