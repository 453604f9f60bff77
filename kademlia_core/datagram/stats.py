"""What a node counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStats:
    """A node at one moment. Counters run from its start.

    `dropped_garbage` were no valid messages, `dropped_unexpected` answered nothing we asked, `dropped_limit` came
    too fast or would have been answered with more than an unproven source may get, `dropped_foreign` came from the
    other address family or an unusable address or were over-long. `queries_unsolicited` came from where nothing was
    sent to before, which shows that others can reach the node; not counted beyond the first few.
    """

    nodes: int
    good_nodes: int
    buckets: int
    lookups: int
    pending_queries: int
    datagrams_received: int
    datagrams_sent: int
    received_bytes: int
    sent_bytes: int
    queries_received: int
    queries_unsolicited: int
    queries_sent: int
    responses_received: int
    errors_received: int
    timeouts: int
    dropped_garbage: int
    dropped_unexpected: int
    dropped_limit: int
    dropped_foreign: int

    @classmethod
    def summed(cls, parts: Iterable[Self]) -> Self:
        """Of several nodes together, such as those of the two address families."""
        rows = list(parts)
        return cls(**{field.name: sum(getattr(row, field.name) for row in rows) for field in fields(cls)})


@dataclass
class NodeCounters:
    """The counters behind `NodeStats`, under the same names."""

    datagrams_received: int = 0
    datagrams_sent: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    queries_received: int = 0
    queries_unsolicited: int = 0
    queries_sent: int = 0
    responses_received: int = 0
    errors_received: int = 0
    timeouts: int = 0
    dropped_garbage: int = 0
    dropped_unexpected: int = 0
    dropped_limit: int = 0
    dropped_foreign: int = 0
