from __future__ import annotations

import pytest

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MAX_REPLY_BYTES
from kademlia_core.mainline.messages import (
    ERROR_METHOD_UNKNOWN,
    ERROR_PROTOCOL,
    ERROR_SERVER,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Ping,
    Query,
    Response,
    UnknownRequest,
)
from tests.unit.kademlia_core.mainline.asking import OUTSIDER, OUTSIDER_KEY, TRANSACTION_ID, ask, exchange
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address
from transfer.wire import bencode

INFO_HASH = Key.from_bytes(b"i" * 20)


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


def closest(network: VirtualNetwork, address: Address, target: Key) -> tuple[Contact, ...]:
    everybody = [Contact(core.node_id, other) for other, core in network.cores.items() if other != address]
    return tuple(sorted(everybody, key=lambda contact: contact.key ^ target)[:8])


def test_ping_is_answered_with_the_key_and_where_it_came_from(network: VirtualNetwork) -> None:
    address = network.add(1)
    reply = ask(network, address, Ping())
    assert reply == Response(
        TRANSACTION_ID, network.cores[address].node_id, external_address=OUTSIDER, version=b"KC\x00\x01"
    )


def test_find_node_names_the_closest(network: VirtualNetwork) -> None:
    addresses = joined(network, 6)
    reply = ask(network, addresses[0], FindNode(INFO_HASH))
    assert isinstance(reply, Response)
    assert reply.nodes == closest(network, addresses[0], INFO_HASH)
    assert reply.token is None


def test_announce_and_get_peers(network: VirtualNetwork) -> None:
    addresses = joined(network, 4)
    before = ask(network, addresses[0], GetPeers(INFO_HASH))
    assert isinstance(before, Response)
    assert before.peers == ()
    assert before.nodes == closest(network, addresses[0], INFO_HASH)
    assert before.token is not None

    done = ask(network, addresses[0], AnnouncePeer(INFO_HASH, 7000, before.token))
    assert isinstance(done, Response)
    after = ask(network, addresses[0], GetPeers(INFO_HASH))
    assert isinstance(after, Response)
    assert after.peers == (OUTSIDER._replace(port=7000),)
    assert after.nodes == before.nodes  # besides the peers, so that a lookup goes on


def test_a_token_of_another_address_or_none_at_all_is_refused(network: VirtualNetwork) -> None:
    address = network.add(1)
    reply = ask(network, address, GetPeers(INFO_HASH))
    assert isinstance(reply, Response)
    assert reply.token is not None
    thief = Address("10.9.9.8", 1234)
    for token, source in ((reply.token, thief), (b"", OUTSIDER), (b"x" * 8, OUTSIDER)):
        refused = ask(network, address, AnnouncePeer(INFO_HASH, 7000, token), source)
        assert isinstance(refused, ErrorReply)
        assert refused.code == ERROR_PROTOCOL
    assert network.cores[address].stats(now=network.now).stored_peers == 0


def test_a_host_that_announces_too_much_is_told(network: VirtualNetwork) -> None:
    address = network.add(1)
    replies = []
    for number in range(1001):
        network.run(0.01)
        info_hash = Key(number, 160)
        offer = ask(network, address, GetPeers(info_hash))
        assert isinstance(offer, Response)
        assert offer.token is not None
        replies.append(ask(network, address, AnnouncePeer(info_hash, 7000, offer.token)))
    assert all(isinstance(reply, Response) for reply in replies[:-1])
    assert isinstance(replies[-1], ErrorReply)
    assert replies[-1].code == ERROR_SERVER


def test_unknown_methods(network: VirtualNetwork) -> None:
    addresses = joined(network, 3)
    for name in (b"target", b"info_hash"):
        arguments = {b"id": bytes(OUTSIDER_KEY), name: bytes(INFO_HASH)}
        query = bencode.encode({b"t": b"x", b"y": b"q", b"q": b"vote", b"a": arguments, b"ro": 1})
        (data,) = exchange(network, addresses[0], query)
        reply = krpc.decode(data)
        assert isinstance(reply, Response)
        assert reply.nodes == closest(network, addresses[0], INFO_HASH)
    refused = ask(network, addresses[0], UnknownRequest(b"vote", None))
    assert isinstance(refused, ErrorReply)
    assert refused.code == ERROR_METHOD_UNKNOWN


def test_bad_arguments_are_answered_and_garbage_is_not(network: VirtualNetwork) -> None:
    address = network.add(1)
    (data,) = exchange(network, address, b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe")
    assert isinstance(krpc.decode(data), ErrorReply)
    for garbage in (b"", b"hello", b"d1:t2:aae", b"d1:t2:aa1:y1:re", b"d1:y1:qe", b"\x00" * 100, b"d1:t2:aa1:y1:xe"):
        assert exchange(network, address, garbage) == []
    assert network.cores[address].stats(now=network.now).dropped_garbage == 8


def test_no_reply_exceeds_what_travels_in_one_piece(network: VirtualNetwork) -> None:
    addresses = joined(network, 12)
    for number in range(300):
        source = Address(f"10.8.{number // 250}.{number % 250 + 1}", 6881)
        offer = ask(network, addresses[0], GetPeers(INFO_HASH), source)
        assert isinstance(offer, Response)
        assert offer.token is not None
        ask(network, addresses[0], AnnouncePeer(INFO_HASH, 7000, offer.token), source)
    longest_id = bytes(krpc.MAX_TRANSACTION_ID_BYTES)
    query = krpc.encode(Query(longest_id, OUTSIDER_KEY, GetPeers(INFO_HASH), is_read_only=True))
    (data,) = exchange(network, addresses[0], query)
    assert MAX_REPLY_BYTES - 100 < len(data) <= MAX_REPLY_BYTES  # full, and no fuller
    reply = krpc.decode(data)
    assert isinstance(reply, Response)
    assert len(reply.nodes) == 8
    assert len(set(reply.peers)) == len(reply.peers) > 50
