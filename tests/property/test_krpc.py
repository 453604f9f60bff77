"""The KRPC codec: whatever can be said comes back, whatever else is refused with one family of errors."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.messages import (
    ERROR_GENERIC,
    ERROR_PROTOCOL,
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Message,
    Ping,
    Query,
    Response,
    UnknownRequest,
)
from transfer.address import Address
from transfer.wire import bencode

keys = st.binary(min_size=20, max_size=20).map(Key.from_bytes)
tids = st.binary(max_size=krpc.MAX_TRANSACTION_ID_BYTES)
ports = st.integers(0, 65535)
ipv4 = st.builds(Address, st.integers(0, 2**32 - 1).map(lambda value: str(IPv4Address(value))), ports)
ipv6 = st.builds(Address, st.integers(0, 2**128 - 1).map(lambda value: str(IPv6Address(value))), ports)
versions = st.binary(max_size=6)
methods = st.binary(min_size=1, max_size=12).filter(
    lambda name: name not in (b"ping", b"find_node", b"get_peers", b"announce_peer")
)
requests = st.one_of(
    st.just(Ping()),
    st.builds(FindNode, keys),
    st.builds(GetPeers, keys),
    st.builds(AnnouncePeer, keys, st.integers(1, 65535), st.binary(max_size=40), st.booleans()),
    st.builds(UnknownRequest, methods, st.none() | keys),
)
messages = st.one_of(
    st.builds(Query, tids, keys, requests, st.booleans(), versions),
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
    ),
    st.builds(ErrorReply, tids, st.integers(0, 999), st.text(max_size=40), versions),
)
leaves = st.integers(-(2**62), 2**62) | st.binary(max_size=40)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(messages)
def test_round_trip(message: Message) -> None:
    assert krpc.decode(krpc.encode(message)) == message


@given(
    st.fixed_dictionaries(
        {},
        optional={
            b"t": tids | values,
            b"y": st.sampled_from([b"q", b"r", b"e"]) | values,
            b"q": st.sampled_from([b"ping", b"find_node", b"get_peers", b"announce_peer", b"vote"]) | values,
            b"a": st.dictionaries(
                st.sampled_from([b"id", b"target", b"info_hash", b"token", b"port", b"implied_port"]),
                st.binary(min_size=20, max_size=20) | values,
            ),
            b"r": st.dictionaries(
                st.sampled_from([b"id", b"nodes", b"nodes6", b"values", b"token"]),
                st.binary(min_size=20, max_size=20) | values,
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
        assert error.code == ERROR_PROTOCOL
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
    ],
)
def test_bad_arguments_deserve_an_error_reply(method: bytes, arguments: dict[bytes, bencode.Value]) -> None:
    packet = bencode.encode({b"t": b"\x00tid", b"y": b"q", b"q": method, b"a": arguments})
    with pytest.raises(krpc.KrpcError) as caught:
        krpc.decode(packet)
    assert caught.value.transaction_id == b"\x00tid"
    assert caught.value.code == ERROR_PROTOCOL


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
