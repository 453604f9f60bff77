"""The KRPC codec: whatever can be said comes back, whatever else is refused with one family of errors."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.config import MAX_SAMPLE_INTERVAL_S
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import (
    ERROR_GENERIC,
    ERROR_PROTOCOL,
    ERROR_SALT_TOO_BIG,
    ERROR_VALUE_TOO_BIG,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetItem,
    GetPeers,
    Message,
    Ping,
    PutItem,
    Query,
    Response,
    SampleInfoHashes,
    StoredItem,
    UnknownRequest,
)
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.sampling import InfoHashSample
from transfer.address import Address
from transfer.wire import bencode

keys = st.binary(min_size=20, max_size=20).map(Key.from_bytes)
tids = st.binary(max_size=krpc.MAX_TRANSACTION_ID_BYTES)
ports = st.integers(0, 65535)
ipv4 = st.builds(Address, st.integers(0, 2**32 - 1).map(lambda value: str(IPv4Address(value))), ports)
ipv6 = st.builds(Address, st.integers(0, 2**128 - 1).map(lambda value: str(IPv6Address(value))), ports)
versions = st.binary(max_size=6)
leaves = st.integers(-(2**62), 2**62) | st.binary(max_size=40)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ARGUMENTS = b"id target info_hash token port implied_port noseed want v k sig seq cas salt".split()
VALUES = b"id nodes nodes6 values token BFsd BFpe samples num interval v k sig seq".split()
METHODS = (b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"sample_infohashes")
methods = st.binary(min_size=1, max_size=12).filter(lambda name: name not in METHODS)
raw_values = values.map(bencode.encode).filter(lambda raw: len(raw) <= 1000)
seqs = st.integers(0, 2**63 - 1)
public_keys, signatures = st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64)
items = st.builds(ImmutableItem, raw_values)
mutable_items = st.builds(MutableItem, public_keys, seqs, raw_values, signatures, st.binary(max_size=64))
tokens = st.binary(max_size=40)
requests = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, keys),
    st.builds(GetPeers, keys, st.booleans(), st.booleans()),
    st.builds(AnnouncePeer, keys, st.integers(1, 65535), tokens, st.booleans(), st.booleans()),
    st.builds(GetItem, keys, st.none() | seqs),
    st.builds(PutItem, items, tokens),
    st.builds(PutItem, mutable_items, tokens, st.none() | seqs),
    st.builds(SampleInfoHashes, keys),
    st.builds(UnknownRequest, methods, st.none() | keys),
)
filters = st.binary(min_size=256, max_size=256).map(BloomFilter.from_bytes)
stored_items = st.builds(
    StoredItem, st.none() | raw_values, st.none() | seqs, st.none() | public_keys, st.none() | signatures
).filter(lambda item: item.value is not None or item.seq is not None)
samples = st.builds(
    InfoHashSample,
    st.lists(keys, max_size=5).map(tuple),
    st.integers(0, 10**6),
    st.integers(0, MAX_SAMPLE_INTERVAL_S),
)
messages = st.one_of(
    st.builds(Query, tids, keys, requests, st.booleans(), versions),
    st.builds(
        Query,
        tids,
        keys,
        st.builds(FindNode, keys) | st.builds(GetItem, keys) | st.builds(SampleInfoHashes, keys),
        want=st.sampled_from([(4,), (6,), (4, 6)]),
    ),
    st.builds(
        Response,
        tids,
        keys,
        nodes=st.lists(st.builds(Contact, keys, ipv4), max_size=8).map(tuple),
        nodes6=st.lists(st.builds(Contact, keys, ipv6), max_size=8).map(tuple),
        peers=st.lists(ipv4 | ipv6, max_size=8).map(tuple),
        token=st.none() | st.binary(max_size=40),
        external_address=st.none() | ipv4 | ipv6,
        version=versions,
        filters=st.none() | st.builds(SwarmFilters, filters, filters),
        item=st.none() | stored_items,
        sample=st.none() | samples,
    ),
    st.builds(ErrorReply, tids, st.integers(0, 999), st.text(max_size=40), versions),
)

SIGNED: dict[bytes, bencode.Value] = {
    b"id": bytes(20),
    b"token": b"x",
    b"v": b"x",
    b"seq": 1,
    b"sig": bytes(64),
    b"k": bytes(32),
}


@given(messages)
def test_round_trip(message: Message) -> None:
    assert krpc.decode(krpc.encode(message)) == message


@given(
    st.fixed_dictionaries(
        {},
        optional={
            b"t": tids | values,
            b"y": st.sampled_from([b"q", b"r", b"e"]) | values,
            b"q": st.sampled_from([*METHODS, b"vote"]) | values,
            b"a": st.dictionaries(
                st.sampled_from(ARGUMENTS),
                st.binary(min_size=20, max_size=20) | public_keys | signatures | values,
            ),
            b"r": st.dictionaries(
                st.sampled_from(VALUES),
                st.binary(min_size=20, max_size=20) | public_keys | signatures | values,
            ),
            b"e": values,
            b"v": values,
            b"ip": values,
            b"ro": values,
        },
    )
)
def test_any_dictionary_is_a_message_or_one_error(dictionary: dict[bytes, bencode.Value]) -> None:
    error = refusal(bencode.encode(dictionary))
    if error is None:
        message = krpc.decode(bencode.encode(dictionary))
        assert krpc.decode(krpc.encode(message)) == message
    elif error.transaction_id is not None:
        assert error.transaction_id == dictionary[b"t"]
        assert dictionary[b"y"] == b"q"
        assert error.code in (ERROR_PROTOCOL, ERROR_VALUE_TOO_BIG, ERROR_SALT_TOO_BIG)
        assert "\n" not in str(error)


def refusal(packet: bytes) -> krpc.KrpcError | None:
    try:
        krpc.decode(packet)
    except krpc.KrpcError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"li203e8:Bad onese", 203, "Bad ones"),
        (b"i203e", 203, ""),
        (b"8:Bad ones", ERROR_GENERIC, "Bad ones"),
        (b"l8:Bad onesi203ee", 203, "Bad ones"),
        (b"le", ERROR_GENERIC, ""),
        (b"de", ERROR_GENERIC, ""),
        (b"li203e2:\xff\xfee", 203, "\ufffd\ufffd"),
    ],
)
def test_errors_of_any_shape_are_errors(body: bytes, code: int, text: str) -> None:
    assert krpc.decode(b"d1:e" + body + b"1:t1:x1:y1:ee") == ErrorReply(b"x", code, text)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        (b"ping", {b"id": b"short"}),
        (b"ping", {}),
        (b"find_node", {b"id": bytes(20)}),
        (b"find_node", {b"id": bytes(20), b"target": bytes(21)}),
        (b"get_peers", {b"id": bytes(20), b"info_hash": 7}),
        (b"announce_peer", {b"id": bytes(20), b"info_hash": bytes(20), b"port": 1}),
        (b"announce_peer", {b"id": bytes(20), b"info_hash": bytes(20), b"port": 0, b"token": b"x"}),
        (b"announce_peer", {b"id": bytes(20), b"info_hash": bytes(20), b"port": 65536, b"token": b"x"}),
        (b"announce_peer", {b"id": bytes(20), b"info_hash": bytes(20), b"token": b"x"}),
        (b"get", {b"id": bytes(20), b"info_hash": bytes(20)}),
        (b"sample_infohashes", {b"id": bytes(20)}),
        (b"put", {b"id": bytes(20), b"v": b"x"}),
        (b"put", {b"id": bytes(20), b"token": b"x"}),
        (b"put", {b"id": bytes(20), b"token": b"x", b"v": b"x", b"k": bytes(32)}),
        (b"put", {b"id": bytes(20), b"token": b"x", b"v": b"x", b"seq": 1, b"sig": bytes(64)}),
        (b"put", {b"id": bytes(20), b"token": b"x", b"v": b"x", b"seq": 1, b"sig": bytes(63), b"k": bytes(32)}),
        (b"put", {b"id": bytes(20), b"token": b"x", b"v": b"x", b"seq": -1, b"sig": bytes(64), b"k": bytes(32)}),
        (b"put", {**SIGNED, b"seq": 2**63}),
        (b"put", {**SIGNED, b"salt": 7}),
        (b"put", {**SIGNED, b"cas": b"1"}),
    ],
)
def test_bad_arguments_deserve_an_error_reply(method: bytes, arguments: dict[bytes, bencode.Value]) -> None:
    packet = bencode.encode({b"t": b"\x00tid", b"y": b"q", b"q": method, b"a": arguments})
    with pytest.raises(krpc.KrpcError) as caught:
        krpc.decode(packet)
    assert caught.value.transaction_id == b"\x00tid"
    assert caught.value.code == ERROR_PROTOCOL


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({b"v": bytes(997)}, ERROR_VALUE_TOO_BIG),  # four more with its length
        ({b"v": [bytes(500), bytes(500)]}, ERROR_VALUE_TOO_BIG),
        ({b"salt": bytes(65)}, ERROR_SALT_TOO_BIG),
    ],
)
def test_items_that_are_too_big_deserve_their_own_error(extra: dict[bytes, bencode.Value], code: int) -> None:
    packet = bencode.encode({b"t": b"x", b"y": b"q", b"q": b"put", b"a": {**SIGNED, **extra}})
    with pytest.raises(krpc.KrpcError) as caught:
        krpc.decode(packet)
    assert caught.value.code == code


@pytest.mark.parametrize("raw", [b"d1:bi1e1:ai2ee", b"ld1:bi1e1:ai2eee"])
def test_a_value_is_handed_on_as_it_came_but_not_stored_unless_canonical(raw: bytes) -> None:
    answer = b"d1:rd2:id20:" + bytes(20) + b"3:seqi1e1:v" + raw + b"e1:t1:x1:y1:re"
    message = krpc.decode(answer)
    assert isinstance(message, Response)
    assert message.item == StoredItem(raw, 1)
    assert krpc.encode(message) == answer

    put = b"d1:ad2:id20:" + bytes(20) + b"5:token1:x1:v" + raw + b"e1:q3:put1:t1:x1:y1:qe"
    with pytest.raises(krpc.KrpcError, match="canonical"):
        krpc.decode(put)


@given(
    raw_values, st.lists(st.sampled_from([b"1:v", b"2:ip", b"1:r", b"e", b"d", b"i1e", b"v"]), max_size=8).map(b"".join)
)
def test_a_value_is_found_whatever_else_looks_like_it(raw: bytes, lure: bytes) -> None:
    """Keys out of order, and values elsewhere that look like keys, make no difference."""
    lures = b"4:lure%d:%s" % (len(lure), lure)
    head, tail = b"2:id20:" + bytes(20), b"1:t1:x1:y1:re"
    for packet in (
        b"d1:rd" + head + b"1:v" + raw + b"e" + tail,
        b"d2:ip6:abcdef1:rd" + head + lures + b"1:v" + raw + b"e" + tail,
        b"d" + lures + b"1:rd" + head + b"1:v" + raw + b"e" + tail,
        b"d1:rd1:v" + raw + head + lures + b"e" + tail,
        b"d" + lures + b"1:y1:r1:t1:x1:rd1:v" + raw + head + b"ee",
        b"d2:ip1:x1:rd" + head + b"1:v" + raw + b"e" + tail,
    ):
        message = krpc.decode(packet)
        assert isinstance(message, Response)
        assert message.item == StoredItem(raw)


def test_what_a_storing_node_got_wrong_does_not_spoil_the_rest_of_its_answer() -> None:
    values: dict[bytes, bencode.Encodable] = {
        b"id": bytes(20),
        b"nodes": bytes(26),
        b"k": bytes(31),
        b"sig": bytes(65),
        b"seq": b"1",
        b"v": b"value",
        b"BFsd": bytes(255),
        b"BFpe": bytes(256),
        b"samples": bytes(41),
        b"num": b"?",
        b"interval": 10**9,
    }
    message = krpc.decode(bencode.encode({b"t": b"x", b"y": b"r", b"r": values}))
    assert isinstance(message, Response)
    assert message.item == StoredItem(b"5:value")
    assert message.filters is None
    assert message.sample == InfoHashSample((Key(0, 160), Key(0, 160)), 2, MAX_SAMPLE_INTERVAL_S)
    assert len(message.nodes) == 1

    too_big = krpc.decode(bencode.encode({b"t": b"x", b"y": b"r", b"r": {**values, b"v": bytes(1000)}}))
    assert isinstance(too_big, Response)
    assert too_big.item is None


@pytest.mark.parametrize("port", [None, 0, 70_000, -1, b"x"])
def test_an_implied_port_makes_the_other_one_irrelevant(port: int | bytes | None) -> None:
    arguments: dict[bytes, bencode.Value] = {
        b"id": bytes(20),
        b"info_hash": bytes(20),
        b"token": b"x",
        b"implied_port": 1,
    }
    if port is not None:
        arguments[b"port"] = port
    message = krpc.decode(bencode.encode({b"t": b"x", b"y": b"q", b"q": b"announce_peer", b"a": arguments}))
    assert isinstance(message, Query)
    assert message.request == AnnouncePeer(Key(0, 160), 0, b"x", implied_port=True)


def test_over_long_transaction_ids_are_not_echoed() -> None:
    packet = bencode.encode({b"t": bytes(129), b"y": b"q", b"q": b"ping", b"a": {b"id": bytes(20)}})
    with pytest.raises(krpc.KrpcError) as caught:
        krpc.decode(packet)
    assert caught.value.transaction_id is None
