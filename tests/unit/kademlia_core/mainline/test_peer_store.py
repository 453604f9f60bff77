from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Key
from kademlia_core.mainline.config import PeerStoreConfig
from kademlia_core.mainline.peer_store import PeerStore
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


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 4), st.floats(0, 40)), max_size=120))
def test_bounds_hold_for_any_announces(announces: list[tuple[int, int, int, float]]) -> None:
    store, now = PeerStore(CONFIG, rng=Random(1)), 0.0
    for torrent, host, port, pause in announces:
        now += pause
        was_taken = store.add(Key(torrent, 160), peer(host, port), now=now)
        store.check_invariants()
        assert (peer(host, port) in known(store, Key(torrent, 160), now)) is was_taken


@pytest.mark.parametrize("bad", [{"max_torrents": 0}, {"max_peers_per_torrent": 0}, {"lifetime_s": 0}])
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        PeerStoreConfig(**bad)
