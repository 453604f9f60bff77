"""The item store against a slow obvious model: what is kept, what is refused and with which code."""

from __future__ import annotations

from functools import cache

import hypothesis.strategies as st
from hypothesis import given, settings

from kademlia_core import Key
from kademlia_core.mainline.config import ItemStoreConfig
from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.item_store import Item, ItemStore
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.signing import SigningKey

OWNER = SigningKey(b"s" * 32)
OWN_KEY = Key(0x55 << 152, 160)
CONFIG = ItemStoreConfig(
    max_items=4,
    max_items_per_source=3,
    max_bytes=1500,
    max_bytes_per_source=1200,
    lifetime_s=100.0,
    verifications_per_s=1e6,
    verification_burst=1e6,
    verifications_per_source_per_s=1e9,
    bad_signature_cost_s=0.0,
)
SIZES = (1, 300, 900)


@cache
def item_of(number: int, seq: int | None, size: int, good: bool) -> Item:
    value = bytes([number]) * SIZES[size]
    if seq is None:
        return ImmutableItem.of(value)
    item = MutableItem.sign(OWNER, value, seq=seq, salt=bytes([number]))
    return item if good else MutableItem(item.public_key, item.seq, item.value, bytes(64), item.salt)


class Model:
    """A list that is searched and sorted anew each time; refusals are codes, 0 is a success."""

    def __init__(self) -> None:
        self.held: list[tuple[Item, str, float]] = []

    def put(self, item: Item, cas: int | None, source: str, now: float) -> int:
        self.held = [held for held in self.held if held[2] > now]
        old = next((held for held in self.held if held[0].target == item.target), None)
        others = [held for held in self.held if held is not old]
        ends_at = now + CONFIG.lifetime_s
        if old is not None:
            stored = old[0]
            if isinstance(item, MutableItem) and isinstance(stored, MutableItem):
                if cas is not None and cas != stored.seq:
                    return 301
                if item.seq < stored.seq or (item.seq == stored.seq and item.value != stored.value):
                    return 302
            if isinstance(item, ImmutableItem) or (isinstance(stored, MutableItem) and item.seq == stored.seq):
                self.held = [*others, (stored, old[1], ends_at)]
                return 0
        share = [held for held in others if held[1] == source]
        if len(share) >= CONFIG.max_items_per_source:
            return 202
        if sum(map(size_of, [item, *(held[0] for held in share)])) > CONFIG.max_bytes_per_source:
            return 202
        kept = sorted([*others, (item, source, ends_at)], key=lambda held: held[0].target ^ OWN_KEY)
        while len(kept) > CONFIG.max_items or sum(size_of(held[0]) for held in kept) > CONFIG.max_bytes:
            if kept.pop()[0] is item:
                return 202
            if old is not None and old[0].target ^ OWN_KEY > max(held[0].target ^ OWN_KEY for held in kept):
                return 202
        if isinstance(item, MutableItem) and not item.verify():
            return 206
        self.held = sorted(kept, key=lambda held: held[2])
        return 0


def size_of(item: Item) -> int:
    return len(item.value) + (len(item.salt) if isinstance(item, MutableItem) else 0)


def refusal(store: ItemStore, item: Item, cas: int | None, source: str, now: float) -> int:
    try:
        store.put(item, cas=cas, source=source, now=now)
    except ItemError as error:
        return error.code
    return 0


items = st.builds(
    item_of,
    st.integers(0, 9),
    st.none() | st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from([True, True, True, False]),
)
puts = st.tuples(
    items, st.none() | st.integers(0, 3), st.sampled_from(["5.6.7.8", "9.9.9.9"]), st.sampled_from([0, 1, 40])
)


@given(st.lists(puts, max_size=60))
@settings(max_examples=150)
def test_the_store_does_what_the_model_does(script: list[tuple[Item, int | None, str, float]]) -> None:
    store, model, now = ItemStore(CONFIG, OWN_KEY, now=0.0), Model(), 0.0
    for item, cas, source, pause in script:
        now += pause
        assert refusal(store, item, cas, source, now) == model.put(item, cas, source, now)
        store.check_invariants()
        assert store.item_count == len(model.held)
        for held, _, _ in model.held:
            assert store.get(held.target, now=now) == held
