"""What is kept between two runs, and that only the right thing counts."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import StorageError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.resume import ResumeStore
from bittorrent.storage.resume_state import ResumeState


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    (tmp_path / "f").write_bytes(b"x")
    return create_metainfo(tmp_path / "f", trackers=["http://t/announce"])


def test_saved_loaded_forgotten(tmp_path: Path, metainfo: Metainfo) -> None:
    directory = tmp_path / "not there yet" / "downloads"
    store = ResumeStore(directory)
    assert store.load(metainfo.torrent_id, Metainfo.from_file) is None
    assert not directory.exists()
    store.save(metainfo)
    store.save(metainfo)
    assert [path.name for path in (directory / ".kad").iterdir()] == [f"{metainfo.info_hash.hex()}.torrent"]
    assert ResumeStore(str(directory)).load(metainfo.torrent_id, Metainfo.from_file) == metainfo
    assert store.load(TorrentId(bytes(20)), Metainfo.from_file) is None
    store.forget(metainfo.info_hash)
    assert list(directory.iterdir()) == []
    store.forget(metainfo.info_hash)


def test_the_folder_stays_while_it_holds_something_else(tmp_path: Path, metainfo: Metainfo) -> None:
    store = ResumeStore(tmp_path)
    store.save(metainfo)
    (tmp_path / ".kad" / "other").touch()
    store.forget(metainfo.info_hash)
    assert [path.name for path in (tmp_path / ".kad").iterdir()] == ["other"]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "another", "huge"])
def test_what_is_not_that_torrent_does_not_count_and_goes(tmp_path: Path, metainfo: Metainfo, damage: str) -> None:
    store = ResumeStore(tmp_path)
    store.save(metainfo)
    path = tmp_path / ".kad" / f"{metainfo.info_hash.hex()}.torrent"
    data = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(data[:-5])
    elif damage == "flipped":
        path.write_bytes(data.replace(b"4:name1:f", b"4:name1:g"))
    elif damage == "another":
        (tmp_path / "g").write_bytes(b"y")
        path.write_bytes(create_metainfo(tmp_path / "g").to_bytes())
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    assert store.load(metainfo.torrent_id, Metainfo.from_file) is None
    assert not path.exists()


def test_a_kill_in_the_middle_of_saving_leaves_the_old_state(tmp_path: Path, metainfo: Metainfo) -> None:
    store = ResumeStore(tmp_path)
    store.save(metainfo)
    unfinished = tmp_path / ".kad" / f"{metainfo.info_hash.hex()}.torrent.part"
    unfinished.write_bytes(metainfo.to_bytes()[:10])
    assert store.load(metainfo.torrent_id, Metainfo.from_file) == metainfo
    store.save(metainfo)
    assert not unfinished.exists()
    unfinished.write_bytes(b"")
    store.forget(metainfo.info_hash)
    assert not (tmp_path / ".kad").exists()


def test_a_disk_that_runs_full_keeps_nothing_unfinished(
    tmp_path: Path, metainfo: Metainfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bittorrent.storage.durable.os.fsync", fsync)
    with pytest.raises(StorageError, match="free some space"):
        ResumeStore(tmp_path).save(metainfo)
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, metainfo: Metainfo) -> None:
    (tmp_path / ".kad").write_bytes(b"mine")
    store = ResumeStore(tmp_path)
    with pytest.raises(StorageError, match="cannot write"):
        store.save(metainfo)
    assert store.load(metainfo.torrent_id, Metainfo.from_file) is None
    store.forget(metainfo.info_hash)
    assert (tmp_path / ".kad").read_bytes() == b"mine"


def test_a_folder_in_the_place_of_the_file(tmp_path: Path, metainfo: Metainfo) -> None:
    (tmp_path / ".kad" / f"{metainfo.info_hash.hex()}.torrent").mkdir(parents=True)
    store = ResumeStore(tmp_path)
    with pytest.raises(StorageError, match="cannot write"):
        store.save(metainfo)
    with pytest.raises(StorageError, match="cannot read"):
        store.load(metainfo.torrent_id, Metainfo.from_file)
    with pytest.raises(StorageError, match="cannot remove"):
        store.forget(metainfo.info_hash)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links and pipes here")
def test_a_link_or_pipe_in_the_place_of_the_unfinished_file_is_not_used(tmp_path: Path, metainfo: Metainfo) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / ".kad").mkdir()
    unfinished = tmp_path / ".kad" / f"{metainfo.info_hash.hex()}.torrent.part"
    for is_pipe in (False, True):
        if is_pipe:
            os.mkfifo(unfinished)
        else:
            unfinished.symlink_to(tmp_path / "victim")
        store = ResumeStore(tmp_path)
        store.save(metainfo)
        assert store.load(metainfo.torrent_id, Metainfo.from_file) == metainfo
        assert not os.path.lexists(unfinished)
    assert (tmp_path / "victim").read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
def test_a_pipe_or_a_device_in_the_place_of_what_is_kept_holds_up_nobody(tmp_path: Path, metainfo: Metainfo) -> None:
    (tmp_path / ".kad").mkdir()
    store, name = ResumeStore(tmp_path), metainfo.info_hash.hex()
    for is_pipe in (False, True):
        for path in (tmp_path / ".kad" / f"{name}.torrent", tmp_path / ".kad" / f"{name}.resume"):
            if is_pipe:
                os.mkfifo(path)
            else:
                path.symlink_to("/dev/zero")
        assert store.load(metainfo.torrent_id, Metainfo.from_file) is None
        assert store.load_state(metainfo.info_hash) is None
        store.save_state(ResumeState(info_hash=metainfo.info_hash, have=b"", stamps=()))
        assert store.load_state(metainfo.info_hash) is not None
        store.save(metainfo)
        assert store.load(metainfo.torrent_id, Metainfo.from_file) == metainfo
        store.forget(metainfo.info_hash)
        (tmp_path / ".kad").mkdir()


def test_what_has_come_of_metadata_is_kept_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    store, info_hash = ResumeStore(tmp_path), bytes(range(20))
    path = tmp_path / ".kad" / f"{info_hash.hex()}.metadata"
    assert store.load_metadata(info_hash) is None
    store.save_metadata(info_hash, 70_000, {0: b"first", 3: b"", 1: bytes(300)})
    assert store.load_metadata(info_hash) == (70_000, {0: b"first", 3: b"", 1: bytes(300)})
    data = path.read_bytes()
    for damaged in (b"", data[:-1], data[:20] + b"x" + data[21:], data + b"x", b"d" + data[1:]):
        path.write_bytes(damaged)
        assert store.load_metadata(info_hash) is None
    path.rename(path.with_name(f"{bytes(20).hex()}.metadata"))
    assert store.load_metadata(bytes(20)) is None
    store.forget(bytes(20))
    assert not path.parent.exists()


def test_a_hybrid_is_found_by_a_link_to_either_hash_and_by_no_other(tmp_path: Path, metainfo: Metainfo) -> None:
    v1, v2 = metainfo.info_hash, bytes(range(32))
    hybrid = replace(metainfo, torrent_id=TorrentId(v1, v2))
    store, elsewhere = ResumeStore(tmp_path / "one"), ResumeStore(tmp_path / "other")
    store.save(hybrid)

    def load(store: ResumeStore, torrent_id: TorrentId) -> Metainfo | None:
        return store.load(torrent_id, lambda path: replace(Metainfo.from_file(path), torrent_id=hybrid.torrent_id))

    for torrent_id in (TorrentId(v1), TorrentId(v2=v2), TorrentId(v1, v2)):
        assert load(store, torrent_id) == hybrid
    assert load(store, TorrentId(v1, bytes(32))) is None
    assert load(store, TorrentId(v2=v2[:20] + bytes(12))) is None
    assert load(store, TorrentId(v1)) == hybrid  # it was not taken for damaged
    store.move_to(elsewhere, v1, v2[:20])
    assert load(store, TorrentId(v1)) is load(store, TorrentId(v2=v2)) is None
    assert load(elsewhere, TorrentId(v2=v2)) == hybrid
    elsewhere.forget(v1, v2[:20])
    assert not list((tmp_path / "other").glob(".kad/*"))
