"""The knobs of a node's engine; its bounds on what strangers can make grow are all here or in the configs it names."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.config import LookupConfig, RoutingTableConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """One node's place in its network, whatever it speaks.

    Args:
        query_timeout_s: silence after which a query has failed.
        join_attempts: how often each bootstrap endpoint is asked before joining has failed.
        join_retry_s: wait before bootstrap endpoints are asked again, doubled each time up to the maximum, until
            joining succeeds and, if none of them has answered, as long as the table is narrow.
        join_retry_max_s: see `join_retry_s`.
        wide_regions: a table whose nodes are in so many parts of the world (IPv4 /16, IPv6 /32, single hosts of
            private networks) is wide: the node is on no island. A narrower one gets bootstrap endpoints asked again
            every `join_retry_max_s`, even after joining.
        wide_retry_s: between two questions to a bootstrap endpoint when the table is wide.
        renew_interval_s: least time between two lookups of the own key that something new has led to: nodes that enter
            a narrow table, or that are back.
        max_lost: nodes that were in the table and fell silent, to be pinged now and then.
        lost_interval_s: between two such pings.
        max_sleep_s: when time has passed by so much, the machine has slept, and `wake` is called: the network may be
            another one.
        max_join_refreshes: buckets that are refreshed once the node has found its neighbours, farthest first.
        refresh_k: nodes that have to answer a refresh; buckets that hold so many need none when joining. A refresh is
            to meet some nodes of a range, not just the closest to its random target.
        upkeep_interval_s: at most one doubtful node is pinged, and one stale bucket refreshed, in so long.
        spare_interval_s: at most one node that the table has a place for but does not need is pinged in so long.
        max_hints: nodes waiting for the ping that lets them into the table.
        max_lookups: lookups at the same time.
    """

    routing_table: RoutingTableConfig = field(default_factory=RoutingTableConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)
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
    max_lookups: int = 256

    def __post_init__(self) -> None:
        if self.query_timeout_s <= self.lookup.short_timeout_s:
            raise ValueError("query_timeout_s must be longer than the lookup's short_timeout_s")
        if min(self.upkeep_interval_s, self.spare_interval_s) <= 0 or self.join_attempts < 1:
            raise ValueError("intervals and join_attempts must be positive")
        if not 0 < self.join_retry_s <= self.join_retry_max_s:
            raise ValueError("join_retry_s must be positive and at most join_retry_max_s")
        if min(self.wide_retry_s, self.renew_interval_s, self.lost_interval_s, self.max_sleep_s) <= 0:
            raise ValueError("wide_retry_s, renew_interval_s, lost_interval_s and max_sleep_s must be positive")
        if min(self.wide_regions, self.max_lost) < 1:
            raise ValueError("wide_regions and max_lost must be at least 1")
        if self.max_join_refreshes < 0:
            raise ValueError("max_join_refreshes must not be negative")
        if min(self.refresh_k, self.max_hints, self.max_lookups) < 1:
            raise ValueError("each bound must be at least 1")
