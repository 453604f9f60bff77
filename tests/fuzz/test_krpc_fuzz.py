"""Hostile datagrams: the decoder raises its one family, and a node drops, counts and goes on."""

from __future__ import annotations

from random import Random

import hypothesis.strategies as st
from hypothesis import example, given, settings

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.config import MAX_REPLY_BYTES, ItemStoreConfig, MainlineConfig, PeerStoreConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.item_lookup import ImmutableHarvest, Republication
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import (
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
from kademlia_core.mainline.peer_lookup import Announcement
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.sampling import InfoHashSample
from kademlia_core.mainline.scrape import ScrapeHarvest
from kademlia_core.mainline.signing import SigningKey
from transfer.address import Address
from transfer.limits.source_limiter import RateLimitConfig
from transfer.wire import bencode

KEY, OTHER = Key.from_bytes(b"k" * 20), Key.from_bytes(b"o" * 20)
ITEM = MutableItem.sign(SigningKey(b"s" * 32), {"ih": bytes(20)}, seq=3, salt=b"salt")
CONTACTS = tuple(Contact(Key(number, 160), Address("192.0.2.7", 1 + number)) for number in range(3))
SEEDS: list[Message] = [
    Query(b"aa", KEY, Ping(), version=b"LT\x01\x02"),
    Query(b"aa", KEY, FindNode(OTHER), is_read_only=True),
    Query(b"", KEY, GetPeers(OTHER)),
    Query(b"aa", KEY, AnnouncePeer(OTHER, 6881, b"token", implied_port=True)),
    Query(b"aa", KEY, UnknownRequest(b"vote", OTHER)),
    Query(b"aa", KEY, GetPeers(OTHER, no_seeds=True, wants_filters=True), want=(4, 6)),
    Query(b"aa", KEY, SampleInfoHashes(OTHER)),
    Query(b"aa", KEY, GetItem(OTHER, seq=3)),
    Query(b"aa", KEY, PutItem(ImmutableItem(b"li1e3:abcd1:ai-1eee"), b"token")),
    Query(b"aa", KEY, PutItem(ITEM, b"token", cas=2)),
    Response(
        b"aa",
        KEY,
        nodes=CONTACTS,
        peers=(Address("192.0.2.1", 1),),
        token=b"t",
        external_address=Address("192.0.2.1", 2),
    ),
    Response(b"aa", KEY, nodes6=(Contact(OTHER, Address("2001:db8::1", 6881)),), peers=(Address("2001:db8::2", 1),)),
    ErrorReply(b"aa", 203, "Protocol Error"),
    Response(
        b"aa", KEY, nodes=CONTACTS, item=StoredItem(ITEM.value, ITEM.seq, ITEM.public_key, ITEM.signature), token=b"t"
    ),
    Response(b"aa", KEY, nodes=CONTACTS, sample=InfoHashSample((KEY, OTHER), 7, 60)),
    Response(b"aa", KEY, filters=SwarmFilters(BloomFilter(["192.0.2.1"]), BloomFilter()), token=b"t"),
]
ANSWERS = [number for number, seed in enumerate(SEEDS) if not isinstance(seed, Query)]
mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "double", "number"]), st.integers(0, 400), st.binary(max_size=6)
    ),
    max_size=5,
)
sources = st.builds(Address, st.sampled_from(["192.0.2.1", "192.0.2.2", "127.0.0.1"]), st.integers(1, 3))


def mutate(data: bytes, steps: list[tuple[str, int, bytes]]) -> bytes:
    for kind, at, extra in steps:
        at = at % (len(data) + 1)
        match kind:
            case "flip":
                data = data[:at] + extra[:1] + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "insert":
                data = data[:at] + extra + data[at:]
            case "double":
                data = data[:at] + data[max(0, at - 9) :]
            case _:
                data = data[:at] + str(at * 7919).encode() + data[at + 1 :]
    return data


@given(st.binary(max_size=300) | st.builds(mutate, st.sampled_from(SEEDS).map(krpc.encode), mutations))
@example(b"d" * 4000)
@example(b"l" * 4000)
@example(b"d1:t2:aa1:y1:q1:q4:ping1:ad2:id99999999999999999999:e")
@example(b"d1:ei-0e1:t2:aa1:y1:ee")
@settings(max_examples=1500, deadline=None)
def test_the_decoder_raises_nothing_but_its_family(data: bytes) -> None:
    try:
        message = krpc.decode(data)
    except krpc.KrpcError:
        return
    assert krpc.decode(krpc.encode(message)) == message


class Wire:
    """A node under attack. The attacker may read the queries that the node sends it, and answer them as it likes."""

    def __init__(self) -> None:
        config = MainlineConfig(
            peer_store=PeerStoreConfig(max_torrents=5, max_peers_per_torrent=5, max_entries_per_host=9),
            rate_limit=RateLimitConfig(max_hosts=2),
            max_hints=4,
            max_pending_queries=12,
            max_lookups=3,
            item_store=ItemStoreConfig(max_items=5, max_items_per_source=3, max_sources=3),
        )
        self.now = 0.0
        self.core = MainlineCore(rng=Random(1), now=self.now, config=config)
        self.queries: list[tuple[bytes, Address]] = []
        self.token = b""
        self.core.engine.join((Address("192.0.2.1", 1), Address("192.0.2.2", 2)), now=self.now)
        self.core.find_peers(OTHER, announcement=Announcement(OTHER, 7000), now=self.now)
        self.republication = Republication(ITEM)
        self.core.get_item(self.republication.harvest, placement=self.republication, now=self.now)
        self.drain()

    def receive(self, data: bytes, source: Address) -> None:
        before = self.core.stats(now=self.now)
        self.core.receive_datagram(data, source, now=self.now)
        after = self.core.stats(now=self.now)
        outcomes = (
            after.queries_received - before.queries_received,
            after.responses_received - before.responses_received,
            after.errors_received - before.errors_received,
            after.dropped_garbage - before.dropped_garbage,
            after.dropped_unexpected - before.dropped_unexpected,
            after.dropped_limit - before.dropped_limit,
            after.dropped_foreign - before.dropped_foreign,
        )
        assert sorted(outcomes) == [0, 0, 0, 0, 0, 0, 1], "each datagram is accounted for once"
        self.drain(answered=source if is_query(data) else None)

    def put(self, seq: int, source: Address) -> None:
        """An item that the attacker may sign, or not, with a token that it asked for."""
        item = MutableItem.sign(SigningKey(b"a" * 32), bytes(seq * 60 % 900), seq=seq, salt=bytes(seq % 5))
        self.receive(krpc.encode(Query(b"aa", KEY, GetItem(item.target))), source)
        if seq % 3 == 0:
            item = MutableItem(item.public_key, seq, item.value, bytes(64), item.salt)
        self.receive(krpc.encode(Query(b"aa", KEY, PutItem(item, self.token, cas=seq % 2 or None))), source)

    def search(self, what: bytes) -> None:
        target = Key.from_bytes(what)
        match what[0] % 4:
            case 0:
                self.core.find_peers(target, now=self.now)
            case 1:
                self.core.scrape(target, ScrapeHarvest(max_peers=5), now=self.now)
            case 2:
                self.core.get_item(ImmutableHarvest(target), now=self.now)
            case _:
                self.core.put_item(ITEM, now=self.now)

    def drain(self, answered: Address | None = None) -> None:
        for data, to in self.core.datagrams_to_send():
            message = krpc.decode(data)
            has_item = isinstance(message, Response) and message.item is not None
            assert len(data) <= MAX_REPLY_BYTES or isinstance(message, Query) or has_item
            if isinstance(message, Response):
                self.token = message.token or self.token
            if isinstance(message, Query):
                self.queries = [*self.queries, (message.transaction_id, to)][-30:]
            else:
                assert to == answered, "only queries are replied to, and only to where they came from"
                answered = None
        while self.core.next_event() is not None:
            pass
        self.core.check_invariants()


def is_query(data: bytes) -> bool:
    try:
        return bencode.decode_dict(data).get(b"y") == b"q"
    except bencode.BencodeError:
        return False


steps = st.lists(
    st.one_of(
        st.tuples(st.just("garbage"), st.binary(max_size=60), sources),
        st.tuples(st.just("mutant"), st.builds(mutate, st.sampled_from(SEEDS).map(krpc.encode), mutations), sources),
        st.tuples(st.just("answer"), st.sampled_from(ANSWERS), st.integers(0, 2**32)),
        st.tuples(st.just("wait"), st.floats(0, 2000), st.none()),
        st.tuples(st.just("put"), st.integers(0, 30), sources),
        st.tuples(st.just("search"), st.binary(min_size=20, max_size=20), st.none()),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_a_node_survives_any_sequence_of_datagrams(script: list[tuple[str, object, object]]) -> None:
    wire = Wire()
    for kind, what, extra in script:
        if kind in ("garbage", "mutant"):
            assert isinstance(what, bytes)
            assert isinstance(extra, Address)
            wire.receive(what, extra)
        elif kind == "answer" and wire.queries:
            assert isinstance(what, int)
            assert isinstance(extra, int)
            transaction_id, to = wire.queries[extra % len(wire.queries)]
            seed = bencode.decode_dict(krpc.encode(SEEDS[what]))
            values = seed.get(b"r")
            if isinstance(values, dict):  # a key of the liar's choice, and contacts that name more of its addresses
                values[b"id"] = Random(extra).randbytes(20)
                if extra % 3:
                    values[b"nodes"] = Random(extra).randbytes(26 * 8)
            wire.receive(bencode.encode({**seed, b"t": transaction_id}), to)
        elif kind == "put":
            assert isinstance(what, int)
            assert isinstance(extra, Address)
            wire.put(what, extra)
        elif kind == "wait":
            assert isinstance(what, float)
            end = wire.now + what
            for _ in range(200):
                wire.now = max(wire.now, min(end, wire.core.next_timer()))
                wire.core.handle_timer(now=wire.now)
                wire.drain()
                if wire.now >= end:
                    break
        elif kind == "search" and wire.core.stats(now=wire.now).lookups < 3:
            assert isinstance(what, bytes)
            wire.search(what)
            wire.drain()
    assert wire.republication.item.verify(), "whatever was said, nothing but the owner's was believed"
