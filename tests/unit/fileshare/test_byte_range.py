"""The `Range` header: examples of RFC 9110, section 14.1.2, and what must not be taken for a range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fileshare.byte_range import UnsatisfiableRangeError, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", range(500)),
        ("bytes=500-999", range(500, 1000)),
        ("bytes=-500", range(9500, 10_000)),
        ("bytes=9500-", range(9500, 10_000)),
        ("bytes=0-0", range(1)),
        ("bytes=-1", range(9999, 10_000)),
        ("bytes=0-", range(10_000)),
        ("bytes=9999-20000", range(9999, 10_000)),
        ("bytes=-20000", range(10_000)),
        (" Bytes= 5-6 ", range(5, 7)),
    ],
)
def test_one_range(header: str, expected: range) -> None:
    assert parse_range(header, 10_000) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=2-1",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1 -2",
        "bytes=٣-٤",
        "items=0-1",
        "bytes=0-0,-1",
        "bytes=500-600,601-999",
        "bytes=" + "9" * 30 + "-",
    ],
)
def test_no_single_range_means_everything(header: str | None) -> None:
    assert parse_range(header, 10_000) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10000-", 10_000), ("bytes=-0", 5), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_what_does_not_exist_cannot_be_had(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, size)


@given(st.text(max_size=30) | st.from_regex(r"\Abytes=[0-9]{0,6}-[0-9]{0,6}\Z"), st.integers(0, 100_000))
def test_a_range_is_never_empty_nor_outside(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    if found is not None:
        assert 0 <= found.start < found.stop <= size
        assert found.step == 1
