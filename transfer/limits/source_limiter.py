"""How much attention strangers get: token buckets, one for each subscriber and one for all together."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from transfer.limits.token_bucket import TokenBucket
from transfer.subnet import subscriber_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig:
    """How many unsolicited datagrams are looked at; answers to our own queries are not counted.

    Args:
        per_host_per_s: for one IPv4 address or IPv6 /64, all its ports together.
        per_host_burst: see `per_host_per_s`.
        total_per_s: for all together.
        total_burst: see `total_per_s`.
        max_hosts: addresses remembered; the one heard from longest ago is forgotten first.
    """

    per_host_per_s: float = 200.0
    per_host_burst: float = 1000.0
    total_per_s: float = 5000.0
    total_burst: float = 10000.0
    max_hosts: int = 4096

    def __post_init__(self) -> None:
        if min(self.per_host_per_s, self.total_per_s) <= 0 or min(self.per_host_burst, self.total_burst) < 1:
            raise ValueError("rates must be positive and bursts at least 1")
        if self.max_hosts < 1:
            raise ValueError("max_hosts must be at least 1")


class SourceLimiter:
    """Admits unsolicited datagrams at the configured rates. Refused ones cost the refused host only."""

    def __init__(self, config: RateLimitConfig, *, now: float) -> None:
        self._config = config
        self._total = TokenBucket(rate_per_s=config.total_per_s, burst=config.total_burst, now=now)
        self._hosts: OrderedDict[str | bytes, TokenBucket] = OrderedDict()

    def admit(self, host: str, *, now: float) -> bool:
        """Whether one more datagram from `host` is to be looked at."""
        source = subscriber_of(host) if ":" in host else host  # the text will do for IPv4, and is there already
        bucket = self._hosts.get(source)
        if bucket is None:
            if len(self._hosts) >= self._config.max_hosts:
                self._hosts.popitem(last=False)
            bucket = TokenBucket(rate_per_s=self._config.per_host_per_s, burst=self._config.per_host_burst, now=now)
            self._hosts[source] = bucket
        else:
            self._hosts.move_to_end(source)
        return bucket.spend(now=now) and self._total.spend(now=now)

    def admit_exempt(self, *, now: float) -> bool:
        """The same of a host whose own rate is no matter: it counts for all together only."""
        return self._total.spend(now=now)

    def is_spent(self, host: str) -> bool:
        """Whether it was the host's own rate that refused it, and not that of all together."""
        bucket = self._hosts.get(subscriber_of(host) if ":" in host else host)
        return bucket is not None and bucket.is_spent

    @property
    def host_count(self) -> int:
        return len(self._hosts)
