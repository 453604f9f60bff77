"""The knobs of the parts that every Kademlia network has. Each bound on what strangers can make grow is here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTableConfig:
    """Shape and clock of a routing table.

    Args:
        bucket_size: the `k` of the paper; 8 in BEP 5.
        replacements: contacts each full bucket keeps in reserve.
        good_for_s: how long a sign of life keeps a node good, and a bucket fresh (BEP 5: 15 minutes).
        bad_after_failures: unanswered queries in a row that make a node bad. One lost datagram must not evict anybody.
        max_per_subnet_in_bucket: contacts from one IPv4 /24 or IPv6 /64 in a bucket, and again among its replacements;
            private ranges and loopback are exempt.
        max_per_subnet: the same for the whole table.
    """

    bucket_size: int = 8
    replacements: int = 8
    good_for_s: float = 900.0
    bad_after_failures: int = 2
    max_per_subnet_in_bucket: int = 2
    max_per_subnet: int = 10

    def __post_init__(self) -> None:
        if self.bucket_size < 1 or self.replacements < 0:
            raise ValueError("a bucket holds at least one contact, and no negative number of replacements")
        if self.good_for_s <= 0 or self.bad_after_failures < 1:
            raise ValueError("good_for_s and bad_after_failures must be positive")
        if not 1 <= self.max_per_subnet_in_bucket <= self.max_per_subnet:
            raise ValueError("a bucket's share for one subnet must be from 1 to the table's")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupConfig:
    """Width, patience and bounds of one lookup.

    Args:
        k: contacts that must have answered, and the length of the result.
        alpha: queries that may be awaited at once; slow ones do not count.
        short_timeout_s: silence after which a contact counts as slow (libtorrent: 1 s).
        max_queries: end of a lookup that liars lead on with ever closer inventions.
        max_unqueried: candidates kept in reserve; the farthest are forgotten first.
        max_contacts_per_response: contacts read from one answer; the rest is ignored.
        max_keys_per_address: keys under which one endpoint may be queried, so that nobody can aim a lookup at a victim.
    """

    k: int = 8
    alpha: int = 4
    short_timeout_s: float = 1.0
    max_queries: int = 256
    max_unqueried: int = 128
    max_contacts_per_response: int = 32
    max_keys_per_address: int = 2

    def __post_init__(self) -> None:
        if self.k < 1 or self.alpha < 1 or self.short_timeout_s <= 0:
            raise ValueError("k, alpha and short_timeout_s must be positive")
        if self.max_queries < self.k or self.max_unqueried < self.k:
            raise ValueError("max_queries and max_unqueried must be at least k")
        if self.max_contacts_per_response < 1 or self.max_keys_per_address < 1:
            raise ValueError("max_contacts_per_response and max_keys_per_address must be positive")
