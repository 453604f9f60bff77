"""Pieces and blocks: sizes at the end, and validation of what a peer asks for."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry, zero_blocks_of


def test_last_piece_and_last_block_are_shorter() -> None:
    geometry = Geometry(3 * 40_000 + 17_000, 40_000)
    assert geometry.piece_count == 4
    assert [geometry.piece_size(index) for index in range(4)] == [40_000, 40_000, 40_000, 17_000]
    assert geometry.offset_of(3) == 120_000
    assert geometry.blocks(0) == [Block(0, 0, 16384), Block(0, 16384, 16384), Block(0, 32768, 7232)]
    assert geometry.blocks(3) == [Block(3, 0, 16384), Block(3, 16384, 616)]
    assert geometry.block(3, 1) == Block(3, 16384, 616)
    assert geometry.block_count(0) == 3
    assert geometry.block_count(3) == 2


@pytest.mark.parametrize(
    ("total", "piece_length"), [(1, 1), (16384, 16384), (16385, 16384), (1 << 20, 1 << 18), (5, 64)]
)
def test_blocks_cover_everything_once(total: int, piece_length: int) -> None:
    geometry = Geometry(total, piece_length)
    at = 0
    for index in range(geometry.piece_count):
        blocks = geometry.blocks(index)
        assert blocks == [geometry.block(index, number) for number in range(geometry.block_count(index))]
        for block in blocks:
            assert geometry.offset_of(index) + block.begin == at
            assert 0 < block.length <= BLOCK_SIZE
            at += block.length
    assert at == total


def test_nothing_has_no_pieces() -> None:
    geometry = Geometry(0, 16384)
    assert geometry.piece_count == 0
    assert not geometry.contains(0, 0, 1)


@pytest.mark.parametrize(("total", "piece_length"), [(-1, 16384), (10, 0), (10, -5)])
def test_impossible_sizes_are_refused(total: int, piece_length: int) -> None:
    with pytest.raises(ValueError, match="no torrent has"):
        Geometry(total, piece_length)


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_is_an_error(index: int) -> None:
    geometry = Geometry(30_000, 20_000)
    for call in (geometry.piece_size, geometry.offset_of, geometry.block_count, geometry.blocks):
        with pytest.raises(IndexError, match="is not one of 2"):
            call(index)


@pytest.mark.parametrize("number", [-1, 2])
def test_a_block_number_outside_is_an_error(number: int) -> None:
    with pytest.raises(IndexError, match="has no block"):
        Geometry(20_000, 20_000).block(0, number)


@pytest.mark.parametrize(
    ("request_numbers", "expected"),
    [
        ((0, 0, 16384), True),
        ((0, 3616, 16384), True),
        ((0, 3617, 16384), False),
        ((1, 0, 10_000), True),
        ((1, 0, 10_001), False),
        ((1, 10_000, 1), False),
        ((2, 0, 1), False),
        ((-1, 0, 1), False),
        ((0, -1, 2), False),
        ((0, 0, 0), False),
        ((0, 2**32 - 1, 2**32 - 1), False),
    ],
)
def test_requests_of_strangers_are_checked(request_numbers: tuple[int, int, int], expected: bool) -> None:
    assert Geometry(30_000, 20_000).contains(*request_numbers) is expected


@given(
    st.lists(st.tuples(st.integers(0, 5 * BLOCK_SIZE), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([BLOCK_SIZE, 2 * BLOCK_SIZE, 4 * BLOCK_SIZE, 3 * BLOCK_SIZE + 5]),
)
def test_blocks_of_padding_are_not_asked_for(sizes: list[tuple[int, bool]], piece_length: int) -> None:
    padding, total = [], 0
    for size, is_padding in sizes:
        if is_padding:
            padding.append((total, size))
        total += size
    geometry = Geometry(total, piece_length, zero_blocks_of(padding, total_bytes=total, piece_length=piece_length))
    for index in range(geometry.piece_count):
        needed = geometry.blocks(index)
        assert needed, "every piece comes to its end"
        assert sum(1 << block.begin // BLOCK_SIZE for block in needed) == geometry.needed_blocks(index)
        for number in range(geometry.block_count(index)):
            block = geometry.block(index, number)
            start = index * piece_length + block.begin
            short = [(at, at + size) for at, size in padding if size < piece_length]
            is_zero = any(at <= start and start + block.length <= end for at, end in short)
            assert block in needed or is_zero
            assert not is_zero or block not in needed or len(needed) == 1


@given(st.integers(1, 200), st.integers(1, 70), st.data())
def test_places_agree_with_a_list_of_bytes(total: int, piece_length: int, data: st.DataObject) -> None:
    """The slow model: each byte of the torrent with its piece, and its place in it."""
    geometry = Geometry.of(total, piece_length)
    model = [(at // piece_length, at % piece_length) for at in range(total)]
    for at, (index, begin) in enumerate(model):
        assert geometry.piece_at(at) == index
        assert geometry.place_of(at) == (index, begin)
        assert geometry.offset_of(index, begin) == at
    offset = data.draw(st.integers(0, total))
    length = data.draw(st.integers(0, total - offset))
    inside = model[offset : offset + length]
    assert list(geometry.pieces_of(offset, length)) == list(dict.fromkeys(index for index, _ in inside))
    parts = list(geometry.parts_of(offset, length))
    assert [(index, begin + at) for index, begin, size in parts for at in range(size)] == inside
    assert len({part.piece for part in parts}) == len(parts), "a part is all of a range that a piece has"
    for index in range(geometry.piece_count):
        begin, size = geometry.piece_span(index)
        assert {index} == {model[at][0] for at in range(begin, begin + size)}


def test_blocks_that_follow_each_other_are_one_run() -> None:
    geometry = Geometry(100, 32)
    blocks = [Block(0, 16, 16), Block(1, 0, 16), Block(1, 16, 8), Block(1, 24, 4), Block(3, 0, 4), Block(2, 0, 1)]
    assert list(geometry.runs(blocks)) == [(16, [16, 16, 8, 4]), (96, [4]), (64, [1])]
    assert list(geometry.runs([])) == []


@given(
    st.lists(st.integers(0, 90_000), min_size=1, max_size=8),
    st.sampled_from([BLOCK_SIZE, 2 * BLOCK_SIZE, 4 * BLOCK_SIZE]),
    st.data(),
)
def test_pieces_that_end_with_files_agree_with_a_list_of_files(
    lengths: list[int], piece_length: int, data: st.DataObject
) -> None:
    """The slow model: the files one after the other, each from a piece on."""
    gaps, pieces, end = [], [], 0
    for length in lengths:
        start = -(-end // piece_length) * piece_length
        if start > end:
            gaps.append((end, start - end))
        pieces += [min(piece_length, length - at) for at in range(0, length, piece_length)]
        end = start + length
    geometry = Geometry.of_files(end, piece_length, gaps=gaps)
    assert geometry.piece_count == len(pieces)
    assert [geometry.piece_size(index) for index in range(len(pieces))] == pieces
    assert geometry.content_bytes == sum(lengths)
    chosen = data.draw(st.sets(st.integers(0, len(pieces) - 1))) if pieces else set()
    assert geometry.content_of(Bitfield(len(pieces), chosen)) == sum(pieces[index] for index in chosen)
    for index, size in enumerate(pieces):
        assert geometry.piece_span(index) == (index * piece_length, size)
        assert sum(block.length for block in geometry.blocks(index)) == size
        assert geometry.needed_blocks(index) == (1 << len(geometry.blocks(index))) - 1
        assert geometry.contains(index, 0, size)
        assert not geometry.contains(index, 1, size)
    offset = data.draw(st.integers(0, end))
    length = data.draw(st.integers(0, end - offset))
    covered = {
        (index, at)
        for index, size in enumerate(pieces)
        for at in range(0, size, 1000)
        if offset <= index * piece_length + at < offset + length
    }
    parts = list(geometry.parts_of(offset, length))
    assert covered == {
        (part.piece, at)
        for part in parts
        for at in range(-(-part.begin // 1000) * 1000, part.begin + part.length, 1000)
    }
    assert all(geometry.contains(*part) for part in parts)


@given(
    st.lists(st.tuples(st.integers(0, 5 * BLOCK_SIZE), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([BLOCK_SIZE, 2 * BLOCK_SIZE, 3 * BLOCK_SIZE + 5]),
    st.data(),
)
def test_padding_is_no_content(sizes: list[tuple[int, bool]], piece_length: int, data: st.DataObject) -> None:
    padding, total = [], 0
    for size, is_padding in sizes:
        if is_padding:
            padding.append((total, size))
        total += size
    geometry = Geometry.of(total, piece_length, padding=padding)
    chosen = data.draw(st.sets(st.integers(0, geometry.piece_count - 1))) if total else set()
    spans = [geometry.piece_span(index) for index in chosen]
    filled = sum(
        max(0, min(begin + size, offset + length) - max(begin, offset))
        for begin, size in spans
        for offset, length in padding
    )
    assert geometry.content_of(Bitfield(geometry.piece_count, chosen)) == sum(size for _, size in spans) - filled
    assert geometry.content_bytes == sum(size for size, is_padding in sizes if not is_padding)


def test_counting_the_content_of_many_files_is_cheap() -> None:
    """A step for each byte of a set of pieces, and each bit of a size, in C: not one for each file."""
    count = 100_000
    gaps = [(index * BLOCK_SIZE + index % 16000 + 1, BLOCK_SIZE - index % 16000 - 1) for index in range(count)]
    geometry = Geometry.of_files(gaps[-1][0], BLOCK_SIZE, gaps=gaps[:-1])
    every_third = Bitfield(count, range(0, count, 3))
    assert geometry.content_of(every_third) == sum(index % 16000 + 1 for index in range(0, count, 3))
    calls = 0

    def count_calls(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count_calls)
    try:
        geometry.content_of(every_third)
    finally:
        sys.setprofile(None)
    assert calls < 500
