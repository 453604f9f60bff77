"""Limited swarms: the average holds both ways, and local peers are a class of their own."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.origin import ServerUrl
from bittorrent.rate_limits import RateLimits, SwarmLimits, is_local
from tests.swarm_net import SwarmNet
from transfer.address import Address

FAR, NEAR = Address("8.8.8.8", 1), Address("192.168.0.1", 1)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("fe80::1", True),
        ("8.8.8.8", False),
        ("2001:4860::1", False),
        ("x", False),
        ("http://192.168.0.1:8080/files/", True),
        ("http://[::1]/files/", True),
        ("https://files.example/", False),
        ("https://8.8.8.8/", False),
        ("http://", False),
    ],
)
def test_who_is_local(host: str, expected: bool) -> None:
    assert is_local(ServerUrl(host) if "://" in host else Address(host, 1)) is expected


def test_classes_and_levels_are_limited_on_their_own() -> None:
    session = SwarmLimits()
    one, two = SwarmLimits(session), SwarmLimits(session)
    session.set(RateLimits(download_bytes_per_s=1000))
    one.set(RateLimits(upload_bytes_per_s=10, local_upload_bytes_per_s=20))
    assert [limiter.is_limited for limiter in one.for_peer(FAR)] == [True, True]
    assert [limiter.is_limited for limiter in two.for_peer(FAR)] == [True, False]
    assert [limiter.is_limited for limiter in one.for_peer(NEAR)] == [False, True]
    assert [limiter.is_limited for limiter in two.for_peer(NEAR)] == [False, False]


def test_local_peers_can_count_towards_the_limits_of_the_others() -> None:
    session = SwarmLimits()
    torrent = SwarmLimits(session)
    far, near = torrent.for_peer(FAR)[0], torrent.for_peer(NEAR)[0]
    session.set(RateLimits(download_bytes_per_s=1000))
    session.count_local(True)
    assert (far.allowance(now=0.0), near.allowance(now=0.0)) == (0.0, 0.0)
    near.spend(3000, now=0.0)
    assert far.allowance(now=1.0) == -2000.0
    session.count_local(False)
    assert not near.is_limited
    near.spend(3000, now=1.0)
    assert far.allowance(now=3.5) == 500.0


@pytest.mark.parametrize("way", ["download", "upload"])
def test_torrents_share_the_limit_of_their_session_in_equal_parts(way: str) -> None:
    session = SwarmLimits()
    session.set(RateLimits(local_download_bytes_per_s=2e5, local_upload_bytes_per_s=2e5))
    net = SwarmNet(Random(3), total_bytes=8 << 20)
    net.is_private = True
    limited = []
    for others in (1, 4):  # who has more peers asks more often
        one = net.host() if way == "download" else net.seed()
        one.core.limits = SwarmLimits(session)
        for _ in range(others):
            net.connect(one, net.seed() if way == "download" else net.host())
        limited.append(one.core)
    net.run_until(lambda: net.now > 60)
    moved = [core.downloaded_bytes if way == "download" else core.uploaded_bytes for core in limited]
    assert sum(moved) == pytest.approx(60 * 2e5, rel=0.05)
    assert moved[0] == pytest.approx(moved[1], rel=0.1)


@pytest.mark.parametrize("wrong", ["download_bytes_per_s", "local_upload_bytes_per_s"])
def test_limits_that_make_no_sense(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        RateLimits(**{wrong: 0.0})


@pytest.mark.parametrize("way", ["download", "upload"])
def test_a_limited_side_sets_the_pace_of_all_its_connections_together(way: str) -> None:
    net = SwarmNet(Random(1), total_bytes=4 << 20)
    net.is_private = True
    limits = (
        RateLimits(local_download_bytes_per_s=2e5) if way == "download" else RateLimits(local_upload_bytes_per_s=2e5)
    )
    seeds, leeches = [net.seed() for _ in range(3 if way == "download" else 1)], [net.host() for _ in range(1)]
    (leeches[0] if way == "download" else seeds[0]).core.limits.set(limits)
    for seed in seeds:
        net.connect(leeches[0], seed)
    took_s = net.run_until(lambda: leeches[0].core.is_complete)
    assert 0.9 * (4 << 20) / 2e5 <= took_s <= 1.3 * (4 << 20) / 2e5
    if way == "download":
        assert min(seed.core.uploaded_bytes for seed in seeds) > (4 << 20) / 6


def test_a_limit_that_is_lifted_slows_nobody() -> None:
    net = SwarmNet(Random(2), total_bytes=4 << 20)
    seed, leech = net.seed(), net.host()
    seed.core.limits.set(RateLimits(local_upload_bytes_per_s=1e4))
    net.connect(leech, seed)
    net.run_until(lambda: net.now > 10)
    assert leech.core.downloaded_bytes < 3e5
    seed.core.limits.set(RateLimits())
    assert net.run_until(lambda: leech.core.is_complete) < 20
