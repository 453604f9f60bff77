"""Bytes at their place on disk, and everything that may be in the way there."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from errno import EACCES, EFBIG
from pathlib import Path

import pytest

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.descriptors import HAS_CACHED_READS
from bittorrent.storage.files import FileStorage, FileStorageConfig
from bittorrent.storage.ports import Storage
from transfer.errors import LocalProtocolError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def layout(*files: tuple[str, int], padding: tuple[int, ...] = ()) -> tuple[FileEntry, ...]:
    entries, offset = [], 0
    for index, (name, length) in enumerate(files):
        entries.append(FileEntry(tuple(name.split("/")), length, offset, index in padding))
        offset += length
    return tuple(entries)


# 0..10 a | 10..10 empty | 10..15 d/b | 15..20 padding | 20..30 d/e/c
FILES = layout(("t/a", 10), ("t/empty", 0), ("t/d/b", 5), ("pad", 5), ("t/d/e/c", 10), padding=(3,))


def written(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def open_descriptors(root: Path) -> int:
    """How many files below `root` this process holds open; 0 where the system does not say."""
    links = Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ()
    return sum(os.path.realpath(link).startswith(str(root)) for link in links)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def storage(root: Path) -> Iterator[FileStorage]:
    storage = FileStorage(FILES, root)
    yield storage
    storage.close()


def test_it_is_the_port(storage: FileStorage) -> None:
    port: Storage = storage
    assert storage.total_bytes == 30
    port.write(0, b"x")
    assert port.read(0, 1) == b"x"


def test_a_range_over_many_files(storage: FileStorage, root: Path) -> None:
    data = bytes(range(30))
    storage.write(0, data)
    assert (root / "t/a").read_bytes() == data[:10]
    assert (root / "t/d/b").read_bytes() == data[10:15]
    assert (root / "t/d/e/c").read_bytes() == data[20:]
    assert written(root) == {"t/a", "t/d/b", "t/d/e/c"}
    expected = data[:15] + bytes(5) + data[20:]
    assert storage.read(0, 30) == expected
    for start in range(31):
        for end in range(start, 31):
            assert storage.read(start, end - start) == expected[start:end]
    buffer = bytearray(12)
    storage.read_into(9, memoryview(buffer)[1:-1])
    assert buffer == b"\0" + expected[9:19] + b"\0"


@posix
def test_what_is_in_memory_can_be_read_at_once(root: Path) -> None:
    with closing(FileStorage(FILES, root)) as storage:
        assert storage.read_cached(0, 4) is None  # no file is open: to open one may take long
        storage.write(0, b"0123456789")
        storage.write(10, b"abcde")
        assert storage.read(2, 3) == b"234"
        found = storage.read_cached(2, 3)
        if HAS_CACHED_READS and found is not None:  # a system may drop what was just written, and some cannot tell
            assert bytes(found) == b"234"
            assert found.readonly
        assert storage.read_cached(8, 4) is None  # two files
        assert storage.read_cached(16, 2) is None  # padding
        assert storage.read_cached(0, 0) is None
    with pytest.raises(LocalProtocolError):
        storage.read_cached(0, 1)


def test_what_write_takes(storage: FileStorage) -> None:
    storage.write(3, bytearray(b"abc"))
    storage.write(6, memoryview(b"xdefx")[1:4])
    storage.write(2, b"")
    assert storage.read(3, 6) == b"abcdef"


def test_files_are_sparse_and_at_their_final_place(root: Path) -> None:
    mib = 1 << 20
    with_hole = FileStorage(layout(("f", 64 * mib)), root)
    with_hole.write(64 * mib - 1, b"x")
    with_hole.flush()
    status = (root / "f").stat()
    assert status.st_size == 64 * mib
    if hasattr(status, "st_blocks"):
        assert status.st_blocks * 512 < mib
    with_hole.close()


def test_nothing_is_there_before_the_first_write(storage: FileStorage, root: Path) -> None:
    assert not storage.exists_any()
    assert storage.is_hole(0, 30)
    for offset in (0, 12, 25):
        with pytest.raises(MissingDataError, match=r"cannot read .*No such file"):
            storage.read(offset, 1)
    storage.flush()
    assert not root.exists()
    storage.write(16, b"pad")
    assert not root.exists()


def test_prepare_makes_the_files_without_bytes_and_nothing_else(storage: FileStorage, root: Path) -> None:
    storage.prepare()
    assert written(root) == {"t/empty"}
    assert not storage.exists_any()
    storage.prepare()
    storage.write(10, b"b")
    assert storage.exists_any()


def test_a_file_that_is_too_short(storage: FileStorage, root: Path) -> None:
    storage.write(0, b"12345")
    with pytest.raises(MissingDataError, match="ends at byte 5"):
        storage.read(0, 6)
    with pytest.raises(MissingDataError, match="ends at byte 7 or before"):
        storage.read(7, 2)
    assert storage.read(0, 5) == b"12345"


def test_a_file_that_is_too_long_is_refused_and_not_cut(root: Path) -> None:
    for name, size in (("t/a", 11), ("t/empty", 1)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        for writable in (True, False):
            with pytest.raises(StorageError, match=rf"has {size} bytes but the torrent says {size - 1}.*move it away"):
                FileStorage(FILES, root, writable=writable).prepare()
        assert path.stat().st_size == size
        path.unlink()


@pytest.mark.parametrize("name", ["t/a", "t/empty", "t/d/e/c"])
def test_a_folder_in_the_place_of_a_file(root: Path, name: str) -> None:
    (root / name).mkdir(parents=True)
    storage = FileStorage(FILES, root)
    with pytest.raises(StorageError, match="is not a file; move it away"):
        storage.prepare()
    if name == "t/a":
        with pytest.raises(StorageError):
            storage.write(0, b"x")
        with pytest.raises(StorageError, match="is not a file"):
            storage.read(0, 1)


@pytest.mark.parametrize("name", ["t", "t/d", "t/d/e"])
def test_a_file_in_the_place_of_a_folder(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True)
    (root / name).write_bytes(b"mine")
    storage = FileStorage(FILES, root)
    with pytest.raises(StorageError):
        storage.prepare()
    with pytest.raises(StorageError):
        storage.write(20, b"x")
    assert (root / name).read_bytes() == b"mine"


@posix
def test_a_pipe_in_the_place_of_a_file_stops_nobody(root: Path) -> None:
    (root / "t").mkdir(parents=True)
    os.mkfifo(root / "t/a")
    storage = FileStorage(FILES, root)
    for access in (storage.prepare, lambda: storage.read(0, 1), lambda: storage.write(0, b"x")):
        with pytest.raises(StorageError, match="is not a file"):
            access()


@posix
def test_the_download_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "downloads").symlink_to(tmp_path / "disk")
    storage = FileStorage(FILES, tmp_path / "downloads")
    storage.prepare()
    storage.write(0, b"x")
    storage.close()
    assert written(tmp_path / "disk") == {"t/a", "t/empty"}


def test_paths_that_no_torrent_reader_lets_through_do_not_leave_either(root: Path, tmp_path: Path) -> None:
    storage = FileStorage((FileEntry(("..", "x"), 1, 0), FileEntry((str(tmp_path / "y"),), 1, 1)), root)
    for offset in (0, 1):
        with pytest.raises(StorageError, match="leads out"):
            storage.write(offset, b"x")
    assert written(tmp_path) == set()


@posix
def test_seeding_follows_links_and_writes_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"0123456789")
    (root / "t").mkdir(parents=True)
    (root / "t/a").symlink_to(tmp_path / "elsewhere")
    storage = FileStorage(FILES, root, writable=False)
    storage.prepare()
    assert storage.read(2, 3) == b"234"
    with pytest.raises(LocalProtocolError, match="reading only"):
        storage.write(0, b"x")
    assert written(root) == {"t/a"}
    storage.close()


def test_seeding_needs_no_right_to_write(root: Path) -> None:
    (root / "t").mkdir(parents=True)
    (root / "t/a").write_bytes(b"0123456789")
    (root / "t/a").chmod(0o444)
    storage = FileStorage(FILES, root, writable=False)
    storage.prepare()
    assert storage.read(0, 10) == b"0123456789"
    storage.close()


@contextmanager
def without_root_rights() -> Iterator[None]:
    """Root may write everywhere, so the call is made as nobody."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@posix
def test_a_directory_that_cannot_be_written(root: Path) -> None:
    root.mkdir(mode=0o555)
    storage = FileStorage(FILES, root)
    with (
        without_root_rights(),
        pytest.raises(StorageError, match=r"Permission denied; check its permissions") as refused,
    ):
        storage.write(0, b"x")
    assert refused.value.errno == EACCES


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The system takes part of a write that crosses the limit and refuses the next one, like a disk that fills up."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@posix
def test_a_write_that_the_disk_takes_only_in_part(root: Path) -> None:
    storage = FileStorage(layout(("f", 100)), root)
    with file_size_limit(60), pytest.raises(StorageError, match=r"cannot write .*/f: File too large") as refused:
        storage.write(0, bytes(range(100)))
    assert refused.value.errno == EFBIG
    assert storage.read(0, 60) == bytes(range(60))
    storage.write(0, bytes(range(100)))
    assert storage.read(0, 100) == bytes(range(100))
    storage.close()


def test_holes(root: Path) -> None:
    mib = 1 << 20
    storage = FileStorage(layout(("a", 4 * mib), ("b", 4 * mib), ("pad", mib), padding=(2,)), root)
    assert storage.is_hole(0, 9 * mib)
    assert not storage.is_hole(8 * mib, mib)  # padding alone can be read
    storage.write(3 * mib, b"x" * mib)
    storage.flush()
    assert not storage.is_hole(3 * mib, mib)
    assert not storage.is_hole(3 * mib - 1, 2)
    assert not storage.is_hole(4 * mib - 1, 2)
    assert storage.is_hole(4 * mib, mib)
    assert storage.is_hole(7 * mib, 2 * mib)
    if hasattr(os, "SEEK_DATA") and (root / "a").stat().st_blocks * 512 < 4 * mib:
        assert storage.is_hole(0, 2 * mib)
    storage.write(4 * mib, b"y")  # `b` has one byte now
    assert storage.is_hole(5 * mib, mib)
    assert not storage.is_hole(4 * mib, mib)
    storage.close()


def test_ranges_outside_the_torrent_are_the_callers_mistake(storage: FileStorage) -> None:
    for offset, length in ((-1, 2), (0, 31), (30, 1), (5, -1)):
        with pytest.raises(LocalProtocolError, match="not inside"):
            storage.read(offset, length)
    with pytest.raises(LocalProtocolError):
        storage.write(29, b"xx")
    assert storage.read(30, 0) == b""


def test_after_close(storage: FileStorage) -> None:
    storage.write(0, b"x")
    storage.close()
    storage.close()
    for access in (
        lambda: storage.read(0, 1),
        lambda: storage.read(0, 0),
        lambda: storage.write(0, b"y"),
        lambda: storage.is_hole(0, 1),
        storage.prepare,
        storage.flush,
    ):
        with pytest.raises(LocalProtocolError, match="closed"):
            access()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
@pytest.mark.parametrize("open_files", [0, 1, 8])
def test_open_files_are_bounded_and_closed(root: Path, open_files: int) -> None:
    files = layout(*((f"d{n % 7}/f{n}", 3) for n in range(100)))
    storage = FileStorage(files, root, config=FileStorageConfig(open_files=open_files))
    data = os.urandom(300)
    for offset in range(0, 300, 5):
        storage.write(offset, data[offset : offset + 5])
        assert open_descriptors(root) <= max(open_files, 1)
    assert storage.read(0, 300) == data
    storage.flush()
    assert open_descriptors(root) <= max(open_files, 1)
    storage.close()
    assert open_descriptors(root) == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
def test_the_file_for_what_nobody_wants_is_closed_with_the_others(root: Path) -> None:
    storage = FileStorage(FILES, root)
    storage.select([False, True, True, True, True], part_file=".kad/x.parts")
    storage.write(0, bytes(30))
    held = open_descriptors(root)
    storage.close()
    assert open_descriptors(root) == 0 < held


def test_config() -> None:
    with pytest.raises(ValueError, match="open_files"):
        FileStorageConfig(open_files=-1)


def test_names_that_differ_in_case_on_a_system_that_ignores_it(root: Path) -> None:
    files = layout(("t/Readme", 1), ("t/README", 1))
    with pytest.raises(StorageError, match="twice"):
        FileStorage(files, root, config=FileStorageConfig(case_sensitive_names=False))
    FileStorage(files, root, config=FileStorageConfig(case_sensitive_names=True))
    FileStorage(FILES, root, config=FileStorageConfig(case_sensitive_names=False))


def test_one_thread_writes_while_another_one_reads(root: Path) -> None:
    """With one descriptor for ten files nearly every access closes somebody else's file."""
    storage = FileStorage(layout(*((f"f{n}", 1000) for n in range(10))), root, config=FileStorageConfig(open_files=1))
    first, second = os.urandom(10_000), os.urandom(10_000)
    storage.write(0, first)
    failures: list[str] = []
    finished = threading.Event()

    def read() -> None:
        position = 0
        while not finished.is_set():
            position = (position + 3700) % 9000
            for found, old, new in zip(
                storage.read(position, 1000),
                first[position : position + 1000],
                second[position : position + 1000],
                strict=True,
            ):
                if found not in (old, new):
                    failures.append(f"byte {found} is neither {old} nor {new}")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(20):
            for offset in range(0, 10_000, 50):
                storage.write(offset, second[offset : offset + 50])
    finally:
        finished.set()
        thread.join()
    assert not failures
    assert storage.read(0, 10_000) == second
    storage.close()


@posix
def test_new_files_obey_the_umask(root: Path) -> None:
    before = os.umask(0o027)
    try:
        storage = FileStorage(FILES, root)
        storage.write(0, b"x")
        storage.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "t/a").stat().st_mode) == 0o640
