"""The bounds and times of uTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UtpConfig:
    """How uTP is spoken, and what a stranger may cost. Sizes in bytes, times in seconds.

    Attributes:
        congestion: the controller of every connection, by its name in `transfer.congestion.registry`.
        receive_buffer_bytes: what one connection keeps of what it received and nobody read, holes included: its window.
        max_received_bytes: what all connections of a socket keep together: many have smaller windows each.
        send_buffer_min_bytes, send_buffer_max_bytes: what one connection takes of what is written before it counts as
            waiting: twice the congestion window, but between these.
        max_packets_in_flight: a selective acknowledgement describes some 2,000 packets, so no more are on their way.
        max_packets_ahead: packets that are kept behind a hole. Never fewer than the other side may send.
        max_datagram_bytes: the largest datagram over IPv4, its IP and UDP headers not counted; IPv6 has 20 less.
        probe_attempts: so many lost probes of a size are needed to believe that it is too large.
        probe_again_s: after so long the search for larger datagrams starts anew (RFC 8899: 600).
        initial_rto_s, min_rto_s, max_rto_s: retransmission time-outs: 1 and 0.5 in BEP 29; they double.
        syn_timeout_s: until a SYN is sent again; it doubles.
        syn_attempts: SYNs before a dial times out.
        silence_timeout_s: a peer that says nothing for so long, though something is on its way to it, is dead.
        stall_timeout_s: so is one that talks, but acknowledges nothing new for so long, or keeps its window closed.
        idle_timeout_s: a connection on which nothing arrives for so long is dead. Ours tell one another that they live
            every `keep_alive_s`; libtorrent does not, but BitTorrent's own messages come every two minutes.
        keep_alive_s: after so long of sending nothing an acknowledgement goes out (libutp: 29, below the 30 of NATs).
        linger_s: after `close` the other side has so long to end its direction.
        last_words_s: after `close` and the other side's FIN, so long a silence passes for an acknowledgement of ours.
        time_wait_s: how long the side that ended first still answers to what is sent again: longer than a time-out.
        max_connections: of one endpoint; a SYN beyond is refused with a RESET.
        max_half_open: SYNs remembered that were answered; beyond these, an answer carries all that has to be known.
        half_open_s: how long one is remembered.
        max_resets_per_s: RESETs to strangers; nothing that is sent twice is worth more.
    """

    congestion: str = "ledbat"
    receive_buffer_bytes: int = 2 << 20
    max_received_bytes: int = 256 << 20
    send_buffer_min_bytes: int = 256 << 10
    send_buffer_max_bytes: int = 4 << 20
    max_packets_in_flight: int = 2000
    max_packets_ahead: int = 2048
    max_datagram_bytes: int = 1472
    probe_attempts: int = 2
    probe_again_s: float = 600.0
    initial_rto_s: float = 1.0
    min_rto_s: float = 0.5
    max_rto_s: float = 15.0
    syn_timeout_s: float = 3.0
    syn_attempts: int = 3
    silence_timeout_s: float = 60.0
    stall_timeout_s: float = 600.0
    idle_timeout_s: float = 600.0
    keep_alive_s: float = 29.0
    linger_s: float = 60.0
    last_words_s: float = 10.0
    time_wait_s: float = 20.0
    max_connections: int = 4096
    max_half_open: int = 512
    half_open_s: float = 30.0
    max_resets_per_s: int = 100

    def __post_init__(self) -> None:
        if not MIN_BUFFER_BYTES <= self.receive_buffer_bytes < 1 << 32:
            raise ValueError(f"receive_buffer_bytes must be at least {MIN_BUFFER_BYTES} and fit into 32 bits")
        if self.max_received_bytes < self.max_connections * MIN_BUFFER_BYTES:
            raise ValueError(f"max_received_bytes must hold {MIN_BUFFER_BYTES} for each of max_connections")
        if not MIN_BUFFER_BYTES <= self.send_buffer_min_bytes <= self.send_buffer_max_bytes:
            raise ValueError(f"{MIN_BUFFER_BYTES} <= send_buffer_min_bytes <= send_buffer_max_bytes must hold")
        if not 16 <= self.max_packets_in_flight <= self.max_packets_ahead <= 16_384:
            raise ValueError("16 <= max_packets_in_flight <= max_packets_ahead <= 16384 must hold")
        if not MIN_DATAGRAM_BYTES <= self.max_datagram_bytes <= 65_507:
            raise ValueError(f"max_datagram_bytes must be from {MIN_DATAGRAM_BYTES} to 65507")
        if not 0 < self.min_rto_s <= self.max_rto_s or not 0 < self.initial_rto_s <= self.max_rto_s:
            raise ValueError("0 < min_rto_s <= max_rto_s and 0 < initial_rto_s <= max_rto_s must hold")
        times = (
            *(self.syn_timeout_s, self.silence_timeout_s, self.stall_timeout_s, self.idle_timeout_s),
            *(
                self.keep_alive_s,
                self.linger_s,
                self.last_words_s,
                self.time_wait_s,
                self.half_open_s,
                self.probe_again_s,
            ),
        )
        if min(times) <= 0:
            raise ValueError("every time must be positive")
        counts = (self.syn_attempts, self.probe_attempts, self.max_connections, self.max_half_open)
        if min(counts) < 1 or self.max_resets_per_s < 0:
            raise ValueError("every count must be positive, and max_resets_per_s not negative")


MIN_DATAGRAM_BYTES = 548  # 576 (RFC 791: every host takes that) less 28: where libtorrent's search begins
MIN_BUFFER_BYTES = 16 << 10
