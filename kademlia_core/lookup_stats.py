"""What a lookup has cost: counts, bytes, round trips and time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupStats:
    """What a lookup has cost so far.

    Args:
        hops: the discovery depth of the closest contact that answered: 1 for one known at the start, n + 1 for one
            learnt from a contact of depth n, 0 while no contact answered.
        slow: queries that outlasted the short time-out, whatever became of them.
        sent_bytes: as far as the driver reported them.
        received_bytes: see `sent_bytes`.
        rtts_s: one round trip for each response, shortest first; at most `max_queries`.
        duration_s: from the first query to the end, or to the last input of a lookup that still goes on.
    """

    hops: int = 0
    queries: int = 0
    responses: int = 0
    failures: int = 0
    slow: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    rtts_s: tuple[float, ...] = ()
    duration_s: float = 0.0

    @property
    def median_rtt_s(self) -> float | None:
        """The median round trip, None before the first response."""
        from statistics import median  # not above: it takes a fifth of the time to import this package

        return median(self.rtts_s) if self.rtts_s else None

    @property
    def max_rtt_s(self) -> float | None:
        """The longest round trip, None before the first response."""
        return max(self.rtts_s, default=None)


def merged_stats(
    parts: Iterable[LookupStats], *, hops: int, rtts_s: tuple[float, ...], duration_s: float
) -> LookupStats:
    """The sum of what lookups have cost that ran side by side; what has no sum is given."""
    total = LookupStats()
    for part in parts:
        total = LookupStats(
            queries=total.queries + part.queries,
            responses=total.responses + part.responses,
            failures=total.failures + part.failures,
            slow=total.slow + part.slow,
            sent_bytes=total.sent_bytes + part.sent_bytes,
            received_bytes=total.received_bytes + part.received_bytes,
        )
    return replace(total, hops=hops, rtts_s=rtts_s, duration_s=duration_s)
