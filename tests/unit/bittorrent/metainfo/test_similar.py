"""Which torrents say that they have files in common (BEP 38)."""

from __future__ import annotations

from typing import Any

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.similar import MAX_COLLECTIONS, MAX_SIMILAR, relations_of
from bittorrent.metainfo.torrent import Metainfo
from transfer.wire import bencode

HASH, OTHER = b"h" * 20, b"o" * 32


def torrent(inside: dict[str, Any], outside: dict[str, Any]) -> Metainfo:
    info = {"length": 1, "name": "f", "piece length": 16384, "pieces": bytes(20), **inside}
    return Metainfo.from_bytes(bencode.encode({"info": info, **outside}))


def test_both_stand_inside_or_outside_of_the_info_dictionary() -> None:
    metainfo = torrent(
        {"similar": [HASH, OTHER], "collections": [b"a", b"b"]}, {"similar": [HASH, b"x" * 20], "collections": [b"c"]}
    )
    assert metainfo.similar == (HASH, OTHER[:20], b"x" * 20)
    assert metainfo.collections == (b"a", b"b", b"c")
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    written = bencode.decode_dict(metainfo.to_bytes())
    assert (written[b"similar"], written[b"collections"]) == ([b"x" * 20], [b"c"])
    inside = torrent({"similar": [HASH], "collections": [b"a"]}, {})
    assert not {b"similar", b"collections"} & set(bencode.decode_dict(inside.to_bytes()))
    assert Metainfo.from_info(inside.info_bytes).similar == (HASH,)


def test_what_is_no_hash_or_name_is_left_out() -> None:
    metainfo = torrent({"similar": [b"short", 5, [HASH], HASH], "collections": "no list"}, {"similar": {}})
    assert metainfo.similar == (HASH,)
    assert metainfo.collections == ()


def test_there_are_bounds() -> None:
    many = torrent(
        {
            "similar": [b"%020d" % number for number in range(300)],
            "collections": [b"%d" % number for number in range(300)],
        },
        {},
    )
    assert (len(many.similar), len(many.collections)) == (MAX_SIMILAR, MAX_COLLECTIONS)


def test_what_relates_two_torrents() -> None:
    one, two = TorrentId(v1=b"1" * 20), TorrentId(v1=b"2" * 20, v2=b"3" * 32)
    alone = relations_of(one, (), ())
    assert not alone & relations_of(two, (), ())
    assert alone & relations_of(two, (b"1" * 20,), ())
    assert relations_of(one, (b"3" * 20,), ()) & relations_of(two, (), ())
    assert relations_of(one, (), (b"c",)) & relations_of(two, (), (b"c", b"d"))
    assert not relations_of(one, (), (b"1" * 20,)) & relations_of(one, (), ()) - alone
