"""What the parts of uTP tell one another, and what they tell others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from transfer.datagrams.runs import Buffer


class State(Enum):
    """The life of a connection."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class Ending(Enum):
    """Why a connection is CLOSED."""

    CLEAN = "clean"  # both directions have ended, or we broke it off
    RESET = "reset"  # by the other side
    REFUSED = "refused"  # a SYN was answered with a RESET
    TIMED_OUT = "timed out"


@dataclass(slots=True)
class Burst:
    """Packets of the stream that leave at one moment.

    Attributes:
        payloads: all of one size but the last.
        sequences: of each of them; None if they follow one another from `first_sequence` on.
        is_fin: it is the one packet that ends our direction.
        padding: bytes by which its one packet is made longer, whose payload is known to fit: whether a datagram of that
            size arrives is the question, so it must not be fragmented.
        may_fragment: larger than what is known to arrive, and it has to.
    """

    payloads: list[Buffer]
    first_sequence: int
    sequences: list[int] | None = None
    is_fin: bool = False
    padding: int = 0
    may_fragment: bool = False


@dataclass(slots=True)
class Run:
    """Datagrams that leave in one call.

    Attributes:
        buffers: header, payload, header, payload, …; the headers' memory is used again for the next run.
        segment_bytes: the size of each datagram but the last.
        count: datagrams.
        is_probe: it must not be fragmented.
        may_fragment: as in a burst.
    """

    buffers: list[Buffer]
    segment_bytes: int
    count: int
    is_probe: bool = False
    may_fragment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UtpStats:
    """What a connection has come to.

    Attributes:
        congestion, congestion_state: the controller, and what it is doing.
        window_bytes, in_flight_bytes, peer_window_bytes: may be on their way; are; fit into the other side's memory.
        pacing_rate: bytes a second; None if the window alone decides.
        rtt_s, min_rtt_s, rto_s: round trips and the time-out; the first two are None before there is a sample,
            and 0 on a loop whose clock is coarser than they are (uvloop's has milliseconds).
        datagram_bytes: header and payload of a full packet.
        delivered_bytes, lost_bytes: sent and acknowledged; sent and taken for lost.
        delivery_rate: bytes a second that were acknowledged of late; None before there is a figure.
        resent_packets, resent_bytes, timeouts: so far.
    """

    congestion: str
    congestion_state: str
    window_bytes: int
    in_flight_bytes: int
    peer_window_bytes: int
    pacing_rate: float | None
    rtt_s: float | None
    min_rtt_s: float | None
    rto_s: float
    datagram_bytes: int
    delivered_bytes: int
    lost_bytes: int
    delivery_rate: float | None
    resent_packets: int
    resent_bytes: int
    timeouts: int
