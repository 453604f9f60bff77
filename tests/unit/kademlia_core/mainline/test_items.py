from __future__ import annotations

import pickle
from dataclasses import replace
from random import Random

import pytest

from kademlia_core.mainline.item_errors import (
    BadSignatureError,
    CasMismatchError,
    ItemError,
    SaltTooBigError,
    StaleSequenceError,
    StoreFullError,
    ValueTooBigError,
)
from kademlia_core.mainline.items import (
    MAX_SALT_BYTES,
    MAX_SEQ,
    MAX_VALUE_BYTES,
    ImmutableItem,
    MutableItem,
    decode_value,
    encode_value,
    target_of,
)
from kademlia_core.mainline.signing import SigningKey, is_signed
from transfer.errors import LocalProtocolError

KEY = SigningKey(b"s" * 32)
OTHER = SigningKey(b"o" * 32)
ITEM = MutableItem.sign(KEY, {"name": [1, b"two"]}, seq=7, salt=b"salt")
LONGEST = b"x" * (MAX_VALUE_BYTES - 4)  # "996:" in front


def test_a_signed_item_verifies_and_nothing_else_does() -> None:
    assert ITEM.verify()
    assert ITEM.target == target_of(KEY.public_key, b"salt")
    assert ITEM.decoded() == {b"name": [1, b"two"]}
    for changed in (
        replace(ITEM, public_key=OTHER.public_key),
        replace(ITEM, seq=8),
        replace(ITEM, value=b"i1e"),
        replace(ITEM, salt=b"Salt"),
        replace(ITEM, salt=b""),
        replace(ITEM, signature=OTHER.sign(b"")),
    ):
        assert not changed.verify()


def test_values_are_kept_as_they_came() -> None:
    unsorted = b"d1:bi1e1:ai2ee"
    assert encode_value({"b": 1, "a": 2}) != unsorted
    signature = KEY.sign(b"3:seqi0e1:v" + unsorted)
    item = MutableItem(KEY.public_key, 0, unsorted, signature)
    assert item.verify()
    assert item.decoded() == {b"b": 1, b"a": 2}
    assert ImmutableItem(unsorted).target != ImmutableItem.of({"b": 1, "a": 2}).target


def test_the_largest_of_everything_fits() -> None:
    item = MutableItem.sign(KEY, LONGEST, seq=MAX_SEQ, salt=b"s" * MAX_SALT_BYTES)
    assert len(item.value) == MAX_VALUE_BYTES
    assert item.verify()
    assert ImmutableItem.of(LONGEST).decoded() == LONGEST


def test_what_does_not_fit_is_refused_with_its_code() -> None:
    too_long = b"x" * (MAX_VALUE_BYTES - 3)
    with pytest.raises(ValueTooBigError, match="1001 bytes"):
        ImmutableItem.of(too_long)
    with pytest.raises(ValueTooBigError, match="1001 bytes"):
        ImmutableItem(encode_value(LONGEST) + b"e")
    with pytest.raises(ValueTooBigError, match="1001 bytes"):
        MutableItem.sign(KEY, too_long, seq=0)
    with pytest.raises(SaltTooBigError, match="65 bytes"):
        MutableItem.sign(KEY, 0, seq=0, salt=b"s" * 65)
    with pytest.raises(SaltTooBigError, match="65 bytes"):
        replace(ITEM, salt=b"s" * 65)
    assert (ValueTooBigError.code, BadSignatureError.code, SaltTooBigError.code) == (205, 206, 207)
    assert (CasMismatchError.code, StaleSequenceError.code, StoreFullError.code, ItemError.code) == (301, 302, 202, 203)


@pytest.mark.parametrize(
    "bad",
    [
        {"public_key": b"k" * 31},
        {"signature": b"s" * 63},
        {"seq": -1},
        {"seq": MAX_SEQ + 1},
        {"value": b""},
        {"value": b"i1ei2e"},
        {"value": b"i-0e"},
        {"value": b"d1:ai1e1:ai2ee"},
    ],
    ids=str,
)
def test_malformed_items_are_refused(bad: dict[str, bytes]) -> None:
    with pytest.raises(ItemError) as caught:
        replace(ITEM, **bad)  # type: ignore[arg-type]
    assert caught.value.code == 203


def test_a_sequence_number_out_of_range_is_not_signed() -> None:
    with pytest.raises(ItemError, match="-1"):
        MutableItem.sign(KEY, 0, seq=-1)


def test_values_that_bencode_lacks_are_the_callers_fault() -> None:
    with pytest.raises(LocalProtocolError):
        ImmutableItem.of(1.5)  # type: ignore[arg-type]


def test_deep_values_do_not_break_the_stack() -> None:
    with pytest.raises(ItemError, match="nested"):
        decode_value(b"l" * 400 + b"e" * 400)


def test_errors_are_recognised_by_their_code() -> None:
    error = ItemError.from_code(301, "CAS mismatch")
    assert type(error) is CasMismatchError
    assert str(error) == "CAS mismatch"
    assert type(ItemError.from_code(302, "")) is StaleSequenceError
    for code in (0, 201, 202, 203, 204, 999):
        assert ItemError.from_code(code, "not about the item") is None


def test_keys_come_from_a_seed_or_a_generator() -> None:
    key = SigningKey.generate(Random(1))
    assert SigningKey(key.seed).public_key == key.public_key != SigningKey.generate(Random(2)).public_key
    assert key.seed.hex() not in repr(key)
    assert key.public_key.hex() in repr(key)
    with pytest.raises(ItemError, match="expanded"):
        SigningKey(b"s" * 64)


def test_nonsense_is_not_signed() -> None:
    signature = KEY.sign(b"message")
    assert is_signed(b"message", signature, KEY.public_key)
    assert not is_signed(b"message", signature, b"\xff" * 32)
    assert not is_signed(b"message", signature, b"short")
    assert not is_signed(b"message", signature[:-1], KEY.public_key)


def test_items_are_plain_values() -> None:
    assert pickle.loads(pickle.dumps(ITEM)) == ITEM
    assert len({ITEM, replace(ITEM, salt=b"salt")}) == 1
