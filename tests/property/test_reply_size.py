"""No answer is longer than BEP 32 allows, whatever is asked and stored; items too long for that go alone."""

from __future__ import annotations

from random import Random

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core import Contact, Key
from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MAX_REPLY_BYTES, MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.items import MAX_VALUE_BYTES, ImmutableItem, MutableItem
from kademlia_core.mainline.messages import (
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetItem,
    GetPeers,
    PutItem,
    Query,
    Request,
    Response,
    SampleInfoHashes,
)
from kademlia_core.mainline.signing import SigningKey
from transfer.address import Address

KEY, TARGET = Key(1, 160), Key.from_bytes(b"t" * 20)
OWNER = SigningKey(b"s" * 32)


def full_cores() -> tuple[MainlineCore, MainlineCore]:
    """Nodes of both families that know one another and many more, with more peers and info-hashes than an answer."""
    rng = Random(1)
    unrationed = AmplificationConfig(stranger_burst_bytes=1e9, total_burst_bytes=1e9, proved_burst_bytes=1e9)
    config = MainlineConfig(amplification=unrationed)
    cores = (
        MainlineCore(rng=rng, now=0.0, config=config),
        MainlineCore(rng=rng, now=0.0, config=config, is_ipv6=True),
    )
    cores[0].pair(cores[1])
    cores[1].pair(cores[0])
    for core in cores:
        for number in range(200):
            core.table.on_response(Contact(Key.random(160, rng), host(core, number)), now=0.0)
        for number in range(130):
            announce(core, TARGET, host(core, number))
            announce(core, Key.random(160, rng), host(core, number))
    return cores


def host(core: MainlineCore, number: int) -> Address:
    return Address(f"2001:db8:{number:x}::1" if core.is_ipv6 else f"11.0.{number}.1", 60000)


def ask(core: MainlineCore, request: Request, source: Address, **details: object) -> tuple[bytes, Response]:
    query = Query(sender=KEY, request=request, **{"transaction_id": b"tidt", **details})  # type: ignore[arg-type]
    core.receive_datagram(krpc.encode(query), source, now=0.0)
    replies = [(data, krpc.decode(data)) for data, _ in core.datagrams_to_send()]
    ((data, reply),) = [(data, reply) for data, reply in replies if not isinstance(reply, Query)]
    assert not isinstance(reply, ErrorReply), reply
    return data, reply


def announce(core: MainlineCore, info_hash: Key, source: Address) -> None:
    token = ask(core, GetPeers(info_hash), source)[1].token
    assert token is not None
    ask(core, AnnouncePeer(info_hash, 60000, token), source)


CORES = full_cores()
sizes = st.integers(0, MAX_VALUE_BYTES - 4)


@given(
    st.sampled_from(CORES),
    st.sampled_from(
        [FindNode(TARGET), GetPeers(TARGET), GetPeers(TARGET, wants_filters=True), SampleInfoHashes(TARGET)]
    ),
    st.binary(max_size=krpc.MAX_TRANSACTION_ID_BYTES),
    st.sampled_from([(), (4,), (6,), (4, 6)]),
)
@example(CORES[0], GetPeers(TARGET, wants_filters=True), bytes(krpc.MAX_TRANSACTION_ID_BYTES), (4, 6))
@example(CORES[1], GetPeers(TARGET, wants_filters=True), bytes(krpc.MAX_TRANSACTION_ID_BYTES), ())
@settings(max_examples=60, deadline=None)
def test_answers_fit(core: MainlineCore, request: Request, transaction_id: bytes, want: tuple[int, ...]) -> None:
    data, reply = ask(core, request, host(core, 250), transaction_id=transaction_id, want=want)
    assert len(data) <= MAX_REPLY_BYTES
    assert reply.nodes or reply.nodes6
    if not isinstance(request, FindNode):
        assert len(data) > MAX_REPLY_BYTES - 80, "and nothing is left out that would fit"


@given(st.sampled_from(CORES), sizes, st.booleans(), st.sampled_from([(), (4,), (6,), (4, 6)]))
@settings(max_examples=100, deadline=None)
def test_answers_with_items_fit_or_hold_nothing_else(
    core: MainlineCore, size: int, is_mutable: bool, want: tuple[int, ...]
) -> None:
    item: ImmutableItem | MutableItem = ImmutableItem.of(bytes(size))
    if is_mutable:
        item = MutableItem.sign(OWNER, bytes(size), seq=1, salt=b"%d" % size)
    source = host(core, size % 200)
    token = ask(core, GetItem(item.target), source)[1].token
    assert token is not None
    core.receive_datagram(krpc.encode(Query(b"t", KEY, PutItem(item, token))), source, now=0.0)
    core.datagrams_to_send()
    data, reply = ask(core, GetItem(item.target), source, want=want)
    assert reply.token is not None
    if len(data) > MAX_REPLY_BYTES:
        assert reply.item is not None
        assert not reply.nodes
        assert not reply.nodes6
        assert len(data) < 1250
