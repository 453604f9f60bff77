"""Published KRPC packets.

Source: BEP 5 (https://www.bittorrent.org/beps/bep_0005.html), the "bencoded" lines of its DHT queries section. The two
node lists there are abbreviated to `def456...`, 9 bytes that are no whole contact.
"""

from __future__ import annotations

import pytest

from kademlia_core import Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.messages import (
    AnnouncePeer,
    ErrorReply,
    FindNode,
    GetPeers,
    Message,
    Ping,
    Query,
    Response,
)
from transfer.address import Address

LETTERS_FIRST = Key.from_bytes(b"abcdefghij0123456789")
MIDDLE = Key.from_bytes(b"mnopqrstuvwxyz123456")
DIGITS_FIRST = Key.from_bytes(b"0123456789abcdefghij")

PUBLISHED: list[tuple[bytes, Message]] = [
    (b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", ErrorReply(b"aa", 201, "A Generic Error Ocurred")),
    (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Query(b"aa", LETTERS_FIRST, Ping())),
    (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", Response(b"aa", MIDDLE)),
    (
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
        Query(b"aa", LETTERS_FIRST, FindNode(MIDDLE)),
    ),
    (
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
        Query(b"aa", LETTERS_FIRST, GetPeers(MIDDLE)),
    ),
    (
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
        Response(
            b"aa",
            LETTERS_FIRST,
            peers=(Address("97.120.106.101", 11893), Address("105.100.104.116", 28269)),
            token=b"aoeusnth",
        ),
    ),
    (
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e"
            b"5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe"
        ),
        Query(b"aa", LETTERS_FIRST, AnnouncePeer(MIDDLE, 6881, b"aoeusnth", implied_port=True)),
    ),
]
ABBREVIATED: list[tuple[bytes, Message]] = [
    (b"d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re", Response(b"aa", DIGITS_FIRST)),
    (
        b"d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re",
        Response(b"aa", LETTERS_FIRST, token=b"aoeusnth"),
    ),
]


@pytest.mark.parametrize(("packet", "message"), PUBLISHED)
def test_published_packets_are_understood_and_written_alike(packet: bytes, message: Message) -> None:
    assert krpc.decode(packet) == message
    assert krpc.encode(message) == packet


@pytest.mark.parametrize(("packet", "message"), ABBREVIATED)
def test_a_list_of_nodes_that_breaks_off_is_no_reason_to_drop_the_rest(packet: bytes, message: Message) -> None:
    assert krpc.decode(packet) == message
