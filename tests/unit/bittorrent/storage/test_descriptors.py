"""Open files: bounded, never closed under a user, and the calls for systems without positioned ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bittorrent.storage.descriptors import (
    Descriptor,
    DescriptorCache,
    read_at,
    seek_and_read,
    seek_and_write,
    write_at,
)

Call = Callable[[int, memoryview, int], int]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    return path


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_the_least_recently_used_one_is_closed(path: Path) -> None:
    opened: dict[str, int] = {}

    def open_file(key: str) -> int:
        opened[key] = os.open(path, os.O_RDONLY)
        return opened[key]

    cache = DescriptorCache(open_file, limit=2)
    first = cache.get("a").number
    cache.get("b")
    assert cache.get("a").number == first
    cache.get("c")
    assert ("a" in cache, "b" in cache, "c" in cache) == (True, False, True)
    assert len(cache) == 2
    cache.clear()
    assert not any(is_open(number) for number in opened.values())


def test_a_file_in_use_is_closed_after_its_use(path: Path) -> None:
    cache: DescriptorCache[str] = DescriptorCache(lambda key: os.open(path, os.O_RDONLY), limit=1)
    in_use = cache.get("a")
    number = in_use.number
    cache.get("b")
    cache.clear()
    assert "a" not in cache
    assert is_open(number)
    del in_use
    assert not is_open(number)


def test_without_room_every_access_has_its_own(path: Path) -> None:
    cache: DescriptorCache[str] = DescriptorCache(lambda key: os.open(path, os.O_RDONLY), limit=0)
    first, second = cache.get("a"), cache.get("a")
    assert first.number != second.number
    assert len(cache) == 0


@pytest.mark.parametrize(("read", "write"), [(read_at, write_at), (seek_and_read, seek_and_write)])
def test_both_kinds_of_calls_do_the_same(path: Path, read: Call, write: Call) -> None:
    descriptor = Descriptor(os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)))
    buffer = memoryview(bytearray(4))
    assert read(descriptor.number, buffer, 3) == 4
    assert bytes(buffer) == b"3456"
    assert read(descriptor.number, buffer, 8) == 2
    assert bytes(buffer[:2]) == b"89"
    assert read(descriptor.number, buffer, 10) == 0
    assert write(descriptor.number, memoryview(b"ab"), 4) == 2
    assert write(descriptor.number, memoryview(b"c"), 12) == 1
    assert path.read_bytes() == b"0123ab6789\0\0c"
