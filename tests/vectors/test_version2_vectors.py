"""Torrents of version 2 that others published, and all of libtorrent's suite, by name and outcome.

Sources: libtorrent, test/test_torrents and test/test_torrent_info.cpp (BSD licence); anacrolix/torrent,
testdata/bittorrent-v2-test.torrent (its info dictionary: names, lengths and roots are facts).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Magnet
from bittorrent.errors import MetainfoError
from bittorrent.files.names import NameRules
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.torrent import Metainfo
from tests.vectors.libtorrent_torrents import FAILS, HASHES, LOADS, LOADS_HERE, PATHS
from transfer.wire import bencode

RULES = NameRules(is_windows=False, ignores_case=False)

# bittorrent-v2-test: length, pieces root and name of each file.
PUBLIC = [
    (27551708, "81fd3fecc5c6c39db056e91b7c73bd7bb11ec2011a21084634c01bfe2405eaf9", "13.Popsy Team - ViP 2.vob.mp4"),
    (
        91862892,
        "a3d1489f4e41b5ded5cb480622eba282aa406065398c1890633d80a54e2f3c50",
        "Chameleon by ASD (female voice).mov",
    ),
    (
        6535405,
        "8e31d30f9e25c6336768e978261219c8a9ee8ba81f1bf8a07d8b84664428ccc6",
        "Darkroom (Stellar, 1994, Amiga ECS) HQ.mp4",
    ),
    (
        141132865,
        "4d86b421c4b735d27f8e78c839998519e3fcbb3ebdcbafc2d8ce6b502546453b",
        "Struct by Outracks (FullHD 1080p HQ demoscene).mov",
    ),
    (263671468, "e81d3d7f833904c31c0af89b50b24bd7d5862e3d7ab3cbd53511b5d7b466d42c", "asd-rupture.mp4"),
    (
        342230630,
        "697d9b53c31b6185867e5df15dba2a7e81fdda6c9aedeaaa83a1d6441989919a",
        "cncd_fairlight-ceasefire_(all_falls_down)-1080p.mp4",
    ),
    (
        135000064,
        "2d9078815906c86469564bb0f182a839c984b1cac5f7da1f119e0c818ff5df7e",
        "crionics & silents - hardwired (1991, hpad, divx5).avi",
    ),
    (113274880, "5d990caba75876266f5e5dcdab2889896b8ba44ba03f3a266960ddd18a9d5c91", "elevated_4000.avi"),
    (183814243, "62e369a034dc9d06b8134cd007093e63f60728668b4ea54fddbb7777b99f3dd5", "luma - mercury _ 64k _ Final.mp4"),
    (61, "3b3c50a12e27a6b3421b817afd49dfa0d54f69a086cf9914164a9f516e7416e4", "readme.txt"),
    (229148672, "eb3fde5fceb8eda255db2f218a0cecac957175cd544a83b028650fd4447a1791", "tbl-starstruck-2006.avi"),
]


def test_the_public_torrent_of_version_2() -> None:
    tree: Any = {name: {"": {"length": length, "pieces root": bytes.fromhex(root)}} for length, root, name in PUBLIC}
    info: Any = {"file tree": tree, "meta version": 2, "name": "bittorrent-v2-test", "piece length": 4 << 20}
    metainfo = Metainfo.from_info(bencode.encode(info))
    v2 = bytes.fromhex("caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e")
    assert metainfo.torrent_id == TorrentId(v2=v2)
    assert metainfo.total_bytes == sum(length for length, _, _ in PUBLIC) == 1_534_222_888
    assert metainfo.piece_count == 371
    assert Magnet.parse(metainfo.magnet_link()).v2 == v2


def test_all_of_the_suite_is_here() -> None:
    """108 files: 62 load there and 42 fail by the tables; four more lie beside them."""
    beside = {"sample", "v2_empty_file", "v2_hybrid-missing-tailpad", "v2_invalid_root_hash"}
    assert len(LOADS.keys() - beside) == 62
    assert len(FAILS.keys() - beside) + len(LOADS_HERE) == 42
    assert len(LOADS.keys() | FAILS.keys() | LOADS_HERE.keys()) == 108


@pytest.mark.parametrize("name", LOADS)
def test_those_that_load(name: str) -> None:
    metainfo = Metainfo.from_bytes(LOADS[name], rules=RULES)
    assert Metainfo.from_bytes(metainfo.to_bytes(), rules=RULES) == metainfo
    has_v2 = name.startswith(("v2", "empty-files"))
    is_v1 = not has_v2 or name.startswith(("empty-files", "v2_hybrid")) or name in V1_TOO
    assert [metainfo.torrent_id.v1 is not None, metainfo.torrent_id.v2 is not None] == [is_v1, has_v2]
    if name in PATHS:
        links = {entry.path: f" -> {'/'.join(entry.link_to)}" if entry.link_to else "" for entry in metainfo.files}
        found = [f"{entry}{links[entry.path]}" for entry in metainfo.files if not entry.is_padding]
        assert found == PATHS[name]
    if name in HASHES:
        v1, v2 = HASHES[name]
        assert metainfo.torrent_id == TorrentId(bytes.fromhex(v1) if v1 is not None else None, bytes.fromhex(v2))


@pytest.mark.parametrize("name", FAILS)
def test_those_that_fail(name: str) -> None:
    with pytest.raises(MetainfoError) as refused:
        Metainfo.from_bytes(FAILS[name], rules=RULES)
    assert str(refused.value).isprintable()
    if name in REASONS:
        assert re.search(REASONS[name], str(refused.value))


@pytest.mark.parametrize("name", LOADS_HERE)
def test_those_that_load_here_alone(name: str) -> None:
    metainfo = Metainfo.from_bytes(LOADS_HERE[name], rules=RULES)
    paths = [str(entry) for entry in metainfo.visible_files]
    assert len(set(paths)) == len(paths) == 100
    page = (Path(__file__).parents[2] / "docs" / "reference" / "deviations.md").read_text(encoding="utf-8")
    assert name in page


def test_layers_are_there_or_asked_for() -> None:
    missing = {name for name in LOADS if not Metainfo.from_bytes(LOADS[name], rules=RULES).has_layers}
    assert missing == {"v2_no_piece_layers", "v2_incomplete_piece_layer", "v2_symlinks"}


V1_TOO = {"v2", "v2_empty_file", "v2_multipiece_file"}
REASONS = {
    "v2_bad_file_alignment": "halves of the torrent disagree",
    "v2_deep_recursion": "deeper",
    "v2_empty_filename": "name that is empty",
    "v2_invalid_file": "neither a file nor a folder",
    "v2_invalid_pad_file": "padding",
    "v2_invalid_piece_layer": "piece layer",
    "v2_invalid_piece_layer_root": "piece layer",
    "v2_invalid_piece_layer_size": "piece layer",
    "v2_invalid_root_hash": "piece layer",
    "v2_large_file": "pieces, more than",
    "v2_large_offset": "pieces, more than",
    "v2_mismatching_metadata": "halves of the torrent disagree",
    "v2_missing_file_root_invalid_symlink": "no pieces root",
    "v2_no_power2_piece": "power of two",
    "v2_non_multiple_piece_layer": "piece layer",
    "v2_piece_layer_invalid_file_hash": "piece layer",
    "v2_piece_size": "a piece of 2147483647 bytes",
    "v2_unknown_piece_layer_entry": "piece layer",
    "v2_unordered_files": "not in order",
    "v2_zero_root": "no pieces root",
    "v2_zero_root_small": "no pieces root",
}
