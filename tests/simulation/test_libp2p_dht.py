"""A network that speaks libp2p's Kademlia, on a virtual clock: what is placed is found, with churn, clients and liars.

`tox -e long` looks things up among more nodes.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2
from random import Random

from kademlia_core.libp2p.config import Libp2pConfig, ProviderStoreConfig, RepublishConfig, ValueStoreConfig
from kademlia_core.libp2p.gathering import ValueHarvest
from kademlia_core.libp2p.ipns import create_ipns_record, ipns_key
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import MessageType, PeerInfo, Record, decode, encode
from tests.kad_world import WALL_S, KadNode, KadWorld, joined, looked_up, peer_id_of
from tests.machine import is_long
from transfer.host.delimited import delimited
from transfer.identity.keys import PrivateKey
from transfer.multiaddr.multiaddr import Multiaddr

NODES = 200 if is_long() else 40
K = Libp2pConfig().lookup.k
CONTENT = b"\x12\x20" + b"c" * 32
KEY = PrivateKey.from_seed(b"k" * 32)
NAME = ipns_key(KEY.peer_id)


def ipns_record(sequence: int) -> bytes:
    return create_ipns_record(KEY, f"/ipfs/{sequence}", sequence=sequence, wall_s=WALL_S)


def test_lookups_end_at_the_closest_in_few_steps() -> None:
    world = KadWorld()
    nodes = joined(world, NODES)
    hops = queries = 0
    for number in range(8):
        asker, target = nodes[world.rng.randrange(NODES)], world.rng.randbytes(34)
        lookup = asker.core.find_providers(target, now=world.now)
        world.run_until(lookup)
        assert looked_up(asker, lookup) == world.closest(key_of(target), K, but=asker), number
        hops = max(hops, lookup.stats.hops)
        queries += lookup.stats.queries
    assert hops <= log2(NODES) / 2
    assert queries / 8 < 2.5 * K
    for node in nodes:
        node.core.check_invariants()
        assert node.core.stats(now=world.now).peers >= min(K, NODES - 1)


def test_values_and_providers_are_found_after_churn_and_outdated_peers_are_corrected() -> None:
    world = KadWorld(seed=2)
    nodes = joined(world, 30)
    provider, publisher = nodes[5], nodes[9]
    providing = provider.core.provide(CONTENT, now=world.now)
    world.run_until(providing)
    assert [contact.endpoint for contact in providing.accepted()] == [
        world.nodes[peer_id].peer for peer_id in world.closest(key_of(CONTENT), K, but=provider)
    ]
    putting = publisher.core.put_value(NAME, ipns_record(1), now=world.now)
    world.run_until(putting)
    assert len(putting.accepted()) == K
    holders = world.closest(key_of(NAME), K)
    rng = Random(5)
    gone = [node for node in nodes if node not in (provider, publisher, nodes[0]) and rng.random() < 0.4]
    world.down.update(node.core.peer_id for node in gone)
    newcomers = [world.add(1000 + number) for number in range(8)]
    for node in newcomers:
        node.core.engine.join((nodes[0].peer,), now=world.now)
        world.run(1.0)
    world.run(12.0)
    assert len(set(holders) & world.down) >= 4, "some of those that hold it have gone"
    for seeker in (newcomers[3], next(node for node in nodes if node not in gone)):
        finding = seeker.core.find_providers(CONTENT, now=world.now)
        world.run_until(finding)
        assert PeerInfo(provider.core.peer_id, (provider.address,)) in seeker.found(finding)
        getting = seeker.core.get_value(NAME, now=world.now)
        world.run_until(getting)
        assert seeker.found(getting) == [ipns_record(1)]
    world.run(5.0)
    for peer_id in world.closest(key_of(NAME), K // 2):
        kept = world.nodes[peer_id].core.values.get(NAME, wall_s=WALL_S + world.now, now=world.now)
        assert kept is not None, "newcomers among the closest have been given it"
    # A newer record that only a few have replaces the older everywhere, once anybody looks.
    world.nodes[world.closest(key_of(NAME), 1)[0]].core.values.put(
        Record(NAME, ipns_record(2)), source="", wall_s=WALL_S + world.now, now=world.now
    )
    getting = newcomers[0].core.get_value(NAME, now=world.now)
    world.run_until(getting)
    assert newcomers[0].found(getting)[-1] == ipns_record(2)
    world.run(5.0)
    for peer_id in world.closest(key_of(NAME), K // 2, but=newcomers[0]):
        kept = world.nodes[peer_id].core.values.get(NAME, wall_s=WALL_S + world.now, now=world.now)
        assert kept is not None
        assert kept.value == ipns_record(2)


def test_what_is_kept_alive_outlives_those_that_held_it() -> None:
    config = Libp2pConfig(
        republish=RepublishConfig(provide_interval_s=200.0, value_interval_s=200.0, retry_s=20.0),
        providers=ProviderStoreConfig(lifetime_s=450.0, address_lifetime_s=300.0),
        values=ValueStoreConfig(lifetime_s=450.0),
    )
    world = KadWorld(seed=3)
    nodes = joined(world, 22, config=config)
    world.run_until(nodes[1].core.provide(CONTENT, now=world.now))
    world.run_until(nodes[2].core.provide(CONTENT, keep_alive=False, now=world.now))
    world.run_until(nodes[1].core.put_value(NAME, ipns_record(1), keep_alive=True, now=world.now))
    world.run(900.0)
    seeker = nodes[20]
    finding = seeker.core.find_providers(CONTENT, now=world.now)
    world.run_until(finding)
    assert {info.peer_id for info in seeker.found(finding) if isinstance(info, PeerInfo)} == {nodes[1].core.peer_id}
    getting = seeker.core.get_value(NAME, now=world.now)
    world.run_until(getting)
    assert seeker.found(getting) == [ipns_record(1)]
    nodes[1].core.stop_providing(CONTENT)
    nodes[1].core.forget_value(NAME)
    world.run(900.0)
    finding, getting = (
        seeker.core.find_providers(CONTENT, now=world.now),
        seeker.core.get_value(NAME, now=world.now),
    )
    world.run_until(finding)
    world.run_until(getting)
    assert seeker.found(finding) == seeker.found(getting) == []


def test_a_quorum_ends_a_search_early() -> None:
    world = KadWorld(seed=4)
    nodes = joined(world, 24)
    world.run_until(nodes[1].core.put_value(NAME, ipns_record(1), now=world.now))
    seeker = next(node for node in nodes if node.core.values.get(NAME, wall_s=WALL_S, now=world.now) is None)
    whole = seeker.core.get_value(NAME, now=world.now)
    world.run_until(whole)
    early = seeker.core.get_value(NAME, quorum=2, now=world.now)
    world.run_until(early)
    assert seeker.found(early) == [ipns_record(1)]
    assert early.stats.responses < whole.stats.responses


class Liar:
    """Answers every question with peers that do not exist, ever closer to what is asked for, all at its own place."""

    def __init__(self, node: KadNode, rng: Random) -> None:
        self._node = node
        self._rng = rng
        self._honest = node.core.serve
        node.core.serve = self.serve  # type: ignore[method-assign]

    def serve(self, data: bytes, peer_id: object, **more: object) -> bytes | None:
        message = decode(data)
        if message.type not in (MessageType.FIND_NODE, MessageType.GET_PROVIDERS, MessageType.GET_VALUE):
            return self._honest(data, peer_id, **more)  # type: ignore[arg-type]
        target = key_of(message.key)
        near = sorted(
            (peer_id_of(self._rng.getrandbits(200)) for _ in range(300)),
            key=lambda each: key_of(each.multihash) ^ target,
        )
        crowd = tuple(
            PeerInfo(each, (Multiaddr.parse(f"/ip4/66.{number}.1.1/tcp/{1 + self._rng.randrange(9)}"),))
            for number, each in enumerate(near[:K])
        )
        return delimited(encode(replace(message, closer=crowd)))


def test_liars_that_invent_closer_peers_do_not_hide_the_closest() -> None:
    world = KadWorld(seed=6)
    nodes = joined(world, 32)
    rng = Random(8)
    liars = {node.core.peer_id for node in rng.sample(nodes[1:], 6)}
    for peer_id in liars:
        Liar(world.nodes[peer_id], rng)
    asker = next(node for node in nodes if node.core.peer_id not in liars)
    missed = 0
    for _ in range(2):
        target = rng.randbytes(34)
        lookup = asker.core.find_providers(target, now=world.now)
        world.run_until(lookup, most_s=120.0)
        honest = [each for each in world.closest(key_of(target), K, but=asker) if each not in liars]
        missed += len(set(honest) - set(looked_up(asker, lookup)))
        assert lookup.stats.queries <= asker.core.config.lookup.max_queries
    assert missed <= 3
    asker.core.check_invariants()


def test_a_harvest_takes_no_value_that_is_not_right() -> None:
    world = KadWorld(seed=7)
    nodes = joined(world, 10)
    core = nodes[0].core
    harvest = ValueHarvest(
        NAME, validators=core.validators, quorum=0, max_value_bytes=1000, own=None, wall_s=WALL_S
    )  # fmt: skip
    assert harvest.best is None
    for node in nodes[1:]:
        node.core.values._validators = _Anything()  # type: ignore[assignment]
    putter = nodes[1].core
    putter.validators = _Anything()  # type: ignore[assignment]
    putter._publisher._validators = putter.validators
    world.run_until(putter.put_value(NAME, b"forged", now=world.now))
    getting = core.get_value(NAME, now=world.now)
    world.run_until(getting)
    assert nodes[0].found(getting) == []


class _Anything:
    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        pass

    def check_key(self, key: bytes) -> None:
        pass

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return False
