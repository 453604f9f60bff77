"""The bencode seam: round trips, strictness, bounds, and that both codecs behave the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transfer.errors import LocalProtocolError
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError, BencodeLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfer.wire.bencode import Value

integers = st.integers(-(10**20) + 1, 10**20 - 1)
values: st.SearchStrategy[Value] = st.recursive(
    integers | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.binary(max_size=8), inner, max_size=5),
    max_leaves=25,
)
# Bytes that look like bencode most of the time, so that mutations reach deep into the scanner.
noise = st.lists(
    st.sampled_from([b"d", b"l", b"e", b"i", b"-", b"0", b"1", b"2", b"9", b":", b"a", b"_", b"+", b" ", b"1:a"]),
    max_size=24,
).map(b"".join)


def outcome(data: bytes, *, fast: bool, limits: BencodeLimits = bencode.DEFAULT_LIMITS) -> object:
    patch = pytest.MonkeyPatch()
    if not fast:
        patch.setattr(bencode, "_fast", None)
    try:
        return bencode.decode(data, limits=limits)
    except BencodeError:
        return BencodeError
    finally:
        patch.undo()


@given(values)
def test_round_trip(value: Value) -> None:
    assert bencode.decode(bencode.encode(value)) == value


@given(values)
def test_both_encoders_write_the_same_bytes(value: Value) -> None:
    assert bencode._encode_quickly(value) == bencode._encode_slowly(value)


@given(noise | st.binary(max_size=64))
@example(b"i+1e")
@example(b"i 1e")
@example(b"i1_0e")
@example(b"1_0:aaaaaaaaaa")
@example(b"d1:bi1e1:ai2ee")
@example(b"d1:ai1e1:ai2ee")
@example(b"i" + b"9" * 21 + b"e")
@example(b"24:i" + b"9" * 23)
@example(b"l" * 49 + b"e" * 49)
@example(b"i" + b"9" * 5000 + b"e")
def test_both_codecs_accept_and_refuse_the_same(data: bytes) -> None:
    assert outcome(data, fast=True) == outcome(data, fast=False)


@given(values, st.integers(0, 200), st.binary(max_size=3))
def test_both_codecs_agree_on_damaged_values(value: Value, position: int, patch: bytes) -> None:
    data = bencode.encode(value)
    damaged = data[:position] + patch + data[position + 1 :]
    assert outcome(damaged, fast=True) == outcome(damaged, fast=False)


@given(values, st.integers(1, 6), st.integers(1, 12))
def test_both_codecs_obey_tight_limits(value: Value, depth: int, tokens: int) -> None:
    data, limits = bencode.encode(value), BencodeLimits(depth=depth, tokens=tokens)
    assert outcome(data, fast=True, limits=limits) == outcome(data, fast=False, limits=limits)


@pytest.mark.parametrize(
    "data",
    b"|i-0e|i03e|ie|i-e|i1|01:a|2:a|-1:a|li1e|di1ei2ee|d1:ae|e|i1ei2e|1:ab".split(b"|"),
)
@pytest.mark.parametrize("fast", [True, False])
def test_refused(data: bytes, fast: bool) -> None:
    assert outcome(data, fast=fast) is BencodeError


@pytest.mark.parametrize("fast", [True, False])
def test_unsorted_keys_load_and_keep_their_order(fast: bool) -> None:
    value = outcome(b"d1:bi1e1:ai2ee", fast=fast)
    assert isinstance(value, dict)
    assert list(value) == [b"b", b"a"]


@given(values, st.binary(max_size=20))
def test_prefix_reports_where_the_value_ended(value: Value, rest: bytes) -> None:
    data = bencode.encode(value)
    assert bencode.decode_prefix(data + rest) == (value, len(data))


@given(st.dictionaries(st.binary(max_size=8), values, max_size=6), st.binary(max_size=4))
def test_spans_are_the_raw_values(value: dict[bytes, Value], rest: bytes) -> None:
    data = bencode.encode(value) + rest
    found = bencode.spans(data)
    assert {key: bencode.decode(data[start:end]) for key, (start, end) in found.items()} == value


def test_the_span_of_info_is_not_a_re_encoding() -> None:
    data = b"d4:infod4:name1:x6:lengthi1eee\n"
    start, end = bencode.spans(data)[b"info"]
    assert data[start:end] == b"d4:name1:x6:lengthi1ee"


@pytest.mark.parametrize(
    "limits", [BencodeLimits(size_bytes=8), BencodeLimits(depth=1), BencodeLimits(tokens=3)], ids=str
)
@pytest.mark.parametrize("fast", [True, False])
def test_bounds(limits: BencodeLimits, fast: bool) -> None:
    assert outcome(b"lli1ei2eee", fast=fast, limits=limits) is BencodeError
    assert outcome(b"lli1ei2eee", fast=fast) == [[1, 2]]


def test_errors_name_the_place() -> None:
    with pytest.raises(BencodeError, match="at byte 4") as caught:
        bencode.decode(b"li1ex")
    assert caught.value.offset == 4


@pytest.mark.parametrize("value", [None, 1.5, {1: 2}, [object()]])
def test_what_has_no_bencoded_form(value: object) -> None:
    with pytest.raises(LocalProtocolError):
        bencode.encode(value)  # type: ignore[arg-type]


def test_text_booleans_and_tuples_can_be_written() -> None:
    assert bencode.encode({"b": True, "a": ("x", "é")}) == b"d1:al1:x2:\xc3\xa9e1:bi1ee"


ENCODERS = [bencode._encode_quickly, bencode._encode_slowly]


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("value", [{1: 2}, {None: 1}, {(1,): 1}, {"a": 1, b"a": 2}, [{"a": {2: 1}}], {"a": None}, 1.5])
def test_neither_encoder_writes_what_has_no_bencoded_form(
    encode: Callable[[object], bytes], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bencode, "_encode", encode)
    with pytest.raises(LocalProtocolError, match="cannot be bencoded"):
        bencode.encode(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("encode", ENCODERS)
def test_both_encoders_write_text_booleans_tuples_and_views(encode: Callable[[object], bytes]) -> None:
    value = {"b": True, b"a": ("x", False), "c": bytearray(b"yz"), "d": memoryview(b"w")}
    assert encode(value) == b"d1:al1:xi0ee1:bi1e1:c2:yz1:d1:we"


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        (b"l0:0:0:e", BencodeLimits(size_bytes=8, depth=1, tokens=4)),  # as many tokens as the bytes can hold
        (b"l" + b"0:" * 40 + b"e", BencodeLimits(size_bytes=82, depth=1, tokens=41)),
        (b"llllee" + b"0:" * 9 + b"ee", BencodeLimits(size_bytes=26, depth=4, tokens=13)),
        (b"d0:ld0:leeee", BencodeLimits(size_bytes=12, depth=4, tokens=6)),  # lists and dictionaries in turn
        (b"d0:d0:d0:deeee", BencodeLimits(size_bytes=14, depth=4, tokens=7)),
        (b"2:ld", BencodeLimits(size_bytes=4, depth=1, tokens=1)),
        (b"i12345e", BencodeLimits(size_bytes=7, depth=1, tokens=1)),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_what_just_fits_is_read_and_what_is_one_too_much_refused(
    data: bytes, needed: BencodeLimits, fast: bool
) -> None:
    value = outcome(data, fast=fast, limits=needed)
    assert value is not BencodeError
    assert bencode.encode(value) == data  # type: ignore[arg-type]
    for bound in ("size_bytes", "depth", "tokens"):
        for less in range(1, getattr(needed, bound)):
            if bound == "depth" or less == getattr(needed, bound) - 1:
                limits = replace(needed, **{bound: less})
                assert outcome(data, fast=fast, limits=limits) is BencodeError, (bound, less)
