"""Downloads through a proxy: each source of peers and bytes works, and nothing goes to any host but the proxy."""

from __future__ import annotations

import pytest

from tests.simulation.behind_proxy import PROXY, SEED, download
from transfer import Address, ProxyKind
from transfer.simulation import run

SOURCES = ("peer", "utp", "http tracker", "udp tracker", "web seed", "dht")
STREAMS = ("peer", "http tracker", "web seed")


@pytest.mark.parametrize("source", SOURCES)
def test_through_socks5(source: str) -> None:
    out = run(lambda simulation: download(simulation, source, ProxyKind.SOCKS5)).result
    assert out.is_complete
    assert out.to == {PROXY}
    assert out.names == set()
    assert out.error is None
    assert out.announced_port in (None, 1)
    assert out.proxy is not None
    is_by_tcp = source not in ("utp", "web seed")
    assert (Address(SEED, 6881) in out.proxy.streams) is is_by_tcp


@pytest.mark.parametrize("source", [source for source in SOURCES if source != "utp"])
def test_through_http(source: str) -> None:
    """What cannot go through it does not go at all."""
    out = run(lambda simulation: download(simulation, source, ProxyKind.HTTP)).result
    assert out.is_complete is (source in STREAMS)
    assert out.to == {PROXY}
    assert out.names == set()
    assert out.error == f"the proxy http://{PROXY}:49152 carries no datagrams: no DHT, no uTP, and no UDP trackers"


def test_a_node_of_the_torrent_is_looked_up_by_the_proxy() -> None:
    out = run(lambda simulation: download(simulation, "node of the torrent", ProxyKind.SOCKS5)).result
    assert out.is_complete
    assert (out.to, out.names) == ({PROXY}, set())


def test_a_peer_that_is_named_by_name_is_not_looked_up_and_the_error_says_so() -> None:
    out = run(lambda simulation: download(simulation, "named peer", ProxyKind.SOCKS5)).result
    assert "peer.example, which is not looked up beside the proxy, has no address" in out.said
    assert (out.to, out.names) == ({PROXY}, set())


def test_who_does_not_mind_is_not_held_to_it() -> None:
    """The same watch sees what goes around the proxy when that is allowed."""
    allowed = run(lambda simulation: download(simulation, "udp tracker", ProxyKind.SOCKS5, proxy_only=False)).result
    assert allowed.names == {"tracker.example"}
    assert allowed.to - {PROXY}  # local discovery at least
