"""Magnet links as they are found in the wild."""

from __future__ import annotations

import base64

import pytest

from bittorrent.errors import MagnetError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.magnet import Magnet, parse_info_hash, parse_torrent_id
from transfer.address import Address

HASH = bytes.fromhex("d2474e86c95b19b8bcfdb92bc12c9d44667cfa36")
V2 = bytes(range(32))
HEX, BASE32 = HASH.hex(), base64.b32encode(HASH).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"magnet:?xt=urn:btih:{HEX}",
        f"magnet:?xt=urn:btih:{HEX.upper()}",
        f"magnet:?xt=urn:btih:{BASE32}",
        f"magnet:?xt=urn:btih:{BASE32.lower()}",
        f"MAGNET:?XT=URN:BTIH:{HEX}",
        f"  magnet:?xt=urn:btih:{HEX}\n",
        f"magnet:?xt=urn%3Abtih%3A{HEX}",
        f"magnet:?xt.1=urn:btih:{HEX}",
        f"magnet:?xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1&xt=urn:btih:{HEX}",
        f"magnet:?xt=urn:btmh:1114{'ab' * 20}&xt=urn:btih:{HEX}",
        f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{BASE32}",
        f"magnet:?&&xt=urn:btih:{HEX}&so=x&unknown&=&x.pe=nonsense&tr=&ws=x&xl=-1&dn=",
    ],
)
def test_the_info_hash_is_found(text: str) -> None:
    assert Magnet.parse(text) == Magnet(v1=HASH)


@pytest.mark.parametrize(
    ("text", "v1", "v2"),
    [
        (f"magnet:?xt=urn:btmh:1220{V2.hex()}", None, V2),
        (f"magnet:?XT=URN:BTMH:1220{V2.hex().upper()}", None, V2),
        (f"magnet:?xt=urn:btmh:1220{V2.hex()}&xt=urn:btih:{HEX}", HASH, V2),
        (f"magnet:?xt.1=urn:btih:{BASE32}&xt.2=urn%3Abtmh%3A1220{V2.hex()}", HASH, V2),
        (f"magnet:?xt=urn:btmh:1220{V2.hex()}&xt=urn:btmh:1220{V2.hex().upper()}", None, V2),
        (f"magnet:?xt=urn:btmh:1114{HEX}&xt=urn:btmh:1220{V2.hex()}", None, V2),
    ],
)
def test_hashes_of_version_2(text: str, v1: bytes | None, v2: bytes) -> None:
    magnet = Magnet.parse(text)
    assert magnet == Magnet(v1=v1, v2=v2)
    assert magnet.torrent_id == TorrentId(v1, v2)
    assert magnet.info_hash == (v1 or v2[:20])
    assert Magnet.parse(str(magnet)) == magnet


def test_links_are_written_as_libtorrent_writes_them() -> None:
    """Source: `make_magnet_uri` of libtorrent 2.1.1; `tests/interop/test_read_version_2.py` asks it itself."""
    assert str(Magnet(v1=HASH, v2=V2)) == f"magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:1220{V2.hex()}"
    assert str(Magnet(v2=V2)) == f"magnet:?xt=urn:btmh:1220{V2.hex()}"


def test_every_hint() -> None:
    magnet = Magnet.parse(
        f"magnet:?xt=urn:btih:{HEX}&dn=Leaves+of%20Grass&xl=362017"
        "&tr=udp%3A%2F%2Ftracker.example%3A80&tr.1=http://b/announce?key=1&tr=udp://tracker.example:80"
        "&x.pe=127.0.0.1:6881&x.pe=%5B%3A%3A1%5D%3A6882&x.pe=host.example:1&x.pe=1.2.3.4:0"
        "&ws=http%3A%2F%2Fw%2Fa%2520b"
    )
    assert magnet == Magnet(
        v1=HASH,
        name="Leaves of Grass",
        trackers=("udp://tracker.example:80", "http://b/announce?key=1"),
        peers=(Address("127.0.0.1", 6881), Address("::1", 6882), Address("host.example", 1)),
        web_seeds=("http://w/a%20b",),
        exact_length=362017,
    )
    assert Magnet.parse(str(magnet)) == magnet


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a magnet link"),
        ("http://example/x.torrent", "not a magnet link"),
        ("magnet:", "not a magnet link"),
        ("magnet:?", "no info-hash"),
        ("magnet:?dn=name", "no info-hash"),
        ("magnet:?xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1", "no info-hash"),
        ("magnet:?xt=urn:btih:", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-1]}g", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{HEX[:-2]}  ", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{' ' * 20}{HEX[:20]}x", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{BASE32[:-1]}1", "not an info-hash"),
        (f"magnet:?xt=urn:btih:{'٣' * 40}", "not an info-hash"),
        (f"magnet:?xt=urn:btmh:{'ab' * 32}", "not an info-hash: version 2"),
        (f"magnet:?xt=urn:btmh:1114{'ab' * 20}", "not an info-hash: version 2"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 31}", "not an info-hash: version 2"),
        (f"magnet:?xt=urn:btmh:1220{'ag' * 32}", "not an info-hash: version 2"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 33}&xt=urn:btih:{HEX}", "not an info-hash: version 2"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 32}&xt=urn:btih:x", "not an info-hash: it needs"),
        (f"magnet:?xt=urn:btmh:1220{'ab' * 32}&xt=urn:btmh:1220{'cd' * 32}", "two different torrents"),
        (f"magnet:?xt=urn:btih:{HEX}&xt=urn:btih:{'00' * 20}", "two different torrents"),
        (f"magnet:?xt=urn:btih:{HEX}&dn={'a' * 70000}", "longer than"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(MagnetError, match=reason) as refused:
        Magnet.parse(text)
    assert str(refused.value).isprintable()


def test_a_name_cannot_play_tricks_with_a_terminal() -> None:
    assert Magnet.parse(f"magnet:?xt=urn:btih:{HEX}&dn=a%1B%5B2J%E2%80%AEb%0A").name == "a[2Jb"
    assert Magnet.parse(f"magnet:?xt=urn:btih:{HEX}&tr=http://a/%1B").trackers == ()


def test_hints_are_bounded() -> None:
    many = "".join(f"&tr=udp://t{n}:1&x.pe=10.0.0.1:{n + 1}&ws=http://w{n}/" for n in range(300))
    magnet = Magnet.parse(f"magnet:?xt=urn:btih:{HEX}&dn={'a' * 1000}{many}")
    assert (len(magnet.trackers), len(magnet.peers), len(magnet.web_seeds)) == (200, 200, 200)
    assert magnet.name == "a" * 255


def test_an_info_hash_alone() -> None:
    assert parse_info_hash(HEX) == parse_info_hash(BASE32) == HASH
    with pytest.raises(MagnetError):
        parse_info_hash("a" * 20)
    assert parse_torrent_id(HEX) == parse_torrent_id(BASE32) == TorrentId(HASH)
    assert parse_torrent_id(V2.hex()) == parse_torrent_id(f"1220{V2.hex().upper()}") == TorrentId(v2=V2)
    for wrong in (V2.hex()[1:], f"1221{V2.hex()}", f" {V2.hex()}", "٣" * 64, ""):
        with pytest.raises(MagnetError):
            parse_torrent_id(wrong)
    with pytest.raises(MagnetError, match="20 bytes"):
        Magnet(v1=b"short")
    with pytest.raises(MagnetError, match="32 bytes"):
        Magnet(v1=HASH, v2=HASH)
    with pytest.raises(MagnetError, match="one hash"):
        Magnet(name="nothing")


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("0", [range(1)]),
        ("0,2,4-6", [range(1), range(2, 3), range(4, 7)]),
        ("4-6, 1,4-6", [range(4, 7), range(1, 2)]),
        ("6-4,x,-1,1-,,3", [range(3, 4)]),
        ("", []),
        ("99999999999999999999", []),
    ],
)
def test_selected_files(text: str, selected: list[range]) -> None:
    magnet = Magnet.parse(f"magnet:?xt=urn:btih:{'0' * 40}&so={text}")
    assert list(magnet.selected) == selected
    assert Magnet.parse(str(magnet)) == magnet
