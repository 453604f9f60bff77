from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from random import Random

import pytest

from kademlia_core import Contact, Key, RoutingTableConfig
from kademlia_core.endpoint import Endpoint
from kademlia_core.engine.events import Found, LookupFinished, QueryFinished
from kademlia_core.engine.lookup import EngineLookup
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.item_lookup import ImmutableHarvest, ItemPlacement
from kademlia_core.mainline.items import ImmutableItem
from kademlia_core.mainline.messages import ErrorReply, FindNode, Ping, Query, Response, StoredItem
from kademlia_core.mainline.peer_lookup import Announcement
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address
from transfer.errors import LimitExceededError
from transfer.limits.source_limiter import RateLimitConfig

INFO_HASH = Key.from_bytes(b"i" * 20)
OUTSIDER, OUTSIDER_KEY = Address("10.9.9.9", 1234), Key.from_bytes(b"o" * 20)
SILENT = Address("10.9.9.8", 1234)


def outcomes(network: VirtualNetwork, address: Address) -> list[tuple[Endpoint, Contact | None]]:
    """Whom the node at `address` queried on command, and who answered."""
    queries = [event.query for event in network.events[address] if isinstance(event, QueryFinished)]
    assert all(query.is_finished and (query.response is None) == (query.contact is None) for query in queries)
    return [(query.endpoint, query.contact) for query in queries]


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


def test_what_one_node_announces_another_finds(network: VirtualNetwork) -> None:
    addresses = joined(network, 25)
    announcer, finder = addresses[3], addresses[20]
    core = network.command(announcer)
    announced = core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000), now=network.now)
    network.run(3.0)
    assert announced.accepted() == tuple(announced.result())
    assert len(announced.result()) == 8

    search = network.command(finder).find_peers(INFO_HASH, now=network.now)
    network.run(3.0)
    peer = Address(announcer.host, 7000)
    assert network.events[finder][-2:] == [Found(search, (peer,)), LookupFinished(search)]
    assert search.stats.responses >= 8


def test_an_implied_port_is_the_port_of_the_datagram(network: VirtualNetwork) -> None:
    announcer, keeper = joined(network, 2)
    core = network.command(announcer)
    core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000, implied_port=True), now=network.now)
    network.run(1.0)
    search = network.command(keeper).find_peers(INFO_HASH, now=network.now)  # from its own store
    network.run(1.0)
    assert Found(search, (announcer,)) in network.events[keeper]


def test_a_node_that_gives_no_token_is_not_announced_to(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    search = core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000), now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    assert search.is_finished
    assert search.accepted() == ()
    assert [contact.address for contact in search.result()] == [OUTSIDER]


def test_pings_end_in_an_event(network: VirtualNetwork) -> None:
    first, second = network.add(1), network.add(2)
    network.command(first).engine.query(second, Ping(), now=network.now)
    network.command(first).engine.query(OUTSIDER, Ping(), now=network.now)
    network.command(first).engine.query(Address("::1", 1), Ping(), now=network.now)
    network.run(6.0)
    assert outcomes(network, first) == [
        (Address("::1", 1), None),
        (second, Contact(network.cores[second].node_id, second)),
        (OUTSIDER, None),
    ]


def test_a_reply_counts_only_with_its_transaction_and_from_its_address(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.command(address).engine.query(OUTSIDER, Ping(), now=network.now)
    network.run(0.1)
    query = taken_query(network)
    spoofed = krpc.encode(Response(query.transaction_id, Key.from_bytes(b"s" * 20)))
    network.send(spoofed, OUTSIDER._replace(port=1235), address)
    network.send(spoofed, Address("10.9.9.8", OUTSIDER.port), address)
    network.send(krpc.encode(Response(b"guess", Key.from_bytes(b"s" * 20))), OUTSIDER, address)
    network.run(0.1)
    assert network.events[address] == []
    assert network.cores[address].stats(now=network.now).dropped_unexpected == 3
    genuine = krpc.encode(Response(query.transaction_id, OUTSIDER_KEY))
    for _ in range(2):
        network.send(genuine, OUTSIDER, address)
    network.run(0.1)
    assert outcomes(network, address) == [(OUTSIDER, Contact(OUTSIDER_KEY, OUTSIDER))]
    assert network.cores[address].stats(now=network.now).dropped_unexpected == 4


def test_an_answer_under_another_key_is_no_answer_to_a_lookup(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    search = core.engine.find_node(INFO_HASH, now=network.now)
    answer(network, Response(b"", INFO_HASH))  # claims to be the target itself
    assert search.is_finished
    assert search.result() == []
    assert list(core.table) == [Contact(INFO_HASH, OUTSIDER)]  # the address has a new key now


def test_an_error_reply_fails_the_query_without_waiting(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.command(address).engine.query(OUTSIDER, Ping(), now=network.now)
    answer(network, ErrorReply(b"", 202, "not today"))
    assert outcomes(network, address) == [(OUTSIDER, None)]


def test_peers_are_reported_once_and_only_usable_ones(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    good = Address("192.0.2.1", 6881)
    search = core.find_peers(INFO_HASH, now=network.now)
    answer(
        network,
        Response(b"", OUTSIDER_KEY, peers=(good, good, Address("192.0.2.2", 0), Address("224.0.0.1", 6881), good)),
    )
    assert Found(search, (good,)) in network.events[address]
    assert sum(isinstance(event, Found) for event in network.events[address]) == 1


def test_a_search_reports_no_more_peers_than_its_bound() -> None:
    network = VirtualNetwork()
    address = network.add(1, config=MainlineConfig(max_peers_per_lookup=3))
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    search = core.find_peers(INFO_HASH, now=network.now)
    peers = tuple(Address("192.0.2.1", port) for port in range(1, 9))
    answer(network, Response(b"", OUTSIDER_KEY, peers=peers))
    assert Found(search, peers[:3]) in network.events[address]


def test_a_cancelled_search_is_silent(network: VirtualNetwork) -> None:
    addresses = joined(network, 5)
    core = network.command(addresses[1])
    network.events[addresses[1]].clear()
    search = core.find_peers(INFO_HASH, now=network.now)
    core.engine.cancel(search)
    network.run(10.0)
    assert network.events[addresses[1]] == []
    assert core.stats(now=network.now).lookups == 0


def test_too_many_searches_are_refused(network: VirtualNetwork) -> None:
    address = network.add(1, config=MainlineConfig(max_lookups=2))
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    for _ in range(2):
        core.engine.find_node(INFO_HASH, now=network.now)
    with pytest.raises(LimitExceededError, match="max_lookups"):
        core.engine.find_node(INFO_HASH, now=network.now)
    core.check_invariants()


def test_too_many_queries_fail_instead_of_piling_up(network: VirtualNetwork) -> None:
    address = network.add(1, config=MainlineConfig(max_pending_queries=1))
    core = network.command(address)
    for _ in range(3):
        core.engine.query(OUTSIDER, Ping(), now=network.now)
    assert core.stats(now=network.now).pending_queries == 1
    network.run(0.0)
    assert outcomes(network, address) == [(OUTSIDER, None)] * 2


def test_a_flood_is_not_answered_beyond_the_rate(network: VirtualNetwork) -> None:
    limit = RateLimitConfig(per_host_per_s=1.0, per_host_burst=10.0)
    address = network.add(1, config=MainlineConfig(rate_limit=limit))
    ping = krpc.encode(Query(b"aa", OUTSIDER_KEY, Ping(), is_read_only=True))
    for number in range(500):
        network.send(ping, OUTSIDER._replace(port=1 + number), address)
    network.send(ping, Address("10.9.9.8", 1), address)
    network.run(0.2)
    assert len(network.outsiders) == 11
    assert network.cores[address].stats(now=network.now).dropped_limit == 490


def test_being_asked_is_no_licence_to_flood(network: VirtualNetwork) -> None:
    limit = RateLimitConfig(per_host_per_s=1.0, per_host_burst=10.0)
    address = network.add(1, config=MainlineConfig(rate_limit=limit))
    network.command(address).engine.query(OUTSIDER, Ping(), now=network.now)
    network.run(0.1)
    for data in (krpc.encode(Query(b"aa", OUTSIDER_KEY, Ping(), is_read_only=True)), b"d1:q4:ping1:t2:aa1:y1:qe"):
        for _ in range(50):
            network.send(data, OUTSIDER, address)
    network.outsiders.clear()
    network.run(0.2)
    assert len(network.outsiders) == 10


def test_the_other_family_and_unusable_or_long_datagrams_are_dropped_unread() -> None:
    core = MainlineCore(rng=Random(1), now=0.0)
    ping = krpc.encode(Query(b"aa", OUTSIDER_KEY, Ping()))
    core.receive_datagram(ping, Address("2001:db8::1", 1), now=0.0)
    core.receive_datagram(ping, OUTSIDER._replace(port=0), now=0.0)
    core.receive_datagram(ping + bytes(5000), OUTSIDER, now=0.0)
    assert core.datagrams_to_send() == []
    assert core.stats(now=0.0).dropped_foreign == 3


def test_an_ipv6_node_speaks_of_ipv6_nodes_only() -> None:
    core = MainlineCore(rng=Random(1), now=0.0, is_ipv6=True)
    node = Contact(Key.from_bytes(b"6" * 20), Address("2001:db8::6", 6881))
    core.engine.add_node(node.address, now=0.0)
    ((data, _),) = core.datagrams_to_send()
    query = krpc.decode(data)
    core.receive_datagram(krpc.encode(Response(query.transaction_id, node.key)), node.address, now=0.0)
    core.receive_datagram(
        krpc.encode(Query(b"aa", OUTSIDER_KEY, FindNode(INFO_HASH), is_read_only=True)),
        Address("2001:db8::9", 9),
        now=0.0,
    )
    ((data, _),) = core.datagrams_to_send()
    reply = krpc.decode(data)
    assert isinstance(reply, Response)
    assert (reply.nodes, reply.nodes6) == ((), (node,))
    assert reply.external_address == Address("2001:db8::9", 9)


def test_a_node_id_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="160 bits"):
        MainlineCore(rng=Random(1), now=0.0, node_id=Key(1, 8))


def taken_query(network: VirtualNetwork) -> Query:
    """The last query that reached an outsider."""
    message = krpc.decode(network.outsiders[-1][0])
    assert isinstance(message, Query)
    return message


def answer(network: VirtualNetwork, reply: Response | ErrorReply) -> None:
    """Lets an outsider answer each query that reaches it, with the transaction id of the query."""
    network.outsiders.clear()
    network.run(0.1)
    for data, source, destination in list(network.outsiders):
        query = krpc.decode(data)
        if isinstance(query, Query) and destination != SILENT:
            echoed = replace(reply, transaction_id=query.transaction_id)
            network.send(krpc.encode(echoed), destination, source)
    network.run(0.1)


def test_a_search_that_ends_early_and_leaves_something_does_not_spin(network: VirtualNetwork) -> None:
    address = network.add(1)
    network.join(address)
    core = network.command(address)
    core.engine.add_node(OUTSIDER, now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY))
    item = ImmutableItem(b"5:value")
    search = core.get_item(ImmutableHarvest(item.target), placement=ItemPlacement(item), now=network.now)
    search.add_candidates((Contact(Key.from_bytes(b"n" * 20), SILENT),), now=network.now)
    answer(network, Response(b"", OUTSIDER_KEY, token=b"t", item=StoredItem(item.value)))
    network.run(0.1)
    assert core.stats(now=network.now).lookups == 1
    late = network.now + 3.0
    core.handle_timer(now=late)
    assert core.next_timer() > late
    assert not search.is_finished


# Searches that leave something


@dataclass(frozen=True)
class Placed:
    """A search on a core of a small network that is over, and has left something with the eight closest."""

    network: VirtualNetwork
    address: Address
    core: MainlineCore
    search: EngineLookup


@pytest.fixture
def placed(network: VirtualNetwork) -> Placed:
    address = joined(network, 12, MainlineConfig(max_pending_queries=16))[3]
    core = network.command(address)
    search = core.find_peers(INFO_HASH, announcement=Announcement(INFO_HASH, 7000), now=network.now)
    network.run(10.0)
    assert len(search.accepted()) == 8
    network.events[address].clear()
    return Placed(network, address, core, search)


def test_a_search_whose_placement_finds_no_room_for_queries_ends_all_the_same(placed: Placed) -> None:
    core, now = placed.core, placed.network.now
    for port in range(1, 17):
        core.engine.query(SILENT._replace(port=port), Ping(), now=now)
    assert core.stats(now=now).pending_queries == 16
    core.engine.place(placed.search, Announcement(INFO_HASH, 7001), now=now)
    assert placed.search.is_finished
    assert (placed.search.accepted(), placed.search.refusals()) == ((), ())
    placed.network.run(0.0)
    assert placed.network.events[placed.address] == [LookupFinished(placed.search)]
    assert core.stats(now=now).lookups == 0


def test_a_placement_waits_for_those_only_that_could_be_asked(placed: Placed) -> None:
    core, now = placed.core, placed.network.now
    for port in range(1, 14):
        core.engine.query(SILENT._replace(port=port), Ping(), now=now)
    core.engine.place(placed.search, Announcement(INFO_HASH, 7001), now=now)
    assert core.stats(now=now).lookups == 1
    placed.network.run(0.15)
    assert placed.search.is_finished
    assert placed.search.accepted() == tuple(placed.search.result()[:3])


def test_a_search_that_cannot_ask_anybody_ends_at_once(placed: Placed) -> None:
    core, now = placed.core, placed.network.now
    for port in range(1, 17):
        core.engine.query(SILENT._replace(port=port), Ping(), now=now)
    search = core.engine.find_node(INFO_HASH, now=now)
    assert search.is_finished
    assert (search.stats.responses, search.stats.sent_bytes) == (0, 0)
    assert search.stats.failures == search.stats.queries > 0


def test_what_was_accepted_before_says_nothing_of_the_next_placement(placed: Placed) -> None:
    first = placed.search.accepted()
    for contact in first[:6]:
        del placed.network.cores[contact.address]
    placed.core.engine.place(placed.search, Announcement(INFO_HASH, 7001), now=placed.network.now)
    assert placed.search.accepted() == ()
    placed.network.run(20.0)
    assert placed.search.is_finished
    assert placed.search.accepted() == first[6:]
    assert placed.search.refusals() == ()


def test_who_refused_before_may_accept_the_next_placement(placed: Placed) -> None:
    wrong = Announcement(INFO_HASH, 0)  # no node takes such a port
    placed.core.engine.place(placed.search, wrong, now=placed.network.now)
    placed.network.run(20.0)
    assert placed.search.accepted() == ()
    assert len(placed.search.refusals()) == 8
    placed.core.engine.place(placed.search, Announcement(INFO_HASH, 7001), now=placed.network.now)
    placed.network.run(20.0)
    assert placed.search.refusals() == ()
    assert len(placed.search.accepted()) == 8


def test_a_placement_that_was_given_up_does_not_hold_up_the_next(placed: Placed) -> None:
    placed.core.engine.place(placed.search, Announcement(INFO_HASH, 7001), now=placed.network.now)
    placed.core.engine.cancel(placed.search)
    placed.network.run(20.0)
    assert placed.search.accepted() == ()
    placed.core.engine.place(placed.search, Announcement(INFO_HASH, 7002), now=placed.network.now)
    placed.network.run(0.5)
    assert placed.search.is_finished
    assert len(placed.search.accepted()) == 8


def test_a_search_counts_the_bytes_of_its_lookup_in_both_directions(network: VirtualNetwork) -> None:
    keeper, finder = joined(network, 2)
    heard: list[int] = []
    core = network.command(finder)
    receive = core.receive_datagram

    def counting(data: bytes, source: Address, *, now: float) -> None:
        heard.append(len(data))
        receive(data, source, now=now)

    core.receive_datagram = counting  # type: ignore[method-assign]
    before = core.stats(now=network.now).sent_bytes
    search = core.engine.find_node(INFO_HASH, now=network.now)
    asked = core.stats(now=network.now).sent_bytes - before
    network.run(1.0)
    assert search.result() == [Contact(network.command(keeper).node_id, keeper)]
    assert (search.stats.sent_bytes, search.stats.received_bytes) == (asked, heard[0])
    assert len(heard) == 1


@pytest.mark.parametrize(("bucket_size", "named"), [(3, 3), (8, 8), (20, 8)])
@pytest.mark.parametrize("quickly", [True, False])
def test_an_answer_names_a_bucket_of_nodes_and_never_more_than_eight(
    network: VirtualNetwork, bucket_size: int, named: int, quickly: bool
) -> None:
    """The usual queries are answered by a shorter way, which gives the same."""
    table = RoutingTableConfig(bucket_size=bucket_size)
    address = joined(network, 30, MainlineConfig(routing_table=table))[0]
    query = Query(b"aa", OUTSIDER_KEY, FindNode(INFO_HASH), want=() if quickly else (4,))
    network.send(krpc.encode(query), OUTSIDER, address)
    network.run(0.1)
    heard = [krpc.decode(data) for data, _, _ in network.outsiders]
    (reply,) = [message for message in heard if isinstance(message, Response)]
    assert len(reply.nodes) == named


def test_a_node_that_has_just_come_has_counted_nothing() -> None:
    stats = asdict(MainlineCore(rng=Random(1), now=0.0).stats(now=0.0))
    assert stats.pop("buckets") == 1
    assert set(stats.values()) == {0}
