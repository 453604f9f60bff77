"""Torrents of version 2 and hybrid ones: as a slow obvious builder makes them, and with what is asked for."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.creating.content import MAX_PATH_ELEMENTS, TorrentFormat
from bittorrent.creating.create import choose_piece_length, create_metainfo
from bittorrent.errors import MetainfoError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage
from bittorrent.storage.hashing import _JOB_PIECES
from tests.version2 import build
from transfer.wire import bencode

KIB, MIB = 1 << 10, 1 << 20
FORMS = [TorrentFormat.V2, TorrentFormat.HYBRID]
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def info_of(metainfo: Metainfo) -> Any:
    return bencode.decode(metainfo.info_bytes)


ALBUM = {
    "a.txt": b"t" * 70_000,
    "a/y": b"y" * 40 * KIB,
    "a/z": b"z" * 64 * KIB,
    "B": b"1",
    "empty": b"",
    "nested/in/folders": bytes(range(256)) * 700,
    "ü": b"u" * (64 * KIB + 1),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("threads", [0, 3])
def test_a_folder_is_what_a_slow_obvious_builder_makes_of_it(tmp_path: Path, form: TorrentFormat, threads: int) -> None:
    folder = write(tmp_path / "album", ALBUM)
    built = build(ALBUM, 64 * KIB, hybrid=form == "hybrid")
    if threads:
        with ThreadPoolExecutor(threads) as executor:
            metainfo = create_metainfo(folder, format=form, piece_length=64 * KIB, executor=executor)
    else:
        metainfo = create_metainfo(folder, format=form, piece_length=64 * KIB)
    assert info_of(metainfo) == bencode.decode(built.info_bytes)
    assert metainfo.info_bytes == built.info_bytes
    assert metainfo.layers == built.layers
    assert metainfo.has_layers
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    with closing(FileStorage(metainfo.files, tmp_path, writable=False)) as storage:
        storage.prepare()
        assert all(is_right for _, is_right in verify_pieces(metainfo, storage))


@pytest.mark.parametrize("form", FORMS)
@given(
    sizes=st.lists(st.one_of(st.integers(0, 80_000), st.sampled_from([16384, 32768, 65536])), min_size=2, max_size=4),
    piece_length=st.sampled_from([16384, 32768, 65536]),
)
def test_files_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, form: TorrentFormat, sizes: list[int], piece_length: int
) -> None:
    if not any(sizes):
        return
    files = {str(number): bytes([number]) * size for number, size in enumerate(sizes)}
    metainfo = create_metainfo(
        write(tmp_path_factory.mktemp("x") / "album", files), format=form, piece_length=piece_length
    )
    built = build(files, piece_length, hybrid=form == "hybrid")
    assert metainfo.info_bytes == built.info_bytes
    assert metainfo.layers == built.layers


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 16 * KIB, 32 * KIB, 100_000])
def test_a_single_file(tmp_path: Path, form: TorrentFormat, size: int) -> None:
    content = bytes(range(251)) * 400
    (tmp_path / "film").write_bytes(content[:size])
    metainfo = create_metainfo(tmp_path / "film", format=form, piece_length=32 * KIB)
    built = build({"film": content[:size]}, 32 * KIB, name="film", hybrid=form == "hybrid")
    assert metainfo.info_bytes == built.info_bytes
    assert metainfo.layers == built.layers
    assert [entry.path for entry in metainfo.visible_files] == [("film",)]


def test_version_1_stays_what_it_was(tmp_path: Path) -> None:
    folder = write(tmp_path / "album", ALBUM)
    metainfo = create_metainfo(folder)
    assert metainfo == create_metainfo(folder, format="v1")
    assert set(info_of(metainfo)) == {b"files", b"name", b"piece length", b"pieces"}
    assert metainfo.torrent_id.v2 is None


def test_what_a_torrent_is_known_by(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"x" * 100)
    ids = {form: create_metainfo(tmp_path / "film", format=form).torrent_id for form in ("v1", "v2", "hybrid")}
    assert [(one.v1 is not None, one.v2 is not None) for one in ids.values()] == [
        (True, False),
        (False, True),
        (True, True),
    ]


def test_equal_files_have_one_layer(tmp_path: Path) -> None:
    metainfo = create_metainfo(
        write(tmp_path / "d", {"a": b"x" * 50_000, "b": b"x" * 50_000, "c": b"x" * 50_001}),
        format="v2",
        piece_length=16 * KIB,
    )
    roots = [entry.pieces_root for entry in metainfo.visible_files]
    assert roots[0] == roots[1] != roots[2]
    assert len(metainfo.layers) == 2


@pytest.mark.parametrize("form", FORMS)
@posix
def test_attributes_and_links(tmp_path: Path, form: TorrentFormat) -> None:
    folder = write(tmp_path / "d", {"bin/tool": b"t" * 20_000, ".hidden": b"h", "f": b"f"})
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "bin" / "alias").symlink_to("tool")
    (folder / "sbin").symlink_to("bin")
    metainfo = create_metainfo(folder, format=form, attributes=True, piece_length=16 * KIB)
    tree = info_of(metainfo)[b"file tree"]
    assert set(tree[b"bin"][b"tool"][b""]) == {b"attr", b"length", b"pieces root"}
    assert tree[b"bin"][b"tool"][b""][b"attr"] == b"x"
    assert tree[b".hidden"][b""][b"attr"] == b"h"
    assert tree[b"bin"][b"alias"] == {b"": {b"attr": b"l", b"symlink path": [b"bin", b"tool"]}}
    assert tree[b"sbin"] == {b"": {b"attr": b"l", b"symlink path": [b"bin"]}}
    assert [
        (str(entry), entry.is_executable, entry.is_hidden, "/".join(entry.link_to))
        for entry in metainfo.files
        if not entry.is_padding
    ] == [
        ("d/.hidden", False, True, ""),
        ("d/bin/alias", False, False, "d/bin/tool"),
        ("d/bin/tool", True, False, ""),
        ("d/f", False, False, ""),
        ("d/sbin", False, False, "d/bin"),
    ]
    alone = create_metainfo(folder / "bin" / "tool", format=form, attributes=True)
    assert alone.files[0].is_executable


def test_a_folder_of_one_file_is_that_file_in_version_2(tmp_path: Path) -> None:
    """BEP 52 has no way to say it: whoever reads the torrent looks for the file, not for the folder."""
    folder = write(tmp_path / "d", {"film.mkv": b"x" * 100})
    with pytest.raises(MetainfoError, match=r"share .*film\.mkv itself, or choose the format v1 or hybrid"):
        create_metainfo(folder, format="v2")
    hybrid = create_metainfo(folder, format="hybrid")
    assert [str(entry) for entry in hybrid.visible_files] == ["d/film.mkv"]
    deeper = create_metainfo(write(tmp_path / "e", {"in/film.mkv": b"x" * 100}), format="v2")
    assert [str(entry) for entry in deeper.visible_files] == ["e/in/film.mkv"]


@pytest.mark.parametrize("form", ["", "v3", "V2", "1"])
def test_a_format_that_there_is_not(tmp_path: Path, form: Any) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(MetainfoError, match="the format of a torrent is one of v1, v2, hybrid, not"):
        create_metainfo(tmp_path / "f", format=form)


@posix
def test_folders_may_not_lie_deeper_than_others_read(tmp_path: Path) -> None:
    deepest = "/".join(["d"] * (MAX_PATH_ELEMENTS - 1)) + "/f"
    folder = write(tmp_path / "d", {deepest: b"x", "g": b"y"})
    (folder / "d" / "link").symlink_to("../g")
    for form in FORMS:
        metainfo = create_metainfo(folder, format=form, attributes=True)
        assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    os.makedirs(folder / deepest.removesuffix("f") / "d")
    (folder / deepest.removesuffix("f") / "d" / "f").write_bytes(b"x")
    assert create_metainfo(folder).torrent_id.v1
    for form in FORMS:
        with pytest.raises(MetainfoError, match=r"more than the 42 folders .* version 1 has no such limit"):
            create_metainfo(folder, format=form)


def test_padding_of_a_hybrid_is_no_more_than_its_content(tmp_path: Path) -> None:
    """Its pieces are chosen shorter for that, because padding is hashed: version 2 alone has none."""
    folder = write(tmp_path / "d", {"large": b"", **{str(number): b"x" * 1000 for number in range(200)}})
    with (folder / "large").open("wb") as file:
        file.truncate(34 * MIB)
    assert choose_piece_length(34 * MIB + 200_000) == 32 * KIB
    lengths = {form: create_metainfo(folder, format=form).piece_length for form in FORMS}
    assert lengths == {"v2": 32 * KIB, "hybrid": 32 * KIB}
    with (folder / "large").open("ab") as file:
        file.truncate(3)
    many = {form: create_metainfo(folder, format=form).piece_length for form in FORMS}
    assert many == {"v2": 16 * KIB, "hybrid": 16 * KIB}


@pytest.mark.parametrize(("form", "total"), [(TorrentFormat.V2, 3 * MIB + 8), (TorrentFormat.HYBRID, 4 * MIB)])
def test_progress_counts_what_is_hashed(tmp_path: Path, form: TorrentFormat, total: int) -> None:
    folder = write(tmp_path / "d", {"a": bytes(3 * MIB + 5), "b": bytes(3)})
    seen: list[tuple[int, int]] = []
    create_metainfo(
        folder, format=form, piece_length=512 * KIB, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (total, total)
    assert len(seen) >= 3
    assert seen == sorted(seen)


def test_tiny_files_are_hashed_many_at_a_time(tmp_path: Path) -> None:
    """A piece each, however long pieces are: a job for each would cost more than the hashing."""
    folder = write(tmp_path / "d", {f"{number:04}": b"%d" % number for number in range(_JOB_PIECES + 3)})
    seen: list[int] = []
    metainfo = create_metainfo(folder, format="v2", piece_length=16 * MIB, progress=lambda done, _: seen.append(done))
    assert metainfo.piece_count == _JOB_PIECES + 3
    assert len(seen) == 2


def test_pieces_too_small_for_so_much_data(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 39)
    for form in FORMS:
        with pytest.raises(MetainfoError, match="use larger ones"):
            create_metainfo(tmp_path / "f", format=form, piece_length=256 * KIB)
