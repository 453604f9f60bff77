"""Torrents of version 2 and hybrid ones on disk, beside the plain model: files are bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.metainfo.selection import Selection
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage
from bittorrent.storage.memory import MemoryStorage
from tests.version2 import build

SIZES = st.integers(0, 70_000) | st.sampled_from([0, 1, 16383, 16384, 16385, 32768, 49152, 65536])
PIECE_LENGTHS = st.sampled_from([BLOCK_SIZE, 2 * BLOCK_SIZE, 8 * BLOCK_SIZE])


@st.composite
def contents(draw: st.DrawFn) -> dict[str, bytes]:
    sizes = draw(st.lists(SIZES, min_size=1, max_size=5).filter(any))
    rng = Random(draw(st.integers(0, 9)))
    folders = draw(st.lists(st.sampled_from(["", "x/", "y/z/"]), min_size=len(sizes), max_size=len(sizes)))
    return {
        f"{folder}{number}": rng.randbytes(size)
        for number, (folder, size) in enumerate(zip(folders, sizes, strict=True))
    } | {"a-last": b"!"}


def bytes_of(files: dict[str, bytes], entry: FileEntry) -> bytes:
    return files["/".join(entry.path[1:])]


@settings(deadline=None, max_examples=40)
@given(files=contents(), piece_length=PIECE_LENGTHS, hybrid=st.booleans(), tail_padding=st.booleans(), data=st.data())
def test_a_check_finds_what_was_written_and_files_are_counted_by_their_bytes(
    files: dict[str, bytes], piece_length: int, hybrid: bool, tail_padding: bool, data: st.DataObject
) -> None:
    built = build(files, piece_length, hybrid=hybrid, tail_padding=tail_padding)
    metainfo = Metainfo.from_bytes(built.data)
    geometry, visible = metainfo.geometry, metainfo.visible_files
    assert {"/".join(entry.path[1:]): entry.length for entry in visible} == {path: len(c) for path, c in files.items()}
    assert metainfo.total_bytes == sum(map(len, files.values()))
    chosen = data.draw(st.sets(st.integers(0, geometry.piece_count - 1)), label="pieces")
    have = Bitfield(geometry.piece_count, chosen)
    with tempfile.TemporaryDirectory() as folder:
        for storage in (FileStorage(metainfo.files, folder), MemoryStorage(metainfo.files)):
            storage.prepare()
            for index in chosen:
                start, size = geometry.piece_span(index)
                storage.write(start, built.grid[start : start + size])
            assert {index for index, right in verify_pieces(metainfo, storage) if right} == chosen
            for entry in metainfo.files:
                if entry.is_padding:
                    assert storage.read(entry.offset, entry.length) == bytes(entry.length)
            storage.close()
        if len(chosen) == geometry.piece_count:
            for entry in visible:
                assert Path(folder).joinpath(*entry.path).read_bytes() == bytes_of(files, entry)
    owned = {
        number: sum(
            max(0, min(start + size, entry.end) - max(start, entry.offset))
            for start, size in map(geometry.piece_span, chosen)
        )
        for number, entry in enumerate(metainfo.files)
        if not entry.is_padding
    }
    progress = FileProgress(metainfo.files, geometry, have)
    assert {number: progress.done_bytes[number] for number in progress.visible} == owned
    assert geometry.content_of(have) == sum(owned.values())
    step_by_step = FileProgress(metainfo.files, geometry, Bitfield(geometry.piece_count))
    for index in chosen:
        step_by_step.verified(index)
    assert step_by_step.done_bytes == progress.done_bytes


@settings(deadline=None, max_examples=40)
@given(files=contents(), piece_length=PIECE_LENGTHS, hybrid=st.booleans(), data=st.data())
def test_a_file_needs_the_pieces_of_its_own_and_no_other(
    files: dict[str, bytes], piece_length: int, hybrid: bool, data: st.DataObject
) -> None:
    built = build(files, piece_length, hybrid=hybrid)
    metainfo = Metainfo.from_bytes(built.data)
    number = data.draw(st.sampled_from([n for n, entry in enumerate(metainfo.files) if not entry.is_padding]))
    entry = metainfo.files[number]
    selection = Selection(metainfo.files, metainfo.geometry)
    selection.set_files({other: 0 for other in range(len(metainfo.files)) if other != number})
    wanted = [index for index, priority in enumerate(selection.pieces()) if priority]
    assert wanted == list(metainfo.geometry.pieces_of(entry.offset, entry.length))
    spans = [metainfo.geometry.piece_span(index) for index in wanted]
    joined = b"".join(built.grid[start : start + size] for start, size in spans)
    assert joined[: entry.length] == bytes_of(files, entry)
    assert not any(joined[entry.length :]), "a file shares its pieces with padding only"
    if not hybrid:
        assert len(joined) == entry.length


@settings(deadline=None, max_examples=60)
@given(files=contents(), piece_length=PIECE_LENGTHS, hybrid=st.booleans(), data=st.data())
def test_any_flipped_bit_is_found_in_its_piece(
    files: dict[str, bytes], piece_length: int, hybrid: bool, data: st.DataObject
) -> None:
    built = build(files, piece_length, hybrid=hybrid)
    metainfo = Metainfo.from_bytes(built.data)
    index = data.draw(st.integers(0, metainfo.piece_count - 1))
    start, size = metainfo.geometry.piece_span(index)
    piece = bytearray(built.grid[start : start + size])
    assert metainfo.hasher.expects(index, metainfo.hasher.digest(index, piece))
    at = data.draw(st.integers(0, size - 1))
    piece[at] ^= 1 << data.draw(st.integers(0, 7))
    assert not metainfo.hasher.expects(index, metainfo.hasher.digest(index, piece))
