from __future__ import annotations

import pytest

from transfer.limits.source_limiter import RateLimitConfig, SourceLimiter

CONFIG = RateLimitConfig(per_host_per_s=10.0, per_host_burst=5.0, total_per_s=100.0, total_burst=8.0, max_hosts=3)


def admitted(limiter: SourceLimiter, host: str, count: int, now: float) -> int:
    return sum(limiter.admit(host, now=now) for _ in range(count))


def test_a_flood_costs_the_flooder_only() -> None:
    limiter = SourceLimiter(CONFIG, now=0.0)
    assert admitted(limiter, "192.0.2.1", 1000, now=0.0) == 5
    assert admitted(limiter, "192.0.2.2", 2, now=0.0) == 2
    assert admitted(limiter, "192.0.2.1", 1000, now=0.2) == 2


def test_all_together_have_a_limit_too() -> None:
    limiter = SourceLimiter(CONFIG, now=0.0)
    assert sum(admitted(limiter, f"192.0.2.{host}", 4, now=0.0) for host in range(50)) == 8


def test_hosts_are_forgotten_oldest_first() -> None:
    limiter = SourceLimiter(CONFIG, now=0.0)
    for host in range(100):
        limiter.admit(f"192.0.2.{host}", now=0.0)
        assert limiter.host_count <= 3


@pytest.mark.parametrize("bad", [{"per_host_per_s": 0}, {"total_burst": 0}, {"max_hosts": 0}])
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        RateLimitConfig(**bad)


def test_a_subscriber_with_many_ipv6_addresses_is_one_host() -> None:
    limiter = SourceLimiter(CONFIG, now=0.0)
    assert sum(admitted(limiter, f"2001:db8::{host:x}", 1, now=0.0) for host in range(1, 50)) == 5
    assert admitted(limiter, "2001:db8:0:1::1", 1, now=0.0) == 1


CROWD = RateLimitConfig(per_host_per_s=1.0, per_host_burst=5.0, total_per_s=1e6, total_burst=1e6, max_hosts=3)


def test_the_host_heard_from_longest_ago_is_forgotten_first() -> None:
    limiter = SourceLimiter(CROWD, now=0.0)
    assert admitted(limiter, "192.0.2.1", 9, now=0.0) == 5  # all it may send
    assert admitted(limiter, "192.0.2.2", 9, now=0.0) == 5
    assert admitted(limiter, "192.0.2.3", 9, now=0.0) == 5
    assert not limiter.admit("192.0.2.1", now=0.0)  # it goes on, so the second is the one to forget
    assert admitted(limiter, "192.0.2.4", 9, now=0.0) == 5
    assert limiter.host_count == 3
    assert not limiter.admit("192.0.2.1", now=0.0)
    assert not limiter.admit("192.0.2.3", now=0.0)
    assert limiter.admit("192.0.2.2", now=0.0)  # nobody knows it any more


def test_a_flooder_does_not_get_a_new_share_by_being_forgotten() -> None:
    limiter = SourceLimiter(CROWD, now=0.0)
    admitted(limiter, "192.0.2.1", 5, now=0.0)
    for host in range(2, 50):
        assert limiter.admit(f"192.0.2.{host}", now=0.0)
        assert not limiter.admit("192.0.2.1", now=0.0)
