"""Nodes that only ask (BEP 43)."""

from __future__ import annotations

from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.messages import Ping, Query
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined

READ_ONLY = MainlineConfig(is_read_only=True)


def test_a_read_only_node_asks_but_enters_no_table_and_answers_nobody() -> None:
    network = VirtualNetwork()
    addresses = joined(network, 12)
    reader = network.add(50, config=READ_ONLY)
    network.join(reader, addresses[0])
    network.run(3.0)
    search = network.command(reader).engine.find_node(network.cores[addresses[5]].node_id, now=network.now)
    network.run(3.0)
    assert search.result()[0].address == addresses[5]
    assert not any(contact.address == reader for other in addresses for contact in network.cores[other].table)
    before = network.cores[reader].stats(now=network.now)
    network.send(krpc.encode(Query(b"aa", network.cores[addresses[1]].node_id, Ping())), addresses[1], reader)
    network.run(1.0)
    after = network.cores[reader].stats(now=network.now)
    assert after.queries_received == before.queries_received + 1
    assert after.datagrams_sent == before.datagrams_sent


def test_its_queries_say_so() -> None:
    network = VirtualNetwork()
    reader, other = network.add(1, config=READ_ONLY), network.add(2)
    network.command(reader).engine.query(other, Ping(), now=0.0)
    ((data, _),) = network.cores[reader].datagrams_to_send()
    query = krpc.decode(data)
    assert isinstance(query, Query)
    assert query.is_read_only
    assert b"2:roi1e" in data
