"""The quick way to read and write usual messages: what it does not refuse comes out as by the general codec."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core import Key
from kademlia_core.mainline import canonical, krpc
from kademlia_core.mainline.messages import FindNode, GetPeers, Message, Ping, Query
from tests.property.test_krpc import keys, messages

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
