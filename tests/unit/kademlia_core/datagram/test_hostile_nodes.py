"""What strangers and nodes of the table try on the rest of the node."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTableConfig
from kademlia_core.engine.events import Found
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import FindNode, GetPeers, Ping, Query, Response
from kademlia_core.mainline.peer_lookup import PeerHarvest
from transfer.address import Address

PUBLIC, PUBLIC_KEY = Address("8.8.4.4", 6881), Key.from_bytes(b"p" * 20)
SHORT = MainlineConfig(routing_table=RoutingTableConfig(good_for_s=60.0), query_timeout_s=2.0)


def node_that_knows(*contacts: Contact, config: MainlineConfig = SHORT) -> MainlineCore:
    core = MainlineCore(rng=Random(1), now=0.0, config=config)
    core.engine.join((), alone=True, now=0.0)
    for contact in contacts:
        core.engine.add_node(contact.address, now=0.0)
    for query, address in queries_of(core):
        key = next(contact.key for contact in contacts if contact.address == address)
        core.receive_datagram(krpc.encode(Response(query.transaction_id, key)), address, now=0.0)
    core.datagrams_to_send()
    return core


def queries_of(core: MainlineCore) -> list[tuple[Query, Address]]:
    messages = [(krpc.decode(data), address) for data, address in core.datagrams_to_send()]
    return [(message, address) for message, address in messages if isinstance(message, Query)]


def test_a_node_that_answers_with_our_key_does_not_keep_us_from_others() -> None:
    impostor = Contact(PUBLIC_KEY, PUBLIC)
    other = Contact(Key.from_bytes(b"q" * 20), Address("8.8.8.8", 6881))
    core = node_that_knows(impostor, other)
    pinged: list[Address] = []
    now = 0.0
    while now < 200.0:
        now = max(now, core.next_timer())
        core.handle_timer(now=now)
        for query, address in queries_of(core):
            if isinstance(query.request, Ping):
                pinged.append(address)
            if address == PUBLIC:
                core.receive_datagram(krpc.encode(Response(query.transaction_id, core.node_id)), address, now=now)
            elif isinstance(query.request, Ping):
                core.receive_datagram(krpc.encode(Response(query.transaction_id, other.key)), address, now=now)
    assert pinged.count(PUBLIC) <= SHORT.routing_table.bad_after_failures
    assert pinged.count(other.address) >= 2
    assert core.table.closest(impostor.key, 8) == [other]


def test_forged_hints_do_not_keep_us_from_asking_doubtful_nodes() -> None:
    friend = Contact(PUBLIC_KEY, PUBLIC)
    core = node_that_knows(friend, config=replace(SHORT, max_hints=8))
    asked = 0
    for number in range(3000):
        arrival = 0.03 * number
        while (timer := core.next_timer()) <= arrival:
            core.handle_timer(now=timer)
        forged = Address(f"9.{number % 251}.{number // 251}.1", 6881)
        core.receive_datagram(krpc.encode(Query(b"aa", Key.random(160, Random(number)), Ping())), forged, now=arrival)
        asked += sum(address == PUBLIC and isinstance(query.request, Ping) for query, address in queries_of(core))
    assert asked


@pytest.mark.parametrize("inside", ["127.0.0.1", "192.168.1.1", "10.1.2.3", "169.254.0.1"])
def test_nobody_outside_can_aim_us_at_our_own_network(inside: str) -> None:
    core = node_that_knows(Contact(PUBLIC_KEY, PUBLIC))
    search = core.engine.look_up(GetPeers(PUBLIC_KEY), PUBLIC_KEY, harvest=PeerHarvest(100), now=0.0)
    ((query, _),) = queries_of(core)
    named, peer = Contact(Key.from_bytes(b"n" * 20), Address(inside, 53)), Address("9.9.9.9", 6881)
    reply = Response(query.transaction_id, PUBLIC_KEY, nodes=(named,), peers=(Address(inside, 80), peer))
    core.receive_datagram(krpc.encode(reply), PUBLIC, now=0.1)
    assert queries_of(core) == []
    events = [event for event in iter(core.next_event, None) if isinstance(event, Found)]
    assert events == [Found(search, (peer,))]


def test_nodes_of_our_network_may_name_one_another() -> None:
    local = Contact(PUBLIC_KEY, Address("192.168.1.7", 6881))
    core = node_that_knows(local)
    core.engine.find_node(PUBLIC_KEY, now=0.0)
    ((query, _),) = queries_of(core)
    named = Contact(Key.from_bytes(b"n" * 20), Address("192.168.1.8", 6881))
    core.receive_datagram(
        krpc.encode(Response(query.transaction_id, local.key, nodes=(named,))), local.address, now=0.1
    )
    assert [(query.request, address) for query, address in queries_of(core)] == [(FindNode(PUBLIC_KEY), named.address)]


def test_a_read_only_node_does_not_even_complain() -> None:
    core = MainlineCore(rng=Random(1), now=0.0, config=MainlineConfig(is_read_only=True))
    core.receive_datagram(b"d1:ade1:q9:find_node1:t2:aa1:y1:qe", PUBLIC, now=0.0)
    assert core.datagrams_to_send() == []
