"""Cutting ranges at the borders of files, against a list of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.files.entry import FileEntry
from bittorrent.files.spans import FileSpans, check_inside
from transfer.errors import LocalProtocolError


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8), st.data())
def test_each_byte_of_a_range_is_in_the_file_that_has_it(sizes: list[tuple[int, bool]], data: st.DataObject) -> None:
    files: list[FileEntry] = []
    model: list[tuple[int, int, bool]] = []
    for number, (length, is_padding) in enumerate(sizes):
        files.append(FileEntry((str(number),), length, len(model), is_padding))
        model += [(number, position, is_padding) for position in range(length)]
    offset = data.draw(st.integers(0, len(model)))
    length = data.draw(st.integers(0, len(model) - offset))
    inside = model[offset : offset + length]
    for spans, expected in (
        (FileSpans.of(files), inside),
        (FileSpans.without_padding(files), [each for each in inside if not each[2]]),
    ):
        parts = list(spans.cut(offset, length))
        cut = [(number, position + at) for number, position, size in parts for at in range(size)]
        assert cut == [(number, position) for number, position, _ in expected]
        assert len({number for number, _, _ in parts}) == len(parts)
    assert FileSpans.of(files).total_bytes == len(model)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (0, 11), (10, 1)])
def test_a_range_outside_is_refused(offset: int, length: int) -> None:
    with pytest.raises(LocalProtocolError, match="not inside the 10"):
        check_inside(offset, length, 10)
    check_inside(0, 10, 10)
