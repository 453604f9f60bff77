"""Bounds and times of the exchange of hashes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HashConfig:
    """Every number that shapes how hashes are asked for and given.

    Attributes:
        first_requests: for piece layers, to one peer at first; one more for each answer, half of them after a time-out.
        most_requests: to one peer at a time.
        timeout_s: silence after which another peer is asked.
        hurry_s: after so much of it, a peer that has nothing else to do is asked, too.
        first_pause_s: how long a peer is left alone that is silent or refuses one request after the other; twice as
            long each time. libtorrent asks again every 0.1 s.
        most_pause_s: see `first_pause_s`.
        leaf_peers: peers that are asked at a time for the leaves of a bad piece.
        leaf_timeout_s: silence after which one more is asked for them.
        leaf_patience_s: without an answer in this time the piece is fetched again as a whole.
        max_doubtful_bytes: bad pieces that wait for their leaves; one may be larger. What is more is fetched again.
        copies: how often a peer may ask for all layers before its requests count as a flood.
        max_waiting: requests of one peer that wait for the disk.
        max_read_bytes: of a request for what lies below several pieces.
        read_rate_bytes_per_s: what is read and hashed for one peer.
        read_burst_bytes: see `read_rate_bytes_per_s`; one piece may be larger.
        max_kept_nodes: of trees that were made or read for answers and may be asked for again: 32 bytes each. One tree
            may be larger.
    """

    first_requests: int = 4
    most_requests: int = 64
    timeout_s: float = 8.0
    hurry_s: float = 2.0
    first_pause_s: float = 2.0
    most_pause_s: float = 60.0
    leaf_peers: int = 3
    leaf_timeout_s: float = 2.0
    leaf_patience_s: float = 6.0
    max_doubtful_bytes: int = 32 << 20
    copies: int = 4
    max_waiting: int = 64
    max_read_bytes: int = 16 << 20
    read_rate_bytes_per_s: float = 8 << 20
    read_burst_bytes: float = 64 << 20
    max_kept_nodes: int = 1 << 18

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.most_requests < self.first_requests or self.most_pause_s < self.first_pause_s:
            raise ValueError("the most must not be less than the first")
