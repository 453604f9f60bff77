from __future__ import annotations

from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Key
from kademlia_core.mainline.config import MAX_SAMPLE_INTERVAL_S, PeerStoreConfig, SamplingConfig
from kademlia_core.mainline.peer_store import PeerStore
from kademlia_core.mainline.sampling import InfoHashSampler, SampleVisits
from transfer.address import Address

PEER = Address("192.0.2.1", 1)
NODE, OTHER = Address("192.0.2.2", 1), Address("192.0.2.2", 2)


def sampler_of(torrents: int, *, interval_s: int = 600) -> tuple[PeerStore, InfoHashSampler]:
    peers = PeerStore(PeerStoreConfig(), rng=Random(1))
    for number in range(torrents):
        peers.add(Key(number, 160), PEER, now=0.0)
    return peers, InfoHashSampler(peers, SamplingConfig(interval_s=interval_s))


def test_an_empty_store_has_an_empty_sample() -> None:
    _, sampler = sampler_of(0)
    sample = sampler.sample(room_bytes=600, now=0.0)
    assert (sample.info_hashes, sample.stored_count, sample.interval_s) == ((), 0, 600)


def test_few_info_hashes_are_all_told_and_up_to_date() -> None:
    peers, sampler = sampler_of(10)
    assert set(sampler.sample(room_bytes=200, now=0.0).info_hashes) == {Key(number, 160) for number in range(10)}
    peers.add(Key(77, 160), PEER, now=1.0)
    assert Key(77, 160) in sampler.sample(room_bytes=220, now=1.0).info_hashes


def test_many_are_sampled_and_the_sample_stays_for_its_interval() -> None:
    peers, sampler = sampler_of(500)
    first = sampler.sample(room_bytes=20 * 30 + 19, now=0.0)
    assert (len(first.info_hashes), first.stored_count) == (30, 500)
    assert len(set(first.info_hashes)) == 30
    peers.add(Key(1000, 160), PEER, now=1.0)
    later = sampler.sample(room_bytes=20 * 30, now=599.0)
    assert later.info_hashes == first.info_hashes
    assert later.stored_count == 501
    assert sampler.sample(room_bytes=20 * 7, now=599.0).info_hashes == first.info_hashes[:7]
    assert sampler.sample(room_bytes=20 * 30, now=600.0).info_hashes != first.info_hashes


def test_every_info_hash_is_told_sooner_or_later() -> None:
    _, sampler = sampler_of(100, interval_s=1)
    told = {key for now in range(60) for key in sampler.sample(room_bytes=400, now=float(now)).info_hashes}
    assert told == {Key(number, 160) for number in range(100)}


def test_no_more_is_told_than_fits_a_datagram() -> None:
    _, sampler = sampler_of(500)
    assert sampler.sample(room_bytes=-5, now=0.0).info_hashes == ()
    assert sampler.sample(room_bytes=19, now=0.0).info_hashes == ()
    assert len(sampler.sample(room_bytes=10**6, now=0.0).info_hashes) * 20 <= 1024


def test_a_node_is_left_alone_for_as_long_as_it_wants() -> None:
    visits = SampleVisits(SamplingConfig())
    assert visits.may_ask(NODE, now=0.0)
    visits.on_answer(NODE, 300, now=0.0)
    assert not visits.may_ask(NODE, now=299.0)
    assert visits.may_ask(OTHER, now=299.0)
    assert visits.next_free(now=299.0) == 300.0
    assert visits.may_ask(NODE, now=300.0)
    assert (len(visits), visits.next_free(now=300.0)) == (0, float("inf"))


@pytest.mark.parametrize(("interval_s", "wait_s"), [(-1, 0), (0, 0), (21600, 21600), (10**12, 21600), (None, 21600)])
def test_intervals_out_of_range_are_cut(interval_s: int | None, wait_s: float) -> None:
    visits = SampleVisits(SamplingConfig())
    visits.on_answer(NODE, interval_s, now=0.0)
    assert visits.next_free(now=0.0) == (wait_s or float("inf"))
    assert visits.may_ask(NODE, now=wait_s - 1) is (wait_s == 0)
    assert visits.may_ask(NODE, now=wait_s)


def test_a_full_memory_stops_the_indexer_rather_than_its_manners() -> None:
    visits = SampleVisits(SamplingConfig(max_visits=2))
    visits.on_answer(NODE, 100, now=0.0)
    visits.on_answer(OTHER, 200, now=0.0)
    assert visits.is_full
    assert not visits.may_ask(PEER, now=0.0)
    assert visits.may_ask(PEER, now=100.0)


@given(st.lists(st.tuples(st.integers(1, 6), st.none() | st.integers(-5, 400), st.floats(0, 90)), max_size=80))
def test_nobody_is_asked_early(answers: list[tuple[int, int | None, float]]) -> None:
    visits, now = SampleVisits(SamplingConfig(max_visits=3)), 0.0
    promised: dict[Address, float] = {}
    for port, interval_s, pause in answers:
        now += pause
        node = Address("192.0.2.9", port)
        if visits.may_ask(node, now=now):
            assert now >= promised.get(node, 0.0)
            visits.on_answer(node, interval_s, now=now)
            promised[node] = now + (MAX_SAMPLE_INTERVAL_S if interval_s is None else max(0, interval_s))
        visits.check_invariants(now=now)


@pytest.mark.parametrize("bad", [{"interval_s": -1}, {"interval_s": 21601}, {"max_visits": 0}])
def test_senseless_configurations_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        SamplingConfig(**bad)


@pytest.mark.parametrize("interval_s", [0, MAX_SAMPLE_INTERVAL_S])
def test_a_sample_may_change_at_once_or_stay_for_six_hours(interval_s: int) -> None:
    peers, sampler = sampler_of(100, interval_s=interval_s)
    assert sampler.sample(room_bytes=1000, now=0.0).interval_s == interval_s
    assert peers.torrent_count == 100


@pytest.mark.parametrize("interval_s", [-1, MAX_SAMPLE_INTERVAL_S + 1])
def test_other_intervals_are_refused(interval_s: int) -> None:
    with pytest.raises(ValueError, match="interval_s must be between 0 and 21600"):
        SamplingConfig(interval_s=interval_s)
