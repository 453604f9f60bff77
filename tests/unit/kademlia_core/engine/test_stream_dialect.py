"""The engine serves a dialect over streams as it is: the side that speaks knows no transaction and no datagram."""

from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key, NodeState, RoutingTableConfig
from kademlia_core.engine.config import EngineConfig
from kademlia_core.engine.events import Found, JoinStateChanged, JoinWanted, LookupFinished, QueryFinished
from kademlia_core.engine.joining import JoinState
from kademlia_core.engine.requests import FindNode, Ping
from tests.unit.kademlia_core.engine.stream_network import (
    AddProvider,
    GetProviders,
    Peer,
    ProviderHarvest,
    ProviderPlacement,
    Reply,
    StreamNode,
    StreamWorld,
    joined,
)
from transfer.errors import LimitExceededError

CONFIG = EngineConfig()
CONTENT = Key.from_bytes(b"c" * 32)
STRANGER = Peer(b"stranger", ("/dns/nowhere/tcp/1",))


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld()


def truly_closest(nodes: list[StreamNode], target: Key, count: int) -> list[Peer]:
    return [node.peer for node in sorted(nodes, key=lambda node: node.peer.key ^ target)[:count]]


def test_through_one_entrance_every_key_is_found(world: StreamWorld) -> None:
    nodes = joined(world, 40, config=CONFIG)
    assert all(node.engine.join_state is JoinState.JOINED for node in nodes)
    for number, target in enumerate(Key.random(256, Random(each)) for each in range(10)):
        asker = nodes[4 * number]
        lookup = asker.engine.find_node(target, now=world.now)
        world.run(5.0)
        assert lookup.is_finished
        assert LookupFinished(lookup) in asker.events
        others = [node for node in nodes if node is not asker]
        assert [contact.endpoint for contact in lookup.result()] == truly_closest(others, target, CONFIG.lookup.k)
        assert lookup.stats.hops >= 1
        assert lookup.stats.sent_bytes == lookup.stats.received_bytes == 0, "nobody counts bytes here"
    for node in nodes:
        node.engine.check_invariants()


def test_what_one_peer_leaves_with_the_closest_another_finds(world: StreamWorld) -> None:
    nodes = joined(world, 30, config=CONFIG)
    provider, seeker = nodes[3], nodes[20]
    placement = ProviderPlacement(CONTENT, provider.peer)
    placing = provider.engine.look_up(GetProviders(CONTENT), CONTENT, placement=placement, now=world.now)
    world.run(5.0)
    keepers = [contact.endpoint for contact in placing.accepted()]
    assert keepers == truly_closest([node for node in nodes if node is not provider], CONTENT, CONFIG.lookup.k)
    harvest = ProviderHarvest()
    finding = seeker.engine.look_up(GetProviders(CONTENT), CONTENT, harvest=harvest, now=world.now)
    world.run(5.0)
    assert [event.found for event in seeker.events if isinstance(event, Found)] == [(provider.peer,)]
    lying = ProviderPlacement(CONTENT, STRANGER)
    seeker.engine.place(finding, lying, now=world.now)
    world.run(5.0)
    assert finding.accepted() == ()
    assert {error.text for _, error in finding.refusals()} == {"only for yourself"}


@pytest.mark.parametrize("fate", ["down", "hung"])
def test_peers_that_go_are_passed_over_noticed_and_found_again(world: StreamWorld, fate: str) -> None:
    config = EngineConfig(
        routing_table=RoutingTableConfig(good_for_s=30.0), upkeep_interval_s=2.0, lost_interval_s=10.0
    )
    nodes = joined(world, 30, config=config)
    asker, gone = nodes[0], nodes[24:]
    (world.down if fate == "down" else world.hung).update(node.peer for node in gone)
    lookup = asker.engine.find_node(gone[0].peer.key, now=world.now)
    world.run(10.0)
    assert lookup.is_finished
    found = [contact.endpoint for contact in lookup.result()]
    assert found[:4] == truly_closest(nodes[1:16], gone[0].peer.key, 4)
    assert not set(found) & {node.peer for node in gone}
    world.run(100.0)
    known = [contact for contact in asker.engine.table if contact.endpoint in {node.peer for node in gone}]
    assert all(asker.engine.table.state_of(contact, now=world.now) is NodeState.BAD for contact in known)
    world.down.clear()
    world.hung.clear()
    world.run(60.0)
    assert {contact.endpoint for contact in asker.engine.table.live()} & {node.peer for node in gone}
    asker.engine.check_invariants()


def test_stale_buckets_are_refreshed(world: StreamWorld) -> None:
    config = EngineConfig(routing_table=RoutingTableConfig(good_for_s=300.0), wide_regions=2)
    nodes = joined(world, 20, config=config)
    world.run(60.0)
    asker = nodes[5]
    asker.asked.clear()
    world.run(200.0)
    assert not [request for request in asker.asked if isinstance(request, FindNode)]
    world.run(400.0)
    targets = {request.target for request in asker.asked if isinstance(request, FindNode)}
    assert targets
    assert asker.peer.key not in targets, "a random key of each stale bucket, not its own"
    assert [request for request in asker.asked if isinstance(request, Ping)], "doubtful peers are asked"
    assert asker.engine.table.good_count(now=world.now) >= 8


def test_nobody_at_the_entrance_means_asking_again_later(world: StreamWorld) -> None:
    first, second = world.add(1, config=CONFIG), world.add(2, config=CONFIG)
    first.engine.join((), alone=True, now=0.0)
    world.down.add(first.peer)
    second.engine.join((first.peer, second.peer), now=0.0)  # oneself is no entrance
    world.run(CONFIG.join_retry_s + 5.0)
    assert JoinStateChanged(JoinState.FAILED) in second.events
    assert JoinWanted() in second.events
    world.down.clear()
    second.engine.join((first.peer,), now=world.now)
    world.run(5.0)
    assert second.engine.join_state is JoinState.JOINED
    assert [contact.endpoint for contact in first.engine.table] == [second.peer], "who asks is pinged, and enters"


def test_a_client_asks_but_enters_no_table(world: StreamWorld) -> None:
    nodes = joined(world, 20, config=CONFIG)
    client = world.add(99, config=CONFIG, is_server=False)
    client.engine.join((nodes[0].peer,), now=world.now)
    world.run(30.0)
    assert client.engine.join_state is JoinState.JOINED
    assert not [node for node in nodes if client.peer in {contact.endpoint for contact in node.engine.table}]


def test_whoever_owns_a_site_gets_the_share_of_one_group(world: StreamWorld) -> None:
    config = EngineConfig(routing_table=RoutingTableConfig(max_per_subnet_in_bucket=2, max_per_subnet=5))
    asker = world.add(0, config=config)
    asker.engine.join((), alone=True, now=0.0)
    for number in range(1, 40):
        crowd, neighbour = (
            world.add(number, config=config, site="crowd"),
            world.add(100 + number, config=config, site="home"),
        )
        asker.engine.add_node(crowd.peer, now=world.now)
        asker.engine.add_node(neighbour.peer, now=world.now)
        world.run(1.0)
    sites = [contact.endpoint.site for contact in asker.engine.table if isinstance(contact.endpoint, Peer)]
    assert sites.count("crowd") == 5
    assert sites.count("home") > 8, "who belongs to no group is not counted"
    asker.engine.check_invariants()


def test_a_peer_that_dials_as_somebody_else_takes_nobodys_place(world: StreamWorld) -> None:
    """The key of whoever answers comes from the stream, not from what was expected there."""
    nodes = joined(world, 20, config=CONFIG)
    asker, victim = nodes[0], nodes[7]
    liar = Contact(victim.peer.key, STRANGER)
    assert not asker.is_trusted(liar)
    impostor = StreamNode(world, STRANGER, CONFIG)
    world.nodes[STRANGER] = impostor
    query = asker.engine.query(STRANGER, Ping(), now=world.now)
    world.run(1.0)
    assert QueryFinished(query) in asker.events
    assert query.contact == Contact(STRANGER.key, STRANGER)
    assert isinstance(query.response, Reply)
    assert asker.engine.table.state_of(liar, now=world.now) is None


def test_no_more_streams_than_there_may_be(world: StreamWorld) -> None:
    asker = world.add(0, config=EngineConfig(max_lookups=1))
    asker.max_streams = 0
    assert asker.engine.query(STRANGER, AddProvider(CONTENT, asker.peer), now=0.0).is_finished
    asker.engine.table.on_response(Contact(STRANGER.key, STRANGER), now=0.0)
    assert asker.engine.find_node(CONTENT, now=0.0).is_finished
    asker.max_streams = 10
    lookup = asker.engine.find_node(CONTENT, now=0.0)
    with pytest.raises(LimitExceededError, match="max_lookups"):
        asker.engine.find_node(CONTENT, now=0.0)
    asker.engine.cancel(lookup)
    assert asker.engine.has_room
