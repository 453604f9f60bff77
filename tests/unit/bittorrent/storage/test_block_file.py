"""Blocks of unfinished pieces, in a hidden file that may be torn, foreign, shared or gone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.errors import StorageError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import KeepingStep
from bittorrent.storage.block_file import MAGIC, BlockFile

GEOMETRY = Geometry(total_bytes=11 * BLOCK_SIZE + 100, piece_length=4 * BLOCK_SIZE)  # the last of 12 blocks is short
INFO_HASH = bytes(range(20))
ALL = Bitfield.full(GEOMETRY.piece_count)
HEADER_BYTES = len(MAGIC) + 20
RECORD_BYTES = 28 + BLOCK_SIZE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".kad" / "x.blocks"


def new_file(path: Path, *, info_hash: bytes = INFO_HASH, max_bytes: int = 1 << 20) -> BlockFile:
    return BlockFile(str(path), info_hash=info_hash, geometry=GEOMETRY, max_bytes=max_bytes)


def content(block: Block) -> bytes:
    return bytes([block.piece + 1, block.begin >> 14, 7, 9]) * (block.length // 4)


def keep(file: BlockFile, *places: tuple[int, int], verified: Iterable[int] = (), dropped: Iterable[int] = ()) -> None:
    blocks = tuple((block, content(block)) for block in (GEOMETRY.block(*place) for place in places))
    file.apply(KeepingStep(tuple(verified), tuple(dropped), blocks))
    file.check_invariants()


def load(file: BlockFile, wanted: Bitfield = ALL, *, max_pieces: int = 100) -> dict[int, int]:
    """The blocks of each piece; what is in their places is checked."""
    found = file.load(wanted, max_pieces=max_pieces)
    file.check_invariants()
    for piece in found:
        assert len(piece.buffer) == GEOMETRY.piece_size(piece.index)
        held = piece.held_blocks(GEOMETRY)
        for block in GEOMETRY.blocks(piece.index):
            right = content(block) if block in held else bytes(block.length)
            assert piece.buffer[block.begin : block.begin + block.length] == right
    return {piece.index: piece.blocks for piece in found}


def test_the_next_start_finds_what_was_kept(path: Path) -> None:
    file = new_file(path)
    assert load(file) == {}
    assert not path.parent.exists()
    keep(file, (0, 1), (2, 3))
    keep(file, (0, 0))
    file.release()
    again = new_file(path)
    assert load(again) == {0: 0b11, 2: 0b1000}
    assert len(again) == 3


def test_what_has_come_of_no_use_makes_room_and_the_last_of_it_removes_the_file(path: Path) -> None:
    file = new_file(path)
    keep(file, *((index, number) for index in (0, 1) for number in range(4)))
    size = path.stat().st_size
    keep(file, verified=[0], dropped=[1])
    keep(file, (2, 0))
    assert path.stat().st_size == size
    file.release()
    again = new_file(path)
    assert load(again) == {0: 0b1110, 2: 1}, "what was verified is right, and what was dropped may not be"
    keep(again, verified=[0, 2])
    again.release()
    assert not path.exists()


def test_what_is_not_wanted_is_left_out_and_its_room_is_used(path: Path) -> None:
    file = new_file(path)
    keep(file, (0, 0), (1, 0), (2, 0))
    file.release()
    size = path.stat().st_size
    again = new_file(path)
    assert load(again, Bitfield(3, [1, 2]), max_pieces=1) == {1: 1}
    keep(again, (1, 1), (1, 2))
    assert path.stat().st_size == size
    again.release()
    assert load(new_file(path)) == {1: 0b111}


def test_when_nothing_of_it_is_wanted_the_file_is_removed(path: Path) -> None:
    file = new_file(path)
    keep(file, (0, 0))
    file.release()
    assert load(new_file(path), Bitfield(3, [1])) == {}
    assert not path.exists()


def test_no_more_is_kept_than_there_may_be(path: Path) -> None:
    file = new_file(path, max_bytes=3 * BLOCK_SIZE)
    keep(file, *((0, number) for number in range(4)), (1, 0))
    assert path.stat().st_size == HEADER_BYTES + 3 * RECORD_BYTES
    file.release()
    assert load(new_file(path, max_bytes=2 * BLOCK_SIZE)) == {0: 0b11}


def test_blocks_of_another_torrent_are_nobody_s(path: Path) -> None:
    file = new_file(path)
    keep(file, (0, 0))
    file.release()
    assert load(new_file(path, info_hash=bytes(20))) == {}
    assert not path.exists()


def test_a_record_of_another_torrent_or_place_is_free(path: Path) -> None:
    """As by a copy of a disk that went wrong: each record proves for itself what it is."""
    file = new_file(path)
    keep(file, (0, 0), (0, 1))
    file.release()
    data = path.read_bytes()
    other = new_file(path, info_hash=bytes(20))
    keep(other, (0, 2))
    other.release()
    foreign = path.read_bytes()[HEADER_BYTES:]
    moved = data[HEADER_BYTES + RECORD_BYTES :][:8] + data[HEADER_BYTES + 8 :][: RECORD_BYTES - 8]
    path.write_bytes(data + foreign + moved + data[-RECORD_BYTES:])
    again = new_file(path)
    assert load(again) == {0: 0b11}
    assert len(again) == 2


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(path: Path, kind: str) -> None:
    path.parent.mkdir()
    elsewhere = path.parent / "elsewhere"
    elsewhere.write_bytes(b"mine")
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    file = new_file(path)
    with pytest.raises(StorageError):
        load(file)
    with pytest.raises(StorageError):
        keep(file, (0, 0))
    file.remove()
    assert path.exists()
    assert elsewhere.read_bytes() == b"mine"


def test_the_second_to_use_it_does_without_until_the_first_is_done(path: Path) -> None:
    first, second = new_file(path), new_file(path)
    keep(first, (0, 0))
    with pytest.raises(StorageError):
        load(second)
    with pytest.raises(StorageError):
        keep(second, (1, 0))
    second.remove()
    keep(first, (0, 1))
    first.release()
    assert load(second) == {0: 0b11}


def test_between_two_steps_it_holds_no_descriptor_and_notices_what_others_did(path: Path) -> None:
    first, second = new_file(path), new_file(path)
    keep(first, (0, 0))
    first.release()
    load(second)
    keep(second, (1, 0))
    second.release()
    with pytest.raises(StorageError, match="was changed"):
        keep(first, (0, 1))
    first.remove()
    assert load(new_file(path)) == {0: 1, 1: 1}, "what it did not write it does not remove"


def test_a_file_that_somebody_removes_is_missed(path: Path) -> None:
    file = new_file(path)
    keep(file, (0, 0))
    path.unlink()
    with pytest.raises(StorageError, match="was removed"):
        keep(file, (0, 1))
    file.remove()
    keep(file, (0, 2))
    file.release()
    assert load(new_file(path)) == {0: 0b100}


def test_it_can_be_removed_at_any_time(path: Path) -> None:
    file = new_file(path)
    file.remove()
    keep(file, (0, 0))
    file.remove()
    assert not path.exists()
    keep(file, (0, 1))
    file.release()
    file.remove()
    assert not path.exists()
    assert len(file) == 0


def test_padding_is_nothing_that_could_have_been_kept(path: Path) -> None:
    file = new_file(path)
    keep(file, (0, 0), (0, 3))
    file.release()
    padded = Geometry(GEOMETRY.total_bytes, GEOMETRY.piece_length, {0: 0b1000})
    found = BlockFile(str(path), info_hash=INFO_HASH, geometry=padded, max_bytes=1 << 20).load(ALL, max_pieces=9)
    assert [(piece.index, piece.blocks) for piece in found] == [(0, 1)]


places = st.tuples(st.integers(0, 2), st.integers(0, 3))
steps = st.lists(
    st.tuples(st.lists(places, unique=True), st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2))), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, data=st.data())
def test_a_file_torn_in_any_way_gives_whole_blocks_or_nothing(
    steps: list[tuple[list[tuple[int, int]], set[int], set[int]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.blocks"
        file = new_file(path)
        written: set[tuple[int, int]] = set()
        versions = [b""]
        for blocks, verified, dropped in steps:
            keep(file, *blocks, verified=verified, dropped=dropped)
            written |= set(blocks)
            versions.append(path.read_bytes() if path.exists() else b"")
        file.release()
        if not written:
            return
        size = max(map(len, versions))
        # Each sector is as it was after some step, and the end may be missing.
        torn = b"".join(
            data.draw(st.sampled_from(versions))[start : start + 4096].ljust(4096, b"\0")
            for start in range(0, size, 4096)
        )
        path.write_bytes(torn[: data.draw(st.integers(0, len(torn)))])
        found = load(new_file(path))  # which looks at every byte
        kept = {(index, number) for index, blocks in found.items() for number in range(4) if blocks >> number & 1}
        assert kept <= written
