"""The knobs of a mainline node beside those of its engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.node.config import NodeConfig
from transfer.address import Address

PUBLIC_ROUTERS: tuple[Address, ...] = (
    Address("router.bittorrent.com", 6881),
    Address("dht.transmissionbt.com", 6881),
    Address("router.utorrent.com", 6881),
    Address("dht.libtorrent.org", 25401),
)
KEY_BITS = 160
MAX_REPLY_BYTES = 1024  # BEP 32: larger datagrams risk fragmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStoreConfig:
    """Bounds of what other nodes announce to us.

    Args:
        max_torrents: info-hashes; the one announced longest ago is forgotten first.
        max_peers_per_torrent: peers of one info-hash; the one announced longest ago is forgotten first.
        max_ports_per_host: ports of one IP address in one torrent, so that nobody can crowd out a swarm alone.
        max_entries_per_host: (info-hash, port) pairs of one IP address in the whole store.
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
class MainlineConfig(NodeConfig):
    """One mainline node.

    Args:
        peer_store: bounds of what other nodes announce to us.
        max_peers_per_search: peers one search reports; further ones are dropped.
    """

    peer_store: PeerStoreConfig = field(default_factory=PeerStoreConfig)
    max_peers_per_search: int = 10_000

    def __post_init__(self) -> None:
        NodeConfig.__post_init__(self)
        if self.max_peers_per_search < 1:
            raise ValueError("max_peers_per_search must be at least 1")
