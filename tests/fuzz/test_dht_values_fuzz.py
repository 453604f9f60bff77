"""Hostile values of the DHT's extensions: each decoder raises its one family or gives something that holds."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core.mainline.bloom import BloomFilter, BloomFilterError
from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import MAX_SALT_BYTES, MAX_SEQ, MAX_VALUE_BYTES, ImmutableItem, MutableItem
from kademlia_core.mainline.pointer import PointerError, PointerLink, info_hash_in
from kademlia_core.mainline.signing import SigningKey

OWNER = SigningKey(b"s" * 32)
SEED = MutableItem.sign(OWNER, [b"abc", {"n": -7, "l": []}], seq=3, salt=b"salt")
near_bencode = st.lists(
    st.sampled_from([b"i1e", b"i-0e", b"d", b"l", b"e", b"3:abc", b"1:a", b"0:", b"4:", b"i", b"-", b"9", b"\x00"]),
    max_size=14,
).map(b"".join)


@given(
    near_bencode | st.binary(max_size=80) | st.integers(990, 1010).map(lambda size: b"%d:%s" % (size - 4, b"x" * size))
)
@example(b"l" * 500 + b"e" * 500)
@settings(max_examples=400)
def test_values_are_refused_or_kept_as_they_are(raw: bytes) -> None:
    try:
        item = ImmutableItem(raw)
    except ItemError:
        return
    assert item.value == raw
    assert len(raw) <= MAX_VALUE_BYTES
    assert item.target.bits == 160
    item.decoded()


@given(
    st.binary(min_size=30, max_size=34) | st.just(SEED.public_key),
    st.integers(-1, 4) | st.just(MAX_SEQ + 1),
    near_bencode | st.just(SEED.value),
    st.binary(min_size=63, max_size=65) | st.just(SEED.signature),
    st.binary(max_size=70) | st.just(SEED.salt),
)
@example(SEED.public_key, SEED.seq, SEED.value, SEED.signature, SEED.salt)
@example(b"\x01" + bytes(31), 0, b"i1e", b"\x01" + bytes(63), b"")  # a point of small order
@settings(max_examples=300)
def test_items_are_refused_or_checked(public_key: bytes, seq: int, value: bytes, signature: bytes, salt: bytes) -> None:
    try:
        item = MutableItem(public_key, seq, value, signature, salt)
    except ItemError:
        return
    assert 0 <= seq <= MAX_SEQ
    assert len(salt) <= MAX_SALT_BYTES
    if public_key == OWNER.public_key:
        assert item.verify() is (item == SEED), "nothing but the owner's item has the owner's signature"
    else:
        item.verify()


@given(st.binary(max_size=300) | st.binary(min_size=256, max_size=256))
def test_filters_are_refused_or_kept_as_they_are(data: bytes) -> None:
    try:
        bloom = BloomFilter.from_bytes(data)
    except BloomFilterError:
        assert len(data) != 256
        return
    assert bytes(bloom) == data
    assert bloom | bloom == bloom
    assert bloom.estimate() >= 0


link_parts = st.sampled_from(
    ["magnet:?", "xs=", "urn:btpk:", OWNER.public_key.hex(), "&", "s=", "%", "6e", "\u00e9", "=", "xt=urn:btih:", "%00"]
)


@given(
    st.text(max_size=60)
    | st.lists(link_parts, max_size=9).map("".join)
    | st.lists(link_parts, max_size=9).map("magnet:?".join)
)
@settings(max_examples=250)
def test_links_are_refused_or_come_back(text: str) -> None:
    try:
        link = PointerLink.parse(text)
    except PointerError:
        return
    assert PointerLink.parse(str(link)) == link


@given(
    near_bencode
    | st.binary(max_size=40)
    | st.binary(min_size=18, max_size=22).map(lambda ih: b"d2:ih%d:%se" % (len(ih), ih))
)
@settings(max_examples=400)
def test_pointers_are_refused_or_hold_an_info_hash(raw: bytes) -> None:
    try:
        assert bytes(info_hash_in(raw)) in raw
    except PointerError:
        return
