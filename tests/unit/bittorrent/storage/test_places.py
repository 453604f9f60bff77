"""Files whose names could not be taken as they are: where they are looked for, and that none leaves its folder."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bittorrent.errors import StorageError
from bittorrent.files.names import NameRules
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.files import FileStorage
from bittorrent.storage.places import content_path, find_places
from transfer.wire import bencode

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names are not valid elsewhere")
POSIX = NameRules(is_windows=False, ignores_case=False)


def torrent(*paths: list[bytes], name: bytes = b"t") -> Metainfo:
    info: dict[str, Any] = {"name": name, "piece length": 16384, "pieces": bytes(20)}
    info["files"] = [{"length": 10, "path": path} for path in paths]
    return Metainfo.from_info(bencode.encode(info), rules=POSIX)


HOSTILE: list[list[bytes]] = [
    [b"..", b"..", b"escape"],
    [b"../../escape"],
    [b"/etc", b"passwd"],
    [b"..\\..\\escape"],
    [b".", b".", b"x"],
    [b"", b"", b""],
    [b"\xc0\xae\xc0\xae", b"x"],
    [b"\xc0\xae\xc0\xae\xc0\xaf", b"x"],
    [b"a\0b"],
    [b".\xe2\x80\x8e.", b"x"],
    [b".\xef\xbb\xbf.", b"x"],
    [b"n" * 5000],
    [b"same"],
    [b"same"],
    [b"same", b"below"],
    [b"SAME"],
    [b"CON"],
    [b"trailing. "],
]


@pytest.mark.parametrize("name", [b"t", b"..", b"../..", b"/", b"", b".kad", b"a/../../b"])
def test_whatever_the_names_every_file_is_written_once_and_inside_the_folder(tmp_path: Path, name: bytes) -> None:
    metainfo = torrent(*HOSTILE, name=name)
    root = tmp_path / "outer" / "root"
    with closing(FileStorage(metainfo.files, root)) as storage:
        storage.prepare()
        content = b"".join(b"%010d" % number for number in range(len(HOSTILE)))
        storage.write(0, content)
        assert storage.read(0, len(content)) == content
        assert os.listdir(tmp_path) == ["outer"]
        assert os.listdir(tmp_path / "outer") == ["root"]
        assert os.listdir(root) == [metainfo.name]
        assert metainfo.name.casefold() != ".kad"
        storage.delete()
    assert os.listdir(tmp_path / "outer" / "root") == []


def test_a_file_that_is_there_under_the_name_of_the_torrent_is_used_there(tmp_path: Path) -> None:
    """Whoever made the torrent, or fetched it with a client that keeps such names (rtorrent does), has it so."""
    metainfo = torrent([b"a\\b"], [b"c\nd"], name=b"t\x7f")
    odd = tmp_path / "t\x7f" / "a\\b"
    odd.parent.mkdir()
    odd.write_bytes(b"0123456789")
    assert find_places(metainfo.files, str(tmp_path)) == [str(odd), str(tmp_path / "t_" / "c_d")]
    assert content_path(metainfo, tmp_path) == odd.parent
    with closing(FileStorage(metainfo.files, tmp_path)) as storage:
        storage.prepare()
        assert storage.read(0, 10) == b"0123456789"
        assert storage.paths == (("t_", "ab"), ("t_", "c_d")), "what is remembered is safe to be shown"


def test_the_safe_name_comes_first(tmp_path: Path) -> None:
    metainfo = torrent([b"a\\b"])
    (tmp_path / "t").mkdir()
    for name in ("ab", "a\\b"):
        (tmp_path / "t" / name).write_bytes(b"x")
    assert find_places(metainfo.files, str(tmp_path)) == [str(tmp_path / "t" / "ab")]
    (tmp_path / "t" / "ab").unlink()
    assert find_places(metainfo.files, str(tmp_path)) == [str(tmp_path / "t" / "a\\b")]


def test_two_files_never_share_a_place(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a\\").write_bytes(b"x")
    metainfo = torrent([b"a\\"], [b"a\\"])
    assert find_places(metainfo.files, str(tmp_path)) == [str(tmp_path / "t" / "a\\"), str(tmp_path / "t" / "a.1")]
    (tmp_path / "t" / "b").write_bytes(b"x")
    metainfo = torrent([b"b"], [b"b"])
    assert find_places(metainfo.files, str(tmp_path)) == [str(tmp_path / "t" / "b"), str(tmp_path / "t" / "b.1")]


@pytest.mark.parametrize("name", [b"..", b".", b"../x", b".kad", b""])
def test_names_that_lead_elsewhere_are_never_looked_at(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "root" / ".kad").mkdir(parents=True)
    (tmp_path / "root" / ".kad" / "f").write_bytes(b"x")
    metainfo = torrent([b"f"], name=name)
    assert find_places(metainfo.files, str(tmp_path / "root")) == [str(tmp_path / "root" / metainfo.name / "f")]
    assert content_path(metainfo, tmp_path / "root") == tmp_path / "root" / metainfo.name


def test_the_links_of_a_torrent_are_not_followed_under_such_names_either(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "other").write_bytes(b"0123456789")
    (tmp_path / "t" / "a\\b").symlink_to("other")
    with closing(FileStorage(torrent([b"a\\b"]).files, tmp_path)) as storage, pytest.raises(StorageError, match="link"):
        storage.write(0, b"x")
    assert (tmp_path / "t" / "other").read_bytes() == b"0123456789"


def test_a_path_of_more_folders_than_python_has_frames(tmp_path: Path) -> None:
    metainfo = torrent([b"d"] * 1100)
    with closing(FileStorage(metainfo.files, tmp_path)) as storage:
        storage.prepare()
        storage.write(0, b"0123456789")
        assert storage.read(0, 10) == b"0123456789"
        storage.delete()
    assert os.listdir(tmp_path) == []
