"""Tracker messages survive the way there and back."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, announce_url, parse_response
from transfer.address import Address, join_compact
from transfer.wire import bencode

counts = st.integers(0, 2**63 - 1)
requests = st.builds(
    AnnounceRequest,
    info_hash=st.binary(min_size=20, max_size=20),
    peer_id=st.binary(min_size=20, max_size=20),
    port=st.integers(0, 65535),
    uploaded=counts,
    downloaded=counts,
    left=counts,
    event=st.sampled_from(AnnounceEvent),
    key=st.integers(0, 2**32 - 1),
    num_want=st.none() | st.integers(0, 1000),
    tracker_id=st.none() | st.binary(min_size=1, max_size=40),
)
ports = st.integers(1, 65535)
ipv4 = st.builds(Address, st.ip_addresses(v=4, network="10.0.0.0/8").map(str), ports)
ipv6 = st.builds(Address, st.ip_addresses(v=6, network="2001:db8::/32").map(str), ports)


@given(
    requests,
    st.sampled_from(["http://t/a", "http://t/a?passkey=x%20y", "http://t/a?", "https://[::1]:80/a?x=1&", "http://t#f"]),
)
def test_the_query_says_what_the_request_says(request: AnnounceRequest, base: str) -> None:
    url = announce_url(base, request)
    assert url.startswith(base.partition("#")[0])
    assert url.isascii()
    parts = urlsplit(url)
    assert not parts.fragment
    query = {}
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        assert name not in query
        query[name] = unquote_to_bytes(value)
    assert query["info_hash"] == request.info_hash
    assert query["peer_id"] == request.peer_id
    assert [int(query[name]) for name in ("port", "uploaded", "downloaded", "left")] == [
        request.port,
        request.uploaded,
        request.downloaded,
        request.left,
    ]
    assert int(query["key"], 16) == request.key
    assert query["compact"] == b"1"
    assert query.get("event", b"").decode() == request.event.value
    assert ("event" in query) == (request.event is not AnnounceEvent.NONE)
    assert query.get("numwant") == (None if request.num_want is None else str(request.num_want).encode())
    assert query.get("trackerid") == request.tracker_id
    if "passkey" in base:
        assert query["passkey"] == b"x y"


@given(st.lists(ipv4, max_size=30), st.lists(ipv6, max_size=30), st.booleans(), st.integers(0, 10**6))
def test_peers_come_back(v4: list[Address], v6: list[Address], compact: bool, interval: int) -> None:
    answer: dict[bytes, bencode.Encodable] = {b"interval": interval, b"complete": len(v4), b"incomplete": len(v6)}
    if compact:
        answer |= {b"peers": join_compact(v4), b"peers6": join_compact(v6)}
    else:
        answer[b"peers"] = [{b"ip": peer.host.encode(), b"port": peer.port} for peer in v4 + v6]
    response = parse_response(bencode.encode(answer))
    assert response.peers == tuple(dict.fromkeys(v4 + v6))
    assert response.interval_s == interval
    assert (response.seeders, response.leechers) == (len(v4), len(v6))


@given(requests, st.text(max_size=30))
def test_nothing_in_a_url_breaks_the_request_line(request: AnnounceRequest, path: str) -> None:
    url = announce_url(f"http://t/{path}", request)
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
