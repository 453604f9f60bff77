from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Key
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.config import PeerStoreConfig
from kademlia_core.mainline.peer_store import FILTERS_REFRESH_S, PeerStore
from transfer.address import Address

CONFIG = PeerStoreConfig(
    max_torrents=3, max_peers_per_torrent=4, max_ports_per_host=2, max_entries_per_host=3, lifetime_s=100.0
)
TORRENT = Key(1, 160)


def peer(host: int, port: int = 1) -> Address:
    return Address(f"192.0.2.{host}", port)


def store_with(*peers: Address, torrent: Key = TORRENT) -> PeerStore:
    store = PeerStore(CONFIG, rng=Random(1))
    for other in peers:
        assert store.add(torrent, other, now=0.0)
    return store


def known(store: PeerStore, torrent: Key = TORRENT, now: float = 1.0) -> set[Address]:
    return set(store.sample(torrent, 100, now=now))


def test_announces_are_kept_for_their_lifetime() -> None:
    store = store_with(peer(1))
    store.add(TORRENT, peer(2), now=50.0)
    assert known(store, now=99.0) == {peer(1), peer(2)}
    assert known(store, now=100.0) == {peer(2)}
    store.expire(now=150.0)
    assert (store.torrent_count, store.peer_count) == (0, 0)


def test_announcing_again_extends_the_lifetime() -> None:
    store = store_with(peer(1))
    store.add(TORRENT, peer(1), now=90.0)
    assert store.peer_count == 1
    assert known(store, now=189.0) == {peer(1)}


def test_the_oldest_peer_and_the_oldest_torrent_go_first() -> None:
    store = store_with(*(peer(host) for host in range(1, 6)))
    assert known(store) == {peer(host) for host in range(2, 6)}
    for number in (2, 3, 4):
        store.add(Key(number, 160), peer(9), now=1.0)
    assert known(store) == set()
    assert store.torrent_count == 3


def test_one_host_cannot_crowd_out_a_swarm() -> None:
    store = store_with(peer(1), peer(7, 1), peer(7, 2), peer(7, 3))
    assert known(store) == {peer(1), peer(7, 2), peer(7, 3)}


def test_one_host_has_a_share_of_the_whole_store() -> None:
    store = store_with(peer(7, 1), peer(7, 2))
    assert store.add(Key(2, 160), peer(7), now=0.0)
    assert not store.add(Key(3, 160), peer(7), now=0.0)
    assert store.add(TORRENT, peer(7, 1), now=0.0)  # what is there may be renewed
    assert store.add(Key(3, 160), peer(7), now=100.0)  # and what has expired does not count


def test_samples_are_random_and_no_larger_than_asked() -> None:
    store = store_with(*(peer(host) for host in range(1, 5)))
    samples = [tuple(store.sample(TORRENT, 2, now=0.0)) for _ in range(200)]
    assert {len(set(sample)) for sample in samples} == {2}
    assert {other for sample in samples for other in sample} == {peer(host) for host in range(1, 5)}
    assert len(set(samples)) == 12
    assert store.sample(Key(9, 160), 2, now=0.0) == []


def test_seeds_can_be_left_out() -> None:
    store = store_with(peer(1), peer(2))
    store.add(TORRENT, peer(3), is_seed=True, now=0.0)
    assert known(store) == {peer(1), peer(2), peer(3)}
    assert set(store.sample(TORRENT, 9, only_downloaders=True, now=0.0)) == {peer(1), peer(2)}
    assert len(store.sample(TORRENT, 1, only_downloaders=True, now=0.0)) == 1


def test_the_latest_announce_says_who_is_a_seed() -> None:
    store = store_with(peer(1), peer(2))
    store.add(TORRENT, peer(1), is_seed=True, now=1.0)
    assert store.sample(TORRENT, 9, only_downloaders=True, now=1.0) == [peer(2)]
    store.add(TORRENT, peer(1), now=2.0)
    assert set(store.sample(TORRENT, 9, only_downloaders=True, now=2.0)) == {peer(1), peer(2)}


def test_filters_count_the_addresses_of_each_kind() -> None:
    store = store_with(peer(1), peer(7, 1), peer(7, 2))
    store.add(TORRENT, peer(4), is_seed=True, now=0.0)
    filters = store.filters(TORRENT, now=0.0)
    assert filters is not None
    assert filters.seeds == BloomFilter(["192.0.2.4"])
    assert filters.downloaders == BloomFilter(["192.0.2.1", "192.0.2.7"])
    assert store.filters(Key(9, 160), now=0.0) is None


def test_filters_are_made_anew_only_once_in_a_while() -> None:
    store = store_with(peer(1))
    first = store.filters(TORRENT, now=0.0)
    store.add(TORRENT, peer(2), now=1.0)
    assert store.filters(TORRENT, now=FILTERS_REFRESH_S - 1) is first
    second = store.filters(TORRENT, now=FILTERS_REFRESH_S)
    assert second is not None
    assert second.downloaders == BloomFilter(["192.0.2.1", "192.0.2.2"])
    assert store.filters(TORRENT, now=100.0) is not None
    assert store.filters(TORRENT, now=101.0) is None, "and a swarm that has expired has none"


def test_info_hashes_are_drawn_from_those_that_have_peers() -> None:
    store = PeerStore(CONFIG, rng=Random(1))
    for number, now in ((1, 0.0), (2, 50.0), (3, 60.0)):
        store.add(Key(number, 160), peer(number), now=now)
    assert set(store.sample_info_hashes(9, now=99.0)) == {Key(1, 160), Key(2, 160), Key(3, 160)}
    assert set(store.sample_info_hashes(9, now=100.0)) == {Key(2, 160), Key(3, 160)}
    assert {tuple(store.sample_info_hashes(1, now=100.0)) for _ in range(50)} == {(Key(2, 160),), (Key(3, 160),)}


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 4), st.booleans(), st.floats(0, 40)),
        max_size=120,
    )
)
def test_bounds_hold_for_any_announces(announces: list[tuple[int, int, int, bool, float]]) -> None:
    store, now = PeerStore(CONFIG, rng=Random(1)), 0.0
    for torrent, host, port, is_seed, pause in announces:
        now += pause
        key = Key(torrent, 160)
        was_taken = store.add(key, peer(host, port), is_seed=is_seed, now=now)
        store.check_invariants()
        assert (peer(host, port) in known(store, key, now)) is was_taken
        downloads = peer(host, port) in store.sample(key, 100, only_downloaders=True, now=now)
        assert downloads is (was_taken and not is_seed)


@pytest.mark.parametrize("bad", [{"max_torrents": 0}, {"max_peers_per_torrent": 0}, {"lifetime_s": 0}])
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        PeerStoreConfig(**bad)


def test_a_subscriber_with_many_ipv6_addresses_is_one_host() -> None:
    store = PeerStore(CONFIG, rng=Random(1))
    swarm = [Address(f"2001:db8:{site}::1", 1) for site in (1, 2)]
    for other in swarm:
        assert store.add(TORRENT, other, now=0.0)
    crowd = [Address(f"2001:db8:3::{number:x}", 1) for number in range(1, 100)]
    for other in crowd:
        store.add(TORRENT, other, now=1.0)
        store.check_invariants()
    assert known(store) == {*swarm, *crowd[-2:]}
    assert [store.add(Key(number, 160), crowd[number], now=1.0) for number in (2, 3)] == [True, False]
    assert known(store) == {*swarm, *crowd[-2:]}
