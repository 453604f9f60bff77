"""Which key a node has: BEP 42, by the vote of those who answer it."""

from __future__ import annotations

from random import Random

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import Ping, Query, Response
from kademlia_core.mainline.node_id import is_valid_for, node_id_for
from transfer.address import Address

OURS = "203.0.114.7"


class Witnesses:
    """A core and public nodes, each in a network of its own, that answer its queries and say where they see it."""

    def __init__(self, *, keeps_id: bool = False) -> None:
        self.core = MainlineCore(rng=Random(1), now=0.0, node_id=Key(1, 160), keeps_id=keeps_id)
        self.now = 0.0
        self.first_id = self.core.node_id

    def answer(self, host: str, seen: Address | None) -> None:
        """One node at `host` is pinged and answers."""
        self.core.datagrams_to_send()
        address = Address(host, 6881)
        self.core.engine.query(address, Ping(), now=self.now)
        ((data, _),) = [each for each in self.core.datagrams_to_send() if each[1] == address]
        query = krpc.decode(data)
        assert isinstance(query, Query)
        key = node_id_for(host, Random(host))
        reply = Response(query.transaction_id, key, external_address=seen)
        self.core.receive_datagram(krpc.encode(reply), address, now=self.now)
        self.now += 0.1


def test_the_key_follows_the_address_that_the_network_sees() -> None:
    witnesses = Witnesses()
    assert not is_valid_for(witnesses.first_id, OURS)
    for number in range(12):
        witnesses.answer(f"31.{number}.1.1", Address(OURS, 6881))
    core = witnesses.core
    assert core.external_host == OURS
    assert is_valid_for(core.node_id, OURS)
    assert core.table.own_key == core.node_id
    assert len(core.table) == 12  # nobody was lost
    core.check_invariants()
    settled = core.node_id
    for number in range(12):
        witnesses.answer(f"31.{number}.1.1", Address(OURS, 6881))
    assert core.node_id == settled


def test_our_new_key_is_in_our_queries_and_answers() -> None:
    witnesses = Witnesses()
    for number in range(12):
        witnesses.answer(f"31.{number}.1.1", Address(OURS, 6881))
    core = witnesses.core
    search = core.engine.find_node(Key(77, 160), now=witnesses.now)
    queries = [krpc.decode(data) for data, _ in core.datagrams_to_send()][-search.stats.queries :]
    assert {query.sender for query in queries if isinstance(query, Query)} == {core.node_id}
    core.receive_datagram(krpc.encode(Query(b"aa", Key(9, 160), Ping())), Address("31.99.1.1", 1), now=witnesses.now)
    replies = [krpc.decode(data) for data, to in core.datagrams_to_send() if to.host == "31.99.1.1"]
    assert any(isinstance(reply, Response) and reply.sender == core.node_id for reply in replies)


def test_liars_in_few_networks_cannot_move_a_node() -> None:
    witnesses = Witnesses()
    for number in range(100):
        witnesses.answer(f"31.1.1.{number + 1}", Address("198.51.101.1", 6881))
        witnesses.answer(f"31.2.{number % 3}.{number + 1}", Address("198.51.101.1", 6881))
    assert witnesses.core.external_host is None
    assert witnesses.core.node_id == witnesses.first_id


def test_a_key_that_was_asked_for_stays() -> None:
    witnesses = Witnesses(keeps_id=True)
    for number in range(12):
        witnesses.answer(f"31.{number}.1.1", Address(OURS, 6881))
    assert witnesses.core.external_host == OURS
    assert witnesses.core.node_id == witnesses.first_id


def test_local_networks_are_exempt() -> None:
    witnesses = Witnesses()
    for number in range(12):
        witnesses.answer(f"10.{number}.1.1", Address("10.9.9.9", 6881))
    assert witnesses.core.external_host is None
    assert witnesses.core.node_id == witnesses.first_id
    assert witnesses.core.engine.endpoints.is_trusted(Contact(Key(1, 160), Address("10.0.0.1", 1)))
    assert not witnesses.core.engine.endpoints.is_trusted(Contact(Key(1, 160), Address(OURS, 1)))
