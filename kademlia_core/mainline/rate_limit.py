"""How much attention strangers get: token buckets, one for each IP address and one for all together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kademlia_core.mainline.config import RateLimitConfig


class SourceLimiter:
    """Admits unsolicited datagrams at the configured rates. Refused ones cost the refused host only."""

    def __init__(self, config: RateLimitConfig, *, now: float) -> None:
        self._config = config
        self._total = TokenBucket(config.total_per_s, config.total_burst, now=now)
        self._hosts: OrderedDict[str, TokenBucket] = OrderedDict()

    def admit(self, host: str, *, now: float) -> bool:
        """Whether one more datagram from `host` is to be looked at."""
        bucket = self._hosts.get(host)
        if bucket is None:
            if len(self._hosts) >= self._config.max_hosts:
                self._hosts.popitem(last=False)
            bucket = TokenBucket(self._config.per_host_per_s, self._config.per_host_burst, now=now)
            self._hosts[host] = bucket
        else:
            self._hosts.move_to_end(host)
        return bucket.take(now=now) and self._total.take(now=now)

    @property
    def host_count(self) -> int:
        return len(self._hosts)


class TokenBucket:
    """`burst` tokens at the start, `rate_per_s` more each second, never more than `burst`."""

    __slots__ = ("_burst", "_filled_at", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float, *, now: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = self._tokens = burst
        self._filled_at = now

    def take(self, *, now: float) -> bool:
        """Takes one token if there is one."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
