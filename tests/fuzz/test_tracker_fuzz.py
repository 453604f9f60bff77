"""Whatever a tracker sends: the HTTP codec knows one error, the UDP machine none."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import MAX_PEERS, AnnounceRequest, AnnounceResponse, parse_response, tracker_name
from bittorrent.tracker.scrape import parse_scrape, scrape_url
from bittorrent.tracker.udp import Answered, ExchangeFailed, UdpAnnounce, UdpScrape
from transfer.address import is_usable_peer
from transfer.wire import bencode

REQUEST = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1)
KEYS = [
    b"failure reason",
    b"warning message",
    b"interval",
    b"min interval",
    b"tracker id",
    b"complete",
    b"incomplete",
    b"peers",
    b"peers6",
    b"external ip",
]
hosts = st.binary(max_size=20) | st.sampled_from([b"10.0.0.1", b"::1", b"fe80::1%eth0", b"example.org", b"0.0.0.0"])
leaves = st.integers(-(2**63), 2**63) | st.binary(max_size=60)
peers = st.lists(st.dictionaries(st.sampled_from([b"ip", b"port", b"peer id"]), hosts | st.integers(-1, 70000)))
answers = st.dictionaries(
    st.sampled_from(KEYS) | st.binary(max_size=5), leaves | peers | st.lists(leaves, max_size=3), max_size=8
)


def check(response: AnnounceResponse) -> None:
    assert len(response.peers) <= MAX_PEERS
    assert len(set(response.peers)) == len(response.peers)
    assert all(is_usable_peer(peer) for peer in response.peers)
    assert 0 <= response.interval_s < 2**32
    text = response.warning
    assert text is None or (text.isprintable() and 0 < len(text) <= 200)


def parse(body: bytes) -> None:
    try:
        check(parse_response(body))
    except TrackerError as error:
        text = str(error)
    else:
        return
    assert "\n" not in text
    assert len(text) < 300


@given(answers)
def test_any_dictionary(answer: dict[bytes, bencode.Encodable]) -> None:
    parse(bencode.encode(answer))


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    parse(body)


@given(answers, st.data())
def test_damaged_answers(answer: dict[bytes, bencode.Encodable], data: st.DataObject) -> None:
    body = bytearray(bencode.encode(answer))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    parse(bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(st.data(), st.booleans())
def test_any_datagrams(data: st.DataObject, ipv6: bool) -> None:
    core = UdpAnnounce(REQUEST, url_data=b"/x", ipv6=ipv6, rng=Random(1), now=0.0)
    now = 0.0
    transaction_id = b""
    for _ in range(data.draw(st.integers(0, 8))):
        for packet in core.datagrams_to_send():
            assert len(packet) in (16, 98 + 4)
            transaction_id = packet[12:16]
        if data.draw(st.booleans()):
            head = bytes(3) + data.draw(st.sampled_from([b"\0", b"\1", b"\2", b"\3"])) + transaction_id
            core.receive_datagram(head + data.draw(st.binary(max_size=80)), now=now)
        else:
            core.receive_datagram(data.draw(st.binary(max_size=40)), now=now)
        now += data.draw(st.sampled_from([0.0, 20.0, 100.0]))
        core.handle_timer(now=now)
        assert (core.next_timer() is None) == core.is_closed
    event = core.next_event()
    assert core.is_closed == (event is not None)
    if isinstance(event, Answered):
        check(event.response)
    elif isinstance(event, ExchangeFailed):
        assert "\n" not in event.message
    assert core.next_event() is None


@given(
    st.binary(max_size=80) | st.dictionaries(st.sampled_from([b"files", b"x"]), answers | leaves).map(bencode.encode)
)
def test_any_answer_to_a_scrape(body: bytes) -> None:
    with suppress(TrackerError):
        for stats in parse_scrape(body, [bytes(20), b""]).values():
            assert min(stats.seeders, stats.leechers, stats.downloads) >= 0


@given(st.data())
def test_any_datagrams_to_a_scrape(data: st.DataObject) -> None:
    core = UdpScrape([bytes(20)] * 3, rng=Random(1), now=0.0)
    transaction_id = b""
    for _ in range(data.draw(st.integers(0, 5))):
        for packet in core.datagrams_to_send():
            transaction_id = packet[12:16]
        action = data.draw(st.sampled_from([b"\0", b"\1", b"\2", b"\3"]))
        core.receive_datagram(bytes(3) + action + transaction_id + data.draw(st.binary(max_size=60)), now=0.0)
    event = core.next_event()
    assert core.is_closed == (event is not None)


@given(st.text(max_size=60) | st.text(alphabet="htp:/[]@%?&.1ance", max_size=40))
def test_any_url_can_be_scraped_or_not(url: str) -> None:
    with suppress(TrackerError, ValueError):
        assert scrape_url(url, [bytes(20)]).isascii()


@given(st.text(max_size=60) | st.text(alphabet="htp:/[]@%?&.1", max_size=30))
def test_any_url_has_a_name_for_people(url: str) -> None:
    name = tracker_name(url)
    assert name.isprintable()
    assert len(name) <= 200
