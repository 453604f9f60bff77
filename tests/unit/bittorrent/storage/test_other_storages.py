"""Storages that are not files: each is the port, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.files import FileStorage
from bittorrent.storage.fsspec_storage import FsspecStorage
from bittorrent.storage.memory import MemoryStorage
from bittorrent.storage.ports import OpenStorage, Storage
from transfer.errors import LocalProtocolError

# 0..10 a | 10..15 d/b | 15..20 padding | 20..30 d/e/c | 30..30 empty
FILES = (
    FileEntry(("t", "a"), 10, 0),
    FileEntry(("t", "d", "b"), 5, 10),
    FileEntry((".pad", "5"), 5, 15, is_padding=True),
    FileEntry(("t", "d", "e", "c"), 10, 20),
    FileEntry(("t", "empty"), 0, 30),
)
CONTENT = bytes(range(1, 16)) + bytes(5) + bytes(range(21, 31))

Open = Callable[..., Storage]


class VersionedObjects(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Takes the version of an object before the range, as `s3fs.S3FileSystem.cat_file` does."""

    def cat_file(
        self, path: str, version_id: str | None = None, start: int | None = None, end: int | None = None
    ) -> object:
        assert version_id is None or isinstance(version_id, str)
        return super().cat_file(path, start, end)


@pytest.fixture(params=["files", "memory", "fsspec memory", "fsspec versioned memory", "fsspec local"])
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "files":
        yield lambda writable=True: FileStorage(FILES, tmp_path, writable=writable)
    elif request.param == "memory":
        yield lambda writable=True: MemoryStorage(FILES, tmp_path, writable=writable)
    else:
        fs = fsspec.filesystem("memory" if "memory" in request.param else "file", auto_mkdir=True)
        if "versioned" in request.param:
            fs = VersionedObjects()
        root = "/bucket" if "memory" in request.param else str(tmp_path / "out")
        opener: OpenStorage = FsspecStorage.opener(fs, root)
        yield lambda writable=True: opener(FILES, tmp_path, writable=writable)
        if fs.exists(root):
            fs.rm(root, recursive=True)


def test_every_range_comes_back(open_storage: Open) -> None:
    storage = open_storage()
    storage.prepare()
    assert not storage.exists_any()
    assert storage.is_hole(0, 30)
    for start, end in ((18, 30), (0, 7), (7, 12), (12, 18)):
        storage.write(start, memoryview(CONTENT)[start:end])
    for _ in range(2):
        for start in range(31):
            for end in range(start, 31):
                assert storage.read(start, end - start) == CONTENT[start:end]
        storage.flush()
        storage.flush()
    assert storage.exists_any()
    assert not storage.is_hole(0, 30)
    storage.close()
    storage.close()


def test_what_is_missing_is_said(open_storage: Open) -> None:
    storage = open_storage()
    storage.prepare()
    storage.write(22, b"xy")
    assert storage.read(22, 2) == b"xy"
    for start, length in ((0, 1), (9, 3), (14, 8)):
        with pytest.raises(MissingDataError):
            storage.read(start, length)
    assert storage.read(15, 5) == bytes(5)
    storage.close()


def test_objects_tell_of_each_byte_whether_it_was_written() -> None:
    """Files have holes block by block, and what is in memory is there as a whole."""
    fs = MemoryFileSystem()
    opener: OpenStorage = FsspecStorage.opener(fs, "/holes")
    storage = opener(FILES, Path(), writable=True)
    storage.prepare()
    storage.write(22, b"xyz")
    written = set(range(22, 25))
    for start in range(31):
        for end in range(start + 1, 31):
            inside = set(range(start, end)) - set(range(15, 20))  # padding says nothing
            assert storage.is_hole(start, end - start) is (bool(inside) and not inside & written), (start, end)
    storage.close()
    fs.rm("/holes", recursive=True)


def test_wrong_use(open_storage: Open) -> None:
    storage = open_storage(writable=False)
    storage.prepare()
    with pytest.raises(LocalProtocolError, match="reading only"):
        storage.write(0, b"x")
    for offset, length in ((-1, 1), (0, 31), (30, 1)):
        with pytest.raises(LocalProtocolError, match="not inside"):
            storage.read(offset, length)
    storage.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        storage.read(0, 1)


# Memory


def test_the_content_of_files_in_memory() -> None:
    storage = MemoryStorage(FILES)
    storage.write(0, CONTENT[:12])
    storage.close()
    assert storage.content("t/a") == CONTENT[:10]
    assert storage.content("t/d/b") == CONTENT[10:12] + bytes(3)
    assert storage.content("t/empty") == b""
    with pytest.raises(KeyError):
        storage.content(".pad/5")


def test_a_torrent_that_is_too_large_for_memory() -> None:
    with pytest.raises(StorageError, match="25 bytes, more than the 24"):
        MemoryStorage(FILES, max_bytes=24).prepare()
    MemoryStorage(FILES, max_bytes=25).prepare()  # padding takes none


# fsspec


@pytest.fixture
def fs() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.rm("/bucket", recursive=True)


def test_files_are_put_together_when_they_are_whole(fs: fsspec.AbstractFileSystem) -> None:
    storage = FsspecStorage(FILES, "/bucket", fs=fs, writable=True)
    storage.write(0, CONTENT[:12])
    storage.flush()
    assert fs.cat("/bucket/t/a") == CONTENT[:10]
    assert fs.find("/bucket") == ["/bucket/t/a", "/bucket/t/d/b.parts/0"]
    storage.close()

    later = FsspecStorage(FILES, "/bucket", fs=fs, writable=True)
    later.prepare()
    assert later.read(0, 12) == CONTENT[:12]
    later.write(12, CONTENT[12:])
    later.flush()
    assert fs.find("/bucket") == ["/bucket/t/a", "/bucket/t/d/b", "/bucket/t/d/e/c"]
    later.close()

    seed = FsspecStorage(FILES, "/bucket", fs=fs, writable=False)
    seed.prepare()
    assert seed.read(0, 30) == CONTENT
    seed.close()


def test_a_file_of_another_size_is_not_touched(fs: fsspec.AbstractFileSystem) -> None:
    fs.pipe_file("/bucket/t/a", b"mine")
    storage = FsspecStorage(FILES, "/bucket", fs=fs, writable=True)
    with pytest.raises(StorageError, match="another file"):
        storage.prepare()
    assert fs.cat("/bucket/t/a") == b"mine"
    storage.close()


def test_what_the_other_side_refuses_is_a_storage_error(fs: fsspec.AbstractFileSystem) -> None:
    class Full(type(fs)):  # type: ignore[misc]
        cachable = False

        def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
            raise OSError(28, "No space left on device")

    fs.pipe_file("/bucket/x", b"")
    storage = FsspecStorage(FILES, "/bucket", fs=Full(), writable=True)
    with pytest.raises(StorageError, match=r"cannot write .*free some space"):
        storage.write(0, b"x")
    storage.close()
