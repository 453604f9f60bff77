"""What is read of careless bencode, and that the strict decoder goes on refusing it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.wire import bencode
from transfer.wire.bencode import BencodeError, BencodeLimits
from transfer.wire.bencode_lenient import decode_dict_leniently

values: st.SearchStrategy[bencode.Value] = st.recursive(
    st.integers(-(10**19), 10**19) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"d1:ai1eetrailing", {b"a": 1}),
        (b"\xef\xbb\xbf \r\n\td1:ai1ee", {b"a": 1}),
        (b"d1:ai1e1:ai2ee", {b"a": 1}),
        (b"d1:ad1:bi1ee1:ad1:ci2eee", {b"a": {b"b": 1}}),
        (b"d001:ai007ee", {b"a": 7}),
        (b"d1:ai-0e1:bi+5e1:ci-03ee", {b"a": 0, b"b": 5, b"c": -3}),
        (b"d1:ai1800.75ee", {b"a": 1800}),
        (b"d1:ali01eleee", {b"a": [1, []]}),
    ],
)
def test_what_is_forgiven(data: bytes, value: bencode.Value) -> None:
    assert decode_dict_leniently(data) == value
    with pytest.raises(BencodeError):
        bencode.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i1e",
        b"le",
        b"<html>d1:ai1ee",
        b"d1:a",
        b"d1:ae",
        b"di1ei2ee",
        b"d1:ai1e",
        b"d1:a5:abce",
        b"d1:aiee",
        b"d1:ai" + b"1" * 41 + b"ee",
        b"d01:a" + b"l" * 50 + b"e" * 51,
    ],
)
def test_what_is_not(data: bytes) -> None:
    with pytest.raises(BencodeError):
        decode_dict_leniently(data)


def test_the_bounds_are_the_same() -> None:
    limits = BencodeLimits(size_bytes=100, depth=3, tokens=10)
    for data in (b"d01:a95:" + bytes(95) + b"e", b"d01:alllleeeee", b"d01:al" + b"i1e" * 30 + b"ee"):
        with pytest.raises(BencodeError):
            decode_dict_leniently(data, limits=limits)
    assert decode_dict_leniently(b"d01:alleee", limits=limits) == {b"a": [[]]}


@given(st.dictionaries(st.binary(max_size=4), values, max_size=5), st.binary(max_size=5))
def test_what_is_right_is_read_as_ever(value: dict[bytes, bencode.Value], behind: bytes) -> None:
    data = bencode.encode(value)
    assert decode_dict_leniently(data) == value
    assert decode_dict_leniently(data + behind) == value


@given(st.binary(max_size=60) | st.text("dle0123456789:i-+.ab", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    try:
        value = decode_dict_leniently(data)
    except BencodeError:
        return
    assert isinstance(value, dict)
    assert decode_dict_leniently(data + b"x") == value
