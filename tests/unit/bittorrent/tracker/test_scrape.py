"""Numbers without joining: the URL, the answers over HTTP and over UDP."""

from __future__ import annotations

import struct
from random import Random

import pytest

from bittorrent.errors import TrackerError
from bittorrent.tracker.scrape import MAX_HASHES, ScrapeStats, parse_scrape, scrape_url
from bittorrent.tracker.udp import Answered, ExchangeFailed, UdpScrape
from transfer.wire import bencode

ONE, TWO = bytes(range(20)), b"\xff %&" * 5
STATS = ScrapeStats(seeders=5, leechers=3, downloads=50)


@pytest.mark.parametrize(
    ("url", "expected"),
    [  # the examples of BEP 48
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/a", None),
        ("http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644"),
        ("http://example.com/announce?x=2/4", "http://example.com/scrape?x=2/4"),
        ("http://example.com/x%064announce", None),
        ("http://example.com", None),
    ],
)
def test_the_url_of_a_scrape(url: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TrackerError, match="/announce"):
            scrape_url(url, [ONE])
    else:
        separator = "&" if "?" in expected else "?"
        first = "%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13"
        second = "%FF%20%25%26" * 5
        assert scrape_url(url, [ONE, TWO]) == f"{expected}{separator}info_hash={first}&info_hash={second}"


def test_an_answer_over_http() -> None:
    body = bencode.encode(
        {b"files": {ONE: {b"complete": 5, b"downloaded": 50, b"incomplete": 3}, TWO: {b"complete": -1}, b"x": 3}}
    )
    assert parse_scrape(body, [ONE, TWO, bytes(20)]) == {
        ONE: STATS,
        TWO: ScrapeStats(seeders=0, leechers=0, downloads=0),
    }


@pytest.mark.parametrize("body", [b"", b"de", b"d5:filesi1ee", b"<html>"])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(TrackerError, match="answer is not"):
        parse_scrape(body, [ONE])


def test_a_refusal() -> None:
    with pytest.raises(TrackerError, match="refused: no scrapes") as caught:
        parse_scrape(bencode.encode({b"failure reason": b"no scrapes"}), [ONE])
    assert caught.value.failure_reason == "no scrapes"


def connected() -> tuple[UdpScrape, bytes]:
    core = UdpScrape([ONE, TWO], rng=Random(1), now=0.0)
    (packet,) = core.datagrams_to_send()
    core.receive_datagram(bytes(4) + packet[12:16] + bytes(range(8)), now=0.0)
    (packet,) = core.datagrams_to_send()
    assert packet == bytes(range(8)) + b"\0\0\0\2" + packet[12:16] + ONE + TWO
    return core, packet[12:16]


def test_an_answer_over_udp() -> None:
    core, transaction_id = connected()
    core.receive_datagram(b"\0\0\0\1" + transaction_id + bytes(12), now=0.0)
    assert core.ignored_datagrams == 1
    core.receive_datagram(b"\0\0\0\2" + transaction_id + struct.pack(">6I", 5, 50, 3, 1, 2, 4) + b"more", now=0.0)
    event = core.next_event()
    assert isinstance(event, Answered)
    assert event.response == {ONE: STATS, TWO: ScrapeStats(seeders=1, leechers=4, downloads=2)}


def test_an_answer_that_is_cut_off_tells_what_it_tells() -> None:
    core, transaction_id = connected()
    core.receive_datagram(b"\0\0\0\2" + transaction_id + struct.pack(">3I", 5, 50, 3) + bytes(11), now=0.0)
    event = core.next_event()
    assert isinstance(event, Answered)
    assert event.response == {ONE: STATS}


def test_a_connection_id_that_runs_out_between_two_repetitions_is_asked_for_again() -> None:
    core, _ = connected()
    now, asked, packet = 0.0, [], b""
    for _ in range(4):
        due = core.next_timer()
        assert due is not None
        now = due
        core.handle_timer(now=now)
        (packet,) = core.datagrams_to_send()
        asked.append((now, packet[11]))
    assert asked == [(15.0, 2), (45.0, 2), (105.0, 0), (225.0, 0)], "BEP 15: 15 * 2^n, and an id lives for a minute"
    core.receive_datagram(bytes(4) + packet[12:16] + b"newnewid", now=now)
    (packet,) = core.datagrams_to_send()
    assert packet[:12] == b"newnewid\0\0\0\2"
    core.receive_datagram(b"\0\0\0\3" + packet[12:16] + b"busy\0", now=now)
    assert core.next_event() == ExchangeFailed(message="the tracker refused: busy", failure_reason="busy")


@pytest.mark.parametrize("hashes", [[], [ONE] * (MAX_HASHES + 1), [b"short"]])
def test_what_cannot_be_asked(hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="info-hashes"):
        UdpScrape(hashes, rng=Random(1), now=0.0)
