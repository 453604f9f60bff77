"""Records about trackers (BEP 34): what they say, and where a tracker is asked then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.tracker.preferences import MAX_PORTS, TrackerPreferences, parse_records, preferred_urls


@pytest.mark.parametrize(
    ("records", "ports"),
    [
        ([b"BITTORRENT"], ()),
        ([b"BITTORRENT DENY ALL"], ()),
        ([b"BITTORRENT UDP:1337 TCP:80"], (("udp", 1337), ("tcp", 80))),
        ([b"v=spf1 -all", b"BITTORRENT TCP:80"], (("tcp", 80),)),
        ([b"BITTORRENT TRACKER TCP:80 ON UDP:6969"], (("tcp", 80), ("udp", 6969))),
        ([b"BITTORRENT UDP:0 UDP:65536 UDP:-1 UDP: udp:5 UDP:123456 TCP:1"], (("tcp", 1),)),
        ([b"BITTORRENT UDP:1 UDP:1 TCP:1"], (("udp", 1), ("tcp", 1))),
        ([b"BITTORRENT UDP:1", b"BITTORRENT DENY ALL"], (("udp", 1),)),
    ],
)
def test_a_record_lists_ports(records: list[bytes], ports: tuple[tuple[str, int], ...]) -> None:
    assert parse_records(records) == TrackerPreferences(ports)


@pytest.mark.parametrize("records", [[], [b""], [b"bittorrent UDP:1"], [b"XBITTORRENT UDP:1"], [b"\xff\xfe"]])
def test_other_records_say_nothing(records: list[bytes]) -> None:
    assert parse_records(records) is None


@given(st.lists(st.binary(max_size=200).map(lambda data: b"BITTORRENT " + data) | st.binary(max_size=50)))
def test_nothing_in_a_record_is_more_than_a_few_ports(records: list[bytes]) -> None:
    found = parse_records(records)
    if found is not None:
        assert len(found.ports) <= MAX_PORTS
        for url in preferred_urls("http://tracker.site.org/announce?passkey=1", found):
            assert url.startswith(("http://tracker.site.org:", "udp://tracker.site.org:"))


BOTH = TrackerPreferences((("udp", 1337), ("tcp", 443)))


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("http://t.org/a?key=1", ("udp://t.org:1337/a?key=1", "http://t.org:443/a?key=1")),
        ("http://t.org:99", ("udp://t.org:1337", "http://t.org:443/announce")),
        ("udp://t.org:80/announce", ("udp://t.org:1337/announce", "http://t.org:443/announce")),
        ("http://[2001:db8::1]/announce", ("udp://[2001:db8::1]:1337/announce", "http://[2001:db8::1]:443/announce")),
        ("https://t.org/announce", ("https://t.org:443/announce",)),  # never undressed
    ],
)
def test_the_ports_of_the_record_are_asked_in_its_order(url: str, urls: tuple[str, ...]) -> None:
    assert preferred_urls(url, BOTH) == urls


def test_a_host_without_a_tracker_is_asked_nowhere() -> None:
    assert preferred_urls("http://t.org/announce", TrackerPreferences(())) == ()
