"""The knobs of a node that talks in datagrams, beside those of its engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.engine.config import EngineConfig
from transfer.limits.source_limiter import RateLimitConfig

MIN_DATAGRAM_BYTES = 1024  # BEP 32: what a node must be able to take


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig(EngineConfig):
    """One node, whatever its dialect.

    Args:
        rate_limit: how many datagrams of strangers are looked at.
        amplification: how many bytes of large answers are sent to addresses that may be forged.
        max_pending_queries: queries awaiting an answer; beyond it new ones fail at once.
        max_datagram_bytes: longer datagrams are dropped unread.
        token_rotation_s: age of a secret when the next one replaces it; tokens hold for one to two such spans.
        resolve_timeout_s: patience with the name service when bootstrap addresses are names.
        snapshot_interval_s: how often a node with a state file saves its contacts; it does so when it closes, too.
    """

    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    amplification: AmplificationConfig = field(default_factory=AmplificationConfig)
    max_pending_queries: int = 8192
    max_datagram_bytes: int = 4096
    token_rotation_s: float = 300.0
    resolve_timeout_s: float = 4.0
    snapshot_interval_s: float = 600.0

    def __post_init__(self) -> None:
        EngineConfig.__post_init__(self)
        if min(self.token_rotation_s, self.resolve_timeout_s, self.snapshot_interval_s) <= 0:
            raise ValueError("intervals must be positive")
        if self.max_pending_queries < 1:
            raise ValueError("each bound must be at least 1")
        if self.max_datagram_bytes < MIN_DATAGRAM_BYTES:
            raise ValueError(f"max_datagram_bytes must be at least {MIN_DATAGRAM_BYTES}")
