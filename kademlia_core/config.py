"""The knobs of the parts that every Kademlia network has. Each bound on what strangers can make grow is here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTableConfig:
    """Shape and clock of a routing table.

    Args:
        bucket_size: the `k` of the paper; 8 in BEP 5.
        first_bucket_sizes: sizes of the farthest buckets, beginning with the half of the space that is not ours, like
            (128, 64, 32, 16); all others have `bucket_size`. Larger ones make first steps of lookups longer, at the
            price of more nodes to keep an eye on (Jimenez et al., "Sub-second lookups on a large-scale Kademlia-based
            overlay", 2011).
        replacements: contacts each full bucket keeps in reserve.
        good_for_s: how long a sign of life keeps a node good, and a bucket fresh (BEP 5: 15 minutes).
        bad_after_failures: unanswered queries in a row that make a node bad. One lost datagram must not evict a node.
        max_per_subnet_in_bucket: contacts from one IPv4 /24 or IPv6 /48 in a bucket, and again among its replacements;
            private ranges and loopback are exempt.
        max_per_subnet: the same for the whole table.
        prefer_verified: whether a node that the table's `is_verified` approves of may take the place of one that it
            does not. Without that argument it makes no difference.
    """

    bucket_size: int = 8
    first_bucket_sizes: tuple[int, ...] = ()
    replacements: int = 8
    good_for_s: float = 900.0
    bad_after_failures: int = 2
    max_per_subnet_in_bucket: int = 2
    max_per_subnet: int = 10
    prefer_verified: bool = True

    def __post_init__(self) -> None:
        if self.bucket_size < 1 or self.replacements < 0:
            raise ValueError("a bucket holds at least one contact, and no negative number of replacements")
        if any(size < self.bucket_size for size in self.first_bucket_sizes):
            raise ValueError("first_bucket_sizes must be at least bucket_size")
        if self.good_for_s <= 0 or self.bad_after_failures < 1:
            raise ValueError("good_for_s and bad_after_failures must be positive")
        if not 1 <= self.max_per_subnet_in_bucket <= self.max_per_subnet:
            raise ValueError("a bucket's share for one subnet must be from 1 to the table's")

    def size_of_bucket(self, index: int) -> int:
        """How many contacts may share exactly `index` leading bits with the table's own key."""
        return self.first_bucket_sizes[index] if index < len(self.first_bucket_sizes) else self.bucket_size


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupConfig:
    """Width, patience, defences and bounds of one lookup.

    Args:
        k: contacts that must have answered, and the length of the result.
        alpha: queries that may be awaited at once, over all paths together; slow ones do not count.
        paths: disjoint paths of S/Kademlia, each of which must end; 1 is the plain lookup.
        aggressive: only queries to contacts that are still in the running count towards `alpha`, so that the closest
            known ones never wait for the farther ones that were asked before.
        short_timeout_s: silence after which a contact counts as slow (libtorrent: 1 s).
        patience_s: silence after which a slow contact holds up the end no more, if `k` others have answered.
        adaptive: shorten both time-outs when the answers of this lookup come fast.
        max_per_subnet: contacts of one IPv4 /24 or IPv6 /48 among the k, unless there are no others; private ranges
            and loopback are exempt. libtorrent admits one.
        untrusted_share: share of the k that may go to contacts which the `is_trusted` of the lookup turns down, unless
            there are no others.
        max_silent_per_source: silent contacts, less those that answered, that a node may have named before the rest of
            those it named come last: inventions would otherwise keep a lookup busy until `max_queries` are spent.
        expected_in_radius: honest contacts that a driver that knows the size of the network should expect within the
            `radius` it gives (`NetworkSize.radius`). Of 5, fewer than 1 % of lookups find none; and more than k = 8,
            which is what costs queries where no node attacks, are found by 7 %.
        max_extra: contacts beyond k that a lookup with a `radius` may ask for and return.
        max_queries: end of a lookup that liars lead on with ever closer inventions; paths share it.
        max_unqueried: candidates kept in reserve; the farthest are forgotten first.
        max_contacts_per_response: contacts read from one answer; the rest is ignored.
        max_keys_per_address: keys under which one endpoint may be queried, so that none can aim a lookup at a victim.
    """

    k: int = 8
    alpha: int = 4
    paths: int = 1
    aggressive: bool = False
    short_timeout_s: float = 1.0
    patience_s: float = 2.0
    adaptive: bool = True
    max_per_subnet: int = 1
    untrusted_share: float = 0.5
    max_silent_per_source: int = 2
    expected_in_radius: float = 5.0
    max_extra: int = 24
    max_queries: int = 256
    max_unqueried: int = 128
    max_contacts_per_response: int = 32
    max_keys_per_address: int = 2

    def __post_init__(self) -> None:
        if self.k < 1 or self.alpha < 1 or self.short_timeout_s <= 0:
            raise ValueError("k, alpha and short_timeout_s must be positive")
        if not 1 <= self.paths <= MAX_PATHS:
            raise ValueError(f"paths must be from 1 to {MAX_PATHS}")
        if self.patience_s < self.short_timeout_s:
            raise ValueError("patience_s must be at least short_timeout_s")
        if self.max_per_subnet < 1 or not 0 <= self.untrusted_share <= 1:
            raise ValueError("max_per_subnet must be positive, and untrusted_share from 0 to 1")
        if min(self.max_silent_per_source, self.expected_in_radius, self.max_extra) < 0:
            raise ValueError("max_silent_per_source, expected_in_radius and max_extra must not be negative")
        if self.max_queries < self.k * self.paths or self.max_unqueried < self.k:
            raise ValueError("max_queries must be at least k for each path, and max_unqueried at least k")
        if self.max_contacts_per_response < 1 or self.max_keys_per_address < 1:
            raise ValueError("max_contacts_per_response and max_keys_per_address must be positive")

    @property
    def max_untrusted(self) -> int:
        """How many of the k may be untrusted."""
        return int(self.k * self.untrusted_share)


MAX_PATHS = 32
