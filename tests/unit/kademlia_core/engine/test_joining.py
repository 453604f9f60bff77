from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTableConfig
from kademlia_core.engine.events import JoinStateChanged
from kademlia_core.engine.joining import JoinState
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.messages import Response
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address

INFO_HASH = Key.from_bytes(b"i" * 20)
OUTSIDER = Address("10.9.9.9", 1234)


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


def test_through_one_entry_point_everybody_is_found(network: VirtualNetwork) -> None:
    addresses = joined(network, 30)
    for address in addresses:
        assert network.cores[address].engine.join_state is JoinState.JOINED
        network.cores[address].check_invariants()
    search = network.command(addresses[7]).engine.find_node(INFO_HASH, now=network.now)
    network.run(3.0)
    everybody = [Contact(core.node_id, address) for address, core in network.cores.items()]
    others = [contact for contact in everybody if contact.address != addresses[7]]
    assert search.result() == sorted(others, key=lambda contact: contact.key ^ INFO_HASH)[:8]


def test_alone_is_joined_at_once(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address)
    assert network.events[address] == [JoinStateChanged(JoinState.JOINED)]


def test_nobody_answering_is_a_failure_and_is_tried_again_ever_more_rarely(network: VirtualNetwork) -> None:
    config = MainlineConfig(query_timeout_s=2.0, join_attempts=2, join_retry_s=10.0, join_retry_max_s=30.0)
    address = network.add(1, config=config)
    wanted_after = []
    for _ in range(4):
        network.join(address, OUTSIDER)
        network.run(3.99)
        assert network.cores[address].engine.join_state is JoinState.JOINING
        network.run(0.02)
        failed_at = network.now
        while not network.take_join_wanted(address):
            assert network.cores[address].engine.join_state is JoinState.FAILED
            network.run(1.0)
        wanted_after.append(round(network.now - failed_at))
    assert wanted_after == [10, 20, 30, 30]
    asked = [destination for _, _, destination in network.outsiders]
    assert asked == [OUTSIDER] * 8


def test_one_lost_datagram_does_no_harm(network: VirtualNetwork) -> None:
    first, second = network.add(1), network.add(2)
    network.join(first)
    network.losses = 1
    network.join(second, first)
    network.run(8.0)
    assert network.losses == 0
    assert network.cores[second].engine.join_state is JoinState.JOINED


def test_dead_routers_beside_a_living_one_cost_no_time(network: VirtualNetwork) -> None:
    first, second = network.add(1), network.add(2)
    network.join(first)
    network.join(second, OUTSIDER, first, Address("10.9.9.8", 1))
    network.run(0.5)
    assert network.cores[second].engine.join_state is JoinState.JOINED


def test_a_dead_contact_delays_joining_by_the_short_time_out_only(network: VirtualNetwork) -> None:
    addresses = joined(network, 3)
    del network.cores[addresses[1]]
    late = network.add(9)
    network.join(late, addresses[0])
    network.run(0.9)
    assert network.cores[late].engine.join_state is JoinState.JOINING
    network.run(0.6)
    assert network.cores[late].engine.join_state is JoinState.JOINED


def test_unreachable_addresses_fail_at_once(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address, Address("::1", 6881), Address("10.0.0.9", 0))
    assert network.events[address] == [JoinStateChanged(JoinState.FAILED)]


def test_being_found_by_somebody_ends_the_failure(network: VirtualNetwork) -> None:
    first, lonely = network.add(1), network.add(2)
    network.join(first)
    network.join(lonely, OUTSIDER)
    network.run(11.0)
    assert network.cores[lonely].engine.join_state is JoinState.FAILED
    network.command(first).engine.add_node(lonely, now=network.now)
    network.run(2.0)
    assert network.cores[lonely].engine.join_state is JoinState.JOINED


def test_losing_everybody_makes_it_want_to_join_again(network: VirtualNetwork) -> None:
    config = MainlineConfig(routing_table=RoutingTableConfig(good_for_s=20.0))
    first, second = joined(network, 2, config)
    del network.cores[first]
    network.run(200.0)
    assert network.take_join_wanted(second)
    assert network.cores[second].table.good_count(now=network.now) == 0


def test_asking_oneself_is_no_network(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address, address)
    network.run(11.0)
    assert network.cores[address].engine.join_state is JoinState.FAILED


def test_a_router_that_falls_silent_is_not_the_end_while_another_is_awaited(network: VirtualNetwork) -> None:
    config = MainlineConfig(routing_table=RoutingTableConfig(bad_after_failures=1), join_attempts=3)
    address = network.add(1, config=config)
    late = Address("10.0.0.3", 6881)  # where the virtual network puts number 2
    network.join(address, OUTSIDER, late)
    network.run(0.1)
    query = next(krpc.decode(data) for data, _, to in network.outsiders if to == OUTSIDER)
    network.send(krpc.encode(Response(query.transaction_id, INFO_HASH)), OUTSIDER, address)
    network.run(8.9)  # the lookup asked the outsider again, in vain, and has ended
    assert network.cores[address].engine.join_state is JoinState.JOINING
    assert network.add(2) == late
    network.run(2.0)
    assert network.cores[address].engine.join_state is JoinState.JOINED


def test_hundreds_of_dead_acquaintances_do_not_put_off_the_routers(network: VirtualNetwork) -> None:
    address, router = network.add(1), network.add(2)
    network.join(router)
    gone = [Contact(Key.random(160, Random(number)), Address(f"10.7.{number}.1", 6881)) for number in range(200)]
    network.command(address).engine.restore(tuple(gone), now=network.now)
    network.run(4.9)
    assert not network.take_join_wanted(address)
    network.run(0.2)
    assert network.take_join_wanted(address)
    network.join(address, router)
    network.run(0.5)
    assert network.cores[address].engine.join_state is JoinState.JOINED


@pytest.mark.parametrize(("place", "joined_after_s"), [(0, 6.0), (200, 17.0)])
def test_one_living_acquaintance_is_enough(network: VirtualNetwork, place: int, joined_after_s: float) -> None:
    known = [Contact(Key.random(160, Random(number)), Address(f"10.7.{number}.1", 6881)) for number in range(200)]
    others = joined(network, 12)
    known.insert(place, Contact(network.cores[others[5]].node_id, others[5]))
    back = network.add(50)
    network.command(back).engine.restore(tuple(known), now=network.now)
    network.run(joined_after_s)
    assert network.cores[back].engine.join_state is JoinState.JOINED
    assert len(network.cores[back].table) >= 8
    assert network.take_join_wanted(back) is (place > 0)
