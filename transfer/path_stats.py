"""What one end of a connection knows about its path: the same few numbers, whatever carries the bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStats:
    """How a connection finds its path at this moment: `transport.get_extra_info("path_stats")`, None where unknown.

    All of it is about the direction in which this end sends. Sizes are as the sender counts them: TCP counts payload.

    Attributes:
        transport: what carries the bytes: "tcp", "utp", "simulated".
        controller: the congestion controller, by its name; None when the system does not say.
        window_bytes: what the controller lets be under way.
        in_flight_bytes: what is under way.
        rtt_s: the smoothed round-trip time; None before the first sample.
        min_rtt_s: the shortest one that was seen, of late where the sender forgets older ones.
        delivery_rate_bytes_per_s: how fast the other side got what was sent last; None before there is a sample. The
            application, and not the path, may have held it down.
        retransmitted_bytes: sent again, since the connection began.
    """

    transport: str
    controller: str | None = None
    window_bytes: int | None = None
    in_flight_bytes: int | None = None
    rtt_s: float | None = None
    min_rtt_s: float | None = None
    delivery_rate_bytes_per_s: float | None = None
    retransmitted_bytes: int | None = None
