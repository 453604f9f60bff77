"""Torrents of version 2, and hybrid ones: identity, piece layers, hashes, and halves that disagree."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bittorrent.errors import MetainfoError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.torrent import Metainfo
from tests.version2 import Built, build
from transfer.wire import bencode

FILES = {"a.bin": bytes(range(256)) * 300, "empty": b"", "small": b"small" * 100, "z": b"z" * 40_000}
PIECE_LENGTH = 32768


def both(**options: Any) -> Built:
    return build(FILES, PIECE_LENGTH, hybrid=True, **options)


def test_version_2_alone() -> None:
    built = build(FILES, PIECE_LENGTH)
    metainfo = Metainfo.from_bytes(built.data)
    assert metainfo.torrent_id == TorrentId(v2=hashlib.sha256(built.info_bytes).digest())
    assert metainfo.info_hash == hashlib.sha256(built.info_bytes).digest()[:20]
    assert TorrentId.of(built.info_bytes) == metainfo.torrent_id
    assert metainfo.piece_hashes == b""
    assert metainfo.has_layers
    assert metainfo.total_bytes == sum(map(len, FILES.values()))
    assert metainfo.piece_count == len(built.pieces)
    for index, piece in enumerate(built.pieces):
        assert metainfo.geometry.piece_size(index) == len(piece)
        assert metainfo.hasher.expects(index, metainfo.hasher.digest(index, piece))
        assert not metainfo.hasher.expects(index, metainfo.hasher.digest(index, piece[:-1] + b"!"))
    with pytest.raises(IndexError):
        metainfo.piece_hash(0)


@pytest.mark.parametrize("tail_padding", [True, False])
def test_hybrid(tail_padding: bool) -> None:
    built = both(tail_padding=tail_padding)
    metainfo = Metainfo.from_bytes(built.data)
    v1, v2 = hashlib.sha1(built.info_bytes).digest(), hashlib.sha256(built.info_bytes).digest()
    assert metainfo.torrent_id == TorrentId(v1, v2) == TorrentId.of(built.info_bytes)
    assert metainfo.info_hash == v1
    assert metainfo.total_bytes == sum(map(len, FILES.values())), "without padding"
    assert metainfo.geometry.total_bytes == len(built.grid)
    assert len({entry.pieces_root for entry in metainfo.files if entry.pieces_root}) == 3
    for index in range(metainfo.piece_count):
        start, size = metainfo.geometry.piece_span(index)
        piece = built.grid[start : start + size]
        assert metainfo.hasher.expects(index, metainfo.hasher.digest(index, piece))


def test_a_single_file_has_no_folder_in_either_version() -> None:
    for hybrid in (False, True):
        built = build({"song": b"la" * 20_000}, name="song", hybrid=hybrid)
        metainfo = Metainfo.from_bytes(built.data)
        assert [str(entry) for entry in metainfo.files] == ["song"]
        assert metainfo.hasher.expects(0, metainfo.hasher.digest(0, built.pieces[0]))
    listed = build({"song": b"la" * 20_000}, name="folder", hybrid=True)
    assert [str(entry) for entry in Metainfo.from_bytes(listed.data).visible_files] == ["folder/song"]


def test_what_is_written_is_read_again() -> None:
    for hybrid in (False, True):
        built = build(FILES, PIECE_LENGTH, hybrid=hybrid)
        metainfo = Metainfo.from_bytes(built.data)
        again = Metainfo.from_bytes(metainfo.to_bytes())
        assert again == metainfo
        assert (again.layers, again.trees) == (built.layers, metainfo.trees)
    assert b"piece layers" in Metainfo.from_bytes(build({"a": b"small"}).data).to_bytes(), "BEP 52 wants the key"


@pytest.mark.parametrize("hybrid", [False, True])
def test_layers_may_come_later(hybrid: bool) -> None:
    built = build(FILES, PIECE_LENGTH, hybrid=hybrid)
    bare = Metainfo.from_info(built.info_bytes)
    assert not bare.has_layers
    assert bare.layers == {}
    pieces = [built.grid[at : at + PIECE_LENGTH] for at in range(0, len(built.grid), PIECE_LENGTH)]
    pieces = pieces if hybrid else built.pieces
    right = [bare.hasher.expects(index, bare.hasher.digest(index, piece)) for index, piece in enumerate(pieces)]
    assert right == ([True] * 6 if hybrid else [False, False, False, True, False, False]), (
        "SHA-1, or a root that is known"
    )
    (first, layer), *others = built.layers.items()
    part = bare.with_layers({first: layer})
    assert not part.has_layers
    whole = part.with_layers(dict(others))
    assert whole.has_layers
    assert whole == Metainfo.from_bytes(built.data)
    assert Metainfo.from_info(built.info_bytes, layers=built.layers) == whole
    assert not Metainfo.from_bytes(part.to_bytes()).has_layers, "what is missing stays missing"


def test_layers_that_are_not_of_the_torrent_are_refused() -> None:
    built = build(FILES, PIECE_LENGTH)
    (root, layer), (other, _) = built.layers.items()
    small = hashlib.sha256(FILES["small"]).digest()
    for layers in (
        {root: layer[:-32]},
        {root: layer + bytes(32)},
        {root: layer[:-1]},
        {root: b""},
        {root: layer[32:] + layer[:32]},
        {root: layer[:31] + bytes([layer[31] ^ 1]) + layer[32:]},
        {other: layer},
        {small: small},
        {bytes(32): layer},
        {b"short": layer},
    ):
        with pytest.raises(MetainfoError, match="piece layer"):
            Metainfo.from_info(built.info_bytes, layers=layers)
        with pytest.raises(MetainfoError, match="piece layer"):
            Metainfo.from_bytes(bencode.encode({b"info": built.info, b"piece layers": layers}))
    strange: object
    for strange in (7, [layer], {}):
        with pytest.raises(MetainfoError, match="not text"):
            Metainfo.from_bytes(bencode.encode({b"info": built.info, b"piece layers": {root: strange}}))
    for absent in (7, b"", [built.layers]):
        assert not Metainfo.from_bytes(bencode.encode({b"info": built.info, b"piece layers": absent})).has_layers


def test_equal_files_share_a_layer() -> None:
    content = b"same" * 20_000
    built = build({"a": content, "b": content})
    metainfo = Metainfo.from_bytes(built.data)
    assert len(metainfo.trees) == len(metainfo.layers) == 1
    assert [
        metainfo.hasher.expects(at, metainfo.hasher.digest(at, piece)) for at, piece in enumerate(built.pieces)
    ] == [True] * 10


def change(path: str, value: object) -> Any:
    """Of the version 1 half: a value in the list of files, by its number there and its key."""
    number, key = path.split(".")
    return lambda info: info["files"][int(number)].__setitem__(key, value)


DISAGREE: dict[str, Any] = {
    "a name": change("0.path", ["b.bin"]),
    "a folder": change("0.path", ["x", "a.bin"]),
    "a length": change("0.length", 76_799),
    "the name of an empty file": change("2.path", ["emptier"]),
    "padding that is too long": change("1.length", 21_505),
    "padding that is none": lambda info: info["files"][1].pop("attr"),
    "no padding": lambda info: info["files"].pop(1),
    "a file that is not there": lambda info: info["files"].pop(3),
    "a file too many": lambda info: info["files"].append({"length": 5, "path": ["zz"]}),
    "an empty file too many": lambda info: info["files"].append({"length": 0, "path": ["zz"]}),
    "another order": lambda info: info["files"].insert(0, info["files"].pop(3)),
}


@pytest.mark.parametrize("spoil", DISAGREE.values(), ids=DISAGREE.keys())
def test_halves_that_disagree_are_refused_by_name(spoil: Any) -> None:
    info = both().info
    spoil(info)
    with pytest.raises(MetainfoError, match="halves of the torrent disagree"):
        Metainfo.from_info(bencode.encode(info))


def test_halves_of_a_single_file_that_disagree() -> None:
    info = build({"song": b"la" * 20_000}, name="song", hybrid=True).info
    for changed in ({"name": "sing"}, {"length": 39_999}):
        with pytest.raises(MetainfoError, match="halves of the torrent disagree"):
            Metainfo.from_info(bencode.encode({**info, **changed}))


def test_half_of_a_half_is_refused() -> None:
    info = both().info
    for key, reason in (("files", "no length"), ("pieces", "no piece hashes")):
        rest = {name: value for name, value in info.items() if name != key}
        with pytest.raises(MetainfoError, match=reason):
            Metainfo.from_info(bencode.encode(rest))


def test_empty_files_may_lie_on_either_side_of_padding() -> None:
    """Programs differ in that; libtorrent's `empty-files-2.torrent` has them before it in one half only."""
    built = both()
    files = built.info["files"]
    assert [file["length"] for file in files[1:3]] == [21504, 0]
    files[1], files[2] = files[2], files[1]
    metainfo = Metainfo.from_info(built.info_bytes)
    assert [entry.length for entry in metainfo.files[:4]] == [76_800, 0, 21504, 500]


def test_a_file_tree_means_nothing_in_version_1() -> None:
    info = {**both().info, "meta version": 1}
    metainfo = Metainfo.from_info(bencode.encode(info))
    assert metainfo.torrent_id.v2 is None
    assert metainfo.has_layers
    assert metainfo.trees == {}


def test_a_half_that_lies_about_the_content_is_found_when_a_piece_comes() -> None:
    built = both()
    built.info["pieces"] = bytes(20) + built.info["pieces"][20:]
    metainfo = Metainfo.from_bytes(built.data)
    piece = built.grid[:PIECE_LENGTH]
    with pytest.raises(MetainfoError, match="halves of the torrent disagree"):
        metainfo.hasher.expects(0, metainfo.hasher.digest(0, piece))
