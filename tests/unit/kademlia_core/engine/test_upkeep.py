from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTableConfig
from kademlia_core.bucket import NodeState
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import FindNode, Ping, Query, Response
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address

OUTSIDER, OUTSIDER_KEY = Address("10.9.9.9", 1234), Key.from_bytes(b"o" * 20)
SHORT = MainlineConfig(routing_table=RoutingTableConfig(good_for_s=60.0), query_timeout_s=2.0)


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


def test_whoever_asks_us_is_pinged_and_enters_when_it_answers(network: VirtualNetwork) -> None:
    first, second = network.add(1), network.add(2)
    network.command(second).engine.query(first, Ping(), now=network.now)
    network.run(1.0)
    assert [contact.address for contact in network.cores[first].table] == [second]


def test_whoever_asks_but_does_not_answer_stays_out(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.send(krpc.encode(Query(b"aa", OUTSIDER_KEY, Ping())), OUTSIDER, address)
    network.run(10.0)
    pings = [message for data, _, _ in network.outsiders if isinstance(message := krpc.decode(data), Query)]
    assert [ping.request for ping in pings] == [Ping()]
    assert len(network.cores[address].table) == 0


def test_read_only_nodes_are_answered_but_not_pinged(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.send(krpc.encode(Query(b"aa", OUTSIDER_KEY, Ping(), is_read_only=True)), OUTSIDER, address)
    network.run(10.0)
    assert [type(krpc.decode(data)) for data, _, _ in network.outsiders] == [Response]


def test_pings_for_hints_are_bounded_and_not_repeated() -> None:
    core = MainlineCore(rng=Random(1), now=0.0, config=MainlineConfig(max_hints=5))
    for number in range(100):
        for _ in range(2):
            core.engine.add_node(Address("10.9.9.9", 1 + number), now=0.0)
    assert len(core.datagrams_to_send()) == 5


def test_strangers_that_are_not_needed_are_pinged_one_by_one() -> None:
    """The first few of a part of the key space at once, the others as time goes by."""
    own_key, far = Key(0, 160), 1 << 159
    table = RoutingTableConfig(bucket_size=4, first_bucket_sizes=(8,))
    config = MainlineConfig(spare_interval_s=10.0, routing_table=table)
    core = MainlineCore(rng=Random(1), now=0.0, config=config, node_id=own_key, keeps_id=True)
    for number in range(10):  # so that the bucket of the neighbours is split off
        core.table.on_response(Contact(Key(number + 1, 160), Address("10.0.1.1", number + 1)), now=0.0)
    pinged = []
    for number in range(20):
        now = float(number)
        address, key = Address("10.0.0.1", number + 1), Key(far + number, 160)
        core.receive_datagram(krpc.encode(Query(b"aa", key, Ping())), address, now=now)
        for data, to in core.datagrams_to_send():
            message = krpc.decode(data)
            if isinstance(message, Query):
                pinged.append(number)
                answer = Response(message.transaction_id, key)
                core.receive_datagram(krpc.encode(answer), to, now=now)
    assert pinged == [0, 1, 2, 3, 4, 14]


def test_quiet_nodes_are_pinged_and_stay_good(network: VirtualNetwork) -> None:
    addresses = joined(network, 8, SHORT)
    network.run(600.0)
    for address in addresses:
        core = network.cores[address]
        core.check_invariants()
        assert len(core.table) == 7
        # One node is pinged in an upkeep interval, so hardly one may have slipped past its time.
        assert core.table.good_count(now=network.now) >= 6


def test_dead_nodes_turn_bad_and_are_recommended_no_more(network: VirtualNetwork) -> None:
    addresses = joined(network, 4, SHORT)
    dead = Contact(network.cores[addresses[3]].node_id, addresses[3])
    del network.cores[addresses[3]]
    table = network.cores[addresses[0]].table
    assert dead in table.closest(dead.key, 8)
    network.run(120.0)
    assert table.state_of(dead, now=network.now) is NodeState.BAD
    assert dead not in table.closest(dead.key, 8)


def test_stale_buckets_are_refreshed_by_a_lookup(network: VirtualNetwork) -> None:
    address = network.add(1, config=SHORT)
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    network.run(0.1)
    play(network, OUTSIDER_KEY)
    asked: list[type] = []
    for _ in range(20):  # the own key is looked up once more after 5 s, the bucket is stale 60 s later
        network.outsiders.clear()
        network.run(4.9)
        asked += play(network, OUTSIDER_KEY)
    assert FindNode in asked


def test_a_full_bucket_questions_its_oldest_before_it_takes_a_newcomer(network: VirtualNetwork) -> None:
    config = MainlineConfig(
        routing_table=RoutingTableConfig(bucket_size=1, good_for_s=60.0),
        query_timeout_s=2.0,
        upkeep_interval_s=1000.0,
        wide_regions=1,
    )
    address = network.add(1, config=config)
    own_key = network.cores[address].node_id
    core = network.command(address)
    far = 1 << 159  # differs in the first bit: one bucket that does not split
    old, new = (Contact(Key(own_key.value ^ far ^ number, 160), Address("10.9.9.9", number)) for number in (1, 2))
    enter(network, core, old)
    enter(network, core, Contact(Key(own_key.value ^ 1, 160), Address("10.9.9.9", 3)))
    assert old in core.table
    network.run(100.0)
    enter(network, core, new)
    assert new not in core.table  # it waits while the old one is asked, twice
    network.run(4.5)
    pings = [to for data, _, to in network.outsiders if isinstance(krpc.decode(data), Query)]
    assert pings.count(old.address) == 2
    assert new in core.table
    assert old not in core.table


def enter(network: VirtualNetwork, core: MainlineCore, contact: Contact) -> None:
    network.outsiders.clear()
    core.engine.add_node(contact.address, now=network.now)
    network.run(0.1)
    play(network, contact.key, contact.address)


def play(network: VirtualNetwork, key: Key, only: Address | None = None) -> list[type]:
    """Outsiders answer the queries that have reached them; returns what was asked."""
    asked: list[type] = []
    queries = [(krpc.decode(data), source, to) for data, source, to in network.outsiders]
    network.outsiders.clear()
    for query, source, to in queries:
        if isinstance(query, Query) and only in (None, to):
            asked.append(type(query.request))
            network.send(krpc.encode(Response(query.transaction_id, key)), to, source)
    network.run(0.1)
    return asked
