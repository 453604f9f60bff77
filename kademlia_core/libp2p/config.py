"""The knobs of a node of libp2p's DHT. Each bound on what strangers can make grow is here or in `EngineConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.config import LookupConfig, RoutingTableConfig
from kademlia_core.engine.config import EngineConfig
from kademlia_core.libp2p.messages import MAX_MESSAGE_BYTES
from transfer.limits.source_limiter import RateLimitConfig

PUBLIC_PROTOCOL = "/ipfs/kad/1.0.0"
LAN_PROTOCOL = "/ipfs/lan/kad/1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueStoreConfig:
    """What a server keeps of values.

    Args:
        max_records: values in all; beyond, those closest to the node's own key stay.
        max_bytes: the same of their bytes.
        max_value_bytes: of one value (rust-libp2p: 65 KiB).
        max_records_per_source: of one IPv4 address or IPv6 /64.
        max_bytes_per_source: see `max_records_per_source`.
        lifetime_s: after which a value that was not put again is forgotten (48 h in the public network).
    """

    max_records: int = 4096
    max_bytes: int = 32 << 20
    max_value_bytes: int = 64 << 10
    max_records_per_source: int = 512
    max_bytes_per_source: int = 4 << 20
    lifetime_s: float = 48 * 3600.0

    def __post_init__(self) -> None:
        if min(self.max_records, self.max_records_per_source, self.max_value_bytes) < 1 or self.lifetime_s <= 0:
            raise ValueError("each bound of a store must be at least 1, and its lifetime_s positive")
        if not self.max_value_bytes <= self.max_bytes_per_source <= self.max_bytes:
            raise ValueError("max_value_bytes must be at most max_bytes_per_source, and that at most max_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStoreConfig:
    """What a server keeps of who has what.

    Args:
        max_entries: pairs of a key and a provider; beyond, those of keys closest to the node's own stay.
        max_per_key: providers of one key; the one announced longest ago is forgotten first.
        max_per_source: entries from one IPv4 address or IPv6 /64. Somebody who provides a million contents brings each
            node of a network of thousands some thousands of entries.
        max_addresses: remembered of one provider.
        lifetime_s: of an entry that is not announced again (48 h in the public network).
        address_lifetime_s: of its addresses; afterwards its id alone is named (24 h in the public network).
        max_answer: providers named in one answer, the latest first.
    """

    max_entries: int = 65_536
    max_per_key: int = 256
    max_per_source: int = 8192
    max_addresses: int = 8
    lifetime_s: float = 48 * 3600.0
    address_lifetime_s: float = 24 * 3600.0
    max_answer: int = 100

    def __post_init__(self) -> None:
        if min(self.max_entries, self.max_per_key, self.max_per_source, self.max_addresses, self.max_answer) < 1:
            raise ValueError("each bound of a store must be at least 1")
        if not 0 < self.address_lifetime_s <= self.lifetime_s:
            raise ValueError("address_lifetime_s must be positive and at most lifetime_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepublishConfig:
    """How a node keeps what it has provided and put alive.

    Args:
        provide_interval_s: between two announcements of one key (22 h in the public network).
        value_interval_s: between two puts of one value.
        max_keys: keys provided and values put that are kept alive.
        max_at_once: lookups for that at the same time.
        retry_s: wait before one that no node took is tried again.
    """

    provide_interval_s: float = 22 * 3600.0
    value_interval_s: float = 22 * 3600.0
    max_keys: int = 65_536
    max_at_once: int = 4
    retry_s: float = 60.0

    def __post_init__(self) -> None:
        if min(self.provide_interval_s, self.value_interval_s, self.retry_s) <= 0:
            raise ValueError("intervals must be positive")
        if min(self.max_keys, self.max_at_once) < 1:
            raise ValueError("max_keys and max_at_once must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Libp2pConfig(EngineConfig):
    """One node of a network of libp2p's DHT. The defaults are those of the public network.

    Args:
        max_pending_requests: requests on their way, dials included.
        max_request_bytes: the longest request a server reads; others are refused as soon as their length is read.
        max_answer_bytes: the longest answer a client reads (4 MiB in go-libp2p and js-libp2p).
        sent_answer_bytes: answers lose addresses of peers until they are no longer than this, which is what
            rust-libp2p reads by default.
        max_peer_addresses: kept and told of one peer.
        max_known_peers: peers whose addresses are remembered from identify.
        max_found: providers that one lookup reports.
        quorum: equal values after which a search for a value may end; 0: when the closest peers are known. In the
            latter case the closest peers that have an older value, or none, are given the best one.
        rate_limit: requests that are answered, by the host they come from.
    """

    # A dial takes some round trips: what is silence in datagrams is a handshake here.
    routing_table: RoutingTableConfig = field(
        default_factory=lambda: RoutingTableConfig(
            bucket_size=20, replacements=10, max_per_subnet_in_bucket=2, max_per_subnet=8, good_for_s=1800.0
        )
    )
    lookup: LookupConfig = field(
        default_factory=lambda: LookupConfig(
            k=20, alpha=10, paths=2, short_timeout_s=2.0, patience_s=5.0, max_per_subnet=3, max_queries=512,
            max_unqueried=256,
        )
    )  # fmt: skip
    query_timeout_s: float = 10.0
    refresh_k: int = 8
    upkeep_interval_s: float = 10.0
    values: ValueStoreConfig = field(default_factory=ValueStoreConfig)
    providers: ProviderStoreConfig = field(default_factory=ProviderStoreConfig)
    republish: RepublishConfig = field(default_factory=RepublishConfig)
    max_pending_requests: int = 256
    max_request_bytes: int = 128 << 10
    max_answer_bytes: int = MAX_MESSAGE_BYTES
    sent_answer_bytes: int = 16 << 10
    max_peer_addresses: int = 16
    max_known_peers: int = 2048
    max_found: int = 1000
    quorum: int = 0
    rate_limit: RateLimitConfig = field(default_factory=RateLimitConfig)

    def __post_init__(self) -> None:
        EngineConfig.__post_init__(self)
        if (
            min(self.max_pending_requests, self.max_peer_addresses, self.max_known_peers, self.max_found) < 1
            or self.quorum < 0
        ):
            raise ValueError("each bound must be at least 1, and quorum not negative")
        if not self.values.max_value_bytes < self.max_request_bytes <= self.max_answer_bytes <= MAX_MESSAGE_BYTES:
            raise ValueError(
                "max_request_bytes must be more than max_value_bytes and at most max_answer_bytes, "
                f"and that at most {MAX_MESSAGE_BYTES}"
            )
        if self.sent_answer_bytes < 1024:
            raise ValueError("sent_answer_bytes must be at least 1024")
