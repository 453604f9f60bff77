"""The quick way to read and write usual messages: what it does not refuse comes out as by the general codec."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core import Contact, Key
from kademlia_core.mainline import canonical, krpc
from kademlia_core.mainline.messages import FindNode, GetPeers, Message, Ping, Query, Response
from tests.property.test_krpc import ipv4, ipv6, keys, messages
from transfer.address import Address

transaction_ids = st.binary(min_size=2, max_size=2) | st.binary(min_size=4, max_size=4)
versions = st.just(b"") | st.binary(min_size=4, max_size=4)
requests = st.just(Ping()) | st.builds(FindNode, keys) | st.builds(GetPeers, keys)
usual_queries = st.builds(Query, transaction_ids, keys, requests, st.booleans(), versions) | st.builds(
    Query,
    transaction_ids,
    keys,
    st.builds(FindNode, keys) | st.builds(GetPeers, keys),
    want=st.sampled_from([(4,), (6,), (4, 6)]),
)


@given(usual_queries)
def test_usual_queries_are_read_and_written(query: Query) -> None:
    data = krpc.encode(query)
    assert canonical.write(query) == data
    assert canonical.read_query(data) == krpc.decode(data) == query


usual_responses = st.builds(
    Response,
    transaction_ids,
    keys,
    st.none() | st.binary(min_size=1, max_size=40),
    st.lists(st.builds(Contact, keys, ipv4), max_size=8).map(tuple),
    external_address=st.none() | ipv4 | ipv6,
    version=versions,
    peers=st.lists(ipv4 | ipv6, max_size=8).map(tuple),
) | st.builds(
    Response, transaction_ids, keys, nodes6=st.lists(st.builds(Contact, keys, ipv6), min_size=1, max_size=8).map(tuple)
)


@given(usual_responses)
def test_usual_responses_are_read_and_written(response: Response) -> None:
    data = krpc.encode(response)
    assert canonical.write(response) == data
    assert canonical.read_response(data) == krpc.decode(data) == response


@given(messages)
def test_every_message_is_read_as_by_the_general_codec_or_not_at_all(message: Message) -> None:
    data = krpc.encode(message)
    for read in (canonical.read_query(data), canonical.read_response(data)):
        assert read in (krpc.decode(data), None)


@given(
    st.builds(krpc.encode, usual_responses),
    st.lists(st.tuples(st.integers(0, 330), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=2),
)
@example(b"d1:rd2:id20:" + bytes(20) + b"5:nodes26:" + bytes(25) + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"5:nodes27:" + bytes(27) + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"5:nodes026:" + bytes(26) + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"5:nodes26:" + bytes(26) + b"5:nodes26:" + bytes(26) + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"6:valuesle" + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"6:valuesl7:" + bytes(7) + b"e" + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"6:valuesl6:" + bytes(6) + b"i1ee" + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"6:valuesl6:" + bytes(5) + b"e" + b"e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"5:token0:e1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"5:token99:xye1:t2:aa1:y1:re", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"e1:t2:aa1:y1:reX", [])
@example(b"d1:rd2:id20:" + bytes(20) + b"e1:t2:aa1:y1:re\n", [])
@settings(max_examples=500)
def test_what_is_nearly_a_usual_response_is_refused_or_read_as_by_the_general_codec(
    data: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for at, length, new in edits:
        data = data[:at] + new + data[at + length :]
    response = canonical.read_response(data)
    if response is not None:
        assert krpc.decode(data) == response


@given(messages)
def test_every_message_is_written_as_by_the_general_codec_or_not_at_all(message: Message) -> None:
    assert canonical.write(message) in (krpc.encode(message), None)


@given(
    st.builds(krpc.encode, usual_queries),
    st.lists(st.tuples(st.integers(0, 130), st.integers(0, 3), st.binary(max_size=3)), max_size=2),
)
@example(b"d1:ad2:id20:" + bytes(20) + b"e1:q4:ping1:t2:aa1:v4:KC1:y1:qe", [])
@example(b"d1:ad2:id20:" + bytes(20) + b"4:wantl2:n4ee1:q4:ping1:t2:aa1:y1:qe", [])
@example(b"d1:ad2:id20:" + bytes(20) + b"6:target20:" + bytes(20) + b"e1:q4:ping1:t2:aa1:y1:qe", [])
@example(b"d1:ad2:id20:" + bytes(20) + b"e1:q4:ping2:roi1e1:t2:aa1:y1:qe1:y1:qe", [])
@settings(max_examples=500)
def test_what_is_nearly_usual_is_refused_or_read_as_by_the_general_codec(
    data: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for at, length, new in edits:
        data = data[:at] + new + data[at + length :]
    query = canonical.read_query(data)
    if query is not None:
        assert krpc.decode(data) == query


def test_short_datagrams_are_refused() -> None:
    data = krpc.encode(Query(b"aa", Key(1, 160), GetPeers(Key(2, 160)), version=b"KC\0\1"))
    assert [canonical.read_query(data[:size]) for size in range(len(data))] == [None] * len(data)
    nodes = (Contact(Key(3, 160), Address("1.2.3.4", 5)),)
    data = krpc.encode(Response(b"aa", Key(1, 160), b"token", nodes, version=b"KC\0\1"))
    assert [canonical.read_response(data[:size]) for size in range(len(data))] == [None] * len(data)
