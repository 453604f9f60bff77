"""Public torrents and what other implementations say about them.

Sources: libtorrent, test/test_torrents with the tables in test/test_torrent_info.cpp (BSD licence), and
webtorrent-fixtures, fixtures (MIT licence; the texts are in the public domain).
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import MetainfoError
from bittorrent.files.names import NameRules
from bittorrent.metainfo.torrent import Metainfo
from transfer.address import Address

PIECE = bytes.fromhex("829ebc8c26bec74a579b7ddc4134752cb7bc9187")

# libtorrent's `test_torrents`: these load.
LOADS = {
    "base": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi425e4:name4:temp12:"
        b"piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "creation_date": (
        b"d10:created by10:libtorrent13:creation datei1234567e4:infod5:filesld6:lengthi425e4:pathl3:"
        b"foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi16384e6:pi"
        b"eces20:01234567890123456789ee"
    ),
    "dht_nodes": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi425e4:name4:temp12:"
        b"piece lengthi16384e6:pieces20:" + PIECE + b"e5:nodesll9:127.0.0.1i6881eel11:192.168.1.1i6881eeee"
    ),
    "empty_httpseed": (
        b"d10:created by10:libtorrent13:creation datei1359599503e9:httpseedsl0:e4:infod6:lengthi425e"
        b"4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"e8:url-listl0:ee"
    ),
    "pad_file": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld4:pathl3:foo7:bar.t"
        b"xte6:lengthi45eed4:pathl18:_____padding_file_e6:lengthi2124eee4:name4:temp12:piece lengthi"
        b"16384e6:pieces20:" + PIECE + b"ee"
    ),
    "pad_file_no_path": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld4:pathl3:foo7:bar.t"
        b"xte6:lengthi45eed4:attr1:p6:lengthi2124eee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "single_multi_file": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo3:bareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "symlink1": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l1:a1:b3:bareed4:attr1:l6:lengthi425e4:pathl1:a1:b3:fooe12:symlink pathl1:a1:b3:bareee4:na"
        b"me4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "symlink_zero_size": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l1:a1:b3:bareed4:attr1:l4:pathl1:a1:b3:fooe12:symlink pathl1:a1:b3:bareee4:name4:temp12:pi"
        b"ece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee"
    ),
    "unordered": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod4:name4:temp6:lengthi425e12:"
        b"piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "url_list2": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi425e4:name4:temp12:"
        b"piece lengthi16384e6:pieces20:" + PIECE + b"e8:url-listll0:eee"
    ),
    "url_list3": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi425e4:name4:temp12:"
        b"piece lengthi16384e6:pieces20:" + PIECE + b"e8:url-listli-20eee"
    ),
    "url_seed_multi_space_nolist": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi16384e6"
        b":pieces20:" + PIECE + b"e8:url-listl33:http://test.com/test file/foo baree"
    ),
    "whitespace_url": (
        b"d8:announce25:\t udp://test.com/announce10:created by10:libtorrent13:creation datei13595995"
        b"03e4:infod6:lengthi425e4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "v2": (
        b"d8:announce27:http://example.com/announce4:infod9:file treed7:test64Kd0:d6:lengthi65536e11"
        b':pieces root32:`\xaa\xe9\xc7\xb4(\xf8~\x07\x13\xe8\x82)\xe1\x8f\n\xdf\x12\xcd{"\xa0\xdd\x8a\x92'
        b"\xbb$\x85\xebz\xf2Beee6:lengthi65536e12:meta versioni2e4:name7:test64K12:piece lengthi65536e6:pie"
        b"ces20:\x1a\xdc\x95\xbe\xbe\x9e\xea\x8c\x11-@\xcd\x04\xabz\x8du\xc4\xf9ae12:piece layersdee"
    ),
}

# libtorrent's `test_error_torrents`: these must fail.
FAILS = {
    "bad_name": (
        b"d10:created by10:li\x7f\xff\xff\xff\xff\xff\xff\xc64:infod5:fivesld6:lengthi425e4:pathl3:foo7:bar"
        b".txteed6:lengthi425e4:pathl34:infod5:filesld6:leng\xff\xff\xff\xff\xff\xff\xff\xfftih425e4:pathl3"
        b":foo7:bar.txteed6:lengthi425e4:pathl3:\xe6oo7:bar.txteed6:lengthi425e4:pathl3:voo7:bar.;xteed"
        b"6:lengthi425e4:pathl3:foo7:bar.txteee4:name4:\x00\x00\x00\x0012:piece lengthi16384e6:pieces20:"
        b"\x82\x9e\xbc\x8c:foo7:bar.txteed6:lengthi425e4:pathl3:fxteee4:na\xbc\x91\x87e"
    ),
    "invalid_file_size": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld4:pathl3:foo7:bar.t"
        b"xte6:lengthli45eeed4:pathl3:foo7:var.txte6:lengthi24124eee4:name4:temp12:piece lengthi1638"
        b"4e6:pieces20:" + PIECE + b"ee"
    ),
    "invalid_info": (b"d10:created by10:libtorrent13:creation datei1359599503e4:info5:filese"),
    "invalid_name": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:namei1348e12:piece lengthi16384e6"
        b":pieces20:" + PIECE + b"ee"
    ),
    "invalid_path_list": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"li1242e3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi1"
        b"6384e6:pieces20:" + PIECE + b"ee"
    ),
    "invalid_piece_len": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece length5:163846"
        b":pieces20:" + PIECE + b"ee"
    ),
    "invalid_pieces": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi16384e6"
        b":piecesi-23eee"
    ),
    "many_pieces": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi1759218597889e4:nam"
        b"e4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "missing_path_list": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425eed6:le"
        b"ngthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "missing_piece_len": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp6:pieces20:" + PIECE + b"ee"
    ),
    "negative_file_size": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld4:pathl3:foo7:bar.t"
        b"xte6:lengthi-45eed4:pathl3:foo7:var.txte6:lengthi24124eee4:name4:temp12:piece lengthi16384"
        b"e6:pieces20:" + PIECE + b"ee"
    ),
    "negative_piece_len": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi-16384e"
        b"6:pieces20:" + PIECE + b"ee"
    ),
    "negative_size": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi-425e4:name4:temp12"
        b":piece lengthi16384e6:pieces20:cdcdcdcdcdcdcdcdcdcdee"
    ),
    "no_files": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesle4:name4:temp12:piec"
        b"e lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "no_name": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "string": (b"10:libtorrent"),
    "unaligned_pieces": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name4:temp12:piece lengthi16384e6"
        b":pieces24:012345678901234567890123ee"
    ),
    "v2_overlong_integer": (
        b"d10:created by10:libtorrent13:creation datei1556473052e4:infod9:file treed9:test1.txtd0:d6"
        b":lengthi07e11:pieces root32:\xae\xc0pd_\xe5>\xe3\xb3v0Y7a4\xf0X\xcc3rG\xc9x\xad\xd1x\xb6\xcc\xdf"
        b"\xb0\x01\x9fee9:test2.txtd0:d6:lengthi7e11:pieces root32:\x13f\xad$\n\x12\x0f\x1e\xc3\xf4\x84\xae"
        b"U\x1e\xea\xc9\x9d\x1db\xf3n\r\x9c\xb1\xe6\x80\x10\xca8\xd7H\xa1ee9:test3.txtd0:d6:lengthi7e11:pie"
        b"ces root32:\xfe\x13/\x9fR\xc2[\xedb\x8c\xb8n\xd2\x85\x9c\xe7={6oN\xb5\xee\xe6\xc5\xb0\x99\x81VSh"
        b"\xd6eee12:meta versioni2e4:name4:test12:piece lengthi16384ee12:piece layersdee"
    ),
    "zero": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod6:lengthi0e4:name4:temp12:pi"
        b"ece lengthi16384e6:pieces0:ee"
    ),
}

# libtorrent loads these under other names than they carry, and so do we.
RENAMED = {
    "absolute_filename": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l5:abcdeeed6:lengthi5e4:pathl7:/foobareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "backslash_path": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l1:\\1:\\3:bareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "duplicate_files": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:bar.txteee4:name4:temp12:piece lengthi16384e6"
        b":pieces20:" + PIECE + b"ee"
    ),
    "empty_path": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l0:0:eee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "hidden_parent_path": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l16:foo/../../../bar3:bareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "invalid_name2": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name2:..12:piece lengthi16384e6:p"
        b"ieces20:" + PIECE + b"ee"
    ),
    "invalid_name3": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l3:foo7:bar.txteed6:lengthi425e4:pathl3:foo7:var.txteee4:name7:foobar 12:piece lengthi1638"
        b"4e6:pieces20:" + PIECE + b"ee"
    ),
    "parent_path": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l2:..2:..3:bareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
    "slash_path2": (
        b"d10:created by10:libtorrent13:creation datei1359599503e4:infod5:filesld6:lengthi425e4:path"
        b"l13:abc/../../def1:/3:bareee4:name4:temp12:piece lengthi16384e6:pieces20:" + PIECE + b"ee"
    ),
}

# webtorrent-fixtures, leaves.torrent: "Leaves of Grass" by Walt Whitman.
LEAVES = base64.b64decode(
    "ZDEwOmNyZWF0ZWQgYnkxMzp1VG9ycmVudC8zMzAwMTM6Y3JlYXRpb24gZGF0ZWkxMzc1MzYzNjY2ZTg6ZW5jb2Rpbmc1OlVURi04NDppbmZv"
    "ZDY6bGVuZ3RoaTM2MjAxN2U0Om5hbWUzNjpMZWF2ZXMgb2YgR3Jhc3MgYnkgV2FsdCBXaGl0bWFuLmVwdWIxMjpwaWVjZSBsZW5ndGhpMTYz"
    "ODRlNjpwaWVjZXM0NjA6H5w/Wb7sB5cV7FMyS96FaeSgtOvsQjB9TOVVe105ZMXvVdNUz0puzHvxvK950R+l4L4GWTyPqvwMK6LPdtccWwFS"
    "ayMAf56ZKb6vxRUeZREJMaG0TCG/Hmi5E4+QSV5pDbxV9XLkwpRMus8m5rOuinIp2IqvoF9h6q5qvz8Hy225Z3zGre1N05heRYYnVn+nY58G"
    "X3GxiVQwSspjZnKeC0dz13roDKqWpSSATf5Lm9PervmZyd1RAnRnUZ1eslYa4swBRn3l9kMKYLy6JHl2ku+odw0j3wqDDZHLNbNAeoi6oFkN"
    "yMmqahIPJ0Nn3Nhn6I6DOMVyoG48gBsp9RnfUys+dvZwz2ruUxB/PTk3hIP2nPgPpWix6sU7UGFZ6YjYvBaSLRJdd9gD1lLDyjBwwW7tkXKr"
    "UG0g5SLqPxq2dLP5I9dv6PRP8y43LDs3ZWTG+18NvlIWTwNin9EyJja6uywBS32uWC2kE2OWUmHmzhK0NwHwqMntFSCnDroARACiZ3ZfbT3V"
    "x761vTx1898qVFYKYYARR/pOx89WjnA6ywTlYQpNVtzCQtAyk+lEbPXkV9jrPZWI/ZDGmN6bDa2SmAkGwCbYwUCPoI/k7GVl"
)

# webtorrent-fixtures: folders by their content, and the info-hash of the torrent made from each.
CREATED = {
    "folder": ({"file.txt": "This is a file\n"}, "b88da2caac6648e6c7d7687e3f89085f7e230e6b"),
    "numbers": ({"1.txt": "1", "2.txt": "22", "3.txt": "333"}, "89d97c2261a21b040cf11caa661a3ba7233bb7e6"),
    "lots-of-numbers": (
        {
            "big numbers/10.txt": "10",
            "big numbers/11.txt": "11",
            "big numbers/12.txt": "12",
            "small numbers/1.txt": "1",
            "small numbers/2.txt": "22",
            "small numbers/3.txt": "333",
        },
        "114ead6243792ba56297edbb9a78dfba84d4fc00",
    ),
}


@pytest.mark.parametrize(
    ("torrent", "info_hash", "total_bytes", "files"),
    [
        ("base", "c0fda1edafdbdbb96443424e0b3899af7159d10e", 425, ["temp"]),
        ("creation_date", "8811d6939fac5147658001e5c3322b778124f805", 850, ["temp/foo/bar.txt", "temp/foo/var.txt"]),
        ("pad_file", "fa2d263afecd65b98640ae50d5b11d9d250d9e2a", 45, ["temp/foo/bar.txt"]),
        ("pad_file_no_path", "7202e1cd55de0a216a50f5e2d88a69752ef256a9", 45, ["temp/foo/bar.txt"]),
        ("single_multi_file", "a385e13b37c5c81d0dc06e7425d352913564771c", 425, ["temp/foo/bar"]),
        ("symlink1", "efba96cd9ba647d0c887434a9162f20f794a141c", 425, ["temp/a/b/bar"]),
        ("symlink_zero_size", "6b5306a50e97214e7f61923f8e8e26c2539691e8", 425, ["temp/a/b/bar"]),
        ("unordered", "1e44709a0ec082a6a5ea4837e450ae08d3f4394e", 425, ["temp"]),
        ("url_list2", "c0fda1edafdbdbb96443424e0b3899af7159d10e", 425, ["temp"]),
        ("url_list3", "c0fda1edafdbdbb96443424e0b3899af7159d10e", 425, ["temp"]),
        ("v2", "c14199bbec64d0e9e439aa3b6b7639e666b86eca", 65536, ["test64K"]),
    ],
)
def test_info_hash_size_and_files(torrent: str, info_hash: str, total_bytes: int, files: list[str]) -> None:
    metainfo = Metainfo.from_bytes(LOADS[torrent])
    assert metainfo.info_hash.hex() == info_hash
    assert metainfo.total_bytes == total_bytes
    assert [str(entry) for entry in metainfo.visible_files] == files


def test_optional_keys() -> None:
    loaded = {name: Metainfo.from_bytes(data) for name, data in LOADS.items()}
    assert loaded["creation_date"].creation_date == 1234567
    assert loaded["base"].created_by == "libtorrent"
    assert loaded["dht_nodes"].nodes == (Address("127.0.0.1", 6881), Address("192.168.1.1", 6881))
    assert loaded["whitespace_url"].trackers == (("udp://test.com/announce",),)
    assert loaded["url_seed_multi_space_nolist"].web_seeds == ("http://test.com/test file/foo bar",)
    assert loaded["empty_httpseed"].web_seeds == loaded["url_list2"].web_seeds == loaded["url_list3"].web_seeds == ()
    assert [entry.is_padding for entry in loaded["pad_file"].files] == [False, True]


@pytest.mark.parametrize("torrent", FAILS.values(), ids=FAILS.keys())
def test_torrents_that_must_fail(torrent: bytes) -> None:
    with pytest.raises(MetainfoError):
        Metainfo.from_bytes(torrent)


# As libtorrent's own tests expect.
PLACES = {
    "absolute_filename": ["temp/abcde", "temp/foobar"],
    "backslash_path": ["temp/_/_/bar"],
    "duplicate_files": ["temp/foo/bar.txt", "temp/foo/bar.1.txt"],
    "empty_path": ["temp/_/_"],
    "hidden_parent_path": ["temp/foo......bar/bar"],
    "invalid_name2": [
        "b61560c2918f463768cd122b6d2fdd47b77bdb35/foo/bar.txt",
        "b61560c2918f463768cd122b6d2fdd47b77bdb35/foo/var.txt",
    ],
    "invalid_name3": ["foobar /foo/bar.txt", "foobar /foo/var.txt"],
    "parent_path": ["temp/_/_/bar"],
    "slash_path2": ["temp/abc....def/_/bar"],
}


@pytest.mark.parametrize("name", RENAMED)
def test_torrents_whose_names_cannot_be_stored(name: str) -> None:
    rules = NameRules(is_windows=False, ignores_case=False)
    assert [str(entry) for entry in Metainfo.from_bytes(RENAMED[name], rules=rules).files] == PLACES[name]


def test_leaves_of_grass() -> None:
    metainfo = Metainfo.from_bytes(LEAVES)
    assert metainfo.info_hash.hex() == "d2474e86c95b19b8bcfdb92bc12c9d44667cfa36"
    assert metainfo.name == "Leaves of Grass by Walt Whitman.epub"
    assert (metainfo.total_bytes, metainfo.piece_length, metainfo.piece_count) == (362017, 16384, 23)
    assert metainfo.piece_hash(0).hex() == "1f9c3f59beec079715ec53324bde8569e4a0b4eb"
    assert metainfo.geometry.piece_span(22) == (360448, 1569)
    assert metainfo.magnet_link().startswith(
        "magnet:?xt=urn:btih:d2474e86c95b19b8bcfdb92bc12c9d44667cfa36&dn=Leaves%20of"
    )


@pytest.mark.parametrize("name", CREATED)
def test_the_same_content_gives_the_same_info_hash(tmp_path: Path, name: str) -> None:
    content, info_hash = CREATED[name]
    for path, text in content.items():
        (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / path).write_text(text, newline="")
    assert create_metainfo(tmp_path / name, piece_length=16384).info_hash.hex() == info_hash
