"""The knobs of a mainline node beside those of its engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.config import RoutingTableConfig
from kademlia_core.datagram.config import NodeConfig
from kademlia_core.mainline.items import MAX_SALT_BYTES, MAX_VALUE_BYTES
from transfer.address import Address
from transfer.external_address import ExternalAddressConfig

PUBLIC_ROUTERS: tuple[Address, ...] = (
    Address("router.bittorrent.com", 6881),
    Address("dht.transmissionbt.com", 6881),
    Address("router.utorrent.com", 6881),
    Address("dht.libtorrent.org", 25401),
)
KEY_BITS = 160
MAX_REPLY_BYTES = 1024  # BEP 32: larger datagrams risk fragmentation
MAX_SAMPLE_INTERVAL_S = 21600  # BEP 51: six hours


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStoreConfig:
    """Bounds of what other nodes announce to us.

    Args:
        max_torrents: info-hashes; the one announced longest ago is forgotten first.
        max_peers_per_torrent: peers of one info-hash; the one announced longest ago is forgotten first.
        max_ports_per_host: endpoints of one IPv4 address or IPv6 /64 in one torrent, so that no host can crowd out a
            swarm alone.
        max_entries_per_host: entries of one IPv4 address or IPv6 /64 in the whole store.
        lifetime_s: an announce counts for so long. Clients announce every 15 to 30 minutes.
    """

    max_torrents: int = 5000
    max_peers_per_torrent: int = 500
    max_ports_per_host: int = 32
    max_entries_per_host: int = 1000
    lifetime_s: float = 2700.0

    def __post_init__(self) -> None:
        if min(self.max_torrents, self.max_peers_per_torrent, self.max_ports_per_host, self.max_entries_per_host) < 1:
            raise ValueError("each bound of the peer store must be at least 1")
        if self.lifetime_s <= 0:
            raise ValueError("lifetime_s must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemStoreConfig:
    """Bounds of what other nodes put here. A source is a network, as a routing table counts them: a /24 or a /48.

    Args:
        max_items: of the whole store; values and salts count as bytes.
        max_bytes: see `max_items`.
        max_items_per_source: of the source that put the present version of an item.
        max_bytes_per_source: see `max_items_per_source`.
        lifetime_s: an item that no node puts again is forgotten. BEP 44: two hours.
        verifications_per_s: signatures checked, in all. One costs about 150 us of CPU.
        verification_burst: see `verifications_per_s`.
        verifications_per_source_per_s: signatures of one source that are checked in the long run.
        bad_signature_cost_s: how long one bad signature keeps a source from having another one checked, once its
            credit is used up.
        source_credit_s: how far ahead of both rates a source may be.
        max_sources: sources remembered for these two rates; the one heard from longest ago is forgotten first.
    """

    max_items: int = 4096
    max_bytes: int = 2 << 20
    max_items_per_source: int = 256
    max_bytes_per_source: int = 128 << 10
    lifetime_s: float = 7200.0
    verifications_per_s: float = 200.0
    verification_burst: float = 400.0
    verifications_per_source_per_s: float = 5.0
    bad_signature_cost_s: float = 10.0
    source_credit_s: float = 20.0
    max_sources: int = 4096

    def __post_init__(self) -> None:
        if min(self.max_items, self.max_items_per_source, self.max_sources) < 1:
            raise ValueError("each bound of the item store must be at least 1")
        if min(self.max_bytes, self.max_bytes_per_source) < MAX_VALUE_BYTES + MAX_SALT_BYTES:
            raise ValueError("max_bytes and max_bytes_per_source must leave room for one item of the largest size")
        if min(self.lifetime_s, self.verifications_per_s, self.verifications_per_source_per_s) <= 0:
            raise ValueError("lifetime_s and rates must be positive")
        if self.verification_burst < 1 or min(self.bad_signature_cost_s, self.source_credit_s) < 0:
            raise ValueError("verification_burst must be at least 1, cost and credit not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingConfig:
    """Both sides of BEP 51.

    Args:
        interval_s: whole seconds for which a sample stays the same, 0 to 21600.
        max_visits: nodes remembered that are not to be asked again yet.
        max_waiting: nodes that a walk through the key space has heard of and not asked yet.
        queries_per_s: how fast a walk asks, and how many answers it awaits at most.
        parallel: see `queries_per_s`.
    """

    interval_s: int = 3600
    max_visits: int = 100_000
    max_waiting: int = 20_000
    queries_per_s: float = 20.0
    parallel: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.interval_s <= MAX_SAMPLE_INTERVAL_S:
            raise ValueError(f"interval_s must be between 0 and {MAX_SAMPLE_INTERVAL_S}")
        if min(self.max_visits, self.max_waiting, self.parallel) < 1:
            raise ValueError("max_visits, max_waiting and parallel must be at least 1")
        if self.queries_per_s <= 0:
            raise ValueError("queries_per_s must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionConfig:
    """How often what nodes forget is said again, and what may change is looked up again.

    Args:
        announce_interval_s: between announces of one torrent. Nodes forget after half an hour or more.
        republish_interval_s: between puts of one item. BEP 44: an hour.
        retry_s: before a failed attempt is repeated, doubled each time up to the interval.
        poll_s: between looks at an item that is followed; doubled up to the maximum while nothing changes.
        poll_max_s: see `poll_s`.
        max_put_attempts: how often a mutable item is read and written anew when another node wrote in between.
    """

    announce_interval_s: float = 900.0
    republish_interval_s: float = 3600.0
    retry_s: float = 30.0
    poll_s: float = 300.0
    poll_max_s: float = 3600.0
    max_put_attempts: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.retry_s <= min(self.announce_interval_s, self.republish_interval_s):
            raise ValueError("retry_s must be positive and at most the intervals")
        if not 0 < self.poll_s <= self.poll_max_s:
            raise ValueError("poll_s must be positive and at most poll_max_s")
        if self.max_put_attempts < 1:
            raise ValueError("max_put_attempts must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MainlineConfig(NodeConfig):
    """One mainline node.

    Args:
        routing_table: with large first buckets, which save half a hop and a tenth of the queries of each lookup for
            25 B/s of pings and 130 KiB (docs/performance/dht-theory.md). libtorrent has the same.
        peer_store: bounds of what other nodes announce to us and put here.
        item_store: see `peer_store`.
        sampling: how the info-hashes announced to us are told, and others asked for theirs (BEP 51).
        repetition: how often announces and items are repeated, and followed items looked at.
        external_address: when the nodes that answer agree on where we are, and the key becomes one that suits (BEP 42).
        max_peers_per_lookup: peers one lookup reports; further ones are dropped.
        allow_private: believe nodes anywhere that name peers in private networks and on this machine.
        version: four bytes that name this implementation in each message, as BEP 5 describes.
        is_read_only: asks but does not answer, and tells others to keep it out of their tables (BEP 43).
    """

    routing_table: RoutingTableConfig = field(
        default_factory=lambda: RoutingTableConfig(first_bucket_sizes=(128, 64, 32, 16))
    )
    peer_store: PeerStoreConfig = field(default_factory=PeerStoreConfig)
    item_store: ItemStoreConfig = field(default_factory=ItemStoreConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    repetition: RepetitionConfig = field(default_factory=RepetitionConfig)
    external_address: ExternalAddressConfig = field(default_factory=ExternalAddressConfig)
    max_peers_per_lookup: int = 10_000
    allow_private: bool = False
    version: bytes = b"KC\x00\x01"
    is_read_only: bool = False

    def __post_init__(self) -> None:
        NodeConfig.__post_init__(self)
        if self.max_peers_per_lookup < 1:
            raise ValueError("max_peers_per_lookup must be at least 1")


DEFAULT_CONFIG = MainlineConfig()  # no part of it can change, so that one is enough for all nodes
