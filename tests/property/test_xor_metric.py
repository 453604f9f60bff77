"""The XOR metric and its keys, over the whole of an 8-bit space and samples of the 160-bit one."""

from __future__ import annotations

import copy
import pickle
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kademlia_core import Contact, InvalidKeyError, Key
from kademlia_core.distance import nearest, random_key_sharing
from transfer.address import Address


def keys(bits: int) -> st.SearchStrategy[Key]:
    return st.integers(0, (1 << bits) - 1).map(lambda value: Key(value, bits))


same_width = st.sampled_from([8, 13, 160, 256]).flatmap(lambda bits: st.tuples(keys(bits), keys(bits), keys(bits)))


@given(same_width)
def test_metric(triple: tuple[Key, Key, Key]) -> None:
    a, b, c = triple
    assert a ^ a == 0
    assert ((a ^ b) == 0) is (a == b)
    assert a ^ b == b ^ a
    assert (a ^ c) <= (a ^ b) + (b ^ c)
    assert (a ^ c) == (a ^ b) ^ (b ^ c)


def test_unidirectional_over_a_whole_space() -> None:
    space = [Key(value, 8) for value in range(256)]
    for origin in space:
        assert sorted(origin ^ other for other in space) == list(range(256))


@given(same_width)
def test_shared_prefix_is_what_the_bits_say(triple: tuple[Key, Key, Key]) -> None:
    a, b, _ = triple
    expected = next((index for index in range(a.bits) if a.bit(index) != b.bit(index)), a.bits)
    assert a.shared_prefix_length(b) == expected
    assert "".join(str(a.bit(index)) for index in range(a.bits)) == f"{a.value:0{a.bits}b}"


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_keys_behave_like_their_bytes(first: bytes, second: bytes) -> None:
    a, b = Key.from_bytes(first), Key.from_bytes(second)
    assert bytes(a) == first
    assert Key.from_hex(a.hex()) == a
    assert (a == b) is (first == second)
    assert {a: 1}.get(b) == (1 if first == second else None)
    assert pickle.loads(pickle.dumps(a)) == a
    assert copy.deepcopy(a) == a
    if len(first) == len(second):
        assert (a < b, a <= b, a > b, a >= b) == (first < second, first <= second, first > second, first >= second)


@given(same_width, st.integers(0, 2**32), st.booleans())
def test_random_keys_stay_in_their_part_of_the_space(triple: tuple[Key, Key, Key], seed: int, exactly: bool) -> None:
    origin, rng = triple[0], Random(seed)
    for prefix_length in range(0, origin.bits + 1, max(1, origin.bits // 8)):
        drawn = random_key_sharing(origin, prefix_length, rng, exactly=exactly)
        assert drawn.bits == origin.bits
        if exactly:
            assert drawn.shared_prefix_length(origin) == prefix_length
        else:
            assert drawn.shared_prefix_length(origin) >= prefix_length


@given(st.sets(st.integers(0, 255)), st.integers(0, 255), st.integers(0, 20))
def test_nearest_is_a_sort(values: set[int], target_value: int, count: int) -> None:
    target = Key(target_value, 8)
    contacts = [Contact(Key(value, 8), Address("127.0.0.1", value + 1)) for value in sorted(values)]
    assert nearest(contacts, target, count) == sorted(contacts, key=lambda contact: contact.key ^ target)[:count]


@given(st.integers(1, 300), st.integers())
def test_random_keys_have_the_width_asked_for(bits: int, seed: int) -> None:
    key = Key.random(bits, Random(seed))
    assert key.bits == bits
    assert key == Key.random(bits, Random(seed))


@pytest.mark.parametrize(("value", "bits"), [(-1, 8), (256, 8), (0, 0), (1 << 160, 160)])
def test_a_key_outside_its_space_is_refused(value: int, bits: int) -> None:
    with pytest.raises(InvalidKeyError):
        Key(value, bits)


@pytest.mark.parametrize("text", ["", "0", "xy", "12 3"])
def test_what_is_not_hexadecimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError):
        Key.from_hex(text)


def test_widths_do_not_mix_and_keys_do_not_change() -> None:
    key = Key(1, 8)
    assert key != Key(1, 16)
    with pytest.raises(InvalidKeyError):
        key ^ Key(1, 16)
    with pytest.raises(IndexError):
        key.bit(8)
    with pytest.raises(AttributeError):
        key.value = 2
    with pytest.raises(AttributeError):
        del key.bits
    assert repr(key) == "Key(01)"
