"""Bounds and times of one torrent's swarm."""

from __future__ import annotations

from dataclasses import dataclass, field

from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.peer_exchange import PeerExchangeConfig
from bittorrent.swarm.punching.config import PunchingConfig
from bittorrent.swarm.uploading.choker import ChokerConfig
from bittorrent.swarm.uploading.super_seeding import SuperSeedingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmConfig:
    """Every number that shapes a `SwarmCore`.

    Attributes:
        max_unverified_bytes: pieces handed to the disk and not reported back; above it nothing new is requested, so
            a slow disk slows the network down instead of filling the memory.
        max_buffered_bytes: about how much memory unfinished pieces may take.
        critical_queue_s: while a reader waits for certain pieces, no more than this is requested ahead from a peer, in
            time at its rate: what is needed next must not stand behind what is needed later.
        metadata_sources: peers asked for a magnet link's metadata at a time, for one piece each.
        max_contributions: peers remembered in the statistics of what each sent.
        suggested_pieces: so many of the pieces that were read last are suggested to others (BEP 6): they are in memory,
            so a seed on a slow disk reads less. Off by default, as in libtorrent: peers that obey fetch what
            others fetch too, instead of what is rare.
        allowed_fast_pieces: pieces that a peer with fewer than that may fetch while choked (BEP 6: 10).
    """

    max_unverified_bytes: int = 64 << 20
    max_buffered_bytes: int = 256 << 20
    critical_queue_s: float = 1.0
    metadata_sources: int = 8
    max_contributions: int = 1000
    suggested_pieces: int = 0
    allowed_fast_pieces: int = 10
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    choker: ChokerConfig = field(default_factory=ChokerConfig)
    peer_exchange: PeerExchangeConfig = field(default_factory=PeerExchangeConfig)
    punching: PunchingConfig = field(default_factory=PunchingConfig)
    super_seeding: SuperSeedingConfig = field(default_factory=SuperSeedingConfig)
    hashes: HashConfig = field(default_factory=HashConfig)

    def __post_init__(self) -> None:
        numbers = (self.max_unverified_bytes, self.max_buffered_bytes, self.metadata_sources, self.max_contributions)
        if min(numbers) <= 0 or min(self.allowed_fast_pieces, self.suggested_pieces) < 0:
            raise ValueError("the bounds of a swarm must be positive")
        if self.suggested_pieces > MAX_SUGGESTED:
            raise ValueError(f"suggested_pieces can be {MAX_SUGGESTED} at most: more in a second looks like a flood")
        if self.critical_queue_s <= 0:
            raise ValueError("critical_queue_s must be positive")

    def max_partial_pieces(self, piece_length: int) -> int:
        """How many pieces may be unfinished at a time: at least a few, however large they are."""
        return max(8, min(2048, self.max_buffered_bytes // piece_length))


MAX_SUGGESTED = 10
