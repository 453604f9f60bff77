"""A dictionary that is decoded a little at a time is the one that is decoded at once, and so is what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.property.test_bencode import noise, values
from transfer.wire import bencode, bencode_parts
from transfer.wire.bencode import BencodeError
from transfer.wire.bencode_parts import BencodedParts

if TYPE_CHECKING:
    from transfer.wire.bencode import Value

KEYS = st.sampled_from([b"info", b"files", b"a", b""])
DICTIONARIES: st.SearchStrategy[dict[bytes, Value]] = st.dictionaries(
    KEYS,
    values | st.lists(values, max_size=6) | st.dictionaries(KEYS, values | st.lists(values), max_size=4),
    max_size=4,
)


def joined(parts: BencodedParts, apart: bytes) -> dict[bytes, Value]:
    found = dict(parts.values)
    if parts.listed is not None:
        found[apart] = [item for batch in parts.listed.batches() for item in batch]
        assert len(parts.listed) == len(found[apart])  # type: ignore[arg-type]
    return found


def in_parts(data: bytes) -> object:
    try:
        outer = BencodedParts(data, inside=b"info", apart=b"files")
        found = joined(outer, b"files")
        if outer.inner is not None:
            found[b"info"] = joined(outer.inner, b"files")
            assert data[outer.inner.start : outer.inner.end] == data[slice(*bencode.spans(data)[b"info"])]
        return found if outer.end == len(data) else BencodeError
    except BencodeError:
        return BencodeError


def at_once(data: bytes) -> object:
    try:
        return bencode.decode_dict(data)
    except BencodeError:
        return BencodeError


@given(DICTIONARIES, st.booleans())
@example({b"info": {b"files": [{b"length": 1}] * 600}}, True)
def test_every_dictionary_is_the_same(value: dict[bytes, Value], fast: bool) -> None:
    data, patch = bencode.encode(value), pytest.MonkeyPatch()
    if not fast:
        patch.setattr(bencode, "_fast", None)
    try:
        assert in_parts(data) == value
    finally:
        patch.undo()


@given(DICTIONARIES, st.integers(0, 200), st.binary(max_size=3))
def test_damaged_dictionaries_are_refused_alike(value: dict[bytes, Value], position: int, patch: bytes) -> None:
    data = bencode.encode(value)
    damaged = data[:position] + patch + data[position + 1 :]
    assert in_parts(damaged) == at_once(damaged)


@given(noise.map(lambda data: b"d" + data))
@example(b"d")
@example(b"d4:infod")
@example(b"d4:infod5:filesl")
@example(b"d4:infodee" * 2)
@example(b"d1:bi1e1:ai2ee")
@example(b"d1:ai1e1:ai2ee")
@example(b"di1ei2ee")
def test_anything_is_accepted_and_refused_alike(data: bytes) -> None:
    assert in_parts(data) == at_once(data)


def test_no_stretch_that_is_decoded_at_once_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder holds up every other thread: libtorrent's 300,001 files of 8.6 MB were a second and more."""
    data = bencode.encode(
        {b"info": {b"files": [{b"length": 0, b"path": [b"%06d" % number]} for number in range(20_000)]}}
    )
    sizes: list[int] = []
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    def decode(raw: bytes) -> Value:
        sizes.append(len(raw))
        return bencode.decode_scanned(raw)

    monkeypatch.setattr(bencode_parts, "decode_scanned", decode)
    parts = BencodedParts(data, inside=b"info", apart=b"files", pause=pause)
    assert parts.inner is not None
    assert parts.inner.listed is not None
    scan_pauses = pauses
    assert scan_pauses >= 5 * 20_000 // bencode.TOKENS_A_PAUSE
    batches = list(parts.inner.listed.batches(pause=pause))
    assert sum(map(len, batches)) == 20_000
    assert max(sizes) < 2 * bencode_parts.BATCH_BYTES
    assert pauses - scan_pauses == len(batches)


def test_what_nobody_reads_is_not_decoded() -> None:
    tree = {b"%06d" % number: {b"": {b"length": number}} for number in range(60_000)}
    parts = BencodedParts(bencode.encode({b"file tree": tree, b"name": b"n"}))
    assert parts.values == {b"file tree": {}, b"name": b"n"}


def test_an_element_of_a_list_that_is_as_large_as_no_file_is_refused() -> None:
    data = bencode.encode({b"files": [b"x" * (bencode_parts.MAX_VALUE_BYTES + 1)]})
    listed = BencodedParts(data, apart=b"files").listed
    assert listed is not None
    with pytest.raises(BencodeError, match="an element of 1048"):
        list(listed.batches())


def test_a_pause_may_put_an_end_to_it() -> None:
    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        BencodedParts(bencode.encode({b"l": [0] * 5000}), pause=stop)
