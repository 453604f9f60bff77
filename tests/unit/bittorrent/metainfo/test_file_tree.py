"""The tree of files of version 2: order, padding between files, names, links, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from bittorrent.errors import MetainfoError
from bittorrent.files.names import NameRules
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.content import MetainfoLimits
from bittorrent.metainfo.torrent import Metainfo
from tests.version2 import build
from transfer.wire import bencode

ROOT = bytes(range(32))
OTHER = bytes(range(1, 33))
RULES = NameRules(is_windows=False, ignores_case=False)


def leaf(length: int = 5, **more: Any) -> dict[str, Any]:
    root = {"pieces root": ROOT} if length else {}
    return {"": {"length": length, **root, **{key.replace("_", " "): value for key, value in more.items()}}}


def read(tree: Any, **info: Any) -> Metainfo:
    return Metainfo.from_info(raw(tree, **info), rules=RULES)


def raw(tree: Any, **info: Any) -> bytes:
    return bencode.encode({"file tree": tree, "meta version": 2, "name": "album", "piece length": 1 << 14, **info})


def shown(metainfo: Metainfo) -> list[tuple[str, int, int]]:
    return [("pad" if entry.is_padding else str(entry), entry.length, entry.offset) for entry in metainfo.files]


def test_every_file_begins_with_a_piece_and_padding_between_has_a_number() -> None:
    metainfo = read({"b": leaf(0), "a": {"y": leaf(20_000), "x": leaf(1 << 14, pieces_root=OTHER)}, "c": leaf(20_000)})
    assert shown(metainfo) == [
        ("album/a/x", 16384, 0),
        ("album/a/y", 20_000, 16384),
        ("pad", 12768, 36384),
        ("album/b", 0, 49152),
        ("album/c", 20_000, 49152),
    ]
    assert [entry.pieces_root for entry in metainfo.files] == [OTHER, ROOT, None, None, ROOT]
    assert metainfo.total_bytes == 56384
    assert metainfo.geometry.total_bytes == 69152
    assert [metainfo.geometry.piece_size(index) for index in range(5)] == [16384, 16384, 3616, 16384, 3616]


def test_an_empty_file_behind_the_last_one_has_its_number_too() -> None:
    """As in libtorrent 2.1, whose files are padded at their ends."""
    metainfo = read({"a": leaf(512), "b": leaf(0)})
    assert shown(metainfo) == [("album/a", 512, 0), ("pad", 15872, 512), ("album/b", 0, 16384)]
    assert metainfo.geometry.piece_size(0) == 512


def test_a_single_file_is_called_as_in_the_tree() -> None:
    metainfo = read({"song.flac": leaf(5)}, name="for people only")
    assert (metainfo.name, shown(metainfo)) == ("song.flac", [("song.flac", 5, 0)])
    folder = read({"cd": {"song.flac": leaf(5)}})
    assert (folder.name, shown(folder)) == ("album", [("album/cd/song.flac", 5, 0)])


def test_names_are_made_safe_and_kept_apart() -> None:
    metainfo = read({"..": leaf(1), "/": leaf(1), "_": leaf(1), "a/b": {"c": leaf(1)}, "ab": {"c": leaf(1)}})
    assert [str(entry) for entry in metainfo.visible_files] == [
        "album/_",
        "album/_.1",
        "album/_.2",
        "album/ab/c",
        "album/ab/c.1",
    ]
    assert metainfo.files[0].original == (b"album", b"..")


def test_a_renamed_duplicate_never_takes_a_later_real_name() -> None:
    """libtorrent's does: two files are one on disk then."""
    metainfo = read({"/a": leaf(1), "a": leaf(1), "a.1": leaf(1)})
    assert [str(entry) for entry in metainfo.visible_files] == ["album/a", "album/a.2", "album/a.1"]


def test_attributes_and_links() -> None:
    metainfo = read(
        {
            "a": leaf(5, attr="xh"),
            "dead": {"": {"attr": "l", "length": 9, "symlink path": ["nowhere"]}},
            "link": {"": {"attr": "xl", "length": 0, "symlink path": ["a"]}},
            "strange": {"": {"attr": "l", "symlink path": [5]}},
            "z": leaf(5),
        }
    )
    assert (metainfo.files[0].is_executable, metainfo.files[0].is_hidden) == (True, True)
    assert shown(metainfo) == [
        ("album/a", 5, 0),
        ("pad", 16379, 5),
        ("pad", 0, 16384),
        ("album/link", 0, 16384),
        ("pad", 0, 16384),
        ("album/z", 5, 16384),
    ]
    assert metainfo.files[3].link_to == ("album", "a")


def test_links_lead_through_links_and_from_their_own_folder() -> None:
    def link(*target: str) -> dict[str, Any]:
        return {"": {"attr": "l", "symlink path": list(target)}}

    metainfo = read(
        {
            "a": link("b", "now", "x"),
            "b": {"1": {"x": leaf(5)}, "now": link("1")},
            "c": link("d"),
            "d": link("c"),
            "e": link("f", "g"),
            "f": link("e"),
        }
    )
    assert {str(entry): "/".join(entry.link_to) for entry in metainfo.files if entry.link_to} == {
        "album/a": "album/b/1/x",
        "album/b/now": "album/b/1",
    }


def test_links_in_circles_cost_little() -> None:
    def link(number: int) -> dict[str, Any]:
        return {"": {"attr": "l", "symlink path": [f"{number % 3000:04}", *["x"] * 20]}}

    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += 1

    info = raw({**{f"{number:04}": link(number * 7 + 1) for number in range(3000)}, "z": leaf(5)})
    sys.setprofile(count)
    try:
        metainfo = Metainfo.from_info(info)
    finally:
        sys.setprofile(None)
    assert sum(not entry.is_padding for entry in metainfo.files) == 1
    assert calls < 4_000_000


def test_unusual_files_are_read_as_usual_ones_are() -> None:
    """Keys that are not known, and a root that an empty file has no use for."""
    assert shown(read({"a": leaf(5, zzz=[1, {"": b""}]), "b": leaf(0, pieces_root=ROOT)})) == [
        ("album/a", 5, 0),
        ("pad", 16379, 5),
        ("album/b", 0, 16384),
    ]


FILE = b"d6:lengthi5e11:pieces root32:" + ROOT + b"e"
REFUSED: dict[str, tuple[Any, str]] = {
    "empty tree": ({}, "is empty"),
    "a file at the top": ({"": {"length": 5, "pieces root": ROOT}}, "name that is empty"),
    "a file with a sibling": ({"a": {"": {"length": 5, "pieces root": ROOT}, "b": leaf()}}, "beside it"),
    "a file in no dictionary of its own": ({"a": {"length": 5, "pieces root": ROOT}}, "neither a file nor a folder"),
    "a file that is a list": ({"a": {"": []}}, "no dictionary"),
    "a number": ({"a": 5}, "neither a file nor a folder"),
    "no length": ({"a": {"": {"pieces root": ROOT}}}, "no length"),
    "negative length": ({"a": leaf(-1)}, "impossible length"),
    "length that is text": ({"a": {"": {"length": "5", "pieces root": ROOT}}}, "no length"),
    "no root": ({"a": {"": {"length": 5}}}, "no pieces root"),
    "short root": ({"a": leaf(5, pieces_root=ROOT[1:])}, "no pieces root"),
    "root of zeros": ({"a": leaf(5, pieces_root=bytes(32))}, "no pieces root"),
    "root that is a number": ({"a": leaf(5, pieces_root=7)}, "no pieces root"),
    "padding": ({"a": leaf(), "b": leaf(attr="p")}, "padding"),
    "only empty files": ({"a": leaf(0), "b": leaf(0)}, "no data"),
    "only links": ({"a": {"": {"attr": "l", "symlink path": ["b"]}}}, "no data"),
    "more than a disk holds": ({"a": leaf(2**62), "b": leaf(2**62)}, "file system"),
    "more than an offset holds": ({"a": leaf(2**63)}, "impossible length"),
    "pieces without end": ({"a": leaf(2**60)}, "pieces, more than"),
    "one root for two lengths": ({"a": leaf(5), "b": leaf(6)}, "different length"),
}


@pytest.mark.parametrize(("tree", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(tree: Any, reason: str) -> None:
    with pytest.raises(MetainfoError, match=reason):
        read(tree)


BY_HAND: dict[str, tuple[bytes, str]] = {
    "unordered files": (b"d1:bd0:" + FILE + b"e1:ad0:" + FILE + b"ee", "not in order"),
    "unordered folders": (b"d1:bd1:xd0:" + FILE + b"ee1:ad0:" + FILE + b"ee", "not in order"),
    "duplicate files": (b"d1:ad0:" + FILE + b"e1:ad0:" + FILE + b"ee", "twice"),
    "unordered keys of a file": (b"d1:ad0:d11:pieces root32:" + ROOT + b"6:lengthi5eeee", "not in order"),
    "a file before its sibling": (b"d1:ad0:" + FILE + b"1:bd0:" + FILE + b"eee", "beside it"),
    "a file behind its sibling": (b"d1:ad1:bd0:" + FILE + b"e0:" + FILE + b"ee", "name that is empty"),
    "overlong integer": (b"d1:ad0:d6:lengthi05e11:pieces root32:" + ROOT + b"eee", "token"),
    "integer of many digits": (b"d1:ad0:d6:lengthi" + b"9" * 21 + b"e11:pieces root32:" + ROOT + b"eee", "token"),
    "deep": (b"d1:a" * 60 + b"d0:" + FILE + b"e" + b"e" * 60, "deeper"),
    "very deep": (b"d1:a" * 200_000, "deeper"),
}


@pytest.mark.parametrize(("tree", "reason"), BY_HAND.values(), ids=BY_HAND.keys())
def test_refused_as_it_is_written(tree: bytes, reason: str) -> None:
    info = b"d9:file tree" + tree + b"12:meta versioni2e4:name1:n12:piece lengthi16384ee"
    with pytest.raises(MetainfoError, match=reason):
        Metainfo.from_info(info)


@pytest.mark.parametrize("piece_length", [8192, 16383, 3 << 14, 1 << 30])
def test_a_piece_has_a_power_of_two_from_16_kib_on(piece_length: int) -> None:
    with pytest.raises(MetainfoError, match="piece"):
        read({"a": leaf()}, **{"piece length": piece_length})


def test_keys_of_the_info_dictionary_are_in_order() -> None:
    """In version 1 they need not be: such torrents are in circulation."""
    info = b"d12:meta versioni2e9:file treed1:ad0:" + FILE + b"ee4:name1:n12:piece lengthi16384ee"
    with pytest.raises(MetainfoError, match="not in order"):
        Metainfo.from_info(info)


def test_the_version_comes_first() -> None:
    with pytest.raises(MetainfoError, match="version"):
        read({"a": 7}, **{"meta version": 3})
    with pytest.raises(MetainfoError, match="does not say"):
        read({"a": leaf()}, **{"meta version": 1})
    with pytest.raises(MetainfoError, match="no file tree"):
        Metainfo.from_info(bencode.encode({"meta version": 2, "name": "n", "piece length": 1 << 14}))


def test_the_number_of_files_and_pieces_is_bounded() -> None:
    info = raw({f"{number:03}": leaf() for number in range(101)})
    assert len(Metainfo.from_info(info, limits=MetainfoLimits(files=101)).visible_files) == 101
    for limits in (MetainfoLimits(files=100), MetainfoLimits(pieces=100)):
        with pytest.raises(MetainfoError, match="more than the 100"):
            Metainfo.from_info(info, limits=limits)


def test_a_large_tree_is_read_in_short_steps() -> None:
    """More than what is decoded at once, and with pauses in between."""
    info = raw(
        {f"{number:040}": leaf(1 + number % 3, pieces_root=bytes([1 + number % 3] * 32)) for number in range(9000)}
    )
    pauses: list[None] = []
    metainfo = Metainfo.from_info(info, pause=lambda: pauses.append(None))
    assert len(metainfo.visible_files) == metainfo.piece_count == 9000
    assert metainfo.total_bytes == 18_000
    assert len(pauses) > 50


def test_trees_are_45_folders_deep_at_most_and_have_the_same_hash_however_deep() -> None:
    for depth in (1, 45, 46):
        tree = b"d1:d" * depth + b"d1:fd0:" + FILE + b"ee" + b"e" * depth
        info = b"d9:file tree" + tree + b"12:meta versioni2e4:name1:n12:piece lengthi16384ee"
        if depth <= 45:
            metainfo = Metainfo.from_info(info)
            assert len(metainfo.files[0].path) == depth + 2
            assert metainfo.torrent_id == TorrentId.of(info)
        else:
            with pytest.raises(MetainfoError, match="deeper"):
                Metainfo.from_info(info)


def test_what_one_file_may_say_is_bounded() -> None:
    with pytest.raises(MetainfoError, match="described by"):
        read({"a": leaf(5, zzz=bytes(1 << 20))})


def test_the_builder_of_tests_agrees() -> None:
    built = build({"a": b"x" * 40_000, "b/c": b"y" * 5}, 1 << 15)
    metainfo = Metainfo.from_bytes(built.data)
    assert metainfo.layers == built.layers
    assert [metainfo.geometry.piece_size(index) for index in range(3)] == [len(piece) for piece in built.pieces]
