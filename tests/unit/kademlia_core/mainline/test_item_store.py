from __future__ import annotations

from dataclasses import replace

import pytest

from kademlia_core import Key
from kademlia_core.mainline.config import ItemStoreConfig
from kademlia_core.mainline.item_errors import (
    BadSignatureError,
    CasMismatchError,
    ItemError,
    StaleSequenceError,
    StoreFullError,
)
from kademlia_core.mainline.item_store import ItemStore
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.signing import SigningKey

OWNER = SigningKey(b"s" * 32)
OWN_KEY = Key(0, 160)
SOURCE = "5.6.7.8"


def store_of(**changes: float) -> ItemStore:
    return ItemStore(ItemStoreConfig(**changes), OWN_KEY, now=0.0)  # type: ignore[arg-type]


def version(seq: int, value: int | None = None, salt: bytes = b"") -> MutableItem:
    return MutableItem.sign(OWNER, seq if value is None else value, seq=seq, salt=salt)


def spoilt(item: MutableItem) -> MutableItem:
    return replace(item, signature=bytes(64))


def immutables(count: int) -> list[ImmutableItem]:
    """Closest to the own key first."""
    return sorted((ImmutableItem.of(number) for number in range(count)), key=lambda item: item.target)


def test_immutable_items_are_found_under_their_hash() -> None:
    store, item = store_of(), ImmutableItem.of([1, "two"])
    store.put(item, source=SOURCE, now=0.0)
    assert store.get(item.target, now=1.0) == item
    assert store.get(Key(1, 160), now=1.0) is None
    assert (store.item_count, store.size_bytes) == (1, len(item.value))
    store.check_invariants()


def test_items_live_two_hours_after_the_last_put() -> None:
    store, item, mutable = store_of(), ImmutableItem.of(1), version(1)
    store.put(item, source=SOURCE, now=0.0)
    store.put(mutable, source=SOURCE, now=10.0)
    store.put(item, source="9.9.9.9", now=3600.0)
    store.put(mutable, source="9.9.9.9", now=3600.0)
    assert store.get(item.target, now=10799.0) == item
    assert store.get(mutable.target, now=10799.0) == mutable
    assert store.get(item.target, now=10800.0) is None
    store.expire(now=10800.0)
    assert (store.item_count, store.size_bytes) == (0, 0)
    store.check_invariants()


def test_newer_versions_replace_older_ones() -> None:
    store = store_of()
    for seq in (0, 1, 5):
        store.put(version(seq), source=SOURCE, now=0.0)
        assert store.get(version(0).target, now=0.0) == version(seq)
        store.check_invariants()
    assert store.item_count == 1


def test_older_and_contradicting_versions_are_refused() -> None:
    store = store_of()
    store.put(version(5), source=SOURCE, now=0.0)
    with pytest.raises(StaleSequenceError, match="5"):
        store.put(version(4), source=SOURCE, now=1.0)
    with pytest.raises(StaleSequenceError, match="different value"):
        store.put(version(5, value=99), source=SOURCE, now=1.0)
    assert store.get(version(5).target, now=7199.0) == version(5)
    assert store.get(version(5).target, now=7200.0) is None, "a refused put does not extend the lifetime"


def test_compare_and_swap() -> None:
    store = store_of()
    store.put(version(5), cas=3, source=SOURCE, now=0.0)  # nothing is stored, so there is nothing to compare
    for wrong in (0, 4, 6):
        with pytest.raises(CasMismatchError, match=f"5, not {wrong}"):
            store.put(version(7), cas=wrong, source=SOURCE, now=0.0)
    with pytest.raises(CasMismatchError):
        store.put(version(5), cas=4, source=SOURCE, now=0.0)  # even for what is there already (BEP 44: MUST)
    with pytest.raises(StaleSequenceError):
        store.put(version(4), cas=5, source=SOURCE, now=0.0)
    store.put(version(7), cas=5, source=SOURCE, now=0.0)
    assert store.get(version(7).target, now=0.0) == version(7)


def test_salts_make_separate_items() -> None:
    store = store_of()
    store.put(version(5, salt=b"a"), source=SOURCE, now=0.0)
    store.put(version(1, salt=b"b"), source=SOURCE, now=0.0)
    store.put(version(1), source=SOURCE, now=0.0)
    assert store.item_count == 3
    assert store.size_bytes == 3 * len(b"i1e") + 2


def test_unsigned_items_are_refused_and_change_nothing() -> None:
    store = store_of()
    with pytest.raises(BadSignatureError):
        store.put(spoilt(version(1)), source=SOURCE, now=0.0)
    assert store.item_count == 0
    store.put(version(1), source=SOURCE, now=0.0)
    with pytest.raises(BadSignatureError):
        store.put(spoilt(version(2)), source=SOURCE, now=0.0)
    assert store.get(version(1).target, now=0.0) == version(1)
    store.put(spoilt(version(1)), source=SOURCE, now=100.0)  # the same version: only its lifetime is at stake
    assert store.get(version(1).target, now=7299.0) == version(1), "with the signature that was checked"


def test_signatures_are_not_checked_where_something_else_decides() -> None:
    """The store has credit for one check; the version there is, older ones and wrong guesses do not use it up."""
    store = store_of(verification_burst=2, verifications_per_s=1e-9)
    store.put(version(5), source=SOURCE, now=0.0)
    for _ in range(10):
        store.put(version(5), source=SOURCE, now=0.0)
        store.put(ImmutableItem.of(1), source=SOURCE, now=0.0)
        with pytest.raises(StaleSequenceError):
            store.put(spoilt(version(4)), source=SOURCE, now=0.0)
        with pytest.raises(CasMismatchError):
            store.put(spoilt(version(6)), cas=4, source=SOURCE, now=0.0)
    store.put(version(6), source=SOURCE, now=0.0)
    with pytest.raises(StoreFullError, match="try again later"):
        store.put(version(7), source="9.9.9.9", now=0.0)


def test_a_flood_of_bad_signatures_is_soon_not_even_checked() -> None:
    """Three are looked at, then one in ten seconds; the other addresses of the same /24 share the blame."""
    store = store_of()
    refusals = []
    for number in range(1000):
        with pytest.raises(ItemError) as caught:
            store.put(spoilt(version(number)), source=f"5.6.7.{number % 250}", now=number / 10)
        refusals.append(type(caught.value))
    assert refusals[:3] == [BadSignatureError] * 3
    assert refusals.count(BadSignatureError) == pytest.approx(3 + 100 / 10, abs=2)
    for _ in range(2):
        with pytest.raises(ItemError):
            store.put(spoilt(version(1)), source=SOURCE, now=100.0)
    with pytest.raises(StoreFullError, match="this network"):
        store.put(version(1), source=SOURCE, now=100.0)
    store.put(version(1), source="5.6.8.1", now=100.0)
    store.put(version(2), source=SOURCE, now=120.0)
    store.check_invariants()


def test_a_busy_publisher_has_room_for_a_burst() -> None:
    store = store_of()
    for seq in range(100):
        store.put(version(seq), source=SOURCE, now=0.0)
    store.put(version(100), source=SOURCE, now=0.0)
    with pytest.raises(StoreFullError, match="this network"):
        store.put(version(102), source=SOURCE, now=0.0)
    store.put(version(102), source=SOURCE, now=1.0)


def test_the_memory_of_sources_is_bounded() -> None:
    store = store_of(max_sources=3, verifications_per_s=1e6)
    for number in range(20):
        with pytest.raises(BadSignatureError):
            store.put(spoilt(version(1)), source=f"5.6.{number}.1", now=0.0)
        store.check_invariants()


def test_the_farthest_item_makes_room_and_farther_ones_are_refused() -> None:
    store, items = store_of(max_items=4), immutables(10)
    for item in (items[8], items[5], items[1], items[7]):
        store.put(item, source=SOURCE, now=0.0)
    with pytest.raises(StoreFullError, match="closer"):
        store.put(items[9], source=SOURCE, now=0.0)
    store.put(items[0], source=SOURCE, now=0.0)
    store.put(items[2], source=SOURCE, now=0.0)
    assert [item in (store.get(item.target, now=0.0),) for item in items] == [
        True, True, True, False, False, True, False, False, False, False,
    ]  # fmt: skip
    store.check_invariants()


def test_room_is_made_for_bytes_too() -> None:
    store = store_of(max_bytes=1200)
    items = sorted((ImmutableItem.of(bytes([letter]) * 300) for letter in range(10)), key=lambda item: item.target)
    for item in items[1:4]:
        store.put(item, source=SOURCE, now=0.0)
    large = next(
        item for number in range(1000) if (item := ImmutableItem.of(b"%990d" % number)).target < items[1].target
    )
    store.put(large, source=SOURCE, now=0.0)
    assert store.get(large.target, now=0.0) == large
    assert store.item_count == 1
    assert store.size_bytes <= 1200
    store.check_invariants()


def test_what_is_refused_pushes_nothing_out() -> None:
    store = store_of(max_items=1)
    mutable = version(1)
    farther = next(item for item in immutables(50) if item.target > mutable.target)
    store.put(farther, source=SOURCE, now=0.0)
    with pytest.raises(BadSignatureError):
        store.put(spoilt(mutable), source=SOURCE, now=0.0)
    assert store.get(farther.target, now=0.0) == farther
    store.put(mutable, source=SOURCE, now=0.0)
    assert store.get(farther.target, now=0.0) is None


def test_what_has_expired_makes_room_first() -> None:
    store, items = store_of(max_items=2), immutables(3)
    store.put(items[0], source=SOURCE, now=0.0)
    store.put(items[1], source=SOURCE, now=5000.0)
    store.put(items[2], source=SOURCE, now=7200.0)
    assert store.get(items[1].target, now=7200.0) == items[1]
    assert store.get(items[2].target, now=7200.0) == items[2]


def test_a_new_id_changes_what_is_far() -> None:
    store, items = store_of(max_items=3), immutables(5)
    for item in items[:3]:
        store.put(item, source=SOURCE, now=0.0)
    store.move(Key(2**160 - 1, 160))
    store.check_invariants()
    store.put(items[4], source=SOURCE, now=0.0)
    assert store.get(items[0].target, now=0.0) is None
    store.check_invariants()


def test_one_network_has_a_share_of_the_store() -> None:
    store, items = store_of(max_items_per_source=2), immutables(4)
    store.put(items[0], source="5.6.7.1", now=0.0)
    store.put(items[1], source="5.6.7.2", now=1.0)
    with pytest.raises(StoreFullError, match="this network"):
        store.put(items[2], source="5.6.7.3", now=2.0)
    store.put(items[0], source="5.6.7.3", now=2.0)  # what is there may be renewed
    store.put(items[2], source="5.6.8.1", now=2.0)
    store.put(items[3], source="5.6.7.3", now=7201.0)  # and what has expired does not count
    store.check_invariants()


def test_an_ipv6_site_is_one_source() -> None:
    store, items = store_of(max_items_per_source=1), immutables(3)
    store.put(items[0], source="2a00:1450:1:2::1", now=0.0)
    with pytest.raises(StoreFullError):
        store.put(items[1], source="2a00:1450:1:ffff::1", now=0.0)
    store.put(items[1], source="2a00:1450:2:2::1", now=0.0)


def test_local_addresses_are_sources_each() -> None:
    store, items = store_of(max_items_per_source=1), immutables(2)
    store.put(items[0], source="127.0.0.1", now=0.0)
    store.put(items[1], source="127.0.0.2", now=0.0)
    assert store.item_count == 2


def test_a_new_version_is_charged_to_whoever_put_it() -> None:
    store = store_of(max_items_per_source=1)
    store.put(version(1), source=SOURCE, now=0.0)
    store.put(version(2), source="9.9.9.9", now=0.0)
    store.put(ImmutableItem.of(1), source=SOURCE, now=0.0)
    with pytest.raises(StoreFullError):
        store.put(version(3), source=SOURCE, now=0.0)
    store.put(version(3), source="9.9.9.9", now=0.0)
    store.check_invariants()


@pytest.mark.parametrize(
    "bad",
    [
        {"max_items": 0}, {"max_items_per_source": 0}, {"max_sources": 0}, {"max_bytes": 1063},
        {"max_bytes_per_source": 1063}, {"lifetime_s": 0}, {"verifications_per_s": 0}, {"verification_burst": 0.5},
        {"verifications_per_source_per_s": 0}, {"bad_signature_cost_s": -1}, {"source_credit_s": -1},
    ],
    ids=str,
)  # fmt: skip
def test_senseless_configurations_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        ItemStoreConfig(**bad)  # type: ignore[arg-type]
