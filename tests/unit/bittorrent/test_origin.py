"""A server among peers: no endpoint, and nothing that holds for hosts of peers holds for it."""

from __future__ import annotations

import json
import random

import pytest

from bittorrent import IpFilter, ServerUrl
from bittorrent.dialling.peer_list import PeerList
from bittorrent.rate_limits import is_local
from fileshare.cli.output import Output
from transfer.address import Address


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://example.org/films/", "example.org", 80),
        ("https://example.org/a", "example.org", 443),
        ("http://[2001:db8::1]:8080/a", "2001:db8::1", 8080),
        ("http://10.0.0.7:81/", "10.0.0.7", 81),
        ("http://example.org:99999/", "example.org", 0),
        ("http://[broken/", "", 0),
        ("nonsense", "", 0),
    ],
)
def test_a_url_names_a_host_and_a_port(url: str, host: str, port: int) -> None:
    server = ServerUrl(url)
    assert (server.host, server.port, str(server)) == (host, port, url)


def test_a_server_is_local_as_its_url_says() -> None:
    assert is_local(ServerUrl("http://10.0.0.7/a"))
    assert not is_local(ServerUrl("http://9.0.0.7/a"))
    assert not is_local(ServerUrl("http://example.org/a"))


def test_a_ban_is_for_one_server_and_not_for_the_peers_of_its_host() -> None:
    peers = PeerList(rng=random.Random(1))
    peers.set_filter(IpFilter.parse("9.0.0.7-9.0.0.7"))
    server, neighbour = ServerUrl("http://9.0.0.8/a"), ServerUrl("http://9.0.0.8/b")
    assert not peers.is_banned(ServerUrl("http://9.0.0.7/a")), "lists are of peers"
    peers.ban(server)
    assert peers.is_banned(server)
    assert not peers.is_banned(neighbour)
    assert not peers.is_banned(Address("9.0.0.8", 6881))


def test_a_server_has_no_priority_among_peers() -> None:
    """Canonical priorities (BEP 40) are of pairs of endpoints: for a name there is none, and it was an error to ask."""
    peers = PeerList(rng=random.Random(1))
    peers.set_external(Address("9.1.2.3", 6881))
    assert peers.rank(Address("9.0.0.8", 6881)) != 0
    assert peers.rank(ServerUrl("http://example.org/a")) == 0


def test_programs_see_a_server_by_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).event("peer", address=ServerUrl("http://example.org/a"))
    assert json.loads(capsys.readouterr().out) == {"event": "peer", "address": "http://example.org/a"}
