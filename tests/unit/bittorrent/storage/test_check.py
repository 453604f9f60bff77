"""Which pieces on disk are right, for files in every state of completeness."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import StorageError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.check import verify_piece, verify_pieces
from bittorrent.storage.files import FileStorage

KIB = 1 << 10
PIECE = 16 * KIB


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Five and a half pieces in three files and an empty one; the fourth piece is all zeros."""
    folder = tmp_path / "shared" / "t"
    folder.mkdir(parents=True)
    data = random.Random(1).randbytes(3 * PIECE) + bytes(PIECE) + random.Random(2).randbytes(PIECE + PIECE // 2)
    (folder / "a").write_bytes(data[:100])
    (folder / "b").write_bytes(data[100 : 2 * PIECE + 5])
    (folder / "c").write_bytes(data[2 * PIECE + 5 :])
    (folder / "d").touch()
    return folder


@pytest.fixture
def metainfo(shared: Path) -> Metainfo:
    return create_metainfo(shared, piece_length=PIECE)


def good(metainfo: Metainfo, root: Path) -> list[int]:
    storage = FileStorage(metainfo.files, root)
    results = list(verify_pieces(metainfo, storage))
    storage.close()
    assert [index for index, _ in results] == list(range(metainfo.piece_count))
    return [index for index, right in results if right]


def test_complete(shared: Path, metainfo: Metainfo) -> None:
    assert good(metainfo, shared.parent) == [0, 1, 2, 3, 4, 5]


def test_nothing_there(metainfo: Metainfo, tmp_path: Path) -> None:
    """A piece of zeros is not right because nothing is there."""
    assert good(metainfo, tmp_path / "empty") == []


def test_one_wrong_byte(shared: Path, metainfo: Metainfo) -> None:
    with (shared / "b").open("r+b") as file:
        file.seek(PIECE)
        byte = file.read(1)
        file.seek(PIECE)
        file.write(bytes([byte[0] ^ 1]))
    assert good(metainfo, shared.parent) == [0, 2, 3, 4, 5]


def test_a_missing_file_costs_the_pieces_it_touches(shared: Path, metainfo: Metainfo) -> None:
    (shared / "a").unlink()
    assert good(metainfo, shared.parent) == [1, 2, 3, 4, 5]
    (shared / "c").unlink()
    assert good(metainfo, shared.parent) == [1]


def test_a_short_file(shared: Path, metainfo: Metainfo) -> None:
    os.truncate(shared / "c", 3 * PIECE)
    assert good(metainfo, shared.parent) == [0, 1, 2, 3, 4]


def test_a_piece_of_zeros_is_right_also_when_the_disk_stores_no_block_for_it(
    shared: Path, metainfo: Metainfo, tmp_path: Path
) -> None:
    target = FileStorage(metainfo.files, tmp_path / "sparse")
    last = FileStorage(metainfo.files, shared.parent).read(5 * PIECE, PIECE // 2)
    target.write(5 * PIECE, last)
    target.flush()
    assert good(metainfo, tmp_path / "sparse") == [3, 5]
    target.close()


def test_only_some_pieces(shared: Path, metainfo: Metainfo) -> None:
    storage = FileStorage(metainfo.files, shared.parent, writable=False)
    assert list(verify_pieces(metainfo, storage, pieces=[4, 0])) == [(4, True), (0, True)]
    assert verify_piece(metainfo, storage, 2)
    (shared / "a").write_bytes(b"x")
    assert not verify_piece(metainfo, storage, 0)
    with pytest.raises(IndexError):
        verify_piece(metainfo, storage, 6)
    storage.close()


def test_a_piece_longer_than_the_buffer(tmp_path: Path) -> None:
    data = random.Random(3).randbytes(5 << 20)
    (tmp_path / "f").write_bytes(data)
    metainfo = create_metainfo(tmp_path / "f", piece_length=4 << 20)
    assert good(metainfo, tmp_path) == [0, 1]
    with (tmp_path / "f").open("r+b") as file:
        file.seek(3 << 20)
        file.write(b"????")
    assert good(metainfo, tmp_path) == [1]


def test_what_cannot_be_read_is_an_error_and_not_a_bad_piece(metainfo: Metainfo, tmp_path: Path) -> None:
    (tmp_path / "x" / "t" / "a").mkdir(parents=True)
    with pytest.raises(StorageError, match="is not a file"):
        good(metainfo, tmp_path / "x")


def test_work_done_for_a_missing_file_is_next_to_nothing(tmp_path: Path) -> None:
    """A terabyte that is not there must not be hashed: this would take minutes."""
    (tmp_path / "f").write_bytes(b"x" * PIECE)
    small = create_metainfo(tmp_path / "f", piece_length=PIECE)
    piece_length = 64 << 20
    pieces = (1 << 40) // piece_length
    info = small.info_bytes.replace(b"6:lengthi16384e", b"6:lengthi%de" % (1 << 40))
    info = info.replace(b"12:piece lengthi16384e", b"12:piece lengthi%de" % piece_length)
    head, _, _ = info.partition(b"6:pieces")
    large = Metainfo.from_info(head + b"6:pieces%d:" % (20 * pieces) + os.urandom(20 * pieces) + b"e")
    with (tmp_path / "f").open("r+b") as file:
        file.truncate(1 << 39)
    # The second half is beyond the end; the first is a hole, but for the piece that holds the data.
    storage = FileStorage(large.files, tmp_path)
    if hasattr(os, "SEEK_DATA") and storage.is_hole(piece_length, piece_length):
        assert not any(right for _, right in verify_pieces(large, storage))
    storage.close()
