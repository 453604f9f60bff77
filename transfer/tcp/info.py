"""`struct tcp_info` of Linux: what the kernel knows of a TCP connection. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from transfer.path_stats import PathStats


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """The part of `struct tcp_info` that is about sending. What an older kernel does not tell is None.

    Attributes:
        segment_bytes: payload of a full segment; the kernel counts segments, and the sizes here are made of it.
        window_bytes: the congestion window.
        in_flight_bytes: sent and not accounted for yet: neither acknowledged nor taken for lost.
        rtt_s: smoothed; None before the first sample.
        rtt_deviation_s: its mean deviation, as RFC 6298 has it.
        min_rtt_s: since Linux 4.6.
        pacing_rate_bytes_per_s: as the kernel reckons it, whether or not it paces; since Linux 3.15.
        delivery_rate_bytes_per_s: since Linux 4.9; None as well before the first sample.
        is_app_limited: the application held the delivery rate down, since Linux 4.9.
        retransmitted_bytes: since Linux 4.19; before that, of full segments.
        retransmitted_segments: sent again.
    """

    segment_bytes: int
    window_bytes: int
    in_flight_bytes: int
    rtt_s: float | None
    rtt_deviation_s: float
    min_rtt_s: float | None
    pacing_rate_bytes_per_s: float | None
    delivery_rate_bytes_per_s: float | None
    is_app_limited: bool | None
    retransmitted_bytes: int
    retransmitted_segments: int

    @classmethod
    def from_bytes(cls, data: bytes) -> TcpInfo | None:
        """What `getsockopt(IPPROTO_TCP, TCP_INFO)` gave; None when it is shorter than any kernel makes it.

        The structure has only ever grown at its end: fields that `data` does not reach are unknown, and what follows
        the last one that is known here is left alone.

        Source: include/uapi/linux/tcp.h.
        """
        if len(data) < MIN_BYTES:
            return None
        segment, unacked, sacked, lost, retransmitted = (
            _number(data, offset, "I") or 0 for offset in (MSS, UNACKED, SACKED, LOST, RETRANS)
        )
        rtt_us, deviation_us = (_number(data, offset, "I") or 0 for offset in (RTT, RTT_DEVIATION))
        segments = _number(data, TOTAL_RETRANS, "I") or 0
        min_rtt_us, pacing = _number(data, MIN_RTT, "I"), _number(data, PACING_RATE, "Q")
        delivery, sent_again = _number(data, DELIVERY_RATE, "Q"), _number(data, BYTES_RETRANS, "Q")
        return cls(
            segment_bytes=segment,
            window_bytes=(_number(data, CWND, "I") or 0) * segment,
            in_flight_bytes=max(0, unacked - sacked - lost + retransmitted) * segment,
            rtt_s=rtt_us / 1e6 if rtt_us else None,
            rtt_deviation_s=deviation_us / 1e6,
            min_rtt_s=min_rtt_us / 1e6 if min_rtt_us is not None and 0 < min_rtt_us < NO_MIN_RTT else None,
            pacing_rate_bytes_per_s=float(pacing) if pacing is not None and pacing not in UNPACED else None,
            delivery_rate_bytes_per_s=float(delivery) if delivery else None,
            is_app_limited=bool(data[FLAGS] & 1) if delivery is not None else None,
            retransmitted_bytes=sent_again if sent_again is not None else segments * segment,
            retransmitted_segments=segments,
        )

    def path_stats(self, controller: str | None) -> PathStats:
        """The numbers that every medium has."""
        return PathStats(
            transport="tcp",
            controller=controller,
            window_bytes=self.window_bytes,
            in_flight_bytes=self.in_flight_bytes,
            rtt_s=self.rtt_s,
            min_rtt_s=self.min_rtt_s,
            delivery_rate_bytes_per_s=self.delivery_rate_bytes_per_s,
            retransmitted_bytes=self.retransmitted_bytes,
        )


def _number(data: bytes, offset: int, kind: str) -> int | None:
    form = struct.Struct("=" + kind)
    return int(form.unpack_from(data, offset)[0]) if offset + form.size <= len(data) else None


# Offsets.
FLAGS = 7
MSS, UNACKED, SACKED, LOST, RETRANS = 16, 24, 28, 32, 36
RTT, RTT_DEVIATION, CWND, TOTAL_RETRANS = 68, 72, 80, 100
PACING_RATE, MIN_RTT, DELIVERY_RATE, BYTES_RETRANS = 104, 148, 160, 208
MIN_BYTES = 104  # as Linux 2.6 had it, up to and with `tcpi_total_retrans`
MAX_BYTES = 512  # asked for: twice of what Linux 6.18 fills
NO_MIN_RTT = 0xFFFFFFFF
UNPACED = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)  # no limit: ~0 of 32 bits before Linux 4.20, of 64 since
