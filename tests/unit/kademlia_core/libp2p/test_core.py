"""One node of libp2p's DHT: what it asks, answers, keeps and refuses, and whom it lets into its table."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from kademlia_core.bucket import NodeState
from kademlia_core.distance import random_key_sharing
from kademlia_core.engine.events import QueryFinished
from kademlia_core.engine.requests import Ping
from kademlia_core.libp2p.asking import Failure
from kademlia_core.libp2p.config import Libp2pConfig, ProviderStoreConfig, ValueStoreConfig
from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.errors import RecordError, RequestRefusedError
from kademlia_core.libp2p.ipns import create_ipns_record, ipns_key
from kademlia_core.libp2p.keyspace import MAX_PREFIX_BITS, key_of, preimage_near
from kademlia_core.libp2p.messages import Message, MessageType, PeerInfo, Record, decode, encode
from kademlia_core.libp2p.peer import Peer, PeerPolicy, Scope, source_of
from kademlia_core.libp2p.requests import KadAnswer
from tests.kad_world import WALL_S, KadWorld, joined, looked_up, peer_id_of
from transfer.host.peer_record import PeerRecord
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.limits.source_limiter import RateLimitConfig
from transfer.multiaddr.multiaddr import Multiaddr

ME, ASKER, CONTENT = peer_id_of(1), peer_id_of(2), b"\x12\x20" + b"c" * 32


def at(host: str, port: int = 4001) -> Multiaddr:
    return Multiaddr.parse(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")


def node(*, config: Libp2pConfig | None = None, scope: Scope = Scope.ANY, is_server: bool = True) -> Libp2pCore:
    return Libp2pCore(ME, rng=Random(1), now=0.0, wall_s=WALL_S, config=config, scope=scope, is_server=is_server)


def asked(
    core: Libp2pCore, message: Message, *, asker: PeerId = ASKER, host: str = "192.0.2.2", now: float = 1.0
) -> Message | None:
    answer = core.serve(encode(message), asker, observed=at(host), now=now)
    return decode(answer[1 if answer[0] < 128 else 2 :]) if answer is not None else None


def announce(core: Libp2pCore, key: bytes, *, asker: PeerId = ASKER, host: str = "192.0.2.2") -> None:
    asked(
        core, Message(MessageType.ADD_PROVIDER, key, providers=(PeerInfo(asker, (at(host),)),)), asker=asker, host=host
    )


def providers(core: Libp2pCore, key: bytes, *, now: float = 1.0) -> dict[PeerId, int]:
    """How many addresses of each provider are told."""
    answer = asked(core, Message(MessageType.GET_PROVIDERS, key), asker=peer_id_of(99), now=now)
    assert answer is not None
    return {info.peer_id: len(info.addresses) for info in answer.providers}


# Server


def test_only_what_a_peer_says_of_itself_is_believed() -> None:
    core = node()
    other = peer_id_of(3)
    message = Message(MessageType.ADD_PROVIDER, CONTENT, providers=(PeerInfo(other, (at("192.0.2.3"),)),))
    asked(core, message)
    assert providers(core, CONTENT) == {}
    asked(core, replace(message, providers=(PeerInfo(ASKER),)))
    assert providers(core, CONTENT) == {}, "without an address it is of no use"
    announce(core, CONTENT)
    assert providers(core, CONTENT) == {ASKER: 1}


def test_providers_fade_and_are_forgotten() -> None:
    core = node()
    announce(core, CONTENT)
    hour = 3600.0
    assert providers(core, CONTENT, now=23.9 * hour) == {ASKER: 1}
    assert providers(core, CONTENT, now=24.1 * hour) == {ASKER: 0}, "its addresses may be others by now"
    assert providers(core, CONTENT, now=48.1 * hour) == {}


def test_one_house_cannot_fill_the_stores_under_many_ids() -> None:
    config = Libp2pConfig(providers=ProviderStoreConfig(max_per_source=5), values=ValueStoreConfig())
    core = node(config=config)
    for number in range(20):
        announce(core, b"\x12\x20" + number.to_bytes(32, "big"), asker=peer_id_of(100 + number), host="45.1.1.1")
    assert core.stats(now=1.0).provider_entries == 5
    announce(core, CONTENT, host="45.1.1.2")
    assert core.stats(now=1.0).provider_entries == 6
    core.check_invariants()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(MessageType.FIND_NODE), "without a key"),
        (Message(MessageType.GET_PROVIDERS, bytes(81)), "at most 80"),
        (Message(MessageType.PUT_VALUE, b"/pk/a"), "without a record"),
        (Message(MessageType.PUT_VALUE, b"/pk/a", Record(b"/pk/b", b"v")), "another key"),
        (Message(MessageType.PUT_VALUE, b"/no/a", Record(b"/no/a", b"v")), "no validator"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(message: Message, reason: str) -> None:
    core = node()
    with pytest.raises(RequestRefusedError, match=reason):
        asked(core, message)
    assert core.stats(now=1.0).requests_refused == 1


def test_garbage_is_refused_and_floods_too() -> None:
    core = node(config=Libp2pConfig(rate_limit=RateLimitConfig(per_host_per_s=1.0, per_host_burst=3.0)))
    for data in (b"", b"\xff", b"\x08\x11"):
        with pytest.raises(RequestRefusedError):
            core.serve(data, ASKER, observed=at("45.1.1.1"), now=0.0)
    with pytest.raises(RequestRefusedError, match="rate_limit"):
        core.serve(b"\x08\x05", peer_id_of(3), observed=at("45.1.1.1"), now=0.0)
    assert core.serve(b"\x08\x05", ASKER, observed=at("45.1.1.2"), now=0.0) == b"\x02\x08\x05"
    assert core.stats(now=1.0).dropped_limit == 1


def test_a_client_answers_nothing() -> None:
    core = node(is_server=False)
    with pytest.raises(RequestRefusedError, match="client"):
        asked(core, Message(MessageType.PING))


def test_a_newer_value_stays_and_an_older_is_refused() -> None:
    key = PrivateKey.from_seed(bytes(32))
    core, name = node(), ipns_key(key.peer_id)
    old, new = (create_ipns_record(key, "/ipfs/a", sequence=each, wall_s=WALL_S) for each in (1, 2))
    for value in (old, new, new):
        asked(core, Message(MessageType.PUT_VALUE, name, Record(name, value)))
    with pytest.raises(RequestRefusedError, match="better"):
        asked(core, Message(MessageType.PUT_VALUE, name, Record(name, old)))
    answer = asked(core, Message(MessageType.GET_VALUE, name))
    assert answer is not None
    assert answer.record is not None
    assert answer.record.value == new
    late = asked(core, Message(MessageType.GET_VALUE, name), now=48.5 * 3600)
    assert late is not None
    assert late.record is None, "it is no longer valid"


def test_answers_are_cut_to_what_rust_reads() -> None:
    core = node()
    many = tuple(at("192.0.2.9", port) for port in range(1, 17))
    for number in range(100):
        announce(core, CONTENT, asker=peer_id_of(1000 + number), host=f"45.1.{number}.1")
        core.providers.add(CONTENT, peer_id_of(2000 + number), many, source="", now=1.0)
    for number in range(3, 40):
        core.table.on_response(Peer(peer_id_of(number), many).contact, now=1.0)
    answer = core.serve(encode(Message(MessageType.GET_PROVIDERS, CONTENT)), ASKER, observed=at("192.0.2.2"), now=1.0)
    assert answer is not None
    assert len(answer) <= core.config.sent_answer_bytes + 3
    said = decode(answer[2 if answer[1] < 128 else 3 :])
    assert said.closer
    assert len(said.providers) > 50


def test_a_peer_is_not_named_to_itself_and_a_target_is_although_it_is_a_client() -> None:
    core = node()
    for number in (2, 3):
        core.table.on_response(Peer(peer_id_of(number), (at(f"45.1.{number}.1"),)).contact, now=0.0)
    client = peer_id_of(50)
    core.learn(client, (at("45.9.9.9"),), is_server=False, now=0.0)
    answer = asked(core, Message(MessageType.FIND_NODE, client.multihash))
    assert answer is not None
    assert [info.peer_id for info in answer.closer] == [client, peer_id_of(3)]
    answer = asked(core, Message(MessageType.GET_VALUE, b"/pk/" + client.multihash))
    assert answer is not None
    assert [info.peer_id for info in answer.closer] == [peer_id_of(3)]


def test_go_finds_us_when_it_asks_for_ourselves() -> None:
    core = node()
    core.set_own_addresses((at("45.1.1.1") / f"/p2p/{ME}",))
    answer = asked(core, Message(MessageType.FIND_NODE, ME.multihash))
    assert answer is not None
    assert answer.closer == (PeerInfo(ME, (at("45.1.1.1"),)),)


# Addresses


def test_from_afar_nobody_sends_us_into_our_own_network() -> None:
    policy = PeerPolicy(ME, scope=Scope.ANY, max_addresses=9)
    names = ("/dns4/a.example/tcp/1", "/unix/run%2Fx.sock", "/ip6/::ffff:10.0.0.1/tcp/1", "/dns4/localhost/tcp/1")
    addresses = [at("127.0.0.1"), at("10.0.0.1"), at("45.1.1.1"), *map(Multiaddr.parse, names)]
    assert policy.usable(addresses, teller=at("45.2.2.2")) == (addresses[2], addresses[3])
    assert policy.usable(addresses, teller=at("10.0.0.9")) == (addresses[1], addresses[2], addresses[3], addresses[5])
    assert policy.usable(addresses, teller=at("127.0.0.1")) == tuple(addresses)


def test_what_a_peer_says_of_itself_cannot_be_nearer_than_it_is() -> None:
    core = node()
    core.learn(ASKER, (at("127.0.0.1", 22), at("45.1.1.1")), is_server=True, observed=at("45.1.1.1"), now=0.0)
    (request,) = core.requests_to_open()
    assert request.peer.addresses == core.book.addresses_of(ASKER) == (at("45.1.1.1"),)


def test_the_public_and_the_local_network_know_nothing_of_each_other() -> None:
    public, local = node(scope=Scope.PUBLIC), node(scope=Scope.LOCAL)
    both = (at("10.0.0.2"), at("45.1.1.1"))
    for core, kept in ((public, both[1:]), (local, both[:1])):
        core.learn(ASKER, both, is_server=True, now=0.0)
        (request,) = core.requests_to_open()
        assert request.peer.addresses == kept
        core.set_own_addresses(both)
        assert core.book.own_addresses == kept
    relayed = Multiaddr.parse(f"/ip4/45.1.1.1/tcp/1/p2p/{peer_id_of(9)}/p2p-circuit")
    public.learn(peer_id_of(8), (relayed,), is_server=True, now=0.0)
    assert not public.requests_to_open(), "a relay is no place for a server"


def test_addresses_that_a_peer_has_signed_come_first_and_those_of_others_are_not_believed() -> None:
    core = node()
    key, other = PrivateKey.from_seed(bytes(32)), PrivateKey.from_seed(b"o" * 32)
    record = PeerRecord(key.peer_id, 1, (at("45.1.1.1"),)).seal(key).to_bytes()
    foreign = PeerRecord(other.peer_id, 1, (at("45.6.6.6"),)).seal(other).to_bytes()
    for signed, expected in (
        (record, ("45.1.1.1", "45.2.2.2")),
        (foreign, ("45.2.2.2",)),
        (record[:-1], ("45.2.2.2",)),
    ):
        info = PeerInfo(key.peer_id, (at("45.2.2.2"),), signed_record=signed)
        answer = KadAnswer(key_of(ASKER.multihash), Message(MessageType.FIND_NODE, closer=(info,)))
        (contact,) = core._network.contacts_in(answer, Peer(ASKER, (at("45.9.9.9"),)), now=0.0)
        assert isinstance(contact.endpoint, Peer)
        assert contact.endpoint.addresses == tuple(map(at, expected))


def test_an_answer_cannot_aim_us_at_one_place() -> None:
    core = node()
    crowd = tuple(PeerInfo(peer_id_of(number), (at("45.1.1.1"),)) for number in range(10, 30))
    answer = KadAnswer(key_of(ASKER.multihash), Message(MessageType.FIND_NODE, closer=crowd))
    assert len(core._network.contacts_in(answer, Peer(ASKER, (at("45.9.9.9"),)), now=0.0)) == 2


def test_groups_and_sources() -> None:
    policy = PeerPolicy(ME, scope=Scope.ANY, max_addresses=9)
    one, same, far = (
        Peer(peer_id_of(number), (at(host),)) for number, host in enumerate(("45.1.1.1", "45.1.1.9", "45.2.1.1"))
    )
    assert policy.group_of(one) == policy.group_of(same) != policy.group_of(far)
    assert policy.region_of(one) != policy.region_of(far)
    assert policy.group_of(Peer(ASKER, (at("10.0.0.1"),))) is None
    names = [Peer(ASKER, (Multiaddr.parse(f"/dns4/{name}.evil.example/tcp/1"),)) for name in ("a", "b.c")]
    assert policy.group_of(names[0]) == policy.group_of(names[1]) == "evil.example"
    moved = Peer(peer_id_of(5), (at("45.77.1.1"),), observed=at("45.1.1.200"))
    assert policy.group_of(moved) == policy.group_of(one), "where it was reached counts, not what it says"
    assert source_of(Peer(ASKER, observed=at("45.1.1.1"))) == source_of(Peer(ME, observed=at("45.1.1.1", 7)))
    assert source_of(Peer(ASKER, observed=at("10.0.0.1"))) != source_of(Peer(ME, observed=at("10.0.0.1")))


# Client


def test_ranges_are_asked_for_with_bytes_that_hash_into_them() -> None:
    rng = Random(3)
    own = key_of(ME.multihash)
    for shared in (0, 1, 5, 9):
        target = random_key_sharing(own, shared, rng, exactly=True)
        assert key_of(preimage_near(target, shared + 1, rng)).shared_prefix_length(target) > shared
    deep = random_key_sharing(own, 40, rng, exactly=True)
    assert key_of(preimage_near(deep, 41, rng)).shared_prefix_length(deep) >= MAX_PREFIX_BITS - 1


def test_who_has_answered_enters_the_table_and_who_lacks_the_protocol_leaves_it() -> None:
    core = node()
    core.engine.add_node(Peer(ASKER, (at("45.1.1.1"),)), now=0.0)
    (request,) = core.requests_to_open()
    assert decode(request.data[1:]) == Message(MessageType.FIND_NODE, ASKER.multihash), "as go asks, too"
    core.receive_answer(request, b"\x08\x04", observed=at("45.1.1.1"), now=0.1)
    (contact,) = core.table
    assert contact.endpoint == Peer(ASKER)
    query = core.ping(Peer(ASKER, (at("45.1.1.1"),)), now=1.0)
    (request,) = core.requests_to_open()
    assert request.data == b"\x02\x08\x05"
    core.receive_failure(request, Failure.UNSUPPORTED, now=1.1)
    assert core.next_event() is not None
    assert query.is_finished
    assert core.table.state_of(contact, now=1.1) in (NodeState.BAD, None)


def test_a_server_that_becomes_a_client_is_no_longer_named() -> None:
    core = node()
    core.learn(ASKER, (at("45.1.1.1"),), is_server=True, now=0.0)
    (request,) = core.requests_to_open()
    core.receive_answer(request, b"\x08\x04", now=0.1)
    assert len(core.table.closest(key_of(b""), 9)) == 1
    core.learn(ASKER, (at("45.1.1.1"),), is_server=False, now=5.0)
    assert core.table.closest(key_of(b""), 9) == []


@pytest.mark.parametrize("answer", [b"\xff", b"\x08\x05", b""])
def test_an_answer_to_something_else_is_a_refusal(answer: bytes) -> None:
    core = node()
    query = core.engine.query(Peer(ASKER, (at("45.1.1.1"),)), Ping(), now=0.0)
    (request,) = core.requests_to_open()
    core.receive_answer(request, answer, now=0.1)
    assert core.next_event() == QueryFinished(query)
    assert query.response is None
    assert query.error is not None
    assert len(core.table) == 0
    core.receive_answer(request, b"\x08\x04", now=0.2)  # once is enough
    assert core.stats(now=1.0).refusals_received == 1


def test_silence_ends_a_request_and_its_stream() -> None:
    core = node()
    core.engine.query(Peer(ASKER, (at("45.1.1.1"),)), Ping(), now=0.0)
    (request,) = core.requests_to_open()
    assert core.next_timer() <= core.config.query_timeout_s
    core.handle_timer(now=core.config.query_timeout_s)
    assert core.requests_to_abandon() == [request]
    assert core.requests_to_abandon() == []
    assert core.next_event() is not None
    assert core.stats(now=11.0).timeouts == 1


def test_no_more_requests_than_there_may_be() -> None:
    core = node(config=Libp2pConfig(max_pending_requests=3))
    for number in range(10, 20):
        core.engine.query(Peer(peer_id_of(number), (at("45.1.1.1"),)), Ping(), now=0.0)
    assert len(core.requests_to_open()) == 3
    core.check_invariants()


def test_a_value_that_is_not_right_is_not_put() -> None:
    with pytest.raises(RecordError):
        node().put_value(b"/pk/" + ASKER.multihash, b"no key", now=0.0)
    with pytest.raises(RecordError, match="no validator"):
        node().get_value(b"/no/a", now=0.0)


# A few nodes together


def test_find_peer_ends_at_the_peer_and_finds_clients_through_their_neighbours() -> None:
    world = KadWorld()
    nodes = joined(world, 16)
    lookup = nodes[3].core.find_peer(nodes[12].peer.peer_id, now=world.now)
    world.run_until(lookup)
    assert nodes[3].found(lookup) == [nodes[12].address]
    client = world.add(500, is_server=False)
    client.core.engine.join((nodes[0].peer,), now=world.now)
    world.run(8.0)
    assert not any(client.peer in {contact.endpoint for contact in node.core.table} for node in nodes)
    lookup = nodes[7].core.find_peer(client.peer.peer_id, now=world.now)
    world.run_until(lookup)
    assert client.address in nodes[7].found(lookup) or client.peer.peer_id in nodes[7].known
    assert client.peer.peer_id not in looked_up(nodes[7], lookup)
