"""The quick way to answer usual queries: a node with it and one without say and know the same, to the byte."""

from __future__ import annotations

from ipaddress import IPv6Address
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from kademlia_core import Contact, Key
from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.datagram.dialect import NodeView
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.dialect import MainlineDialect
from kademlia_core.mainline.messages import AnnouncePeer, FindNode, GetPeers, Ping, Query, Response
from tests.property.test_canonical import usual_queries
from tests.property.test_krpc import messages
from transfer.address import Address
from transfer.limits.source_limiter import RateLimitConfig

SHARED = Key(0x5A << 152 | 7, 160)  # a torrent with a peer
NOW = 100.0


class SlowDialect(MainlineDialect):
    """The mainline without the quick way."""

    def quick_answer(self, data: bytes, source: Address, view: NodeView, *, now: float) -> None:
        return None


def node(dialect: type[MainlineDialect], *, is_ipv6: bool, free_factor: float, members: int) -> MainlineCore:
    """A node that knows `members` others, some of which have failed, and one peer of the torrent `SHARED`."""
    rng = Random(members)
    config = MainlineConfig(
        rate_limit=RateLimitConfig(per_host_burst=20.0, per_host_per_s=1.0),
        amplification=AmplificationConfig(free_factor=free_factor),
    )
    core = MainlineCore(rng=rng, now=0.0, config=config, is_ipv6=is_ipv6)
    core._dialect.__class__ = dialect
    for number in range(members):
        contact = Contact(Key.random(160, rng), member(number, is_ipv6=is_ipv6))
        core.table.on_response(contact, now=float(number % 50))
        if number % 7 == 0:
            core.table.on_failure(contact, now=60.0)
    source = member(0, is_ipv6=is_ipv6)
    core.receive_datagram(krpc.encode(Query(b"aa", Key(1, 160), GetPeers(SHARED))), source, now=70.0)
    answer = krpc.decode(core.datagrams_to_send()[-1][0])
    assert isinstance(answer, Response)
    assert answer.token is not None
    core.receive_datagram(
        krpc.encode(Query(b"aa", Key(1, 160), AnnouncePeer(SHARED, 7000, answer.token))), source, now=70.0
    )
    assert len(core.datagrams_to_send()) == 1
    assert core.stats(now=70.0).stored_peers == 1
    return core


def member(number: int, *, is_ipv6: bool) -> Address:
    if is_ipv6:
        return Address(str(IPv6Address((0x2001 << 112) + (number << 80) + 1)), 6881)
    return Address(f"{20 + number % 90}.{number // 90}.7.9", 6881)


datagrams = st.lists(
    st.tuples(
        st.one_of(
            st.builds(krpc.encode, usual_queries),
            st.builds(krpc.encode, messages),
            st.sampled_from(
                [
                    krpc.encode(Query(b"ab", Key(2, 160), GetPeers(SHARED))),
                    krpc.encode(Query(b"ab", Key(3 << 150, 160), FindNode(SHARED))),
                    krpc.encode(Query(b"ab", Key(4 << 150, 160), Ping(), version=b"LT\1\2")),
                ]
            ),
        ),
        st.integers(0, 5).map(lambda number: number * 40),  # some of them are in the table
        st.booleans(),  # come back in a minute
    ),
    min_size=1,
    max_size=25,
)


@given(datagrams, st.booleans(), st.sampled_from([1.0, 2.0, 6.0]), st.sampled_from([0, 5, 150]))
@settings(max_examples=60)
def test_a_node_does_the_same_with_and_without_the_quick_way(
    script: list[tuple[bytes, int, bool]], is_ipv6: bool, free_factor: float, members: int
) -> None:
    quick, slow = (
        node(kind, is_ipv6=is_ipv6, free_factor=free_factor, members=max(members, 1))
        for kind in (MainlineDialect, SlowDialect)
    )
    now = NOW
    for data, number, pauses in script:
        now += 60.0 * pauses
        sent = []
        for core in (quick, slow):
            core.receive_datagram(data, member(number, is_ipv6=is_ipv6), now=now)
            sent.append(core.datagrams_to_send())
        assert sent[0] == sent[1]
        assert quick.stats(now=now) == slow.stats(now=now)
        assert list(quick.table.sightings(now=now)) == list(slow.table.sightings(now=now))
    quick.check_invariants()


@given(usual_queries)
@settings(max_examples=50)
def test_usual_queries_are_answered_quickly(query: Query) -> None:
    core = node(MainlineDialect, is_ipv6=False, free_factor=6.0, members=150)
    answer = core._dialect.quick_answer(krpc.encode(query), Address("192.0.2.1", 1), core, now=NOW)
    is_plain = not query.is_read_only and not query.want
    assert (answer is not None) == is_plain
    if answer is not None:
        sender, data = answer
        response = krpc.decode(data)
        assert isinstance(response, Response)
        assert sender == query.sender
        assert response.transaction_id == query.transaction_id
        assert response.external_address == Address("192.0.2.1", 1)
        if isinstance(query.request, FindNode):
            assert set(response.nodes) == set(core.table.closest(query.request.target, 8))
