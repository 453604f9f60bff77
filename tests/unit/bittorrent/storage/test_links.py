"""Symbolic links in the place of files and folders: the user's are followed, those that a torrent makes are not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bittorrent.errors import StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.files import FileStorage

FILES = (FileEntry(("t", "a"), 10, 0), FileEntry(("t", "d", "b"), 10, 10), FileEntry(("t", "empty"), 0, 20))
CONTENT = bytes(range(20))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Another disk."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def fill(root: Path, files: tuple[FileEntry, ...] = FILES) -> None:
    storage = FileStorage(files, root)
    storage.prepare()
    storage.write(0, CONTENT)
    assert storage.read(0, 20) == CONTENT
    storage.flush()
    assert storage.changes() == []
    storage.close()


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("is_relative", [False, True])
@pytest.mark.parametrize("at", ["t", "t/d"])
def test_a_folder_on_another_disk(root: Path, disk: Path, at: str, is_relative: bool) -> None:
    """transmission#1924: whoever links a folder to another disk wants the files there."""
    link = root / at
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(os.path.relpath(disk, link.parent) if is_relative else disk)
    fill(root)
    assert names(disk) == {"t": {"a", "d/b", "empty"}, "t/d": {"b"}}[at]
    assert link.is_symlink()


@pytest.mark.parametrize("is_there", [False, True])
def test_a_file_on_another_disk(root: Path, disk: Path, is_there: bool) -> None:
    (root / "t").mkdir()
    (root / "t/a").symlink_to(disk / "a")
    (root / "t/empty").symlink_to(disk / "nothing")
    if is_there:
        (disk / "a").touch()
    fill(root)
    assert (disk / "a").read_bytes() == CONTENT[:10]
    assert names(disk) == {"a", "nothing"}


def test_a_folder_that_the_user_linked_to_one_beside_it(root: Path) -> None:
    (root / "films").mkdir()
    (root / "t").symlink_to("films")
    fill(root)
    assert names(root / "films") == {"a", "d/b", "empty"}


@pytest.mark.parametrize("at", ["t", "t/d"])
def test_a_disk_that_is_not_mounted_is_named_and_nothing_is_made(root: Path, disk: Path, at: str) -> None:
    """Else the files would fill the folder under the mount point."""
    (root / at).parent.mkdir(exist_ok=True)
    (root / at).symlink_to(disk / "mounted" / "films")
    storage = FileStorage(FILES, root)
    for access in (storage.prepare, lambda: storage.write(10, b"x"), lambda: storage.read(10, 1)):
        with pytest.raises(StorageError, match=rf"{at} is a symbolic link to .*which is not there; mount its disk"):
            access()
    assert list(disk.iterdir()) == []
    storage.close()


def test_a_file_linked_into_a_folder_that_is_not_there(root: Path, disk: Path) -> None:
    (root / "t").mkdir()
    (root / "t/a").symlink_to(disk / "films" / "a")
    with pytest.raises(StorageError, match="which is not there"):
        FileStorage(FILES, root).prepare()
    assert list(disk.iterdir()) == []


def test_nothing_is_written_through_the_link_of_a_torrent(root: Path) -> None:
    """One torrent makes a link, the next one of the same name has a file there."""
    fill(root, (*FILES, FileEntry(("t", "alias"), 0, 20, link_to=("t", "a"))))
    fill(root, (*FILES, FileEntry(("t", "folder"), 0, 20, link_to=("t", "d"))))
    second = (FileEntry(("t", "alias"), 10, 0), FileEntry(("t", "folder", "b"), 10, 10))
    storage = FileStorage(second, root)
    message = "is a symbolic link that a torrent may have made"
    with pytest.raises(StorageError, match=rf"t/alias {message}"):
        storage.prepare()
    for offset, name in ((0, "t/alias"), (10, "t/folder")):
        for access in (lambda at=offset: storage.write(at, b"x"), lambda at=offset: storage.read(at, 1)):
            with pytest.raises(StorageError, match=rf"{name} {message}"):
                access()
    storage.close()
    assert (root / "t/a").read_bytes() + (root / "t/d/b").read_bytes() == CONTENT


def test_the_links_of_a_torrent_are_known_in_folders_on_another_disk_too(root: Path, disk: Path) -> None:
    (disk / "films").mkdir()
    (root / "t").mkdir()
    (root / "t/d").symlink_to(disk / "films")
    linked = (*FILES, FileEntry(("t", "d", "up"), 0, 20, link_to=("t", "a")))
    fill(root, linked)
    assert (disk / "films" / "up").read_bytes() == CONTENT[:10], "it leads to the file of the torrent"
    storage = FileStorage((FileEntry(("t", "d", "up"), 10, 0),), root)
    with pytest.raises(StorageError, match="a torrent may have made"):
        storage.write(0, b"x")
    storage.close()


def test_a_torrent_whose_folder_is_on_another_disk_does_not_follow_its_own_links(root: Path, disk: Path) -> None:
    (root / "t").symlink_to(disk)
    fill(root, (*FILES, FileEntry(("t", "alias"), 0, 20, link_to=("t", "a"))))
    storage = FileStorage((FileEntry(("t", "alias"), 10, 0),), root)
    with pytest.raises(StorageError, match="a torrent may have made"):
        storage.write(0, b"x")
    storage.close()


def test_a_torrent_is_moved_into_a_folder_that_is_linked(root: Path, disk: Path, tmp_path: Path) -> None:
    storage = FileStorage(FILES, root)
    storage.prepare()
    storage.write(0, CONTENT)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "t").symlink_to(disk)
    storage.move(tmp_path / "new")
    assert names(disk) == {"a", "d/b", "empty"}
    assert storage.read(0, 20) == CONTENT
    assert storage.changes() == []
    storage.close()


def test_deleting_never_touches_what_a_link_leads_to(root: Path, disk: Path) -> None:
    (root / "t").mkdir()
    (root / "t/a").symlink_to(disk / "a")
    fill(root)
    storage = FileStorage(FILES, root)
    storage.delete()
    assert names(root) == set()
    assert (disk / "a").read_bytes() == CONTENT[:10]
    storage.close()
