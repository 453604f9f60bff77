"""A directory of torrents, looked at again and again while things change in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bittorrent.metainfo.create import create_metainfo
from fileshare.cli.torrent_folder import Changes, TorrentFolder


def put(folder: Path, name: str, data: bytes, *, torrent: str | None = None) -> bytes:
    """A file and the torrent of it; returns the info-hash."""
    (folder / name).write_bytes(data)
    metainfo = create_metainfo(folder / name)
    (folder / (torrent or f"{name}.torrent")).write_bytes(metainfo.to_bytes())
    return metainfo.info_hash


def ready(changes: Changes) -> list[str]:
    return [path.name for path, _ in changes.ready]


def wrong(changes: Changes) -> dict[str, str]:
    return {path.name: str(error) for path, error in changes.wrong}


def test_what_is_there_is_ready_at_once_and_only_once(tmp_path: Path) -> None:
    put(tmp_path, "b", b"b")
    put(tmp_path, "a", b"a")
    (tmp_path / "notes.txt").write_text("no torrent")
    (tmp_path / "folder.torrent").mkdir()
    folder = TorrentFolder(tmp_path)
    assert ready(folder.look()) == ["a.torrent", "b.torrent"]
    assert folder.look() == Changes()


def test_what_is_added_is_ready_when_it_changes_no_more(tmp_path: Path) -> None:
    folder = TorrentFolder(tmp_path)
    assert folder.look() == Changes()
    put(tmp_path, "late", b"late")
    assert ready(folder.look()) == []
    (tmp_path / "late").write_bytes(b"late and longer")
    assert ready(folder.look()) == []
    assert ready(folder.look()) == ["late.torrent"]
    assert folder.look() == Changes()


def test_a_torrent_waits_for_its_content(tmp_path: Path) -> None:
    put(tmp_path, "film", b"film")
    (tmp_path / "film").unlink()
    folder = TorrentFolder(tmp_path)
    assert wrong(folder.look()) == {"film.torrent": f"it is shared once {tmp_path / 'film'} is there"}
    assert folder.look() == Changes()
    (tmp_path / "film").write_bytes(b"film")
    assert ready(folder.look()) == []
    assert ready(folder.look()) == ["film.torrent"]


def test_what_was_incomplete_is_tried_again_when_it_has_changed(tmp_path: Path) -> None:
    put(tmp_path, "film", b"film")
    folder = TorrentFolder(tmp_path)
    assert ready(folder.look()) == ["film.torrent"]
    (tmp_path / "film").write_bytes(b"another film")
    assert ready(folder.look()) == []
    assert ready(folder.look()) == ["film.torrent"]


def test_what_is_removed_is_gone(tmp_path: Path) -> None:
    info_hash = put(tmp_path, "film", b"film")
    folder = TorrentFolder(tmp_path)
    folder.look()
    (tmp_path / "film.torrent").unlink()
    assert folder.look() == Changes(gone=[info_hash])
    assert folder.look() == Changes()


def test_a_torrent_that_is_replaced_by_another(tmp_path: Path) -> None:
    old = put(tmp_path, "film", b"film", torrent="x.torrent")
    folder = TorrentFolder(tmp_path)
    folder.look()
    put(tmp_path, "other", b"other film", torrent="x.torrent")
    os.utime(tmp_path / "x.torrent", (1, 1))
    changes = folder.look()
    assert changes.gone == [old]
    assert ready(changes) + ready(folder.look()) == ["x.torrent"]


def test_files_that_are_no_torrents_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "bad.torrent").write_bytes(b"no torrent")
    folder = TorrentFolder(tmp_path)
    assert list(wrong(folder.look())) == ["bad.torrent"]
    assert folder.look() == Changes()
    put(tmp_path, "good", b"good", torrent="bad.torrent")
    folder.look()
    assert ready(folder.look()) == ["bad.torrent"]


def test_the_same_torrent_under_two_names_is_shared_once(tmp_path: Path) -> None:
    put(tmp_path, "film", b"film", torrent="a.torrent")
    put(tmp_path, "film", b"film", torrent="b.torrent")
    changes = TorrentFolder(tmp_path).look()
    assert ready(changes) == ["a.torrent"]
    assert "same torrent as" in wrong(changes)["b.torrent"]


def test_the_content_can_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "torrents").mkdir()
    put(tmp_path, "film", b"film", torrent="torrents/film.torrent")
    assert ready(TorrentFolder(tmp_path / "torrents", content_dir=tmp_path).look()) == ["film.torrent"]


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TorrentFolder(tmp_path / "nowhere").look()
