"""Two torrents at one place: refused when either would write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bittorrent.errors import StorageError
from bittorrent.storage.claims import PathClaims


@pytest.mark.parametrize(
    ("one", "two", "clash"),
    [
        ([("f",)], [("f",)], True),
        ([("f",)], [("F",)], True),
        ([("t", "a"), ("t", "b")], [("t", "c"), ("t", "b")], True),
        ([("t", "a")], [("t", "b")], False),
        ([("t", "a")], [("u", "a")], False),
    ],
)
def test_the_same_file_twice(
    tmp_path: Path, one: list[tuple[str, ...]], two: list[tuple[str, ...]], clash: bool
) -> None:
    claims = PathClaims()
    claims.claim(1, tmp_path, one, name="one", writable=True)
    claims.claim(1, tmp_path, one, name="one", writable=True)
    claims.claim(2, tmp_path / "elsewhere", two, name="two", writable=True)
    if not clash:
        claims.claim(3, tmp_path, two, name="three", writable=True)
        return
    for writable in (True, False):
        with pytest.raises(StorageError, match=r"three and one would both be stored in .*choose another directory"):
            claims.claim(3, str(tmp_path) + os.sep, two, name="three", writable=writable)
    claims.release(1)
    claims.release(1)
    claims.claim(3, tmp_path, two, name="three", writable=True)


def test_several_may_read(tmp_path: Path) -> None:
    claims = PathClaims()
    claims.claim(1, tmp_path, [("f",)], name="one", writable=False)
    claims.claim(2, tmp_path, [("f",)], name="two", writable=False)
    with pytest.raises(StorageError):
        claims.claim(3, tmp_path, [("f",)], name="three", writable=True)
    claims.release(1)
    with pytest.raises(StorageError):
        claims.claim(3, tmp_path, [("f",)], name="three", writable=True)
    claims.release(2)
    claims.claim(3, tmp_path, [("f",)], name="three", writable=True)


def test_a_refused_claim_changes_nothing(tmp_path: Path) -> None:
    claims = PathClaims()
    claims.claim(1, tmp_path, [("f",)], name="one", writable=True)
    claims.claim(2, tmp_path, [("g",)], name="two", writable=True)
    with pytest.raises(StorageError):
        claims.claim(2, tmp_path, [("f",)], name="two", writable=True)
    with pytest.raises(StorageError):
        claims.claim(3, tmp_path, [("g",)], name="three", writable=True)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    claims = PathClaims()
    claims.claim(1, tmp_path / "real", [("f",)], name="one", writable=True)
    with pytest.raises(StorageError):
        claims.claim(2, tmp_path / "link", [("f",)], name="two", writable=True)
