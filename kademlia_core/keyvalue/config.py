"""The knobs of a key-value node beside those of its engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.datagram.config import NodeConfig

KEY_BITS = 160
MAX_VALUE_BYTES = 1000  # a value travels in one datagram, beside a key and a token


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStoreConfig:
    """Bounds of what a node keeps for others.

    Args:
        max_records: in all; beyond them the record farthest from the node's own key gives way.
        max_bytes: see `max_records`.
        max_records_per_host: from one IPv4 address or IPv6 /64, so that no host can fill the store
            alone.
        max_bytes_per_host: see `max_records_per_host`.
        lifetime_s: the longest that a record is kept without being stored again (the paper: a day).
    """

    max_records: int = 20_000
    max_bytes: int = 16 << 20
    max_records_per_host: int = 2000
    max_bytes_per_host: int = 2 << 20
    lifetime_s: float = 86_400.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_records_per_host <= self.max_records:
            raise ValueError("a host's share of the records must be from 1 to all of them")
        if not MAX_VALUE_BYTES <= self.max_bytes_per_host <= self.max_bytes:
            raise ValueError("a host's share of the bytes must be from one value's to all of them")
        if self.lifetime_s <= 0:
            raise ValueError("lifetime_s must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValueConfig(NodeConfig):
    """One key-value node.

    Args:
        network: name of the network; nodes of different names do not hear one another.
        republish_s: a record that no node has stored here for so long is stored again with the nodes that are closest
            now (the paper: an hour).
        enough_answers: nodes that must have answered a `get` with a value before it ends early; the newest counts.
        is_read_only: asks but does not answer, and tells others to keep it out of their tables.
    """

    records: RecordStoreConfig = field(default_factory=RecordStoreConfig)
    network: bytes = b"kademlia"
    republish_s: float = 3600.0
    enough_answers: int = 3
    is_read_only: bool = False

    def __post_init__(self) -> None:
        NodeConfig.__post_init__(self)
        if not 0 < len(self.network) <= MAX_NETWORK_NAME_BYTES:
            raise ValueError(f"a network's name has 1 to {MAX_NETWORK_NAME_BYTES} bytes")
        if self.republish_s <= 0 or self.enough_answers < 1:
            raise ValueError("republish_s and enough_answers must be positive")


MAX_NETWORK_NAME_BYTES = 32
DEFAULT_CONFIG = KeyValueConfig()  # no part of it can change, so that one is enough for all nodes
