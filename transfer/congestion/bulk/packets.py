"""What a bulk flow sends: data packets that are only numbers, and acknowledgements of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.congestion.pacer import PacerConfig
from transfer.congestion.rate_sample import Flight
from transfer.congestion.rtt import RttConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkConfig:
    """The numbers of a bulk flow. The defaults are those of TCP in Linux over Ethernet.

    Attributes:
        payload_bytes: what a packet carries; windows and rates are counted in it, as TCP does.
        header_bytes: what comes on top on the wire: IPv4, TCP and its timestamps.
        ack_bytes: of an acknowledgement on the wire, without ranges.
        range_bytes: what each range adds to it.
        ack_every: packets that are acknowledged together while all is in order (RFC 5681, section 4.2).
        ack_every_beyond: packets that are acknowledged together while there is a hole before them; what makes or closes
            a hole is acknowledged at once. TCP has 1, QUIC with the extension ACK_FREQUENCY may have more.
        ack_delay_s: an acknowledgement waits no longer for the next packet.
        sack_ranges: ranges in one acknowledgement: as many as fit beside timestamps (RFC 2018, section 3).
        duplicates: packets past a hole that give it away before reordering was seen (RFC 5681, section 3.2).
        max_ahead_packets: how far a packet may be beyond the first one that is missing: the receiver's window.
        rtt: time-outs. Linux keeps 200 ms between the smoothed round trip and its time-out.
        pacing: runs and lateness.
        window_pacing_gain: a controller that has a window and no rate is paced at so many windows in a smoothed round
            trip, and an initial window leaves at once: QUIC has 1.25 (RFC 9002, section 7.7). None: it sends as
            acknowledgements come, as TCP does, and when the line hands over several at once, a burst leaves.
    """

    payload_bytes: int = 1448
    header_bytes: int = 52
    ack_bytes: int = 52
    range_bytes: int = 8
    ack_every: int = 2
    ack_every_beyond: int = 1
    ack_delay_s: float = 0.04
    sack_ranges: int = 3
    duplicates: int = 3
    max_ahead_packets: int = 1 << 17
    rtt: RttConfig = field(default_factory=lambda: RttConfig(min_rto_s=0.2, min_margin_s=0.2))
    pacing: PacerConfig = field(default_factory=PacerConfig)
    window_pacing_gain: float | None = None

    def __post_init__(self) -> None:
        if self.payload_bytes < 1 or self.ack_bytes < 1 or self.header_bytes < 0 or self.range_bytes < 0:
            raise ValueError("packets and acknowledgements have at least one byte, and no part has fewer than none")
        if min(self.ack_every, self.ack_every_beyond, self.sack_ranges) < 1 or self.ack_delay_s < 0:
            raise ValueError("ack_every, ack_every_beyond and sack_ranges must be at least 1, ack_delay_s not negative")
        if self.duplicates < 1 or self.max_ahead_packets < 1:
            raise ValueError("duplicates and max_ahead_packets must be at least 1")
        if self.window_pacing_gain is not None and not self.window_pacing_gain > 0:
            raise ValueError("window_pacing_gain must be positive, or None for no pacing of windows")

    @property
    def packet_bytes(self) -> int:
        """Of a data packet on the wire."""
        return self.payload_bytes + self.header_bytes


class BulkPacket:
    """One sending of one packet. It is also the sender's record of it: a receiver changes nothing.

    Attributes:
        number: of the packet, from 0.
        order: of the sending, over first and repeated ones.
        sent_at: when it left.
        is_again: the packet had been sent before.
        flight: what the rate sampler knew then; None without one.
        is_settled: delivered, lost or replaced: not in flight any more.
        sent_in_flight: packets in flight when it and what left with it had been sent.
    """

    __slots__ = ("flight", "is_again", "is_settled", "number", "order", "sent_at", "sent_in_flight")

    def __init__(self, number: int, order: int, sent_at: float, is_again: bool, flight: Flight | None) -> None:
        self.number = number
        self.order = order
        self.sent_at = sent_at
        self.is_again = is_again
        self.flight = flight
        self.is_settled = False
        self.sent_in_flight = 0


class BulkAck:
    """What a receiver has.

    Attributes:
        next_number: everything before it has arrived.
        ranges: pairs of a first number and the number after the last one, that arrived beyond it, those that changed
            last first. Some may have grown since, which another one tells.
        echo: the sending that arrived last.
        delay_s: how long it was on its way, by the receiver's clock.
        duplicates: packets that arrived though they were there, in all.
        marked: packets that arrived with "congestion experienced", in all (ECN).
    """

    __slots__ = ("delay_s", "duplicates", "echo", "marked", "next_number", "ranges")

    def __init__(
        self,
        next_number: int,
        ranges: tuple[tuple[int, int], ...],
        echo: BulkPacket,
        delay_s: float,
        duplicates: int,
        marked: int,
    ) -> None:
        self.next_number = next_number
        self.ranges = ranges
        self.echo = echo
        self.delay_s = delay_s
        self.duplicates = duplicates
        self.marked = marked


@dataclass(slots=True)
class BulkStats:
    """Packets of a sender so far: `sent` counts repeated ones, too; `needless` of them had arrived already."""

    sent: int = 0
    sent_again: int = 0
    lost: int = 0
    delivered: int = 0
    needless: int = 0
    probes: int = 0
    timeouts: int = 0
