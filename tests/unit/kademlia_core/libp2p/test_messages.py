"""Messages of the DHT: what is read leniently, what is refused, and how a stream is cut into them."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kademlia_core.libp2p.errors import KadMessageError
from kademlia_core.libp2p.messages import (
    ConnectionType,
    Message,
    MessageType,
    PeerInfo,
    Record,
    decode,
    encode,
)
from tests.kad_world import peer_id_of
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.wire.varint import encode_varint

ADDRESSES = [Multiaddr.parse(text) for text in ("/ip4/192.0.2.1/tcp/1", "/ip6/2001:db8::1/udp/2/quic-v1", "/dns4/a.b")]
infos = st.builds(
    PeerInfo,
    st.integers(0, 2**60).map(peer_id_of),
    st.lists(st.sampled_from(ADDRESSES), unique=True).map(tuple),
    st.sampled_from(ConnectionType),
    st.binary(max_size=9),
)
peers = st.lists(infos, max_size=3, unique_by=lambda info: info.peer_id).map(tuple)
records = st.builds(Record, st.binary(max_size=40), st.binary(max_size=40), st.text(max_size=9))
stored = st.builds(
    Message, st.sampled_from(MessageType), st.binary(max_size=90), st.none() | records, peers, peers, st.binary()
)


@settings(max_examples=30)
@given(stored)
def test_what_is_written_is_read_as_the_same(message: Message) -> None:
    assert decode(encode(message)) == message


def test_one_peer_that_makes_no_sense_does_not_void_the_others() -> None:
    good = PeerInfo(peer_id_of(1), (ADDRESSES[0],))
    data = encode(Message(MessageType.FIND_NODE, closer=(good,)))
    for bad in ("0a03616263", "0a00", "1208047f000001060fa1"):  # an id that is none, or none at all
        assert decode(data + b"\x42" + encode_varint(len(bad) // 2) + bytes.fromhex(bad)).closer == (good,)
    broken = bytes.fromhex("12020404") + b"\x12\x08" + bytes(ADDRESSES[0])
    odd = b"\x0a\x22" + bytes(peer_id_of(2)) + broken
    closer = decode(data + b"\x42" + encode_varint(len(odd)) + odd).closer
    assert closer == (good, PeerInfo(peer_id_of(2), (ADDRESSES[0],)))
    assert decode(data + data).closer == (good,), "each peer counts once"


def test_an_address_that_leads_to_another_peer_is_left_out() -> None:
    own = ADDRESSES[0] / f"/p2p/{peer_id_of(1)}"
    other = ADDRESSES[1] / f"/p2p/{peer_id_of(2)}"
    bare = Multiaddr.parse(f"/p2p/{peer_id_of(1)}")
    message = Message(MessageType.FIND_NODE, closer=(PeerInfo(peer_id_of(1), (own, other, bare)),))
    assert decode(encode(message)).closer[0].addresses == (ADDRESSES[0],)


@pytest.mark.parametrize("data", [b"\x08\x06", b"\x08\x7f", b"\x12\x05ab", b"\x0b", b"\x42\x02\x0a\x09"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(KadMessageError) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


def test_unknown_fields_and_a_time_that_is_no_text_are_passed_over() -> None:
    assert decode(b"\x08\x05\x50\x01\xd2\x29\x03abc") == Message(MessageType.PING)  # fields 10 and 666
    record = decode(bytes.fromhex("1a0b0a016b1201762a03ff2d31")).record
    assert record is not None
    assert (record.key, record.value) == (b"k", b"v")


def test_millions_of_empty_peers_cost_no_more_than_their_bytes() -> None:
    data = b"\x42\x00" * (1 << 21)
    tracemalloc.start()
    with pytest.raises(KadMessageError, match="fields"):
        decode(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    with pytest.raises(KadMessageError, match="longer than 10"):
        decode(bytes(11), max_bytes=10)
