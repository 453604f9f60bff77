"""Fuzzing short texts of strangers: records of name servers, pointers, calls in the local network, URLs of proxies."""

from __future__ import annotations

from urllib.parse import urlsplit

from bittorrent.local_discovery import (
    GROUP,
    MAX_INFO_HASHES,
    Announcement,
    LocalDiscoveryError,
    decode_announcement,
    encode_announcement,
)
from bittorrent.tracker.preferences import MAX_PORTS, parse_records, preferred_urls
from kademlia_core.mainline.pointer import PointerError, PointerLink, info_hash_in, pointer_to
from transfer.address import Address
from transfer.proxy.errors import ProxyUrlError
from transfer.proxy.proxy import Proxy
from transfer.wire import bencode


def run_tracker_records(data: bytes) -> str:
    """TXT records, one a line, and what they make of the URLs of a host (BEP 34). No host comes in by them."""
    preferences = parse_records(data.split(b"\n"))
    if preferences is None:
        return "about something else"
    assert len(preferences.ports) <= MAX_PORTS
    kinds = []
    for url in URLS:
        before = urlsplit(url)
        for found in preferred_urls(url, preferences):
            after = urlsplit(found)
            assert after.hostname == before.hostname
            assert after.query == before.query
            assert 0 < (after.port or 0) < 65536
            assert after.scheme == "https" or before.scheme != "https"
            kinds.append(after.scheme[:1])
    return f"{len(preferences.ports)} {''.join(kinds)}"


def run_pointer(data: bytes) -> str:
    """The value of an item, and a link (BEP 46)."""
    try:
        key = info_hash_in(data)
    except PointerError as error:
        outcome = f"no: {str(error)[:40]}"
    else:
        assert info_hash_in(bencode.encode(pointer_to(key))) == key
        outcome = "points"
    try:
        link = PointerLink.parse(data.decode("latin-1"))
    except PointerError as error:
        return f"{outcome}, {str(error)[:20]}"
    assert PointerLink.parse(str(link)) == link
    return f"{outcome}, link {len(link.salt).bit_length()}"


def run_local_announcement(data: bytes) -> str:
    """A call in the local network (BEP 14). What we write of what we have read is read as the same."""
    try:
        heard = decode_announcement(data)
    except LocalDiscoveryError as error:
        return str(error)[:20]
    assert heard.info_hashes
    assert 0 < heard.port < 65536
    count = len(heard.info_hashes)
    again = Announcement(port=heard.port, info_hashes=heard.info_hashes[:MAX_INFO_HASHES])
    assert decode_announcement(encode_announcement(again, GROUP)) == again
    return f"{count.bit_length()} {bool(heard.cookie)}"


def run_proxy_url(data: bytes) -> str:
    """The URL of a proxy, as a user or a file may have it."""
    try:
        proxy = Proxy.parse(data.decode("latin-1"))
    except ProxyUrlError as error:
        text = str(error)
        assert "\n" not in text
        return text[-16:]
    assert "password" not in repr(proxy)
    assert (proxy.username is None) == (proxy.password is None)
    assert Proxy.parse(str(proxy)).address == proxy.address
    return f"{proxy.kind} {proxy.username is None} {proxy.address.is_ipv6}"


def tracker_records_seeds() -> list[bytes]:
    return [
        b"BITTORRENT UDP:6969 TCP:80",
        b"BITTORRENT DENY ALL",
        b"v=spf1 -all\nBITTORRENT TCP:1 TCP:2 UDP:3 UDP:4 UDP:5",
        b"bittorrent UDP:1",
    ]


def pointer_seeds() -> list[bytes]:
    link = PointerLink(bytes(range(32)), b"salt")
    return [
        b"d2:ih20:aaaaaaaaaaaaaaaaaaaae",
        b"d1:xi1e2:ih19:aaaaaaaaaaaaaaaaaaae",
        str(link).encode(),
        b"magnet:?xs=urn%3Abtpk%3A" + b"aB" * 32 + b"&s=00ff&dn=x",
    ]


def local_announcement_seeds() -> list[bytes]:
    announcement = Announcement(port=6881, info_hashes=(bytes(20), bytes(range(20))), cookie="abc")
    whole = encode_announcement(announcement, Address("ff15::efc0:988f", 6771))
    return [whole, whole.replace(b"\r\n", b"\n"), whole.replace(b"Port: 6881", b"PORT:0")]


def proxy_url_seeds() -> list[bytes]:
    texts = ["socks5://h:1", "socks5h://[::1]", "http://u:secret@h:8080/", "socks5://u%40:s%3A@1.2.3.4"]
    return [text.encode() for text in texts]


URLS = ("udp://t.example:1/a?k=1", "http://t.example/announce?passkey=x", "https://[::1]/a")
