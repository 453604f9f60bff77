"""Bitfields: the wire form of BEP 3, and set operations against Python's own sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.pieces.bitfield import PAGE_PIECES, Bitfield, BitfieldError, page_bit
from transfer.errors import DecodeError

sized_sets = st.integers(0, 70).flatmap(
    lambda size: st.tuples(st.just(size), *[st.sets(st.integers(0, size - 1)) if size else st.just(set())] * 2)
)


def test_the_first_piece_is_the_high_bit() -> None:
    assert Bitfield(10, [0, 9]).to_wire() == b"\x80\x40"
    assert list(Bitfield.from_wire(b"\x01\x80", 10)) == [7, 8]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00", b"\x00\x20", b"\x00\x01"])
def test_wrong_length_and_spare_bits_are_refused(data: bytes) -> None:
    with pytest.raises(BitfieldError) as caught:
        Bitfield.from_wire(data, 10)
    assert isinstance(caught.value, DecodeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 64, 1000])
def test_full(size: int) -> None:
    field = Bitfield.full(size)
    assert field.is_full
    assert list(field) == list(range(size))
    assert Bitfield.from_wire(field.to_wire(), size) == field


@given(sized_sets)
def test_behaves_like_a_set(drawn: tuple[int, set[int], set[int]]) -> None:
    size, one, two = drawn
    first, second = Bitfield(size, one), Bitfield(size, two)
    assert list(first) == sorted(one)
    assert first.count == len(first) == len(one)
    assert [index in first for index in range(-1, size + 1)] == [index in one for index in range(-1, size + 1)]
    assert first.intersects(second) == bool(one & two)
    assert first.count_missing_from(second) == len(one - two)
    assert (first == second) == (one == two)
    assert first.is_full == (len(one) == size)
    assert Bitfield.from_wire(first.to_wire(), size) == first
    copy = first.copy()
    for index in two:
        assert copy.set(index) == (index not in one)
    for index in one:
        assert copy.clear(index)
        assert not copy.clear(index)
    assert list(copy) == sorted(two - one)
    assert copy.page(0) == Bitfield(size, two - one).page(0)
    assert first.count_common(second) == len(one & two)
    assert list(first.without(second)) == sorted(one - two)
    for start in range(0, size, 5):
        for end in range(size + 1):
            assert first.count_between(start, end) == len(one & set(range(start, end)))
    assert Bitfield.from_flags(bytes(index in one for index in range(size))) == first
    assert list(first) == sorted(one), "a copy is independent"


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_outside_is_an_error(index: int) -> None:
    field = Bitfield(10)
    with pytest.raises(IndexError):
        field.set(index)
    with pytest.raises(IndexError):
        field.clear(index)
    assert index not in field


def test_pages_follow_every_change() -> None:
    field = Bitfield(2 * PAGE_PIECES + 5, [0, PAGE_PIECES - 1, PAGE_PIECES, 2 * PAGE_PIECES + 4])
    assert field.page_count == 3
    for index in field:
        assert field.page(index // PAGE_PIECES) & page_bit(index)
    assert [field.page(number).bit_count() for number in range(3)] == [2, 1, 1]
    assert field.page(0) == page_bit(0) | page_bit(PAGE_PIECES - 1)
    field.set(1)
    field.clear(PAGE_PIECES)
    assert [field.page(number).bit_count() for number in range(3)] == [3, 0, 1]
    assert field.copy().page(0) == field.page(0)
