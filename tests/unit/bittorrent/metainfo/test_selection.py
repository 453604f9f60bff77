"""From files to pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import SelectionError
from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.selection import Selection
from bittorrent.pieces.geometry import Geometry


def entries(lengths: list[int], padding: frozenset[int] = frozenset()) -> list[FileEntry]:
    offsets = [sum(lengths[:number]) for number in range(len(lengths))]
    return [
        FileEntry(("t", f"{number}.bin"), length, offset, is_padding=number in padding)
        for number, (length, offset) in enumerate(zip(lengths, offsets, strict=True))
    ]


NAMED = [
    FileEntry(("Show", "s1", "e1.mkv"), 10, 0),
    FileEntry((".pad", "6"), 6, 10, is_padding=True),
    FileEntry(("Show", "s1", "e2.mkv"), 10, 16),
    FileEntry(("Show", "s2", "e1 [x].mkv"), 10, 26),
    FileEntry(("Show", "info.txt"), 4, 36),
]


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
    piece_length=st.integers(1, 30),
    data=st.data(),
)
def test_a_piece_has_the_highest_priority_of_its_files(
    lengths: list[int], piece_length: int, data: st.DataObject
) -> None:
    files = entries(lengths)
    priorities = data.draw(st.lists(st.integers(0, 7), min_size=len(files), max_size=len(files)))
    geometry = Geometry(sum(lengths), piece_length)
    of_byte = [priority for priority, length in zip(priorities, lengths, strict=True) for _ in range(length)]
    expected = [max(of_byte[start : start + piece_length]) for start in range(0, len(of_byte), piece_length)]
    assert list(Selection(files, geometry, priorities).pieces()) == expected
    changed = Selection(files, geometry)
    assert set(changed.pieces()) == {4}
    changed.set_files(dict(enumerate(priorities)))
    assert list(changed.pieces()) == expected


def test_padding_goes_with_the_file_before_it() -> None:
    files = entries([10, 6, 16, 16], frozenset([1]))
    assert list(Selection(files, Geometry(48, 8), (0, 7, 4, 4)).pieces()) == [0, 0, 4, 4, 4, 4]
    assert list(Selection(files, Geometry(48, 8), (5, 0, 0, 0)).pieces()) == [5, 5, 0, 0, 0, 0]


def test_an_empty_file_wants_no_piece_even_with_padding_behind_it() -> None:
    files = entries([1, 0, 7, 8], frozenset([2]))
    assert list(Selection(files, Geometry(16, 8), (0, 4, 0, 4)).pieces()) == [0, 4]
    assert list(Selection(files, Geometry(16, 8), (4, 0, 0, 4)).pieces()) == [4, 4]


def test_a_piece_can_have_a_priority_of_its_own() -> None:
    selection = Selection(entries([32]), Geometry(32, 8))
    selection.set_pieces({1: 7, 3: 0})
    assert list(selection.pieces()) == [4, 7, 4, 0]
    selection.set_pieces({3: 2})
    assert list(selection.pieces()) == [4, 7, 4, 2]
    selection.set_files({0: 1})
    assert list(selection.pieces()) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        (0, {0}),
        (range(2, 4), {2, 3}),
        (range(3, 1000), {3, 4}),
        ("Show/s1/e1.mkv", {0}),
        ("s1/e1.mkv", {0}),
        ("e1.mkv", {0}),
        ("Show", {0, 2, 3, 4}),
        ("s1", {0, 2}),
        ("s1/", {0, 2}),
        ("*.mkv", {0, 2, 3}),
        ("s2/e1 [x].mkv", {3}),
        ("e1 [x].mkv", {3}),
        ("s?/e1*", {0, 3}),
    ],
)
def test_files_are_named_in_many_ways(name: int | str | range, numbers: set[int]) -> None:
    selection = Selection(NAMED, Geometry(40, 8))
    assert selection.numbers_of([name]) == numbers
    assert {number for number, priority in selection.only([name]).items() if priority} == numbers


@pytest.mark.parametrize("name", [5, -1, range(7, 9), "s3", "e1", ".pad", "Show/s1/e3.mkv"])
def test_a_name_that_means_nothing_is_an_error(name: int | str | range) -> None:
    with pytest.raises(SelectionError, match="no file of the torrent"):
        Selection(NAMED, Geometry(40, 8)).numbers_of([name])


def test_wrong_numbers_are_refused() -> None:
    selection = Selection(NAMED, Geometry(40, 8))
    for wrong in ({0: 8}, {0: -1}, {5: 4}, {-1: 4}):
        with pytest.raises(ValueError, match=r"no file of|not one of|from 0 to 7"):
            selection.set_files(wrong)
        with pytest.raises(ValueError, match=r"no file of|not one of|from 0 to 7"):
            selection.set_pieces(wrong)
    with pytest.raises(ValueError, match="2 priorities for 5 files"):
        Selection(NAMED, Geometry(40, 8), (1, 2))
    assert set(selection.pieces()) == {4}


def test_padding_cannot_be_selected() -> None:
    """By its number alone it is an error, in a range it is passed over; nor does selecting others change it."""
    selection = Selection(NAMED, Geometry(40, 8))
    for name in (1, range(1, 2)):
        with pytest.raises(SelectionError, match="1 is only padding"):
            selection.numbers_of([name])
    assert selection.numbers_of([range(3)]) == {0, 2}
    assert selection.only([0]) == {0: 4, 2: 0, 3: 0, 4: 0}
