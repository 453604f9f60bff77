"""What a yamux session tells about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class YamuxStats:
    """A session at this moment.

    Attributes:
        inbound, outbound: streams that are open.
        rtt_s: the round trip, once it was measured.
        window_bytes: what the windows of all streams come to: so much may the other side send before anybody reads.
        unread_bytes: what has arrived and was not taken.
        idle_frames: frames that moved nothing.
        refused: streams of the other side that were reset because there was no room.
    """

    inbound: int
    outbound: int
    rtt_s: float | None
    window_bytes: int
    unread_bytes: int
    idle_frames: int
    refused: int
