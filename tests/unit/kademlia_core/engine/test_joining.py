from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTableConfig
from kademlia_core.datagram.families import AddressPolicy
from kademlia_core.endpoint import Endpoint
from kademlia_core.engine.core import EngineCore
from kademlia_core.engine.events import JoinStateChanged, JoinWanted
from kademlia_core.engine.joining import JoinState
from kademlia_core.engine.query_port import Asker, PendingQuery
from kademlia_core.engine.requests import Answer, Ping, QueryError, Request
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


def times_when_wanted(network: VirtualNetwork, address: Address, *, until: float) -> Iterator[float]:
    """When the node asks for its bootstrap addresses, of which none ever answers, each time after it was told them."""
    while network.now < until:
        network.run(0.25)
        if network.take_join_wanted(address):
            network.join(address, OUTSIDER)
            yield network.now


def test_waking_up_in_the_midst_of_a_round_leaves_the_pauses_as_they_are(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address, OUTSIDER)
    waking = times_when_wanted(network, address, until=600.0)
    assert next(waking) == pytest.approx(10 + 15, abs=0.5)
    third = next(waking) and next(waking)
    network.run(1.0)
    network.cores[address].engine.wake(now=network.now)
    assert next(waking) - third == pytest.approx(10 + 120, abs=0.5)


class Questions:
    """The `QueryPort` of an engine whose queries a test answers by hand."""

    def __init__(self) -> None:
        self.open: list[PendingQuery] = []

    def ask(
        self, endpoint: Endpoint, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> PendingQuery:
        self.open.append(PendingQuery(endpoint, request, asker, contact=contact))
        return self.open[-1]

    def contacts_in(self, answer: Answer, teller: Endpoint, *, now: float) -> tuple[Contact, ...]:
        return ()


def test_a_pause_that_is_nearly_over_is_not_cut_when_nobody_is_left() -> None:
    """Whoever knows nobody asks again soon; soon as it is, the next pause is the longer one that was due."""
    questions = Questions()
    policy = AddressPolicy(is_ipv6=False, is_trusted=lambda contact: True)
    config = MainlineConfig(join_attempts=1)
    engine = EngineCore(Key(1, 160), network=questions, endpoints=policy, config=config, rng=Random(1), now=0.0)
    friend = Contact(Key(2, 160), Address("10.0.0.2", 6881))

    def advance(until: float) -> None:
        while (due_at := engine.next_timer()) <= until:
            engine.handle_timer(now=due_at)

    def join_in_vain(now: float) -> None:
        engine.join((OUTSIDER,), now=now)
        engine.receive_silence(questions.open.pop(), now=now)

    def wanted_at(until: float) -> float:
        """When it asks for its bootstrap addresses next."""
        while (now := engine.next_timer()) <= until:
            engine.handle_timer(now=now)
            if JoinWanted() in iter(engine.next_event, None):
                return now
        raise AssertionError("it does not ask")

    join_in_vain(0.0)  # again after 15 s, then 30, then 60
    engine.receive_answer(PendingQuery(friend.endpoint, Ping(), Ignored()), Response(b"", friend.key), now=0.0)
    engine.receive_answer(questions.open.pop(), Response(b"", friend.key), now=0.0)
    assert engine.join_state is JoinState.JOINED, "the friend, too, knows nobody else"
    joined_at = wanted_at(15.0)
    join_in_vain(joined_at)
    advance(joined_at + 17.0)
    for _ in range(2):
        engine.receive_silence(PendingQuery(friend.endpoint, Ping(), Ignored(), contact=friend), now=joined_at + 17.0)
    failed_at = wanted_at(joined_at + 30.0)
    join_in_vain(failed_at)
    assert JoinStateChanged(JoinState.FAILED) in iter(engine.next_event, None)
    assert wanted_at(failed_at + 100.0) == failed_at + 60.0


class Ignored:
    """Asks and does not care."""

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None: ...

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None: ...
