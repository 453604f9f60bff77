"""Published KRPC packets.

Source: BEP 5 (https://www.bittorrent.org/beps/bep_0005.html), the "bencoded" lines of its DHT queries section. The two
node lists there are abbreviated to `def456...`, 9 bytes that are no whole contact. Others are named where they stand.
"""

from __future__ import annotations

import pytest

from kademlia_core import Contact, Key
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
    StoredItem,
)
from kademlia_core.mainline.sampling import InfoHashSample
from transfer.address import Address

LETTERS_FIRST = Key.from_bytes(b"abcdefghij0123456789")
MIDDLE = Key.from_bytes(b"mnopqrstuvwxyz123456")
ASKER = Key.from_hex("bd7b477cfbcd10f30b705da20201e7101d8df155")
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
# rqbit, crates/dht/resources/test_requests: a question and answers of nodes in the public network.
CAPTURED_QUERIES: list[tuple[str, Message]] = [
    (
        (
            "64313a6164323a696432303abd7b477cfbcd10f30b705da20201e7101d8df155363a74617267657432303abd7b477cfbcd10f30b"
            "705da20201e7101d8df15565313a71393a66696e645f6e6f6465313a74323a0005313a79313a7165"
        ),
        Query(b"\x00\x05", ASKER, FindNode(ASKER)),
    ),
    (
        (
            "64313a6164323a696432303abd7b477cfbcd10f30b705da20201e7101d8df155393a696e666f5f6861736832303acab507494d02"
            "ebb1178b38f2e9d7be299c86b86265313a71393a6765745f7065657273313a74323a0006313a79313a7165"
        ),
        Query(b"\x00\x06", ASKER, GetPeers(Key.from_hex("cab507494d02ebb1178b38f2e9d7be299c86b862"))),
    ),
]
EIGHT_TIMES_ONE_NODE = (
    "64313a7264323a696432303a3c00727348b3b8ed70baa1e1411b3869d8481321353a6e6f6465733230383a67a312defb7d429086"
    "bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086"
    "bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086"
    "bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086"
    "bfdcd5a209684ee13f59615cbe360bc8d567a312defb7d429086bfdcd5a209684ee13f59615cbe360bc8d565313a74323a000531"
    "3a76343a4a420000313a79313a7265"
)
SIXTEEN_NODES = (
    "64323a6970363a081ab440e935313a7264323a696432303a32f54e697351ff4aec29cdbaabf2fbe3467cc267353a6e6f64657334"
    "31363a26d4302a32aecf28f3fee9f6caf8867d762e28b963b5a531c4917373b33fb43c9d7c0d3daf45ee22ab947d4511c054364d"
    "4a904464878fc4a31e88b41d7ea953f7dc91d8017dafee5d0f8a4d2fa19fd3ec1c37c6807cad0a5601698909e7a487532fb94089"
    "28afaa7ca5e376bee87c4caafa88f2f9a9cc2ed992cd48be68771b48bb6efc225561c00dc3f40d04ab08d93c21a1b89097bd06fa"
    "4d1d122d6f1d86e041a5525a69b26d265d039cd52c8bebc923bf1bc3e9f71c7ed05e349d54465cca22233147f21d4c1cc531e461"
    "254249ea653909abe367bc25efab70bbe28cd38cbafc2e6db11df5d66bc20bc8a4c9490d84bf29f09ceb44c230dd2ced8b5cec47"
    "c71ae1ff66e9ed230e165873b0bef32163ad52c66edce28a7c9c8ae8647af27ba1eac73737ac167e21ed9116b1ef8104a7c28f89"
    "606be6f36d7584b791128793e8f8a0e6b48897a6463532547e400ef3a7067237d4d77bf40f1c09773ea85dd269adf35eeebca89b"
    "6993cdb116c0512abc2cbc74973d5e5f09940d0bbdf4e047ce15101ae13d794b1230188404a9fd2a5a10ccefb0622057bc6d7eea"
    "e5fb8565313a74323a0003313a79313a7265"
)

# anacrolix/dht, krpc/msg_test.go (BEP 44 and 51) and krpc/testdata/fuzz, all inputs that once broke its decoder.
ZEROS = b"2:id20:" + bytes(20)
MUTABLE_ANSWER = (
    b"d1:rd" + ZEROS + b"1:k32:" + b"k" * 32 + b"3:seqi0e3:sig64:" + b"s" * 64 + b"1:vl3:tee3:heeee1:t0:1:y1:re"
)
SAMPLE_ANSWER = b"d1:rd2:id20:hellohellohellohello8:intervali420e7:samples0:e1:t5:hello1:y1:re"
BROKEN = [
    b"d20000000100",
    b"d1:01000000001:",
    b"d1000000001:",
    b"d1:rd2:002\x80\x00000000000000000000001:01:00:0",
    b"de",
    b"d1:002:\x05\x0500\xfa20\x96000000000000000000001:01:01:01:",
    b"1111111111:",
    b"d2000000001,",
    b"d1:d2000000000:",
    b"d1:t1:t1:y1:re",
    b"10000000000000000000:",
    b"d1:rde1:t1:t1:y1:re",
    b"d1:ide1:t1:t1:y1:re",
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


@pytest.mark.parametrize(("packet", "message"), CAPTURED_QUERIES)
def test_captured_queries_are_understood_and_written_alike(packet: str, message: Message) -> None:
    assert krpc.decode(bytes.fromhex(packet)) == message
    assert krpc.encode(message) == bytes.fromhex(packet)


def test_captured_answers_are_understood_and_written_alike() -> None:
    repetitive = krpc.decode(bytes.fromhex(EIGHT_TIMES_ONE_NODE))
    assert isinstance(repetitive, Response)
    only = Contact(Key.from_hex("67a312defb7d429086bfdcd5a209684ee13f5961"), Address("92.190.54.11", 51413))
    assert repetitive.nodes == (only,) * 8
    assert repetitive.version == b"JB\x00\x00"
    assert krpc.encode(repetitive) == bytes.fromhex(EIGHT_TIMES_ONE_NODE)

    router = krpc.decode(bytes.fromhex(SIXTEEN_NODES))
    assert isinstance(router, Response)
    assert router.sender == Key.from_hex("32f54e697351ff4aec29cdbaabf2fbe3467cc267")
    assert router.external_address == Address("8.26.180.64", 59701)
    assert len({contact.key for contact in router.nodes}) == 16
    assert router.token is None
    assert krpc.encode(router) == bytes.fromhex(SIXTEEN_NODES)


def test_answers_of_bep44_and_bep51() -> None:
    answer = Response(b"", Key(0, 160), item=StoredItem(b"l3:tee3:heee", 0, b"k" * 32, b"s" * 64))
    assert krpc.decode(MUTABLE_ANSWER) == answer
    assert krpc.encode(answer) == MUTABLE_ANSWER

    sampled = krpc.decode(SAMPLE_ANSWER)
    assert isinstance(sampled, Response)
    assert sampled.sample == InfoHashSample((), 0, 420)


@pytest.mark.parametrize("packet", BROKEN)
def test_what_broke_another_decoder_is_refused(packet: bytes) -> None:
    with pytest.raises(krpc.KrpcError):
        krpc.decode(packet)
