"""Verified bytes per file, against counting each byte."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.file_progress import FileProgress
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=10).filter(any),
    piece_length=st.integers(1, 25),
    seed=st.integers(0, 1000),
)
def test_counts_as_one_would_by_hand(lengths: list[int], piece_length: int, seed: int) -> None:
    rng = Random(seed)
    offsets = [sum(lengths[:number]) for number in range(len(lengths))]
    files = [
        FileEntry((str(n),), length, offset) for n, (length, offset) in enumerate(zip(lengths, offsets, strict=True))
    ]
    owner = [number for number, length in enumerate(lengths) for _ in range(length)]
    geometry = Geometry(len(owner), piece_length)
    order = rng.sample(range(geometry.piece_count), geometry.piece_count)
    known = rng.randrange(len(order) + 1)
    progress = FileProgress(files, geometry, Bitfield(geometry.piece_count, order[:known]))
    done = [owner[at] for index in order[:known] for at in bytes_of(geometry, index)]
    assert progress.done_bytes == [done.count(number) for number in range(len(files))]
    for index in order[known:]:
        before = {number for number, length in enumerate(lengths) if done.count(number) == length}
        done += [owner[at] for at in bytes_of(geometry, index)]
        after = {number for number, length in enumerate(lengths) if done.count(number) == length}
        assert set(progress.verified(index)) == after - before
        assert progress.done_bytes == [done.count(number) for number in range(len(files))]
    assert progress.done_bytes == lengths


def bytes_of(geometry: Geometry, index: int) -> range:
    return range(geometry.offset_of(index), geometry.offset_of(index) + geometry.piece_size(index))


def test_padding_completes_nothing() -> None:
    files = [FileEntry(("a",), 5, 0), FileEntry((".pad",), 3, 5, is_padding=True), FileEntry(("b",), 8, 8)]
    progress = FileProgress(files, Geometry(16, 8), Bitfield(2))
    assert progress.verified(0) == [0]
    assert progress.verified(1) == [2]
    assert progress.done_bytes == [5, 3, 8]
