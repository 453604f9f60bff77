"""Bytes of files that nobody wants, in a hidden file."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.storage.part_file import CHUNK_BYTES, MAGIC, PartFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".kad" / "x.parts"


def opened(path: Path) -> PartFile:
    part = PartFile(str(path))
    part.load()
    part.check_invariants()
    return part


def read(part: PartFile, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    part.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def test_what_was_written_is_there_after_a_new_start(path: Path) -> None:
    part = opened(path)
    assert not path.parent.exists()
    far = 10**12 + 5
    part.write(far, memoryview(b"far"))
    part.write(CHUNK_BYTES - 2, memoryview(b"edge"))
    part.flush()
    part.close()
    part = opened(path)
    assert read(part, far, 3) == b"far"
    assert read(part, CHUNK_BYTES - 2, 4) == b"edge"
    assert path.stat().st_size < 3 * (100 + CHUNK_BYTES), "no room for what lies between"
    assert list(part.ranges(0, 1 << 50)) == [(CHUNK_BYTES - 2, 2), (CHUNK_BYTES, 2), (far, 3)]
    assert list(part.ranges(CHUNK_BYTES - 1, CHUNK_BYTES + 1)) == [(CHUNK_BYTES - 1, 1), (CHUNK_BYTES, 1)]
    for outside in (far - 1, far + 2):
        with pytest.raises(MissingDataError):
            read(part, outside, 2)
    part.close()


def test_room_is_used_again(path: Path) -> None:
    part = opened(path)
    content = memoryview(os.urandom(3 * CHUNK_BYTES))
    part.write(0, content)
    size = path.stat().st_size
    part.discard(0, 3 * CHUNK_BYTES)
    part.check_invariants()
    assert len(part) == 0
    part.write(2 * CHUNK_BYTES, content[2 * CHUNK_BYTES :])
    part.write(8 * CHUNK_BYTES, content[: 2 * CHUNK_BYTES])
    assert path.stat().st_size == size
    part.close()
    part = opened(path)
    assert read(part, 8 * CHUNK_BYTES, 2 * CHUNK_BYTES) == bytes(content[: 2 * CHUNK_BYTES])
    assert read(part, 2 * CHUNK_BYTES, CHUNK_BYTES) == bytes(content[2 * CHUNK_BYTES :])
    with pytest.raises(MissingDataError):
        read(part, 0, 1)
    part.remove()
    assert not path.exists()
    part.remove()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30), st.booleans()), max_size=12))
def test_it_holds_exactly_what_was_written(steps: list[tuple[int, int, bool]]) -> None:
    unit = CHUNK_BYTES // 10
    model: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        part = opened(Path(folder) / "x")
        for value, (start, length, reopens) in enumerate(steps, 1):
            part.write(start * unit, memoryview(bytes([value]) * length * unit))
            model.update(dict.fromkeys(range(start, start + length), value))
            if reopens:
                part.close()
                part = opened(Path(folder) / "x")
            part.check_invariants()
            assert sum(length for _, length in part.ranges(0, 100 * unit)) == len(part) == len(model) * unit
        for at in range(95):
            if at in model:
                assert read(part, at * unit, unit) == bytes([model[at]]) * unit
            else:
                with pytest.raises(MissingDataError):
                    read(part, at * unit, 1)
        part.close()


@pytest.mark.parametrize("content", [b"", b"x", MAGIC[:-1], b"y" * 100_000])
def test_what_is_no_part_file_is_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    part = opened(path)
    assert len(part) == 0
    assert path.exists() == (content == MAGIC[:-1])  # one that was cut off is ours; of others nothing is left
    part.write(5, memoryview(b"abc"))
    part.close()
    assert read(opened(path), 5, 3) == b"abc"


def test_one_that_was_cut_off_has_zeros_where_something_is_missing(path: Path) -> None:
    part = opened(path)
    part.write(0, memoryview(b"x" * 2 * CHUNK_BYTES))
    part.close()
    os.truncate(path, path.stat().st_size - 100)
    part = opened(path)
    assert read(part, 0, 2 * CHUNK_BYTES) == b"x" * (2 * CHUNK_BYTES - 100) + bytes(100)
    part.close()


def test_many_threads_at_once(path: Path) -> None:
    part = opened(path)
    step = 5000  # several threads share each chunk
    go = threading.Barrier(8)

    def work(number: int) -> None:
        go.wait()
        for turn in range(20):
            at = (turn * 8 + number) * step
            part.write(at, memoryview(bytes([number + 1]) * step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    part.check_invariants()
    part.close()
    expected = b"".join(bytes([number + 1]) * step for _ in range(20) for number in range(8))
    assert read(opened(path), 0, len(expected)) == expected


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)
    part = PartFile(str(path))
    with pytest.raises(StorageError):
        part.load()
    with pytest.raises(StorageError, match="cannot write"):
        part.write(0, memoryview(b"x"))


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_what_was_discarded_does_not_come_back_after_a_new_start(path: Path, kept: int) -> None:
    part = opened(path)
    places = [number * CHUNK_BYTES for number in range(3)]
    for place in places:
        part.write(place, memoryview(bytes([255]) * 500))
    for number, place in enumerate(places):
        if number != kept:
            part.discard(place, place + 500)
    part.flush()
    part.close()
    part = opened(path)
    assert list(part.ranges(0, 1 << 50)) == [(places[kept], 500)]
    assert read(part, places[kept], 500) == bytes([255]) * 500
    part.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_what_is_no_file_is_closed_again(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    part = PartFile(str(path))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(StorageError):
            part.write(0, memoryview(b"x"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
@pytest.mark.parametrize("other", ["a file", "a folder"])
def test_what_is_there_instead_is_refused_and_not_held_open(path: Path, other: str) -> None:
    part = opened(path)
    part.write(5, memoryview(b"here"))
    part.close()
    path.rename(path.with_name("before"))  # it keeps its number
    if other == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"not ours")
    for _ in range(3):
        with pytest.raises(StorageError):
            read(part, 5, 4)
        assert not [link for link in Path("/proc/self/fd").iterdir() if os.path.realpath(link) == str(path.resolve())]
    part.close()
