"""The torrents of libtorrent's suite, `test/test_torrents`, rebuilt from what they are: none of its files is here.

Each row has the name of the file there and the outcome that the tables in `test/test_torrent_info.cpp` give (BSD
licence). Where a shape needs the hashes of gigabytes, smaller files of the same kind stand for it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.vectors.test_metainfo_vectors import FAILS as OLD_FAILS
from tests.vectors.test_metainfo_vectors import LOADS as OLD_LOADS
from tests.vectors.test_metainfo_vectors import PIECE, RENAMED
from tests.version2 import Built, build
from transfer.wire import bencode

# `test1MB`: 16 times the same 64 KiB.
ROOT = bytes.fromhex("515ea9181744b817744ded9d2e8e9dc6a8450c0b0c52e24b5077f302ffbd9008")
OF_PIECE = bytes.fromhex("60aae9c7b428f87e0713e88229e18f0adf12cd7b22a0dd8a92bb2485eb7af242")
LAYER = OF_PIECE * 16
SHA1_OF_PIECE = bytes.fromhex("1adc95bebe9eea8c112d40cd04ab7a8d75c4f961")
KIB = 1024


def v1(**info: Any) -> bytes:
    """A version 1 torrent of 425 bytes, with other keys where they are given."""
    base: dict[str, Any] = {"length": 425, "name": "temp", "piece length": 16384, "pieces": PIECE}
    if "files" in info:
        del base["length"]
    return bencode.encode({"info": {**base, **{key.replace("_", " "): value for key, value in info.items()}}})


def with_top(top: dict[str, Any], **info: Any) -> bytes:
    return bencode.encode({**top, "info": _info_of(v1(**info))})


def files(*entries: tuple[int, list[str]], **more: Any) -> bytes:
    total = sum(length for length, _ in entries)
    pieces = bytes(20 * -(-total // 16384))
    return v1(files=[{"length": length, "path": path} for length, path in entries], **{"pieces": pieces, **more})


def v2(
    layers: Any = None, *, name: str | bytes = "test1MB", size: Any = 1 << 20, root: Any = ROOT, **info: Any
) -> bytes:
    """`v2_only.torrent`, with other keys where they are given; `layers` False leaves them out."""
    tree: dict[Any, Any] = {
        name.encode() if isinstance(name, str) else name: {"": {"length": size, "pieces root": root}}
    }
    merged = {"file tree": tree, "meta version": 2, "name": "test1MB", "piece length": 65536}
    merged.update({key.replace("_", " "): value for key, value in info.items()})
    top: dict[bytes, Any] = {b"info": merged}
    if layers is not False:
        top[b"piece layers"] = {ROOT: LAYER} if layers is None else layers
    return bencode.encode(top)


def spoilt(built: Built, spoil: Callable[[dict[str, Any]], object]) -> bytes:
    spoil(built.info)
    return built.data


def stress(**options: Any) -> Built:
    """Three files of ten pieces and a little more, as `stress_test0` to `2`."""
    rng = Random(3)
    sizes = (160 * KIB, 160 * KIB + 200, 160 * KIB + 400)
    return build(
        {f"stress_test{number}": rng.randbytes(size) for number, size in enumerate(sizes)}, name="test", **options
    )


def small_and_large(*names: str) -> bytes:
    """`empty-files-1` to `5`: hybrids with empty files in all places."""
    sizes = {"small": 512, "large": 51200, "empty": 0}
    content = {f"{number}-{name}": b"\x05" * sizes[name] for number, name in enumerate(names, 1)}
    return build(content, name="test", hybrid=True).data


def _info_of(torrent: bytes) -> Any:
    return bencode.decode_dict(torrent)[b"info"]


def leaf(length: int, root: bytes = OF_PIECE, **more: Any) -> dict[str, Any]:
    return {"": {"length": length, "pieces root": root, **more}}


def link(*target: str) -> dict[str, Any]:
    return {"": {"attr": "xl", "length": 0, "symlink path": list(target)}}


def tree_of(tree: dict[str, Any], **info: Any) -> bytes:
    merged: dict[str, Any] = {"file tree": tree, "meta version": 2, "name": "test", "piece length": 16384}
    merged.update({key.replace("_", " "): value for key, value in info.items()})
    top: Any = {"info": merged}
    return bencode.encode(top)


LINKS = [
    {"attr": "xl", "length": 0, "path": [name], "symlink path": ["Versions", "Current", name]}
    for name in ("Headers", "Resources", "SDL2")
]

LOADS: dict[str, bytes] = {
    **OLD_LOADS,
    **RENAMED,
    "collection": with_top({"collections": ["bar", "foo"]}),
    "collection2": v1(collections=["bar", "foo"]),
    "duplicate_web_seeds": with_top({"url-list": [f"http://foobar.com/{end}" for end in "aaabbcca"]}),
    "empty_path_multi": files((425, ["abcde"]), (3, [""]), (5, [""])),
    "empty-files-1": small_and_large("empty", "small", "large", "empty", "empty", "empty"),
    "empty-files-2": small_and_large("small", "empty", "large", "empty", "empty", "empty"),
    "empty-files-3": small_and_large("small", "large", "empty", "empty", "empty", "empty"),
    "empty-files-4": small_and_large("empty", "empty", "empty", "empty", "large", "small"),
    "empty-files-5": small_and_large("empty", "empty", "empty", "empty", "small", "large"),
    "httpseed": with_top({"httpseeds": ["http://foobar.com/"]}),
    "invalid_directory_name": files((51200, ["/", "foo"]), (14336, ["\\", "foo"]), name="test2"),
    "invalid_filename": files((51200, ["f"]), (14336, ["."]), name="\\est2"),
    "invalid_filename2": files((51200, ["f"]), (14335, [".", "."]), (1, ["/", "."]), name="\\est2"),
    "large": files((5_242_880_000, ["stress_test0"]), name="large", piece_length=1 << 20, pieces=bytes(100_000)),
    "large_piece_size": v1(piece_length=32767 * 16384) + b"\n",
    "long_name": v1(name="abcdefghij0123456789" * 15),
    "no_creation_date": files((425, ["foo", "bar.txt"]), (425, ["foo", "var.txt"])),
    "overlapping_symlinks": v1(
        name="SDL2.framework",
        files=[
            *LINKS,
            {"length": 425, "path": ["Versions", "A", "Headers", "SDL.h"]},
            {"attr": "xl", "length": 0, "path": ["Versions", "Current"], "symlink path": ["A"]},
        ],
    ),
    "sample": files((25, ["text_file2.txt"]), (16359, [".____padding_file", "0"]), (20, ["text_file.txt"])),
    "similar": with_top({"similar": ["a" * 20]}),
    "similar2": v1(similar=["a" * 20]),
    "slash_path": files((425, ["/", "/", "bar"])),
    "slash_path3": v1(name="temp/../../abc"),
    "symlink2": v1(
        name="Some.framework",
        files=[
            {"attr": "xl", "length": 0, "path": ["SDL2"], "symlink path": ["Versions", "A", "SDL2"]},
            {"length": 425, "path": ["Versions", "A", "Resources", "Info.plist"]},
            {"length": 0, "path": ["Versions", "A", "SDL2"]},
            {"attr": "xl", "length": 0, "path": ["Versions", "Current"], "symlink path": ["A"]},
        ],
    ),
    "symlink_filtered_path": v1(
        files=[
            {"length": 32, "path": ["a", "/", "bar"]},
            {"attr": "l", "length": 0, "path": ["a", "/", "foo"], "symlink path": ["a", "/", "bar"]},
        ]
    ),
    "url_list": with_top({"url-list": [""]}),
    "url_seed": with_top({"url-list": ["http://test.com/file"]}),
    "url_seed_multi": with_top({"url-list": ["http://test.com/file"]}, files=[{"length": 425, "path": ["a", "b"]}]),
    "url_seed_multi_single_file": with_top(
        {"url-list": ["http://test.com/file/temp/foo/bar.txt"]}, files=[{"length": 425, "path": ["foo", "bar.txt"]}]
    ),
    "url_seed_multi_space": with_top(
        {"url-list": ["http://test.com/test file/foo bar"]}, files=[{"length": 425, "path": ["foo", "bar.txt"]}]
    ),
    "v2_empty_file": build(
        {"file1": b"1" * 80_000, "file2": b"", "file3": b"3" * 80_000}, name="test", hybrid=True
    ).data,
    "v2_hybrid": stress(hybrid=True).data,
    "v2_hybrid-missing-tailpad": stress(hybrid=True, tail_padding=False).data,
    "v2_incomplete_piece_layer": bencode.encode(
        {b"info": stress().info, b"piece layers": dict(list(stress().layers.items())[:2])}
    ),
    "v2_invalid_filename": v2(name=b"\x82est/MB"),
    "v2_invalid_filename2": tree_of({"..": leaf(16384), "/": leaf(16384), "stress_test2": leaf(16384)}),
    "v2_multipiece_file": v2(length=1 << 20, pieces=SHA1_OF_PIECE * 16),
    "v2_multiple_files": stress().data,
    "v2_no_piece_layers": v2(False),
    "v2_only": v2(),
    "v2_symlinks": tree_of(
        {
            "Headers": link("Versions", "Current", "Headers"),
            "Resources": link("Versions", "Current", "Resources"),
            "SDL2": link("Versions", "Current", "SDL2"),
            "Versions": {
                "Current": {
                    "Headers": {"SDL.h": leaf(4210)},
                    "Resources": {"Info.plist": leaf(1313, ROOT)},
                    "SDL2": leaf(1_307_232, bytes(range(32)), attr="x"),
                }
            },
        },
        name="SDL2.framework",
    ),
}

FAILS: dict[str, bytes] = {
    **OLD_FAILS,
    "invalid_symlink": v1(
        files=[
            {"length": 0, "path": ["a", "b", "bar"]},
            {"attr": "l", "length": 425, "path": ["a", "b", "foo", "symlink path", ["foo", "bar", 4]]},
        ]
    ),
    "zero2": v1(files=[{"length": 0, "path": ["a"]}, {"attr": "p", "length": 0, "path": ["p"]}], pieces=b""),
    "v2_bad_file_alignment": spoilt(stress(hybrid=True), lambda info: info["files"][2].update(length=16184 + 11)),
    "v2_deep_recursion": tree_of({}).replace(b"9:file treede", b"9:file tree" + b"d1:a" * 900 + b"e" * 900),
    "v2_empty_filename": tree_of({"": leaf(1 << 20), "#": leaf(1 << 20)}),
    "v2_invalid_file": tree_of({"test64K": {"length": 65536, "pieces root": OF_PIECE}}),
    "v2_invalid_pad_file": tree_of({"test1MB": leaf(1 << 20, attr="p")}),
    "v2_invalid_piece_layer": v2({OF_PIECE: {}}),
    "v2_invalid_piece_layer_root": v2({ROOT: LAYER[:31] + b"\x36" + LAYER[32:]}),
    "v2_invalid_piece_layer_size": v2({ROOT: LAYER * 2}),
    "v2_invalid_root_hash": v2(root=bytes([ROOT[0] ^ 1]) + ROOT[1:], layers={bytes([ROOT[0] ^ 1]) + ROOT[1:]: LAYER}),
    "v2_large_file": v2(size=17_592_186_028_032, piece_length=1 << 22),
    "v2_large_offset": tree_of({str(number): leaf(2**44 - 32768) for number in range(1, 11)}, piece_length=1 << 22),
    "v2_mismatching_metadata": v2(name="/est1MB", length=1 << 20, pieces=SHA1_OF_PIECE * 16),
    "v2_missing_file_root_invalid_symlink": tree_of(
        {"stress_test0": {"": {"length": 1 << 20}}, "stress_test1": {"": {"attr": "l", "length": 1 << 20}}}
    ),
    "v2_no_power2_piece": v2(False, piece_length=32767),
    "v2_non_multiple_piece_layer": v2({ROOT: b"a" + LAYER}),
    "v2_piece_layer_invalid_file_hash": v2({b"a" + ROOT: LAYER}),
    "v2_piece_size": v2(False, piece_length=2**31 - 1),
    "v2_unknown_piece_layer_entry": v2({ROOT: LAYER, bytes([ROOT[0]]) * 32: LAYER}) + b"\n",
    "v2_unordered_files": tree_of({"test1.txt": leaf(7), "test2.txt": leaf(7)}).replace(b"test2.txt", b"test0.txt"),
    "v2_zero_root": v2(root=bytes(32), layers={bytes(32): LAYER}),
    "v2_zero_root_small": v2({}, size=32768, root=bytes(32)),
}

# These fail there, and load here: see docs/reference/deviations.md.
LOADS_HERE: dict[str, bytes] = {
    "duplicate_files2": files(*[(4 + number % 2, ["foo", "bar.txt"]) for number in range(100)]),
}

# What the tables say of those that load, beside that: the paths, with links as they lead.
PATHS: dict[str, list[str]] = {
    "empty_path_multi": ["temp/abcde", "temp/_", "temp/_.1"],
    "invalid_directory_name": ["test2/_/foo", "test2/_/foo.1"],
    "invalid_filename": ["est2/f", "est2/_"],
    "invalid_filename2": ["est2/f", "est2/_/_", "est2/_/_.1"],
    "overlapping_symlinks": [  # there they lead to the same through the link to the folder
        "SDL2.framework/Headers -> SDL2.framework/Versions/A/Headers",
        "SDL2.framework/Versions/A/Headers/SDL.h",
        "SDL2.framework/Versions/Current -> SDL2.framework/Versions/A",
    ],
    "slash_path": ["temp/_/_/bar"],
    "slash_path3": ["temp....abc"],
    "symlink1": ["temp/a/b/bar", "temp/a/b/foo -> temp/a/b/bar"],
    "symlink2": [
        "Some.framework/SDL2 -> Some.framework/Versions/A/SDL2",
        "Some.framework/Versions/A/Resources/Info.plist",
        "Some.framework/Versions/A/SDL2",
        "Some.framework/Versions/Current -> Some.framework/Versions/A",
    ],
    "symlink_zero_size": ["temp/a/b/bar", "temp/a/b/foo -> temp/a/b/bar"],
    "symlink_filtered_path": ["temp/a/_/bar", "temp/a/_/foo -> temp/a/_/bar"],
    "v2": ["test64K"],
    "v2_invalid_filename": ["_estMB"],
    "v2_invalid_filename2": ["test/_", "test/_.1", "test/stress_test2"],
    "v2_multipiece_file": ["test1MB"],
    "v2_only": ["test1MB"],
    "v2_symlinks": [
        "SDL2.framework/Headers -> SDL2.framework/Versions/Current/Headers",
        "SDL2.framework/Resources -> SDL2.framework/Versions/Current/Resources",
        "SDL2.framework/SDL2 -> SDL2.framework/Versions/Current/SDL2",
        "SDL2.framework/Versions/Current/Headers/SDL.h",
        "SDL2.framework/Versions/Current/Resources/Info.plist",
        "SDL2.framework/Versions/Current/SDL2",
    ],
}

# The info-hashes (version 1, version 2) of those that are rebuilt to the last byte of their info dictionary.
HASHES: dict[str, tuple[str | None, str]] = {
    "v2": (
        "c14199bbec64d0e9e439aa3b6b7639e666b86eca",
        "597b180c1a170a585dfc5e85d834d69013ceda174b8f357d5bb1a0ca509faf0a",
    ),
    "v2_multipiece_file": (
        "6c68c1bcc24c65b6fef4724d8234b67e0e9ac6a4",
        "108ac2c3718ce722e6896edc56c4afa98f1d711ecaace7aad74fca418ebd03de",
    ),
    "v2_only": (None, "95e04d0c4bad94ab206efa884666fd89777dbe4f7bd9945af1829037a85c6192"),
    "v2_no_piece_layers": (None, "95e04d0c4bad94ab206efa884666fd89777dbe4f7bd9945af1829037a85c6192"),
}
