"""Locks between processes: two objects are as good as two processes, because a lock belongs to an open file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bittorrent.errors import StorageError
from bittorrent.storage.locks import WriteLock

ONE, TWO = bytes(20), bytes([1] * 20)
PATHS = [("t", "a"), ("t", "b")]


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".kad/*"))


def test_another_torrent_is_refused_by_name_until_the_first_has_ended(tmp_path: Path) -> None:
    one, two = WriteLock(tmp_path, ONE, name="one"), WriteLock(tmp_path, TWO, name="two")
    one.acquire(PATHS)
    for attempt in (two.check, two.acquire):
        with pytest.raises(StorageError, match=r"is writing .*/t/b for another torrent \(one\)") as caught:
            attempt([("t", "b"), ("t", "c")])
        assert caught.value.path == str(tmp_path / "t" / "b")
    assert locks(tmp_path) == [ONE.hex() + ".lock"]
    one.release()
    assert not (tmp_path / ".kad").exists()
    two.check(PATHS)
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"
    two.acquire(PATHS)
    with pytest.raises(StorageError, match=r"another torrent \(two\)"):
        one.acquire(PATHS)
    two.release()
    assert list(tmp_path.iterdir()) == []


def test_names_that_differ_in_case_only_are_one(tmp_path: Path) -> None:
    one, two = WriteLock(tmp_path, ONE, name="one"), WriteLock(tmp_path, TWO, name="two")
    one.acquire([("T", "A")])
    with pytest.raises(StorageError):
        two.acquire([("t", "a")])
    one.release()


def test_other_files_in_the_same_folder_are_free(tmp_path: Path) -> None:
    one, two = WriteLock(tmp_path, ONE, name="one"), WriteLock(tmp_path, TWO, name="two")
    one.acquire(PATHS)
    two.acquire([("t", "c")])
    assert len(locks(tmp_path)) == 2
    one.release()
    two.release()
    assert not (tmp_path / ".kad").exists()


def test_the_same_torrent_may_be_written_twice(tmp_path: Path) -> None:
    first, second = (WriteLock(tmp_path, ONE, name="one") for _ in range(2))
    first.acquire(PATHS)
    assert not first.is_shared()
    second.acquire(PATHS)
    assert first.is_shared()
    assert second.is_shared()
    first.release()
    other = WriteLock(tmp_path, TWO, name="two")
    with pytest.raises(StorageError):
        other.acquire(PATHS)
    second.release()
    other.acquire(PATHS)
    assert not other.is_shared()
    other.release()


def test_of_two_that_see_each_other_the_later_gives_way(tmp_path: Path) -> None:
    one, two = WriteLock(tmp_path, ONE, name="one"), WriteLock(tmp_path, TWO, name="two")
    two.acquire(PATHS)
    path = tmp_path / ".kad" / (TWO.hex() + ".lock")
    os.utime(path, ns=(1 << 62, 1 << 62))
    one.acquire(PATHS)
    one.release()
    two.release()


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from bittorrent.storage.locks import WriteLock\n"
        f"lock = WriteLock({str(tmp_path)!r}, {ONE!r}, name='one'); lock.acquire({PATHS!r})\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    two = WriteLock(tmp_path, TWO, name="two")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match=r"another torrent \(one\)"):
            two.acquire(PATHS)
        process.kill()
    two.acquire(PATHS)
    assert locks(tmp_path) == [TWO.hex() + ".lock"], "what the first left is removed"
    two.release()


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
@pytest.mark.parametrize("kind", ["folder", "pipe", "file", "link"])
def test_whatever_lies_in_the_place_of_a_lock_hinders_nobody(tmp_path: Path, kind: str) -> None:
    for info_hash in (ONE, TWO):
        path = tmp_path / ".kad" / (info_hash.hex() + ".lock")
        path.parent.mkdir(exist_ok=True)
        if kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(tmp_path / "nothing")
        else:
            path.write_bytes(b"\xff" * 1000)
    one, two = WriteLock(tmp_path, ONE, name="one"), WriteLock(tmp_path, TWO, name="two")
    one.acquire(PATHS)
    assert not (tmp_path / "nothing").exists()
    if kind == "file":
        with pytest.raises(StorageError):
            two.acquire(PATHS)
    else:
        two.acquire(PATHS)
    one.release()
    two.release()


def test_a_folder_that_cannot_be_written_has_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".kad").write_bytes(b"mine")
    lock = WriteLock(tmp_path, ONE, name="one")
    lock.check(PATHS)
    lock.acquire(PATHS)
    assert not lock.is_held
    lock.release()
    assert (tmp_path / ".kad").read_bytes() == b"mine"
