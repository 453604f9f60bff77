"""A directory of torrents, looked at again and again while things change in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from fileshare.service.folder import Changes, TorrentFolder


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


def test_a_torrent_is_shared_until_the_last_file_that_holds_it_is_gone(tmp_path: Path) -> None:
    """Whichever of the twins goes first, and it is not taken for a new one when the other takes over."""
    for names in (("a", "b", "c"), ("c", "b", "a"), ("b", "a", "c")):
        for name in names:
            put(tmp_path, "film", b"film", torrent=f"{name}.torrent")
        info_hash = create_metainfo(tmp_path / "film").info_hash
        folder = TorrentFolder(tmp_path)
        assert ready(folder.look()) == ["a.torrent"]
        for name in names[:2]:
            (tmp_path / f"{name}.torrent").unlink()
            assert folder.look() == Changes()
            assert folder.offer(info_hash) is not None
        (tmp_path / f"{names[2]}.torrent").unlink()
        assert folder.look() == Changes(gone=[info_hash])
        assert folder.offer(info_hash) is None


def test_a_copy_that_is_added_and_removed_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, "film", b"film", torrent="b.torrent")
    folder = TorrentFolder(tmp_path)
    folder.look()
    for name in ("a.torrent", "c.torrent"):
        put(tmp_path, "film", b"film", torrent=name)
        os.utime(tmp_path / "film", (1, 1))  # as it was at the next look
        changes = folder.look()
        assert list(wrong(changes)) == [name]
        folder.look()
        (tmp_path / name).unlink()
        assert folder.look() == Changes()


def test_a_file_that_is_renamed_stands_for_the_same_torrent(tmp_path: Path) -> None:
    put(tmp_path, "film", b"film")
    folder = TorrentFolder(tmp_path)
    folder.look()
    for old, new in (("film", "z"), ("z", "a")):
        (tmp_path / f"{old}.torrent").rename(tmp_path / f"{new}.torrent")
        assert folder.look() == Changes()


def test_a_file_that_is_written_anew_stands_for_its_torrent_until_another_is_in_it(tmp_path: Path) -> None:
    info_hash = put(tmp_path, "film", b"film", torrent="x.torrent")
    data = (tmp_path / "x.torrent").read_bytes()
    folder = TorrentFolder(tmp_path)
    folder.look()
    (tmp_path / "x.torrent").write_bytes(data[:10])  # half of it
    assert folder.look() == Changes()
    (tmp_path / "x.torrent").write_bytes(data)
    assert folder.look() == Changes()
    (tmp_path / "x.torrent").write_bytes(b"d")
    assert folder.look() == Changes()
    changes = folder.look()
    assert (changes.gone, list(wrong(changes))) == ([info_hash], ["x.torrent"])
    assert folder.look() == Changes()


def test_a_new_file_that_is_half_written_is_not_told_of(tmp_path: Path) -> None:
    folder = TorrentFolder(tmp_path)
    folder.look()
    put(tmp_path, "film", b"film")
    data = (tmp_path / "film.torrent").read_bytes()
    for size in (0, 10, 20):
        (tmp_path / "film.torrent").write_bytes(data[:size])
        assert folder.look() == Changes()
    (tmp_path / "film.torrent").write_bytes(data)
    assert [ready(folder.look()), ready(folder.look())] == [[], ["film.torrent"]]


def test_a_twin_of_what_was_replaced_takes_over(tmp_path: Path) -> None:
    first = put(tmp_path, "film", b"film", torrent="b.torrent")
    put(tmp_path, "film", b"film", torrent="a.torrent")
    folder = TorrentFolder(tmp_path)
    folder.look()
    put(tmp_path, "other", b"other", torrent="a.torrent")
    seen = [folder.look(), folder.look()]
    assert [changes.gone for changes in seen] == [[], []]
    assert [ready(changes) for changes in seen] == [[], ["a.torrent"]]
    offer = folder.offer(first)
    assert offer is not None
    assert offer[0].name == "b.torrent"


def test_the_content_can_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "torrents").mkdir()
    put(tmp_path, "film", b"film", torrent="torrents/film.torrent")
    assert ready(TorrentFolder(tmp_path / "torrents", content_dir=tmp_path).look()) == ["film.torrent"]


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TorrentFolder(tmp_path / "nowhere").look()
