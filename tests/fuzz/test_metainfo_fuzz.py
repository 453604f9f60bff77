"""Damaged torrents and magnet links raise the documented family only, and what loads is safe to write to disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bittorrent.errors import MagnetError, MetainfoError
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.files import FileStorage
from tests.version2 import build
from transfer.wire import bencode

SINGLE: dict[str, Any] = {"name": "film.mkv", "length": 100, "piece length": 40, "pieces": bytes(range(60))}
MULTI: dict[str, Any] = {
    "name": "album",
    "piece length": 40,
    "pieces": bytes(range(60)),
    "private": 1,
    "files": [
        {"length": 60, "path": ["cd 1", "a.flac"], "attr": "x"},
        {"length": 0, "path": ["empty"]},
        {"length": 20, "path": [".pad", "20"], "attr": "p"},
        {"length": 20, "path": ["b"], "path.utf-8": ["ü"]},
        {"length": 0, "path": ["l"], "attr": "l", "symlink path": ["b"]},
    ],
}
TORRENTS = [
    bencode.encode(
        {
            "announce": "http://a/announce",
            "announce-list": [["http://a/announce"], ["udp://b:1"]],
            "comment": "c",
            "created by": "me",
            "creation date": 1,
            "info": info,
            "nodes": [["127.0.0.1", 6881]],
            "url-list": ["http://w/"],
        }
    )
    for info in (SINGLE, MULTI)
]
TORRENTS += [
    build({"a": b"a" * 40_000, "b": b"", "c/d": b"d" * 500}, 1 << 15, hybrid=hybrid).data for hybrid in (False, True)
]

# Pieces of bencode and of hostile names that a blind change would hardly ever put together.
TOKENS = [
    b"d",
    b"l",
    b"e",
    b"i0e",
    b"i-1e",
    b"i9223372036854775807e",
    b"2:..",
    b"1:/",
    b"0:",
    b"4:.kad",
    b"d0:d6:lengthi5eee",
    b"1:\0",
    b"3:\xff\xfe\xfd",
]

hostile_names = st.sampled_from(
    ["..", ".", "", "/etc/passwd", "a/b", "a\\b", "C:", "nul", ".kad", "x" * 300, "a ", "\u202e"]
) | st.text(max_size=5)
harmless_names = st.sampled_from(["a", "b", "c.txt", "é", "e\u0301", "A", ".d"])
scalars = st.integers(-2, 200) | st.binary(max_size=5) | harmless_names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(harmless_names, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def infos(draw: st.DrawFn) -> dict[str, Any]:
    """An info dictionary with a few faults, mostly one; with many, only the first check would ever be tested."""
    faults = draw(st.sampled_from([0, 0, 1, 1, 2, 4]))
    names = harmless_names if faults == 0 else harmless_names | harmless_names | hostile_names
    listed = st.fixed_dictionaries(
        {"length": st.integers(0, 60), "path": st.lists(names, min_size=1, max_size=3)},
        optional={
            "attr": st.sampled_from(["p", "l", "x", "pl"]),
            "path.utf-8": st.lists(names, min_size=1, max_size=2),
        },
    )
    info: dict[str, Any] = {"name": draw(names), "piece length": draw(st.integers(1, 64))}
    if draw(st.booleans()):
        info["files"] = draw(st.lists(listed, min_size=1, max_size=4))
        lengths = [0 if "l" in item.get("attr", "") else item["length"] for item in info["files"]]
    else:
        info["length"] = draw(st.integers(1, 100))
        lengths = [info["length"]]
    info["pieces"] = bytes(20 * -(-sum(lengths) // info["piece length"]))
    places: list[dict[str, Any]] = [info, *info.get("files", [])]
    for _ in range(faults):
        place = draw(st.sampled_from(places))
        key = draw(st.sampled_from([*place, "meta version", "private", "attr", "length", "files", "name.utf-8"]))
        place[key] = draw(values | st.integers(0, 4).map(lambda n: bytes(20 * n)))
    return info


tops = st.fixed_dictionaries(
    {"info": infos() | infos() | values},
    optional=dict.fromkeys(
        ("announce", "announce-list", "nodes", "url-list", "comment", "created by", "creation date"), values
    ),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(TORRENTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat", "truncate"])):
            case "flip" if at < len(data):
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 20))]
            case "insert":
                data[at:at] = draw(st.sampled_from(TOKENS))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case _:
                del data[at:]
    return bytes(data)


@given(data=damaged() | st.binary(max_size=200))
@example(data=b"d4:info" + b"d" * 60)
@example(data=b"d4:info" + b"l" * 100_000)
@example(data=b"d4:infod4:name99999999999:")
def test_damaged_torrents(data: bytes) -> None:
    load(data)


@settings(max_examples=300)
@given(top=tops)
def test_well_formed_nonsense(top: dict[str, Any]) -> None:
    load(bencode.encode(top))


@given(data=damaged())
def test_damaged_metadata_from_a_peer(data: bytes) -> None:
    start = data.find(b"4:info")
    try:
        Metainfo.from_info(data[start + 6 : -1])
    except MetainfoError as error:
        check_one_line(str(error))


@given(text=st.text(max_size=100) | st.text(max_size=60).map(lambda tail: f"magnet:?xt=urn:btih:{'ab' * 20}&{tail}"))
@example(text="magnet:?xt=urn:btih:" + "%" * 40)
@example(text=f"magnet:?xt=urn:btih:{'ab' * 20}&x.pe=[::1%25\x1b]:1&xl=" + "9" * 5000)
@example(text=f"magnet:?xt=urn:btih:{'ab' * 20}&tr=%ff%fe://&dn=%80&x.pe=\ud800:1")
def test_magnet_links(text: str) -> None:
    try:
        magnet = Magnet.parse(text)
    except MagnetError as error:
        check_one_line(str(error))
    else:
        assert Magnet.parse(str(magnet)).info_hash == magnet.info_hash


def check_one_line(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 400


def load(data: bytes) -> None:
    try:
        metainfo = Metainfo.from_bytes(data)
    except MetainfoError as error:
        check_one_line(str(error))
        return
    assert metainfo.total_bytes > 0
    assert len(metainfo.piece_hashes) == (20 * metainfo.piece_count if metainfo.torrent_id.v1 else 0)
    assert metainfo.geometry.piece_span(metainfo.piece_count - 1)[0] < metainfo.geometry.total_bytes
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    if metainfo.geometry.total_bytes < 1000:
        write_everything(metainfo)


def write_everything(metainfo: Metainfo) -> None:
    """What was accepted must be storable, and must stay below the download directory."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "outer" / "downloads"
        root.mkdir(parents=True)
        storage = FileStorage(metainfo.files, root)
        storage.prepare()
        storage.write(0, os.urandom(metainfo.geometry.total_bytes))
        storage.close()
        expected = {root.joinpath(*entry.path) for entry in metainfo.visible_files}
        assert {path for path in Path(folder).rglob("*") if not path.is_dir()} == expected
        assert all(path.is_relative_to(root / metainfo.name) for path in expected)
