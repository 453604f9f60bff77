"""Variable-length integers, and the texts that bytes are written as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.wire.multibase import MultibaseError, decode_multibase, encode_multibase, from_base58, to_base58
from transfer.wire.varint import VarintError, decode_varint, encode_varint

BASES = ("base16", "base32", "base36", "base58btc", "base64url")


@given(st.integers(0, 2**63 - 1), st.binary(max_size=5), st.binary(max_size=5))
def test_numbers_round_trip_wherever_they_begin(value: int, before: bytes, after: bytes) -> None:
    data = encode_varint(value)
    assert decode_varint(before + data + after, len(before)) == (value, len(before) + len(data))
    for cut in range(len(data)):
        with pytest.raises(VarintError, match="cut off"):
            decode_varint(data[:cut])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x00", "longer than it needs"),
        (b"\xff" * 9 + b"\x01", "more than 9"),
        (b"\x81\x80\x00", "longer than it"),
    ],
)
def test_other_forms_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(VarintError, match=words):
        decode_varint(data)


@pytest.mark.parametrize("value", [-1, 2**63])
def test_numbers_that_have_no_form(value: int) -> None:
    with pytest.raises(ValueError, match="no number"):
        encode_varint(value)


@given(st.binary(max_size=80), st.sampled_from(BASES))
def test_texts_of_each_base_round_trip(data: bytes, base: str) -> None:
    assert decode_multibase(encode_multibase(data, base)) == data
    assert from_base58(to_base58(data)) == data


@given(st.text(max_size=40))
def test_a_text_means_the_bytes_that_are_written_so_or_nothing(text: str) -> None:
    try:
        data = decode_multibase(text)
    except MultibaseError:
        return
    assert text in [encode_multibase(data, base) for base in BASES]


@pytest.mark.parametrize("text", ["", "!", "z0", "z" * 1000, "b1", "bAA", "baa=", "fA0", "k_", "u=", "uA"])
def test_texts_that_mean_nothing(text: str) -> None:
    with pytest.raises(MultibaseError):
        decode_multibase(text)


def test_bases_that_are_not_known() -> None:
    with pytest.raises(ValueError, match="none of"):
        encode_multibase(b"", "base2")
