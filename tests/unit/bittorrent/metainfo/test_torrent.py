"""Reading torrents: what each key means, what is refused, what is only left out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from bittorrent.errors import MetainfoError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.files.names import NameRules
from bittorrent.metainfo.content import MetainfoLimits
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from transfer.address import Address
from transfer.wire import bencode

HASHES = bytes(range(60))
SINGLE: dict[str, Any] = {"name": "film.mkv", "length": 100, "piece length": 40, "pieces": HASHES}
MULTI: dict[str, Any] = {
    "name": "album",
    "piece length": 40,
    "pieces": HASHES,
    "files": [
        {"length": 60, "path": ["cd 1", "a.flac"]},
        {"length": 0, "path": ["empty"]},
        {"length": 40, "path": ["b"]},
    ],
}


def torrent(info: dict[str, Any], **top: Any) -> bytes:
    return bencode.encode({**{key.replace("_", " "): value for key, value in top.items()}, "info": info})


def changed(info: dict[str, Any], **values: Any) -> dict[str, Any]:
    """`info` with other values; None removes a key, `_` stands for a space."""
    merged = {**info, **{key.replace("_", " "): value for key, value in values.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def test_a_single_file() -> None:
    metainfo = Metainfo.from_bytes(torrent(SINGLE))
    assert metainfo.name == "film.mkv"
    assert metainfo.files == (FileEntry(("film.mkv",), 100, 0),)
    assert (metainfo.total_bytes, metainfo.piece_length, metainfo.piece_count) == (100, 40, 3)
    assert metainfo.info_hash == hashlib.sha1(bencode.encode(SINGLE)).digest()
    assert metainfo.info_bytes == bencode.encode(SINGLE)
    assert not metainfo.private
    assert (metainfo.trackers, metainfo.nodes, metainfo.web_seeds) == ((), (), ())
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == (None, None, None)


def test_several_files_lie_one_after_the_other_below_the_name() -> None:
    assert Metainfo.from_bytes(torrent(MULTI)).files == (
        FileEntry(("album", "cd 1", "a.flac"), 60, 0),
        FileEntry(("album", "empty"), 0, 60),
        FileEntry(("album", "b"), 40, 60),
    )


def test_pieces() -> None:
    metainfo = Metainfo.from_bytes(torrent(SINGLE))
    assert [metainfo.piece_hash(index) for index in range(3)] == [HASHES[:20], HASHES[20:40], HASHES[40:]]
    assert [metainfo.geometry.piece_span(index) for index in range(3)] == [(0, 40), (40, 40), (80, 20)]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            metainfo.piece_hash(index)
        with pytest.raises(IndexError):
            metainfo.geometry.piece_span(index)


def test_the_last_piece_may_be_full() -> None:
    metainfo = Metainfo.from_bytes(torrent(changed(SINGLE, length=120)))
    assert metainfo.geometry.piece_span(2) == (80, 40)


def test_the_info_hash_is_that_of_the_bytes_as_they_came() -> None:
    raw = b"d6:pieces20:aaaaaaaaaaaaaaaaaaaa12:piece lengthi16384e4:name1:n6:lengthi1ee"  # keys in reverse order
    metainfo = Metainfo.from_bytes(b"d4:info" + raw + b"e")
    assert metainfo.info_hash == hashlib.sha1(raw).digest()
    assert metainfo.to_bytes() == b"d4:info" + raw + b"e"


def test_what_follows_the_torrent_is_ignored() -> None:
    data = torrent(SINGLE, comment="c")
    assert Metainfo.from_bytes(data + b"\n") == Metainfo.from_bytes(data)


def test_all_other_keys() -> None:
    metainfo = Metainfo.from_bytes(
        torrent(
            changed(SINGLE, private=1),
            announce="http://unused/announce",
            **{"announce-list": [["udp://a:1", "http://b/"], [], ["http://c/", "udp://a:1"], "http://d/"]},
            nodes=[["127.0.0.1", 6881], ["router.example.org", 1], ["::1", 2], ["[::1]", 2]],
            **{"url-list": ["http://w/", "http://w/", "http://v/x y"]},
            comment="hello \x1b[31m",
            created_by="me",
            creation_date=1234567,
        )
    )
    assert metainfo.private
    assert metainfo.trackers == (("udp://a:1", "http://b/"), ("http://c/",), ("http://d/",))
    assert metainfo.nodes == (Address("127.0.0.1", 6881), Address("router.example.org", 1), Address("::1", 2))
    assert metainfo.web_seeds == ("http://w/", "http://v/x y")
    assert metainfo.comment == "hello [31m"
    assert metainfo.created_by == "me"
    assert metainfo.creation_date == 1234567
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_comment_keeps_its_lines_and_nothing_else_that_steers_a_terminal(end: str) -> None:
    comment = end.join(["one\x1b[2J", "", "\ttwo\u202e", "three\x00"])
    metainfo = Metainfo.from_bytes(torrent(changed(SINGLE, source="tra\ncker\x1b"), comment=comment))
    assert metainfo.comment == "one[2J\n\n    two\nthree"
    assert metainfo.source == "tracker"
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo


def test_one_announce_url_and_one_web_seed() -> None:
    metainfo = Metainfo.from_bytes(torrent(SINGLE, announce=" http://t/announce ", **{"url-list": "http://w/"}))
    assert metainfo.trackers == (("http://t/announce",),)
    assert metainfo.web_seeds == ("http://w/",)
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo


@pytest.mark.parametrize(
    "top",
    [
        {"announce": 1},
        {"announce": b"\xff"},
        {"announce": "no url"},
        {"announce": "http://a/\x1b[2J"},
        {"announce": "http://" + "a" * 5000},
        {"announce-list": 1},
        {"announce-list": [1, [2, ["http://a/"]], {}]},
        {"nodes": "x"},
        {
            "nodes": [
                1,
                ["a"],
                ["a", "b"],
                [1, 2],
                ["a b", 1],
                ["", 1],
                ["a", 0],
                ["a", 65536],
                ["a" * 254, 1],
                ["a..b", 1],
            ]
        },
        {"url-list": 3},
        {"url-list": [3, ""]},
        {"comment": 1, "created by": [], "creation date": "now"},
    ],
)
def test_optional_keys_with_nonsense_count_as_absent(top: dict[str, Any]) -> None:
    assert Metainfo.from_bytes(torrent(SINGLE, **top)) == Metainfo.from_bytes(torrent(SINGLE))


def test_utf8_variants_of_names_come_first() -> None:
    info = changed(MULTI, **{"name.utf-8": "Ä", "name": b"\xc4"})
    info["files"] = [{"length": 100, "path": [b"\xd6"], "path.utf-8": ["ö", "ü"]}]
    assert Metainfo.from_bytes(torrent(info)).files == (FileEntry(("Ä", "ö", "ü"), 100, 0),)


def test_padding_is_kept_apart_and_its_path_does_not_matter() -> None:
    info = changed(MULTI)
    info["files"] = [
        {"length": 30, "path": ["a"]},
        {"length": 10, "path": ["..", "/"], "attr": "p"},
        {"length": 40, "path": ["b"], "attr": "xh"},
        {"length": 5, "path": ["_____padding_file_0_if you see this file_____"]},
        {"length": 15, "attr": "p"},
    ]
    metainfo = Metainfo.from_bytes(torrent(info))
    assert [entry.is_padding for entry in metainfo.files] == [False, True, False, True, True]
    assert [(entry.path, entry.offset) for entry in metainfo.visible_files] == [
        (("album", "a"), 0),
        (("album", "b"), 40),
    ]
    assert (metainfo.total_bytes, metainfo.geometry.total_bytes) == (70, 100), "padding is nothing that anybody has"
    assert [entry.end for entry in metainfo.files] == [30, 40, 80, 85, 100]


def test_symbolic_links_lead_only_to_what_the_torrent_holds() -> None:
    def link(path: object, target: object) -> dict[str, Any]:
        return {"length": 7, "path": path, "attr": "l", "symlink path": target}

    info = changed(MULTI)
    info["files"] = [
        link(["early"], ["d", "b"]),
        {"length": 60, "path": ["a"]},
        link(["to folder"], ["d"]),
        link(["out"], ["..", "..", "etc"]),
        {"length": 40, "path": ["d", "b"]},
        link(["a"], ["d", "b"]),
        link(["d", "b", "below a file"], ["a"]),
        link(["nowhere"], ["missing"]),
        link(["itself"], ["itself"]),
        link(["no target"], 5),
        link("text", ["a"]),
        link([".."], ["a"]),
    ]
    files = Metainfo.from_bytes(torrent(info)).files
    assert len(files) == 12, "the others keep their numbers"
    assert {str(entry): "/".join(entry.link_to) for entry in files if entry.link_to} == {
        "album/early": "album/d/b",
        "album/to folder": "album/d",
        "album/_": "album/a",
    }
    assert [str(entry) for entry in files if not entry.is_padding and not entry.link_to] == ["album/a", "album/d/b"]
    assert sum(entry.length for entry in files) == 100


def test_names_that_cannot_be_stored_as_they_are_are_changed_and_the_torrent_is_kept() -> None:
    """rtorrent#1969, #1960, libtorrent#398, #6141, transmission#6187, aria2#1131, qBittorrent#7038, qui#2152."""
    paths: list[list[bytes]] = [
        [b"a.bin"],
        [b"a.bin"],
        [b"cd", b"", b"x/y.ogg"],
        [b"..", b"x"],
        [b"Bj\xf6rk.mp3"],
        [b"a.bin", b"b"],
        [b"x" * 300 + b".mkv"],
        [b"plain"],
    ]
    info = changed(
        MULTI,
        name=b"al/bum",
        files=[{"length": 100 if not index else 0, "path": path} for index, path in enumerate(paths)],
    )
    raw = torrent(info)
    metainfo = Metainfo.from_bytes(raw, rules=POSIX)
    assert [str(entry) for entry in metainfo.files] == [
        "album/a.1.bin",
        "album/a.2.bin",
        "album/cd/_/xy.ogg",
        "album/_/x",
        "album/Bj_rk.mp3",
        "album/a.bin/b",
        "album/" + "x" * 240 + ".mkv",
        "album/plain",
    ]
    assert [entry.original for entry in metainfo.files] == [(b"al/bum", *path) for path in paths]
    assert (metainfo.name, metainfo.original_name) == ("album", b"al/bum")
    assert metainfo.info_hash == hashlib.sha1(bencode.encode(info)).digest(), "of the bytes as they came"
    assert Metainfo.from_bytes(metainfo.to_bytes(), rules=POSIX) == metainfo
    assert Metainfo.from_info(metainfo.info_bytes, rules=POSIX).files == metainfo.files


def test_what_could_be_taken_as_it_is_has_no_other_name() -> None:
    metainfo = Metainfo.from_bytes(torrent(MULTI))
    assert metainfo.original_name is None
    assert not any(entry.original for entry in metainfo.files)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"../evil.bin", "..evil.bin"),
        (b"/etc/passwd", "etcpasswd"),
        (b"", "_"),
        (b"\xff", "_"),
        (b".kad", "_.kad"),
        (b"CON", "CON"),
    ],
)
def test_the_name_of_a_torrent_is_made_safe(raw: bytes, name: str) -> None:
    single = Metainfo.from_bytes(torrent(changed(SINGLE, name=raw)), rules=POSIX)
    assert (single.name, single.files[0].path) == (name, (name,))
    assert single.files[0].original == ((raw,) if raw != name.encode() else ())
    assert Metainfo.from_bytes(torrent(changed(MULTI, name=raw)), rules=POSIX).files[0].path == (name, "cd 1", "a.flac")


@pytest.mark.parametrize("raw", [b".", b"..", b"/", b"/..", b"\0"])
def test_a_name_of_which_nothing_is_left_becomes_the_info_hash(raw: bytes) -> None:
    for info in (SINGLE, MULTI):
        metainfo = Metainfo.from_bytes(torrent(changed(info, name=raw)))
        assert metainfo.name == metainfo.files[0].path[0] == metainfo.info_hash.hex()


def test_the_rules_of_windows_and_of_systems_that_ignore_case() -> None:
    paths = [["CON"], ["a."], ["A"], ["x", "f"], ["X", "f"]]
    info = changed(MULTI, files=[{"length": 20, "path": path} for path in paths])
    windows = Metainfo.from_bytes(torrent(info), rules=NameRules(is_windows=True, ignores_case=True))
    assert ["/".join(entry.path[1:]) for entry in windows.files] == ["_CON", "a", "A.1", "x/f", "X/f.1"]
    assert not any(entry.original for entry in Metainfo.from_bytes(torrent(info), rules=POSIX).files)


def test_a_name_that_is_no_text_does_not_cost_the_one_that_is() -> None:
    info = changed(MULTI, **{"name.utf-8": 5, "name": "n"})
    info["files"] = [
        {"length": 50, "path": ["a"], "path.utf-8": [1]},
        {"length": 50, "path": ["b"], "path.utf-8": []},
    ]
    assert [str(entry) for entry in Metainfo.from_bytes(torrent(info)).files] == ["n/a", "n/b"]


def test_a_link_to_a_file_that_got_another_name_leads_there() -> None:
    info = changed(MULTI)
    info["files"] = [
        {"length": 100, "path": ["a/b"]},
        {"attr": "l", "path": ["li\nk"], "symlink path": ["a/b"]},
        {"attr": "l", "path": ["li\nk"], "symlink path": ["ab"]},
    ]
    files = Metainfo.from_bytes(torrent(info)).files
    assert (files[1].path, files[1].link_to) == (("album", "li_k"), ("album", "ab"))
    assert files[2].is_padding


def test_what_is_executable_or_hidden() -> None:
    info = changed(MULTI)
    info["files"] = [{"length": 60, "path": ["a"], "attr": "x"}, {"length": 40, "path": ["b"], "attr": "hx?"}]
    files = Metainfo.from_bytes(torrent(info)).files
    assert [(entry.is_executable, entry.is_hidden) for entry in files] == [(True, False), (True, True)]
    single = Metainfo.from_bytes(torrent(changed(SINGLE, attr="x"))).files[0]
    assert (single.is_executable, single.is_hidden) == (True, False)


POSIX = NameRules(is_windows=False, ignores_case=False)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name": (changed(SINGLE, name=None), "no name"),
    "name is a number": (changed(SINGLE, name=3), "no name"),
    "no piece length": (changed(SINGLE, piece_length=None), "piece length"),
    "piece length 0": (changed(SINGLE, piece_length=0), "piece length"),
    "negative piece length": (changed(SINGLE, piece_length=-40), "piece length"),
    "piece length is text": (changed(SINGLE, piece_length="40"), "piece length"),
    "huge piece length": (changed(SINGLE, piece_length=2**40), "more than the 536854528"),
    "huge piece": (changed(SINGLE, piece_length=2**28 + 1, length=2**29), "allowed"),
    "no pieces": (changed(SINGLE, pieces=None), "no piece hashes"),
    "pieces is a list": (changed(SINGLE, pieces=[HASHES]), "no piece hashes"),
    "too few pieces": (changed(SINGLE, pieces=HASHES[:40]), "40 bytes of piece hashes"),
    "too many pieces": (changed(SINGLE, pieces=HASHES + HASHES[:20]), "80 bytes of piece hashes"),
    "half a hash": (changed(SINGLE, pieces=HASHES[:-1]), "59 bytes of piece hashes"),
    "no length": (changed(SINGLE, length=None), "no length"),
    "negative length": (changed(SINGLE, length=-1), "impossible length"),
    "length is text": (changed(SINGLE, length="100"), "no length"),
    "length beyond any disk": (changed(SINGLE, length=2**63), "impossible length"),
    "both kinds": (changed(MULTI, length=100), "one file and"),
    "empty": (changed(SINGLE, length=0, pieces=b""), "no data"),
    "only empty files": (changed(MULTI, files=[{"length": 0, "path": ["a"]}], pieces=b""), "no data"),
    "only links": (changed(MULTI, files=[{"length": 9, "path": ["a"], "attr": "l"}], pieces=b""), "no data"),
    "no files": (changed(MULTI, files=[]), "list of files"),
    "files is a dictionary": (changed(MULTI, files={}), "list of files"),
    "a file is a number": (changed(MULTI, files=[1]), "not a file"),
    "a file without path": (changed(MULTI, files=[{"length": 100}]), "no path"),
    "a file with an empty path": (changed(MULTI, files=[{"length": 100, "path": []}]), "no path"),
    "a path with a number": (changed(MULTI, files=[{"length": 100, "path": [1]}]), "not text"),
    "a file without length": (changed(MULTI, files=[{"path": ["a"]}]), "no length"),
    "a negative file": (
        changed(MULTI, files=[{"length": 101, "path": ["a"]}, {"length": -1, "path": ["b"]}]),
        "impossible",
    ),
    "together too large": (
        changed(MULTI, files=[{"length": 2**62, "path": ["a"]}, {"length": 2**62, "path": ["b"]}]),
        "file system",
    ),
    "version 2 only": ({"name": "n", "piece length": 16384, "meta version": 2, "file tree": {}}, "tree is empty"),
    "version 3": (changed(SINGLE, meta_version=3), "version"),
    "strange version": (changed(SINGLE, meta_version="2"), "version"),
}


@pytest.mark.parametrize(("info", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(info: dict[str, Any], reason: str) -> None:
    with pytest.raises(MetainfoError, match=reason) as refused:
        Metainfo.from_bytes(torrent(info))
    assert refused.value.reason == str(refused.value)
    assert str(refused.value).isprintable()
    with pytest.raises(MetainfoError, match=reason):
        Metainfo.from_info(bencode.encode(info))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"de",
        b"i1e",
        b"le",
        b"d4:infoi1ee",
        b"d4:infole",
        b"d4:info",
        b"<html>",
        b"d" * 1000,
        b"d1:al" + b"l" * 500,
    ],
)
def test_what_is_no_torrent_at_all(data: bytes) -> None:
    with pytest.raises(MetainfoError, match="not a torrent"):
        Metainfo.from_bytes(data)


def test_a_key_that_appears_twice_is_refused() -> None:
    info = bencode.encode(SINGLE)
    twice = info[:-1] + b"6:pieces60:" + bytes(60) + b"e"
    with pytest.raises(MetainfoError, match="twice"):
        Metainfo.from_bytes(b"d4:info" + twice + b"e")
    with pytest.raises(MetainfoError, match="twice"):
        Metainfo.from_info(twice)


def test_metadata_from_a_peer_may_not_have_anything_behind_it() -> None:
    info = bencode.encode(SINGLE)
    metainfo = Metainfo.from_info(info, trackers=[["http://a/"], []], web_seeds=["http://w/"])
    assert metainfo.trackers == (("http://a/",),)
    assert metainfo.web_seeds == ("http://w/",)
    assert metainfo.info_hash == hashlib.sha1(info).digest()
    with pytest.raises(MetainfoError, match="after the value"):
        Metainfo.from_info(info + b"e")


def test_limits() -> None:
    data = torrent(MULTI, **{"announce-list": [["http://a/", "http://b/"], ["http://c/"]], "url-list": ["http://w/"]})
    limited = Metainfo.from_bytes(data, limits=MetainfoLimits(trackers=2, web_seeds=0))
    assert limited.trackers == (("http://a/", "http://b/"),)
    assert limited.web_seeds == ()
    for limits in (
        MetainfoLimits(size_bytes=len(data) - 1),
        MetainfoLimits(files=2),
        MetainfoLimits(piece_length_bytes=39),
    ):
        with pytest.raises(MetainfoError, match="allowed"):
            Metainfo.from_bytes(data, limits=limits)
    with pytest.raises(MetainfoError, match="allowed"):
        Metainfo.from_info(bencode.encode(MULTI), limits=MetainfoLimits(size_bytes=20))
    with pytest.raises(ValueError, match="positive"):
        MetainfoLimits(files=0)
    with pytest.raises(ValueError, match="negative"):
        MetainfoLimits(trackers=-1)


def test_from_file(tmp_path: Path) -> None:
    path = tmp_path / "x.torrent"
    path.write_bytes(torrent(SINGLE))
    assert Metainfo.from_file(path) == Metainfo.from_file(str(path)) == Metainfo.from_bytes(torrent(SINGLE))
    path.write_bytes(b"nonsense")
    with pytest.raises(MetainfoError, match=r"x\.torrent: not a torrent"):
        Metainfo.from_file(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.torrent"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MetainfoError, match="1099511627776 bytes are more than"):
        Metainfo.from_file(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"cannot read .*missing\.torrent: No such file.*; check the path"
    ) as missing:
        Metainfo.from_file(tmp_path / "missing.torrent")
    assert missing.value.errno == 2
    assert missing.value.path == str(tmp_path / "missing.torrent")
    with pytest.raises(StorageError):
        Metainfo.from_file(tmp_path)


def test_magnet_link() -> None:
    metainfo = Metainfo.from_bytes(torrent(SINGLE, **{"announce-list": [["udp://a:1/"], ["http://b/?x=1&y=2"]]}))
    magnet = Magnet.parse(metainfo.magnet_link())
    assert magnet.info_hash == metainfo.info_hash
    assert magnet.name == "film.mkv"
    assert magnet.trackers == ("udp://a:1/", "http://b/?x=1&y=2")
    assert magnet.exact_length == 100


def test_a_tracker_tier_of_one_needs_no_list() -> None:
    assert b"announce-list" not in Metainfo.from_info(bencode.encode(SINGLE), trackers=[["http://a/"]]).to_bytes()
