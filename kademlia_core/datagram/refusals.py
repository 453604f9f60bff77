"""Which limit of a node refused what, and how to change it: what `explain_limits` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.limits.journal import LimitsReport, RefusalJournal
from transfer.limits.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kademlia_core.datagram.config import NodeConfig
    from transfer.limits.source_limiter import SourceLimiter


class NodeRefusals:
    """Notes what the limits of one node refuse: datagrams of strangers, large answers, queries and lookups of its own.

    The limits are those of `config`, under their names there.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.journal = RefusalJournal(advice=ADVICE)
        self._config = config

    def flood(self, limiter: SourceLimiter, host: str, *, now: float) -> None:
        """A datagram of `host` was not looked at."""
        rates = self._config.rate_limit
        if limiter.is_spent(host):
            self._note("rate_limit.per_host_per_s", "one host", "queries a second", rates.per_host_per_s, host, now=now)
        else:
            self._note("rate_limit.total_per_s", "the node", "queries a second", rates.total_per_s, host, now=now)

    def amplified(self, host: str, *, is_proved: bool, now: float) -> None:
        """`host`, which may be the victim of a forged query, did not get a large answer."""
        config = self._config.amplification
        name, most = (
            ("amplification.proved_bytes_per_s", config.proved_bytes_per_s)
            if is_proved
            else ("amplification.stranger_bytes_per_s", config.stranger_bytes_per_s)
        )
        self._note(name, "one host", "bytes of large answers a second", most, host, now=now)

    def query(self, endpoint: object, *, now: float) -> None:
        """A query to `endpoint` was not sent."""
        most = self._config.max_pending_queries
        self._note("max_pending_queries", "the node", "queries without an answer yet", most, str(endpoint), now=now)

    def report(self, *, pending_queries: int, lookups: int, now: float) -> LimitsReport:
        """What was refused in the last minutes, and how much is in use."""
        usage: Mapping[str, tuple[int, int]] = {
            "max_pending_queries": (pending_queries, self._config.max_pending_queries),
            "max_lookups": (lookups, self._config.max_lookups),
        }
        return self.journal.report(now=now, usage=usage)

    def _note(self, limit: str, scope: str, what: str, most: float, subject: str, *, now: float) -> None:
        count = round(most)
        self.journal.note(
            Refusal(limit=limit, scope=scope, what=what, in_use=count, most=count, subject=subject), now=now
        )


ADVICE = {
    "rate_limit.per_host_per_s": "if these are friends, a RateLimitConfig with a higher per_host_per_s hears them",
    "rate_limit.total_per_s": "a RateLimitConfig with a higher total_per_s looks at more",
    "amplification.stranger_bytes_per_s": "they get all once they have answered a query, or shown a token",
    "amplification.proved_bytes_per_s": "an AmplificationConfig with a higher proved_bytes_per_s sends more",
    "max_pending_queries": "fewer lookups at a time, or a higher max_pending_queries",
    "max_lookups": "wait for a lookup to end, or raise max_lookups",
}
