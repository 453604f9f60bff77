"""How much attention strangers get: token buckets, one for each subscriber and one for all together."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from kademlia_core.subnet import subscriber_of
from transfer.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from kademlia_core.node.config import RateLimitConfig


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

    @property
    def host_count(self) -> int:
        return len(self._hosts)
