from __future__ import annotations

import pytest

from kademlia_core import Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MAX_REPLY_BYTES
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import (
    ERROR_CAS_MISMATCH,
    ERROR_PROTOCOL,
    ERROR_SEQUENCE,
    ERROR_SIGNATURE,
    ErrorReply,
    GetItem,
    GetPeers,
    PutItem,
    Query,
    Response,
    StoredItem,
)
from kademlia_core.mainline.signing import SigningKey
from tests.unit.kademlia_core.mainline.asking import OUTSIDER, OUTSIDER_KEY, answer, ask, exchange
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address
from transfer.wire import bencode

OWNER = SigningKey(b"s" * 32)
VALUE = ImmutableItem.of(["any", {"bencoded": 1}])


def version(seq: int, value: str = "value", salt: bytes = b"") -> MutableItem:
    return MutableItem.sign(OWNER, value, seq=seq, salt=salt)


def stored(item: MutableItem) -> StoredItem:
    return StoredItem(item.value, item.seq, item.public_key, item.signature)


@pytest.fixture
def network() -> VirtualNetwork:
    return VirtualNetwork()


@pytest.fixture
def node(network: VirtualNetwork) -> Address:
    return network.add(1)


def put(
    network: VirtualNetwork, node: Address, item: ImmutableItem | MutableItem, cas: int | None = None
) -> Response | ErrorReply:
    """Gets a token and uses it."""
    token = answer(network, node, GetItem(item.target)).token
    assert token is not None
    reply = ask(network, node, PutItem(item, token, cas))
    assert isinstance(reply, (Response, ErrorReply))
    return reply


def refusal(reply: Response | ErrorReply) -> int:
    assert isinstance(reply, ErrorReply)
    return reply.code


def test_what_is_put_is_got(network: VirtualNetwork, node: Address) -> None:
    for item, expected in (
        (VALUE, StoredItem(VALUE.value)),
        (version(1), stored(version(1))),
        (version(1, salt=b"salt"), stored(version(1, salt=b"salt"))),
    ):
        assert answer(network, node, GetItem(item.target)).item is None
        assert isinstance(put(network, node, item), Response)
        assert answer(network, node, GetItem(item.target)).item == expected
    network.run(7300)
    assert answer(network, node, GetItem(VALUE.target)).item is None, "two hours are over"


def test_answers_name_nodes_whether_there_is_an_item_or_not(network: VirtualNetwork) -> None:
    addresses = joined(network, 12)
    before = answer(network, addresses[0], GetItem(VALUE.target))
    put(network, addresses[0], VALUE)
    after = answer(network, addresses[0], GetItem(VALUE.target))
    assert after.item is not None
    assert len(before.nodes) == 8
    assert after.nodes == before.nodes
    assert None not in (before.token, after.token)


def test_a_token_holds_for_one_target_and_one_address(network: VirtualNetwork, node: Address) -> None:
    other = ImmutableItem.of("other")
    token = answer(network, node, GetItem(other.target)).token
    assert token is not None
    for request, source in (
        (PutItem(VALUE, token), OUTSIDER),
        (PutItem(VALUE, b""), OUTSIDER),
        (PutItem(other, token), Address("10.9.9.8", 1234)),
    ):
        reply = ask(network, node, request, source)
        assert isinstance(reply, ErrorReply)
        assert reply.code == ERROR_PROTOCOL
    assert isinstance(ask(network, node, PutItem(other, token)), Response)


def test_a_newer_version_replaces_and_an_older_one_is_refused(network: VirtualNetwork, node: Address) -> None:
    assert isinstance(put(network, node, version(5)), Response)
    assert isinstance(put(network, node, version(5)), Response), "the same one again keeps it alive"
    assert (ERROR_CAS_MISMATCH, ERROR_SEQUENCE) == (301, 302)  # BEP 44
    assert refusal(put(network, node, version(4))) == ERROR_SEQUENCE
    assert refusal(put(network, node, version(5, "another"))) == ERROR_SEQUENCE
    assert refusal(put(network, node, version(6), cas=4)) == ERROR_CAS_MISMATCH
    assert answer(network, node, GetItem(version(0).target)).item == stored(version(5))
    assert isinstance(put(network, node, version(6), cas=5), Response)
    assert answer(network, node, GetItem(version(0).target)).item == stored(version(6))


def test_a_forged_item_is_refused(network: VirtualNetwork, node: Address) -> None:
    real = version(1)
    forged = MutableItem(real.public_key, 2, real.value, real.signature)
    assert refusal(put(network, node, forged)) == ERROR_SIGNATURE
    assert answer(network, node, GetItem(real.target)).item is None


@pytest.mark.parametrize(("known", "is_told"), [(None, True), (4, True), (5, False), (6, False)])
def test_who_has_the_version_is_told_its_number_only(
    network: VirtualNetwork, node: Address, known: int | None, is_told: bool
) -> None:
    put(network, node, version(5))
    reply = answer(network, node, GetItem(version(5).target, seq=known))
    assert reply.item == (stored(version(5)) if is_told else StoredItem(seq=5))


def test_values_are_not_stored_in_a_form_that_no_two_programs_write_alike(
    network: VirtualNetwork, node: Address
) -> None:
    token = answer(network, node, GetPeers(Key(0, 160))).token
    assert token is not None
    put_unsorted = b"d1:ad2:id20:%s5:token8:%s1:vd1:bi1e1:ai1eee1:q3:put1:t1:x1:y1:qe" % (bytes(OUTSIDER_KEY), token)
    (data,) = exchange(network, node, put_unsorted)
    reply = krpc.decode(data)
    assert isinstance(reply, ErrorReply)
    assert reply.code == ERROR_PROTOCOL


def test_long_items_crowd_out_nodes_and_then_the_limit(network: VirtualNetwork) -> None:
    addresses = joined(network, 12)
    nodes = []
    for size in (500, 600, 650, 700, 750, 800, 996):
        item = MutableItem.sign(OWNER, bytes(size), seq=2**63 - 1, salt=b"%d" % size)
        assert isinstance(put(network, addresses[0], item), Response)
        query = Query(b"tidt", OUTSIDER_KEY, GetItem(item.target), is_read_only=True)
        (data,) = exchange(network, addresses[0], krpc.encode(query))
        reply = krpc.decode(data)
        assert isinstance(reply, Response)
        assert reply.item == stored(item)
        nodes.append(len(reply.nodes))
        assert len(data) <= MAX_REPLY_BYTES or (not reply.nodes and len(data) < 1250)
    assert nodes[0] == 8
    assert nodes[-1] == 0
    assert nodes == sorted(nodes, reverse=True)
    assert len(set(nodes)) > 4


def test_stores_of_others_do_not_read_what_was_not_sent_to_them(network: VirtualNetwork, node: Address) -> None:
    """A put of an immutable item with a salt or cas, which mean nothing there, is a put all the same."""
    token = answer(network, node, GetItem(VALUE.target)).token
    arguments = {b"id": bytes(OUTSIDER_KEY), b"token": token, b"salt": b"s", b"cas": 3, b"v": VALUE.decoded()}
    query = {b"t": b"x", b"y": b"q", b"q": b"put", b"a": arguments}
    (data,) = exchange(network, node, bencode.encode(query))  # type: ignore[arg-type]
    assert isinstance(krpc.decode(data), Response)
    assert answer(network, node, GetItem(VALUE.target)).item == StoredItem(VALUE.value)
