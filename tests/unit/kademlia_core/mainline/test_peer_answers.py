from __future__ import annotations

import pytest

from kademlia_core import Key
from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.messages import AnnouncePeer, GetPeers, SampleInfoHashes
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.sampling import InfoHashSample
from tests.unit.kademlia_core.mainline.asking import answer
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address

INFO_HASH = Key.from_bytes(b"i" * 20)


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


def announce(network: VirtualNetwork, node: Address, peer: Address, info_hash: Key = INFO_HASH, **how: bool) -> None:
    token = answer(network, node, GetPeers(info_hash), peer).token
    assert token is not None
    answer(network, node, AnnouncePeer(info_hash, peer.port, token, **how), peer)


def test_seeds_are_counted_apart_and_left_out_on_request(network: VirtualNetwork) -> None:
    node = network.add(1)
    seed, downloader = Address("10.7.0.1", 7001), Address("10.7.0.2", 7002)
    announce(network, node, seed, is_seed=True)
    announce(network, node, downloader)
    reply = answer(network, node, GetPeers(INFO_HASH, wants_filters=True))
    assert reply.filters == SwarmFilters(BloomFilter([seed.host]), BloomFilter([downloader.host]))
    assert set(reply.peers) == {seed, downloader}

    assert answer(network, node, GetPeers(INFO_HASH, no_seeds=True)).peers == (downloader,)
    assert answer(network, node, GetPeers(INFO_HASH)).filters is None
    assert answer(network, node, GetPeers(Key(0, 160), wants_filters=True)).filters is None, "BEP 33: nothing stored"


def test_filters_leave_less_room_for_peers(network: VirtualNetwork) -> None:
    node = joined(network, 12)[0]
    for number in range(60):
        announce(network, node, Address(f"10.7.1.{number + 1}", 7000))
    reply = answer(network, node, GetPeers(INFO_HASH, wants_filters=True))
    assert reply.filters is not None
    assert 55 < reply.filters.downloaders.estimate() < 65
    assert len(reply.nodes) == 8
    assert 0 < len(reply.peers) < 30 < len(answer(network, node, GetPeers(INFO_HASH)).peers)


def test_samples_tell_what_is_stored(network: VirtualNetwork) -> None:
    unrationed = AmplificationConfig(stranger_burst_bytes=1e9)
    node = joined(network, 12, MainlineConfig(amplification=unrationed))[0]
    empty = answer(network, node, SampleInfoHashes(INFO_HASH))
    assert empty.sample == InfoHashSample((), 0, 3600), "an empty sample says that the query is known"
    assert empty.token is None
    info_hashes = [Key(number, 160) for number in range(40)]
    for number, info_hash in enumerate(info_hashes):
        announce(network, node, Address("10.7.0.1", 7000), info_hash)
        sample = answer(network, node, SampleInfoHashes(INFO_HASH)).sample
        assert sample is not None
        assert sample.stored_count == number + 1
        assert set(sample.info_hashes) <= set(info_hashes[: number + 1])
        assert len(set(sample.info_hashes)) == len(sample.info_hashes) == min(number + 1, 32)
    assert len(answer(network, node, SampleInfoHashes(INFO_HASH)).nodes) == 8
