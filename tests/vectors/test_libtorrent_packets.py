"""Packets of libtorrent 2.1.1 with the extensions of BEP 33, 44 and 51, recorded on loopback.

The sender is one node; the owner of the mutable items is the key of RFC 8032 made from 32 times the letter s.
"""

from __future__ import annotations

from typing import Any

import pytest

from kademlia_core import Contact, Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.items import ImmutableItem, MutableItem
from kademlia_core.mainline.messages import (
    AnnouncePeer,
    ErrorReply,
    GetItem,
    GetPeers,
    PutItem,
    Query,
    Request,
    Response,
    SampleInfoHashes,
    StoredItem,
)
from kademlia_core.mainline.peer_store import SwarmFilters
from kademlia_core.mainline.sampling import InfoHashSample
from kademlia_core.mainline.signing import SigningKey
from transfer.address import Address

SENDER = Key.from_hex("8b928dd5cf0f9c8683ed82b3142b1cae4150141a")
INFO_HASH = Key.from_bytes(b"defghijklmnopqrstuvw")
ASKER = Address("127.0.0.1", 39821)
NODE = Contact(Key.from_hex("847e36bf884f38541b28d6dd1153caf7331e30bb"), ASKER)
VERSION = b"LT\x02\x11"
OWNER = SigningKey(b"s" * 32)

QUERIES: list[tuple[str, str, Request]] = [
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a393a696e666f5f6861736832303a646566676869"
            "6a6b6c6d6e6f7071727374757677363a6e6f7365656469316565313a71393a6765745f7065657273313a74323a2a73313a76343a"
            "4c540211313a79313a7165"
        ),
        "2a73",
        GetPeers(INFO_HASH, no_seeds=True),
    ),
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a393a696e666f5f6861736832303a646566676869"
            "6a6b6c6d6e6f7071727374757677343a706f7274693730303165343a73656564693165353a746f6b656e383a70ad4147c9efe3fc"
            "65313a7131333a616e6e6f756e63655f70656572313a74323a09d6313a76343a4c540211313a79313a7165"
        ),
        "09d6",
        AnnouncePeer(INFO_HASH, 7001, bytes.fromhex("70ad4147c9efe3fc"), is_seed=True),
    ),
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a363a74617267657432303a21b87106faeb656934"
            "b22c58d7ccc34645d8badb65313a71333a676574313a74323a2e1b313a76343a4c540211313a79313a7165"
        ),
        "2e1b",
        GetItem(ImmutableItem(b"6:theirs").target),
    ),
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a746f6b656e383a9423e64ac092df36313a76"
            "363a74686569727365313a71333a707574313a74323a12aa313a76343a4c540211313a79313a7165"
        ),
        "12aa",
        PutItem(ImmutableItem(b"6:theirs"), bytes.fromhex("9423e64ac092df36")),
    ),
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a313a6b33323afec1428673f6afe89264b3807344"
            "ae8b269d125a503855202687db5a7128579f343a73616c74343a73616c74333a736571693265333a73696736343abaebe7ea2f40"
            "79f204ece282ff241f9bb45f235fc7e2778468bd9b6fe0ad1e6ea1b157f062052e7e79bf1960a220984a36e32264af2f2f754b4c"
            "33660c808203353a746f6b656e383a20fbae06208e622d313a76363a74686569727365313a71333a707574313a74323a5668313a"
            "76343a4c540211313a79313a7165"
        ),
        "5668",
        PutItem(MutableItem.sign(OWNER, "theirs", seq=2, salt=b"salt"), bytes.fromhex("20fbae06208e622d")),
    ),
    (
        (
            "64313a6164323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a363a74617267657432303a000000000000000000"
            "000000000000000000000065313a7131373a73616d706c655f696e666f686173686573313a74323a8aee313a76343a4c54021131"
            "3a79313a7165"
        ),
        "8aee",
        SampleInfoHashes(Key(0, 160)),
    ),
]
ANSWERS: list[tuple[str, str, str | None, dict[str, Any]]] = [
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a6e6f64657330"
            "3a313a706933393832316565313a74343a9e85c1ac313a76343a4c540211313a79313a7265"
        ),
        "9e85c1ac",
        None,
        {},
    ),
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a6e6f64657332"
            "363a847e36bf884f38541b28d6dd1153caf7331e30bb7f0000019b8d313a7069333938323165333a736571693165353a746f6b65"
            "6e343aaaf5e19f65313a74343aa3b5b38b313a76343a4c540211313a79313a7265"
        ),
        "a3b5b38b",
        "aaf5e19f",
        {"item": StoredItem(seq=1)},
    ),
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a6e6f64657332"
            "363a847e36bf884f38541b28d6dd1153caf7331e30bb7f0000019b8d313a7069333938323165353a746f6b656e343aa516ff5e31"
            "3a76333a696d6d65313a74343a46a586ac313a76343a4c540211313a79313a7265"
        ),
        "46a586ac",
        "a516ff5e",
        {"item": StoredItem(b"3:imm")},
    ),
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a313a6b33323afec1"
            "428673f6afe89264b3807344ae8b269d125a503855202687db5a7128579f353a6e6f64657332363a847e36bf884f38541b28d6dd"
            "1153caf7331e30bb7f0000019b8d313a7069333938323165333a736571693165333a73696736343a0072cd9de8eea057b8c3f8b1"
            "992440d391629ae9968f5b5d50a03414ec96570040a7b215bd1b9c4b9b910af3a9f0c6ebce15d6d251c4b1c2f0bee81238801400"
            "353a746f6b656e343aaaf5e19f313a76323a686965313a74343acd15aaff313a76343a4c540211313a79313a7265"
        ),
        "cd15aaff",
        "aaf5e19f",
        {"item": StoredItem(b"2:hi", 1, OWNER.public_key, MutableItem.sign(OWNER, "hi", seq=1).signature)},
    ),
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a6e6f64657332"
            "363a847e36bf884f38541b28d6dd1153caf7331e30bb7f0000019b8d313a7069333938323165353a746f6b656e343af6aa1af036"
            "3a76616c7565736c363a7f0000011b596565313a74343aef806690313a76343a4c540211313a79313a7265"
        ),
        "ef806690",
        "f6aa1af0",
        {"peers": (Address("127.0.0.1", 7001),)},
    ),
    (
        (
            "64323a6970363a7f0000019b8d313a7264323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a383a696e74657276"
            "616c69323136303065353a6e6f64657332363a847e36bf884f38541b28d6dd1153caf7331e30bb7f0000019b8d333a6e756d6931"
            "65313a7069333938323165373a73616d706c657332303a6465666768696a6b6c6d6e6f707172737475767765313a74343abdebad"
            "e8313a76343a4c540211313a79313a7265"
        ),
        "bdebade8",
        None,
        {"sample": InfoHashSample((INFO_HASH,), 1, 21600)},
    ),
]
ERRORS = [
    (
        (
            "64313a656c693230336531333a696e76616c696420746f6b656e65323a6970363a7f0000019b8d313a7264323a696432303a8b92"
            "8dd5cf0f9c8683ed82b3142b1cae4150141a313a706933393832316565313a74343a1156f825313a76343a4c540211313a79313a"
            "6565"
        ),
        ErrorReply(bytes.fromhex("1156f825"), 203, "invalid token", VERSION),
    ),
    (
        (
            "64313a656c693330326531393a6f6c642073657175656e6365206e756d62657265323a6970363a7f0000019b8d313a7264323a69"
            "6432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a313a706933393832316565313a74343a350adedf313a76343a4c5402"
            "11313a79313a6565"
        ),
        ErrorReply(bytes.fromhex("350adedf"), 302, "old sequence number", VERSION),
    ),
]
SCRAPE_HEAD = bytes.fromhex("64323a6970363a7f0000019b8d313a7264")
SCRAPE_TAIL = bytes.fromhex(
    "323a696432303a8b928dd5cf0f9c8683ed82b3142b1cae4150141a353a6e6f64657332363a847e36bf884f38541b28d6dd1153caf7331e30"
    "bb7f0000019b8d313a7069333938323165353a746f6b656e343af6aa1af065313a74343ab90ffc00313a76343a4c540211313a79313a7265"
)


@pytest.mark.parametrize(("packet", "transaction_id", "request_"), QUERIES)
def test_queries_are_understood_and_written_alike(packet: str, transaction_id: str, request_: Request) -> None:
    query = Query(bytes.fromhex(transaction_id), SENDER, request_, version=VERSION)
    assert krpc.decode(bytes.fromhex(packet)) == query
    assert krpc.encode(query) == bytes.fromhex(packet)


@pytest.mark.parametrize(("packet", "transaction_id", "token", "rest"), ANSWERS)
def test_answers_are_understood(packet: str, transaction_id: str, token: str | None, rest: dict[str, Any]) -> None:
    """They also hold the port of the asker, `p`, which is told in `ip` already."""
    assert krpc.decode(bytes.fromhex(packet)) == Response(
        bytes.fromhex(transaction_id),
        SENDER,
        nodes=(NODE,) if rest else (),
        token=None if token is None else bytes.fromhex(token),
        external_address=ASKER,
        version=VERSION,
        **rest,
    )


@pytest.mark.parametrize(("packet", "error"), ERRORS)
def test_errors_are_understood(packet: str, error: ErrorReply) -> None:
    assert krpc.decode(bytes.fromhex(packet)) == error


def test_the_answer_to_a_scrape_is_understood() -> None:
    """One seed at 127.0.0.1, whose two bits libtorrent set in bytes 34 and 187."""
    seeds = bytes(34) + b"\x02" + bytes(152) + b"\x40" + bytes(68)
    packet = b"%s4:BFpe256:%s4:BFsd256:%s%s" % (SCRAPE_HEAD, bytes(256), seeds, SCRAPE_TAIL)
    answer = krpc.decode(packet)
    assert isinstance(answer, Response)
    assert answer.filters == SwarmFilters(BloomFilter(["127.0.0.1"]), BloomFilter())
    assert answer.nodes == (NODE,)
