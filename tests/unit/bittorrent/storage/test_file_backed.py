"""Files that are selected, moved, renamed, reserved and deleted while a torrent uses them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage import durable, relocation
from bittorrent.storage.files import FileStorage
from bittorrent.storage.ports import FileBacked
from transfer.errors import LocalProtocolError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")

# 0..10 a | 10..15 d/b | 15..20 padding | 20..30 d/e/c | 30..30 empty
FILES = (
    FileEntry(("t", "a"), 10, 0),
    FileEntry(("t", "d", "b"), 5, 10),
    FileEntry((".pad", "5"), 5, 15, is_padding=True),
    FileEntry(("t", "d", "e", "c"), 10, 20, is_executable=True),
    FileEntry(("t", "empty"), 0, 30),
)
CONTENT = bytes(range(1, 16)) + bytes(5) + bytes(range(21, 31))
PART = ".kad/x.parts"


def written(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def full(root: Path) -> FileStorage:
    storage = FileStorage(FILES, root)
    storage.prepare()
    storage.write(0, CONTENT)
    return storage


def test_it_is_file_backed(root: Path) -> None:
    assert isinstance(FileStorage(FILES, root), FileBacked)


# Selection


@pytest.mark.parametrize("is_right", [True, False])
def test_what_the_part_file_holds_is_compared_with_a_file_that_may_belong_to_others(root: Path, is_right: bool) -> None:
    """Not with itself: the bytes at its end came from a peer while the file was left alone."""
    others = CONTENT[:10] if is_right else b"their own!"
    (root / "t").mkdir(parents=True)
    (root / "t" / "a").write_bytes(others)
    storage = FileStorage(FILES, root)
    storage.leave([0], [])
    storage.select([False, True, True, True, True], part_file=PART)
    storage.prepare()
    storage.write(5, CONTENT[5:15])
    storage.leave([], [0])
    if is_right:
        storage.select([True] * 5, part_file=PART)
        assert storage.read(0, 15) == CONTENT[:15]
    else:
        with pytest.raises(StorageError, match="--overwrite"):
            storage.select([True] * 5, part_file=PART)
    storage.close()
    assert (root / "t" / "a").read_bytes() == others


def test_files_that_are_not_wanted_are_not_created(root: Path) -> None:
    storage = FileStorage(FILES, root)
    storage.select([False, True, True, False, False], part_file=PART)
    storage.prepare()
    assert storage.is_hole(0, 10)
    with pytest.raises(MissingDataError):
        storage.read(0, 10)
    storage.write(5, CONTENT[5:25])  # the edges of pieces around the wanted file
    storage.flush()
    assert written(root) == {"t/d/b", PART}
    assert storage.read(5, 20) == CONTENT[5:25]
    assert storage.exists_any()
    assert not storage.is_hole(0, 10)
    storage.close()

    storage = FileStorage(FILES, root)
    storage.select([True, True, True, False, True], part_file=PART)
    storage.prepare()
    assert written(root) == {"t/a", "t/d/b", "t/empty", PART}
    assert (root / "t/a").read_bytes()[5:] == CONTENT[5:10]
    assert storage.read(5, 20) == CONTENT[5:25]
    storage.select([True] * 5, part_file=PART)
    assert written(root) == {"t/a", "t/d/b", "t/empty", "t/d/e/c"}
    assert storage.read(5, 20) == CONTENT[5:25]
    assert not (root / ".kad" / "x.parts").exists()
    storage.close()


@pytest.mark.parametrize("is_gone", [True, False])
def test_what_became_of_bytes_of_files_that_nobody_wants_is_noticed(root: Path, is_gone: bool) -> None:
    storage = FileStorage(FILES, root)
    storage.select([False, True, True, True, True], part_file=PART)
    storage.write(0, CONTENT[:10])
    other = root / "other.parts"
    if not is_gone:  # somebody puts back what was there before
        other.write_bytes((root / PART).read_bytes())
        storage.write(0, b"\xff")
    storage.flush()
    assert storage.changes() == []
    os.unlink(root / PART)
    if not is_gone:
        other.rename(root / PART)
    part = len(FILES)
    assert [change.number for change in storage.changes()] == [part]
    storage.look_again([part])
    assert storage.changes() == []
    if is_gone:
        assert storage.is_hole(0, 10)
        with pytest.raises(MissingDataError):
            storage.read(0, 1)
    else:
        assert storage.read(0, 10) == CONTENT[:10]
    storage.write(0, b"\xfe")
    assert storage.read(0, 1) == b"\xfe"
    storage.close()


def test_a_file_that_exists_stays_when_it_is_not_wanted_any_more(root: Path) -> None:
    storage = full(root)
    storage.select([False] * 5, part_file=PART)
    storage.write(0, b"\xff")
    assert (root / "t/a").read_bytes() == b"\xff" + CONTENT[1:10]
    assert PART not in written(root)
    storage.close()


def test_a_choice_for_each_file(root: Path) -> None:
    with pytest.raises(LocalProtocolError, match="2 choices for 5 files"):
        FileStorage(FILES, root).select([True, False], part_file=PART)


def test_a_full_disk_while_files_move_into_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FileStorage(FILES, root)
    storage.select([False] * 5, part_file=PART)
    storage.write(0, CONTENT)
    real = os.fsync

    def refuse(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="free some space"):
        storage.select([True] * 5, part_file=PART)
    assert storage.read(0, 30) == CONTENT
    monkeypatch.setattr(os, "fsync", real)
    storage.select([True] * 5, part_file=PART)
    assert storage.read(0, 30) == CONTENT
    assert PART not in written(root)
    storage.close()


# Moving


@pytest.fixture(params=["one file system", "two file systems"])
def between(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two file systems answer as Linux does when a second name would lead across."""
    if request.param == "two file systems":

        def link(source: str, target: str) -> None:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(os, "link", link)
    return str(request.param)


@pytest.mark.usefixtures("between")
def test_everything_moves(root: Path, tmp_path: Path) -> None:
    storage = FileStorage(FILES, root)
    storage.select([True, True, True, False, True], part_file=PART)
    storage.prepare()
    storage.write(0, CONTENT)
    (root / "t" / "d" / "mine").write_text("stays")
    before = storage.stamps()
    new = tmp_path / "elsewhere" / "new"
    storage.move(new)
    assert written(new) == {"t/a", "t/d/b", "t/empty", PART}
    assert written(root) == {"t/d/mine"}
    assert storage.read(0, 30) == CONTENT
    assert [stamp and stamp.size for stamp in storage.stamps()] == [stamp and stamp.size for stamp in before]
    assert storage.stamps()[0] == before[0], "the time of the last change moves along"
    storage.write(0, b"\xff")
    storage.select([True] * 5, part_file=PART)
    assert storage.read(0, 30) == b"\xff" + CONTENT[1:]
    assert written(new) == {"t/a", "t/d/b", "t/empty", "t/d/e/c"}
    storage.move(str(new))
    assert storage.read(1, 29) == CONTENT[1:]
    storage.close()


@pytest.mark.usefixtures("between")
def test_nothing_is_overwritten_by_a_move(root: Path, tmp_path: Path) -> None:
    storage = full(root)
    new = tmp_path / "new"
    (new / "t" / "d" / "e").mkdir(parents=True)
    (new / "t" / "d" / "e" / "c").write_text("mine")
    with pytest.raises(StorageError, match="exists already; nothing was moved"):
        storage.move(new)
    assert written(new) == {"t/d/e/c"}
    assert (new / "t/d/e/c").read_text() == "mine"
    assert storage.read(0, 30) == CONTENT
    assert written(root) == {"t/a", "t/d/b", "t/d/e/c", "t/empty"}
    storage.close()


def test_a_full_disk_in_the_middle_of_a_copy_leaves_the_old_place_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = full(root)
    copied: list[str] = []

    def place(source: str, target: str) -> None:
        if copied:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        copied.append(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        durable.copy_file(source, target)

    monkeypatch.setattr(relocation, "place", place)
    new = tmp_path / "new"
    with pytest.raises(StorageError, match="free some space"):
        storage.move(new)
    assert copied
    assert written(new) == set()
    assert storage.read(0, 30) == CONTENT
    storage.close()


@posix
def test_a_copy_keeps_holes_modes_and_times(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(50 << 20)
        file.write(b"middle")
        file.truncate(100 << 20)
    source.chmod(0o750)
    os.utime(source, ns=(5, 10**18))
    durable.copy_file(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    status = target.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o750, 10**18)
    if source.stat().st_blocks * 512 < 1 << 20:
        assert status.st_blocks * 512 < 1 << 20
    with pytest.raises(FileExistsError):
        durable.copy_file(str(source), str(target))


# Renaming


def test_a_file_gets_another_name(root: Path) -> None:
    storage = full(root)
    storage.rename(3, ("t", "other", "name"))
    storage.write(20, b"\xff")
    assert (root / "t/other/name").read_bytes() == b"\xff" + CONTENT[21:]
    assert written(root) == {"t/a", "t/d/b", "t/other/name", "t/empty"}
    assert not (root / "t/d/e").exists()
    assert storage.paths[3] == ("t", "other", "name")
    storage.rename(3, ("t", "other", "name"))
    later = FileStorage(FILES, root)
    later.rename(1, ("t", "b"))  # one that is not there yet, as far as this storage knows
    storage.close()
    later.close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (("t", "a"), "in the way"),
        (("t",), "in the way"),
        (("t", "a", "b"), "in the way"),
        (("..", "x"), "leads out"),
        ((".kad", "x"), "state"),
        ((), "empty path"),
        (("t", "mine"), "exists already"),
    ],
)
def test_names_that_are_refused(root: Path, path: tuple[str, ...], reason: str) -> None:
    storage = full(root)
    (root / "t" / "mine").write_text("mine")
    with pytest.raises(StorageError, match=reason):
        storage.rename(3, path)
    assert storage.read(0, 30) == CONTENT
    assert (root / "t" / "mine").read_text() == "mine"
    storage.close()


# Reserving, deleting, attributes


def test_room_is_reserved(root: Path) -> None:
    big = (FileEntry(("f",), 1 << 20, 0), FileEntry(("g",), 1 << 20, 1 << 20))
    storage = FileStorage(big, root)
    storage.select([True, False], part_file=PART)
    storage.write(5, b"kept")
    storage.allocate()
    status = (root / "f").stat()
    assert status.st_size == 1 << 20
    if hasattr(os, "posix_fallocate"):
        assert status.st_blocks * 512 >= 1 << 20
    assert storage.read(5, 4) == b"kept"
    assert not (root / "g").exists()
    storage.close()


def test_no_room_to_reserve(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    storage = FileStorage(FILES, root)
    with pytest.raises(StorageError, match=r"cannot reserve room for .*free some space") as caught:
        storage.allocate()
    assert caught.value.errno == errno.ENOSPC
    storage.close()


def test_everything_goes_but_what_is_not_ours(root: Path, tmp_path: Path) -> None:
    storage = full(root)
    (root / "t" / "d" / "mine").write_text("stays")
    (tmp_path / "victim").write_text("stays")
    if sys.platform != "win32":
        os.unlink(root / "t" / "a")
        (root / "t" / "a").symlink_to(tmp_path / "victim")
    storage.delete()
    assert written(root) == {"t/d/mine"}
    assert not (root / "t/d/e").exists()
    assert (tmp_path / "victim").read_text() == "stays"
    storage.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda storage: storage.select([True] * 5, part_file=PART),
        lambda storage: storage.allocate(),
        lambda storage: storage.move("elsewhere"),
        lambda storage: storage.rename(0, ("x",)),
        lambda storage: storage.delete(),
    ],
)
def test_what_only_reads_changes_nothing(root: Path, change: Callable[[FileStorage], None]) -> None:
    full(root).close()
    storage = FileStorage(FILES, root, writable=False)
    with pytest.raises(LocalProtocolError, match="reading only"):
        change(storage)
    storage.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        change(storage)
    assert written(root) == {"t/a", "t/d/b", "t/d/e/c", "t/empty"}


@posix
def test_executable_files_and_links(root: Path) -> None:
    entries = (*FILES, FileEntry(("t", "bin", "latest"), 0, 30, link_to=("t", "d", "e", "c")))
    storage = FileStorage(entries, root)
    storage.prepare()
    storage.write(0, CONTENT)
    storage.prepare()
    assert (root / "t/d/e/c").stat().st_mode & stat.S_IXUSR
    assert not (root / "t/a").stat().st_mode & stat.S_IXUSR
    assert os.readlink(root / "t/bin/latest") == "../d/e/c"
    assert (root / "t/bin/latest").read_bytes() == CONTENT[20:]
    new = root.parent / "new"
    storage.move(new)
    assert (new / "t/bin/latest").read_bytes() == CONTENT[20:]
    assert written(root) == set()
    storage.delete()
    assert written(new) == set()
    storage.close()
