"""The knobs of a node's engine; its bounds on what strangers can make grow are all here or in the configs it names."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.config import LookupConfig, RoutingTableConfig
from kademlia_core.node.amplification import AmplificationConfig
from transfer.external_address import ExternalAddressConfig
from transfer.limits.source_limiter import RateLimitConfig

MIN_DATAGRAM_BYTES = 1024  # BEP 32: what a node must be able to take


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One node, whatever its dialect.

    Args:
        query_timeout_s: silence after which a query has failed.
        join_attempts: how often each bootstrap address is asked before joining has failed.
        join_retry_s: wait before bootstrap addresses are asked again, doubled each time up to the maximum, until
            joining succeeds and, if none of them has answered, as long as the table is narrow.
        join_retry_max_s: see `join_retry_s`.
        wide_regions: a table whose nodes are in so many parts of the network (IPv4 /16, IPv6 /32, single hosts of
            private networks) is wide: the node is on no island. A narrower one gets bootstrap addresses asked again
            every `join_retry_max_s`, even after joining.
        wide_retry_s: between two questions to a bootstrap address when the table is wide.
        renew_interval_s: least time between two lookups of the own key that something new has led to: nodes that enter
            a narrow table, or that are back.
        max_lost: nodes that were in the table and fell silent, to be pinged now and then.
        lost_interval_s: between two such pings.
        max_sleep_s: when time has passed by so much, the machine has slept: the network may be another one.
        max_join_refreshes: buckets that are refreshed once the node has found its neighbours, farthest first.
        refresh_k: nodes that have to answer a refresh; buckets that hold so many need none when joining. A refresh is
            to meet some nodes of a range, not just the closest to its random target.
        upkeep_interval_s: at most one doubtful node is pinged, and one stale bucket refreshed, in so long.
        spare_interval_s: at most one node that the table has a place for but does not need is pinged in so long.
        max_hints: nodes waiting for the ping that lets them into the table.
        max_pending_queries: queries awaiting an answer; beyond it new ones fail at once.
        max_searches: lookups at the same time.
        max_datagram_bytes: longer datagrams are dropped unread.
        token_rotation_s: age of a secret when the next one replaces it; tokens hold for one to two such spans.
        resolve_timeout_s: patience with the name service when bootstrap addresses are names.
        snapshot_interval_s: how often a node with a state file saves whom it knows; it does so when it closes, too.
        version: four bytes that name this implementation in each message, as BEP 5 describes.
        is_read_only: asks but does not answer, and tells others to keep it out of their tables (BEP 43).
    """

    routing_table: RoutingTableConfig = field(default_factory=RoutingTableConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)
    amplification: AmplificationConfig = field(default_factory=AmplificationConfig)
    external_address: ExternalAddressConfig = field(default_factory=ExternalAddressConfig)
    query_timeout_s: float = 5.0
    join_attempts: int = 2
    join_retry_s: float = 15.0
    join_retry_max_s: float = 180.0
    wide_regions: int = 40
    wide_retry_s: float = 3600.0
    renew_interval_s: float = 60.0
    max_lost: int = 32
    lost_interval_s: float = 60.0
    max_sleep_s: float = 60.0
    max_join_refreshes: int = 16
    refresh_k: int = 4
    upkeep_interval_s: float = 5.0
    spare_interval_s: float = 1.0
    max_hints: int = 64
    max_pending_queries: int = 8192
    max_searches: int = 256
    max_datagram_bytes: int = 4096
    token_rotation_s: float = 300.0
    resolve_timeout_s: float = 4.0
    snapshot_interval_s: float = 600.0
    version: bytes = b"KC\x00\x01"
    is_read_only: bool = False

    def __post_init__(self) -> None:
        if self.query_timeout_s <= self.lookup.short_timeout_s:
            raise ValueError("query_timeout_s must be longer than the lookup's short_timeout_s")
        intervals = (self.upkeep_interval_s, self.token_rotation_s, self.resolve_timeout_s, self.snapshot_interval_s)
        if min(*intervals, self.spare_interval_s) <= 0 or self.join_attempts < 1:
            raise ValueError("intervals and join_attempts must be positive")
        if not 0 < self.join_retry_s <= self.join_retry_max_s:
            raise ValueError("join_retry_s must be positive and at most join_retry_max_s")
        if min(self.wide_retry_s, self.renew_interval_s, self.lost_interval_s, self.max_sleep_s) <= 0:
            raise ValueError("wide_retry_s, renew_interval_s, lost_interval_s and max_sleep_s must be positive")
        if min(self.wide_regions, self.max_lost) < 1:
            raise ValueError("wide_regions and max_lost must be at least 1")
        if self.max_join_refreshes < 0:
            raise ValueError("max_join_refreshes must not be negative")
        if min(self.refresh_k, self.max_hints, self.max_pending_queries, self.max_searches) < 1:
            raise ValueError("each bound must be at least 1")
        if self.max_datagram_bytes < MIN_DATAGRAM_BYTES:
            raise ValueError(f"max_datagram_bytes must be at least {MIN_DATAGRAM_BYTES}")
