"""What others have published about the hops of Kademlia lookups: the figures that ours are held against."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2


@dataclass(frozen=True, slots=True)
class PublishedHops:
    """A distribution of hops. `cdf[h - 1]` is the share of lookups that need at most h hops.

    Args:
        first_bucket_sizes: of the buckets that are larger than `k`.
        alpha: contacts a lookup begins with, and queries in each round.
        beta: contacts taken from each answer.
    """

    system: str
    k: int
    first_bucket_sizes: tuple[int, ...]
    alpha: int
    beta: int
    nodes: int
    mean: float
    cdf: tuple[float, ...]


LARGE_BUCKETS = (128, 64, 32, 16)

# Roos, Salah, Strufe, "Comprehending Kademlia Routing: A Theoretical Framework for the Hop Count Distribution",
# arXiv:1307.7000, 2013: computed with the authors' program (github.com/stef-roos/MarkovRouting, error 0.001). Hops are
# the edges of the path to the target, so they are one more than the rounds of queries. The rows of k = 16, k = 20 and
# of the large buckets are upper bounds; for k = 8 the lower ones agree with them to the digits shown.
ROOS = (
    PublishedHops("k = 8", 8, (), 3, 2, 1_000, 2.260, (0.0626, 0.6784, 0.9990, 1.0)),
    PublishedHops("k = 8", 8, (), 3, 2, 10_000, 2.898, (0.0089, 0.2134, 0.8795, 0.9998)),
    PublishedHops("k = 8", 8, (), 4, 1, 10_000, 2.875, (0.0089, 0.2233, 0.8932, 0.9999)),
    PublishedHops("k = 16", 16, (), 3, 2, 10_000, 2.532, (0.0163, 0.4552, 0.9970, 1.0)),
    PublishedHops("k = 20", 20, (), 3, 2, 1_000, 1.895, (0.1310, 0.9736, 1.0)),
    PublishedHops("k = 20", 20, (), 3, 2, 10_000, 2.424, (0.0198, 0.5562, 0.9996, 1.0)),
    PublishedHops("128/64/32/16/8", 8, LARGE_BUCKETS, 3, 2, 10_000, 2.318, (0.0297, 0.6531, 0.9993, 1.0)),
    PublishedHops("128/64/32/16/8", 8, LARGE_BUCKETS, 4, 1, 10_000, 2.291, (0.0297, 0.6798, 0.9997, 1.0)),
)


def bits_per_hop(k: int) -> float:
    """How many more leading bits of the target each hop gains, on average, where one query is awaited at a time.

    Source: Stutzbach and Rejaie, "Improving Lookup Performance over a Widely-Deployed DHT", INFOCOM 2006.
    """
    return 1.3327 + log2(k)
